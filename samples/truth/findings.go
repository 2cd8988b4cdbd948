package truth

import (
	"slices"

	"muster/fleet"
)

// Policy is how the findings of one expected policy did.
type Policy struct {
	Policy string
	// Found are findings at a true place, of at least AtLeast that are due.
	Found, AtLeast int
	// Reported is how often the findings say that it happened, and Times how
	// often it did. A store that holds older runs may report more.
	Reported, Times int
	// Astray are the traces of this run that findings point to although nothing
	// of the kind happened there.
	Astray []string
}

// judge sorts the findings: expected ones by policy, and those above low that
// nothing true stands behind.
func (s *scorer) judge() (policies []Policy, unexpected []fleet.Finding) {
	index := make(map[string]int, len(s.file.Expected))
	for i, e := range s.file.Expected {
		index[e.Policy] = i
		policies = append(policies, Policy{Policy: e.Policy, AtLeast: e.AtLeast, Times: e.Times})
	}
	for i := range s.findings {
		f := &s.findings[i]
		n, due := index[f.Policy]
		if !due || !s.atPlace(f, &s.file.Expected[n]) {
			if f.Severity.Rank() > fleet.Low.Rank() && !s.allowed(f) {
				unexpected = append(unexpected, *f)
			}
			continue
		}
		p := &policies[n]
		p.Found++
		p.Reported += times(f)
		p.Astray = append(p.Astray, s.astray(f, &s.file.Expected[n])...)
	}
	return policies, unexpected
}

// atPlace reports whether something true stands behind a finding. A finding
// that names a trace must name a true one; others are known by their resource
// or by their evidence.
func (s *scorer) atPlace(f *fleet.Finding, e *Expected) bool {
	if e.Anywhere {
		return true
	}
	if trace := TraceID(f.Trace); trace != "" && len(e.Traces) > 0 {
		return slices.Contains(e.Traces, trace) || slices.Contains(e.Journeys, s.journeys[trace])
	}
	if slices.Contains(e.Resources, f.Resource) {
		return true
	}
	return slices.ContainsFunc(f.Evidence, func(id string) bool {
		p, ok := s.seen[id]
		return ok && (slices.Contains(e.Traces, p.trace) || slices.Contains(e.Requests, p.request) ||
			slices.ContainsFunc(p.resources, func(r string) bool { return slices.Contains(e.Resources, r) }))
	})
}

// allowed reports whether a finding lies on traces where its policy may report
// something without a fault. Where it lies on others too it is judged by them.
func (s *scorer) allowed(f *fleet.Finding) bool {
	traces := s.file.Allowed[f.Policy]
	if len(traces) == 0 {
		return false
	}
	for _, id := range f.Evidence {
		if trace := s.seen[id].trace; trace != "" && !slices.Contains(traces, trace) {
			return false
		}
	}
	return slices.Contains(traces, TraceID(f.Trace))
}

// astray are the traces that a finding's evidence lies on and that show nothing
// of what it says. Traces that the truth does not know are another run's.
func (s *scorer) astray(f *fleet.Finding, e *Expected) []string {
	if len(e.Traces) == 0 {
		return nil
	}
	var out []string
	for _, id := range f.Evidence {
		trace := s.seen[id].trace
		journey, known := s.journeys[trace]
		if known && !slices.Contains(s.file.Allowed[f.Policy], trace) && !slices.Contains(e.Traces, trace) && !slices.Contains(e.Journeys, journey) {
			out = append(out, trace)
		}
	}
	return out
}

// times is how often a finding says that it happened; a finding without a
// count happened once.
func times(f *fleet.Finding) int { return max(1, f.Count) }

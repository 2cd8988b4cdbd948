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
	// Covered are the true traces that a finding points to, of Traces.
	Covered, Traces int
}

// judge sorts the findings: expected ones by policy, and those above low that
// nothing true stands behind.
func (s *scorer) judge() (policies []Policy, unexpected []fleet.Finding) {
	expected := make(map[string]*Expected, len(s.file.Expected))
	found := make(map[string]int)
	covered := make(map[string]map[string]struct{})
	for i, e := range s.file.Expected {
		expected[e.Policy] = &s.file.Expected[i]
		covered[e.Policy] = make(map[string]struct{})
	}
	for i := range s.findings {
		f := &s.findings[i]
		e := expected[f.Policy]
		if e == nil || !s.atPlace(f, e) {
			if f.Severity.Rank() > fleet.Low.Rank() {
				unexpected = append(unexpected, *f)
			}
			continue
		}
		found[e.Policy]++
		for _, t := range s.tracesOf(f) {
			if slices.Contains(e.Traces, t) {
				covered[e.Policy][t] = struct{}{}
			}
		}
	}
	for _, e := range s.file.Expected {
		policies = append(policies, Policy{
			Policy: e.Policy, Found: found[e.Policy], AtLeast: e.AtLeast,
			Covered: len(covered[e.Policy]), Traces: len(e.Traces),
		})
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

// tracesOf are the traces that a finding points to, by name or by evidence.
func (s *scorer) tracesOf(f *fleet.Finding) []string {
	out := []string{TraceID(f.Trace)}
	for _, id := range f.Evidence {
		out = append(out, s.seen[id].trace)
	}
	return out
}

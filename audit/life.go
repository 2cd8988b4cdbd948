package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// maxEvidence bounds the ids kept with a finding, the newest: enough to see
// what it is about, while the count tells how often it happened.
const maxEvidence = 20

// knownFindings are the findings of these policies that the store has, by
// fingerprint.
func knownFindings(ctx context.Context, ps []Policy, src Source) (map[string]fleet.Finding, error) {
	ours := make(map[string]bool, len(ps))
	for i := range ps {
		ours[ps[i].ID] = true
	}
	known := map[string]fleet.Finding{}
	for f, err := range src.Findings(ctx, fleet.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read the findings so far: %w", err)
		}
		if ours[f.Policy] {
			known[f.Fingerprint] = f
		}
	}
	return known, nil
}

// stands reports whether a finding of that status can be resolved. A waived one
// can, too: what was accepted is gone, and its waiver with it.
func stands(s fleet.Status) bool {
	return s == fleet.StatusNew || s == fleet.StatusOpen || s == fleet.StatusReopened || s == fleet.StatusWaived
}

// proof is one piece of evidence.
type proof struct {
	at time.Time
	id string
}

// sighting gathers what one run saw of a finding.
type sighting struct {
	finding fleet.Finding
	before  fleet.Finding // what the store has of it, if it is old
	old     bool
	count   int     // of the occurrences
	fresh   int     // of those beyond what was known: before its first and after its last
	cleared bool    // by a later word of who said so
	proofs  []proof // newest first, at most maxEvidence
}

// add counts one occurrence and its records, which are in order. The latest
// occurrence gives the message and the trace.
func (s *sighting) add(o occurrence, rs []*fleet.Record) {
	s.cleared = false
	first, last := rs[0].Time, rs[len(rs)-1].Time
	f := &s.finding
	if f.FirstSeen.IsZero() || first.Before(f.FirstSeen) {
		f.FirstSeen = first
	}
	if f.Message == "" || !last.Before(f.LastSeen) {
		f.LastSeen, f.Message, f.Trace = last, o.message, traceOf(rs)
	}
	s.count += max(o.count, 1)
	if last.Before(s.before.FirstSeen) || last.After(s.before.LastSeen) {
		s.fresh += max(o.count, 1)
	}
	for _, r := range rs {
		s.prove(proof{r.Time, r.ID})
	}
}

// prove takes a piece of evidence, if it is among the newest.
func (s *sighting) prove(p proof) {
	i, has := slices.BinarySearchFunc(s.proofs, p, proof.compare)
	if has || i >= maxEvidence {
		return
	}
	if len(s.proofs) == maxEvidence {
		s.proofs = s.proofs[:maxEvidence-1]
	}
	s.proofs = slices.Insert(s.proofs, i, p)
}

// compare puts the newest first, and then orders by id.
func (p proof) compare(q proof) int {
	if c := q.at.Compare(p.at); c != 0 {
		return c
	}
	return strings.Compare(p.id, q.id)
}

// traceOf is the trace of the earliest record that has one: in a journey, the
// trace in which it began.
func traceOf(rs []*fleet.Record) string {
	for _, r := range rs {
		if r.Keys.Trace != "" {
			return r.Keys.Trace
		}
	}
	return ""
}

// after is the finding as it stands after this run, given what was known of it.
func (s *sighting) after(w fleet.Window) fleet.Finding {
	f, before := s.finding, &s.before
	f.Count = s.count
	for _, p := range s.proofs {
		f.Evidence = append(f.Evidence, p.id)
	}
	f.Status = fleet.StatusNew
	if !s.old {
		return f
	}
	switch before.Status {
	case fleet.StatusResolved:
		f.Status = fleet.StatusReopened
	case fleet.StatusWaived:
		f.Status = fleet.StatusWaived
	default:
		f.Status = fleet.StatusOpen
	}
	if covers(w, *before) {
		return f // all of it was judged again
	}
	return s.merge(f, before)
}

// merge adds what is known from other windows. Occurrences between the first
// and the last that were known count as known, so that overlapping windows do
// not count twice.
func (s *sighting) merge(f fleet.Finding, before *fleet.Finding) fleet.Finding {
	f.Count = before.Count + s.fresh
	newer, older := f.Evidence, before.Evidence
	if before.LastSeen.After(f.LastSeen) {
		f.LastSeen, f.Message, f.Trace = before.LastSeen, before.Message, before.Trace
		newer, older = older, newer
	}
	if before.FirstSeen.Before(f.FirstSeen) {
		f.FirstSeen = before.FirstSeen
	}
	f.Evidence = slices.Clone(newer)
	for _, id := range older {
		if !slices.Contains(f.Evidence, id) && len(f.Evidence) < maxEvidence {
			f.Evidence = append(f.Evidence, id)
		}
	}
	return f
}

// covers reports whether a window holds everything that was seen of a finding.
func covers(w fleet.Window, f fleet.Finding) bool {
	return w.Contains(f.FirstSeen) && w.Contains(f.LastSeen)
}

// clear notes that a finding was taken back by who said so: what the rule said
// before that time is over.
func (j *judgement) clear(fingerprint string, at time.Time) {
	if s := j.seen[fingerprint]; s != nil {
		s.cleared = s.finding.LastSeen.Before(at)
	} else if f, known := j.open[fingerprint]; known && f.LastSeen.Before(at) {
		j.cleared[fingerprint] = true
	}
}

// resolved are the findings that stood and were taken back, or were judged again in full, down to
// each piece of their evidence, without being seen. Evidence that the store no
// longer has was not judged again, so its finding stands.
func (j *judgement) resolved(w fleet.Window) []fleet.Finding {
	var out []fleet.Finding
	for fingerprint, f := range j.open {
		if j.seen[fingerprint] != nil {
			continue
		}
		if j.cleared[fingerprint] || j.unseen[fingerprint] == 0 && len(f.Evidence) > 0 && covers(w, f) {
			f.Status = fleet.StatusResolved
			out = append(out, f)
		}
	}
	return out
}

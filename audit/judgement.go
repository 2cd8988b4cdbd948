package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// maxFailures stops a policy whose evaluation fails this often: it is wrong, or
// too costly, and going on would only burn time.
const maxFailures = 100

// judgement is one policy in one run: what it saw, and what it could not judge.
type judgement struct {
	policy *Policy
	cover  *coverage
	seen   map[string]*sighting // by fingerprint
	spots  map[spot]*sighting   // the same, those of single places
	known  map[string]fleet.Finding

	waiting  int
	failures int
	failure  string // the first
	unproven int    // subjects whose sources were not read completely
	missing  string // the first reason why
	cut      int    // stories too large to be held whole
	odd      int    // events whose evidence cannot be read
	oddFirst string // the first, and why

	// open are the findings of this policy that stand, and evidence says for
	// each id of theirs which findings it belongs to. unseen counts the evidence
	// that was not judged again.
	open     map[string]fleet.Finding
	evidence map[string][]string
	unseen   map[string]int
	cleared  map[string]bool // those that were taken back and not seen again, by fingerprint
	met      []string        // evidence that was met, and waits for the fleet to be judged
}

func newJudgement(p *Policy, c *coverage, known map[string]fleet.Finding) *judgement {
	j := &judgement{
		policy: p, cover: c, seen: map[string]*sighting{}, spots: map[spot]*sighting{}, known: known,
		cleared: map[string]bool{}, open: map[string]fleet.Finding{}, evidence: map[string][]string{}, unseen: map[string]int{},
	}
	for fingerprint, f := range known {
		if f.Policy != p.ID || !stands(f.Status) {
			continue
		}
		j.open[fingerprint] = f
		for _, id := range f.Evidence {
			j.evidence[id] = append(j.evidence[id], fingerprint)
		}
		j.unseen[fingerprint] = len(f.Evidence)
	}
	return j
}

// patience is how long a policy waits for things to be put right.
func (p *Policy) patience() time.Duration {
	if len(p.Absence) == 0 {
		return 0
	}
	return p.Wait
}

// record judges one record of its own.
func (j *judgement) record(rec *fleet.Record, v *record) {
	found, judged := j.judge(rec.Time, rec.Time, v)
	if !judged {
		return
	}
	j.again(rec.ID)
	for _, o := range found {
		if o.resource == "" {
			o.resource = firstResource(rec)
		}
		j.local(o, rec).add(o, []*fleet.Record{rec})
	}
}

// group is what a log line belongs to by the policy's own word; "" for nothing.
// Lines are what an application says; all else has keys of its own.
func (j *judgement) group(rec *fleet.Record) string {
	if rec.Kind != fleet.KindLog || j.failures >= maxFailures {
		return ""
	}
	v, err := j.policy.by.eval(map[string]any{recordVariable: view(rec)})
	if err != nil {
		j.fail(fmt.Errorf("by: %w", err))
		return ""
	}
	s, _ := v.Value().(string) // compiled as a text
	return s
}

// story judges one trace or journey.
func (j *judgement) story(g *group, s *story) {
	if g.cut && len(j.policy.Absence) > 0 {
		j.cut++
		return
	}
	found, judged := j.judge(g.records[0].Time, g.newest, s)
	if !judged {
		return
	}
	for _, rec := range g.records {
		j.again(rec.ID)
	}
	for _, o := range found {
		rs := g.named(o.evidence)
		if len(rs) == 0 {
			j.fail(fmt.Errorf("evidence: %q is no record of %s", o.evidence[0], g.id))
			continue
		}
		if o.resource == "" {
			o.resource = firstResource(rs[0])
		}
		j.sighting(o, g.account()).add(o, rs)
	}
}

// meet notes that a record was read which a finding on the fleet may lie on.
func (j *judgement) meet(id string) {
	if len(j.evidence[id]) > 0 {
		j.met = append(j.met, id)
	}
}

// surveyed judges the whole fleet by the policies on it.
func (r *run) surveyed() {
	f := r.survey.result()
	for _, j := range r.surveyors {
		j.fleet(r.survey, f)
	}
}

// fleet judges the whole fleet. What is missing is asked for from the first to
// the last piece of evidence: a fleet is never silent, so that nothing would
// ever be judged if all of it had to be.
func (j *judgement) fleet(s *survey, f *fleetView) {
	if len(j.policy.Absence) > 0 && s.cut {
		j.cut++
		return
	}
	found, err := j.policy.occurrences(f)
	if err != nil {
		j.fail(err)
		return
	}
	whole := true
	for _, o := range found {
		var rs []*fleet.Record
		for _, id := range o.evidence {
			if rec := s.samples[id]; rec != nil {
				rs = append(rs, rec)
			}
		}
		if len(rs) == 0 {
			j.fail(fmt.Errorf("evidence: %q is no record that the fleet names", o.evidence[0]))
			continue
		}
		rs = sorted(rs)
		if len(j.policy.Absence) > 0 && !j.proven(rs[0].Time, rs[len(rs)-1].End().Add(j.policy.Wait+time.Microsecond)) {
			whole = false
			continue
		}
		j.sighting(o, rs[0].Account).add(o, rs)
	}
	if whole {
		for _, id := range j.met {
			j.again(id)
		}
	}
}

// sorted are records in the order of fleet.Compare.
func sorted(rs []*fleet.Record) []*fleet.Record {
	slices.SortFunc(rs, fleet.Compare)
	return rs
}

// judge holds a subject against the policy, if it can be judged now.
func (j *judgement) judge(oldest, newest time.Time, subject any) ([]occurrence, bool) {
	if j.failures >= maxFailures {
		return nil, false
	}
	found, err := j.policy.occurrences(subject)
	if err != nil {
		j.fail(err)
		return nil, false
	}
	if len(j.policy.Absence) == 0 || len(found) == 0 {
		return found, true
	}
	if !j.proven(oldest, newest.Add(j.policy.Wait+time.Microsecond)) {
		return nil, false
	}
	return found, true
}

// proven says whether the silence of the sources of a policy of absence can be
// believed from one time to another, and counts where it cannot: what is missing
// may still come, or may have been there and not been read.
func (j *judgement) proven(from, to time.Time) bool {
	late, missing := j.cover.of(j.policy.Absence, from, to)
	if missing == "" && j.policy.On.joined() {
		missing = j.cover.joined(from, to)
	}
	switch {
	case missing != "":
		if j.unproven++; j.missing == "" {
			j.missing = missing
		}
	case late:
		j.waiting++
	}
	return missing == "" && !late
}

func (j *judgement) fail(err error) {
	if j.failures++; j.failure == "" {
		j.failure = err.Error()
	}
}

// unreadable notes an event whose evidence is no JSON.
func (j *judgement) unreadable(rec *fleet.Record, err error) {
	if j.odd++; j.odd == 1 {
		j.oddFirst = fmt.Sprintf("%s: %v", rec.ID, err)
	}
}

// again notes that a record was judged once more.
func (j *judgement) again(id string) {
	if len(j.evidence) == 0 {
		return
	}
	for _, fingerprint := range j.evidence[id] {
		j.unseen[fingerprint]--
	}
	delete(j.evidence, id)
}

// notJudged says why the policy's word is not the last one; "" when it is.
func (j *judgement) notJudged() string {
	switch {
	case j.policy.Unjudged() != "":
		return j.policy.Unjudged()
	case j.odd > 0:
		return fmt.Sprintf("%d events whose evidence cannot be read, the first: %s", j.odd, j.oddFirst)
	case j.failures >= maxFailures:
		return fmt.Sprintf("stopped after %d failures, the first: %s", j.failures, j.failure)
	case j.failures > 0:
		return fmt.Sprintf("%d could not be evaluated, the first: %s", j.failures, j.failure)
	case j.unproven > 0:
		return fmt.Sprintf("%d over sources that were not read completely, the first: %s", j.unproven, j.missing)
	case j.cut > 0:
		return fmt.Sprintf("%d with more than %d records", j.cut, maxStory)
	}
	return ""
}

// spot is all that a fingerprint is made of beside the policy, so that what is
// seen over and over is hashed once.
type spot struct{ account, region, resource, service, key string }

// local is what this run saw of a finding in one account and region.
func (j *judgement) local(o occurrence, rec *fleet.Record) *sighting {
	at := spot{rec.Account, rec.Region, o.resource, o.service, o.key}
	s := j.spots[at]
	if s == nil {
		// What lies in a record's evidence would keep all of that in memory.
		for _, text := range []*string{&o.resource, &o.service, &o.key} {
			*text = strings.Clone(*text)
		}
		s = j.sighting(o, rec.Account+"\x00"+rec.Region)
		j.spots[spot{strings.Clone(rec.Account), strings.Clone(rec.Region), o.resource, o.service, o.key}] = s
	}
	return s
}

// sighting is what this run saw of a finding, by its scope.
func (j *judgement) sighting(o occurrence, place string) *sighting {
	p := j.policy
	fingerprint := fingerprintOf(p.ID, place, o.resource, o.service, o.key)
	s := j.seen[fingerprint]
	if s == nil {
		s = &sighting{finding: fleet.Finding{
			Fingerprint: fingerprint, Policy: p.ID, Title: p.Title, Severity: p.Severity,
			Remedy: p.Remedy, Resource: o.resource, Service: o.service,
		}}
		s.before, s.old = j.known[fingerprint]
		j.seen[fingerprint] = s
	}
	return s
}

// fingerprintOf names a finding by what it is about, so that the same thing
// seen again is the same finding: half of a SHA-256, in hex.
func fingerprintOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0}) // so that parts cannot run into each other
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// firstResource is the canonical name of what a record touched, "" for none.
func firstResource(r *fleet.Record) string {
	for _, name := range r.Resources {
		if strings.HasPrefix(name, "AWS::") { // as CanonicalResources has it
			return name
		}
	}
	return ""
}

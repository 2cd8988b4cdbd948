package audit

import (
	"cmp"
	"time"

	"muster/fleet"
)

// verdict is what a rule of AWS Config says of a resource. The other two are
// empty records where nothing is known.
type verdict struct {
	record, call, change *record
}

// verdictWait is how long a verdict waits for the change that it is about. Both
// are of one moment, and Config writes the change's capture time a little after.
const verdictWait = time.Minute

// causeReach is how long the calls and changes before a verdict are kept: the
// rung touch looks back 15 minutes from a change, which is judged minutes later.
const causeReach = 30 * time.Minute

// verdicts puts the verdicts of AWS Config together with what led to them.
// Records come in the order of time.
type verdicts struct {
	judges  []*judgement
	window  fleet.Window
	calls   map[string]*fleet.Record // writes, by request id
	changes map[string]*fleet.Record // the latest, by canonical resource
	recent  []*fleet.Record          // those of both maps, in order
	waiting []*fleet.Record
}

func newVerdicts(js []*judgement, w fleet.Window) *verdicts {
	return &verdicts{judges: js, window: w, calls: map[string]*fleet.Record{}, changes: map[string]*fleet.Record{}}
}

func (x *verdicts) take(r *fleet.Record) {
	x.release(r.Time.Add(-verdictWait))
	x.forget(r.Time.Add(-causeReach))
	switch {
	case r.Kind == fleet.KindVerdict:
		if x.window.Contains(r.Time) {
			x.waiting = append(x.waiting, r)
		}
	case r.Write() && r.Keys.Request != "":
		x.calls[r.Keys.Request] = r
		x.recent = append(x.recent, r)
	case r.Kind == fleet.KindChange:
		for _, name := range r.CanonicalResources() {
			x.changes[name] = r
		}
		x.recent = append(x.recent, r)
	}
}

// forget drops what is older than a time.
func (x *verdicts) forget(before time.Time) {
	n := 0
	for ; n < len(x.recent) && x.recent[n].Time.Before(before); n++ {
		old := x.recent[n]
		if x.calls[old.Keys.Request] == old {
			delete(x.calls, old.Keys.Request)
		}
		for _, name := range old.CanonicalResources() {
			if x.changes[name] == old {
				delete(x.changes, name)
			}
		}
	}
	x.recent = x.recent[n:]
}

// release judges the verdicts up to a time.
func (x *verdicts) release(until time.Time) {
	n := 0
	for ; n < len(x.waiting) && !x.waiting[n].Time.After(until); n++ {
		x.judge(x.waiting[n])
	}
	x.waiting = x.waiting[n:]
}

// close judges those that wait.
func (x *verdicts) close() {
	for _, r := range x.waiting {
		x.judge(r)
	}
	x.waiting = nil
}

func (x *verdicts) judge(r *fleet.Record) {
	evidence := []*fleet.Record{r}
	v := &verdict{record: view(r), call: &record{src: &fleet.Record{}}, change: &record{src: &fleet.Record{}}}
	for _, name := range r.CanonicalResources() {
		if c := x.changes[name]; c != nil && v.change.ID == "" {
			v.change = view(c)
			evidence = append(evidence, c)
		}
	}
	if c := x.calls[cmp.Or(r.Keys.Request, v.change.RequestID)]; c != nil {
		v.call = view(c)
		evidence = append(evidence, c)
	}
	for _, j := range x.judges {
		j.verdict(r, v, evidence)
	}
}

// verdict judges one verdict.
func (j *judgement) verdict(r *fleet.Record, v *verdict, evidence []*fleet.Record) {
	found, judged := j.judge(r.Time, r.Time, v)
	if !judged {
		return
	}
	j.again(r.ID)
	for _, e := range evidence {
		j.again(e.ID)
	}
	for _, o := range found {
		if o.resource == "" {
			o.resource = firstResource(r)
		}
		j.local(o, r).add(o, sorted(evidence))
	}
	if len(found) == 0 && r.Error == "" {
		j.complies(r, v)
	}
}

// complies takes back what a rule said before, now that it says nothing against
// the resource: the finding that the same words would have made then.
func (j *judgement) complies(r *fleet.Record, v *verdict) {
	o, err := j.policy.about(v)
	if err != nil {
		return // the policy says nothing of a resource that complies
	}
	if o.resource == "" {
		o.resource = firstResource(r)
	}
	j.clear(fingerprintOf(j.policy.ID, r.Account+"\x00"+r.Region, o.resource, o.service, o.key), r.Time)
}

package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/audit/sigma"
	"muster/fleet"
	"muster/internal/document"
)

// watch holds the events of CloudTrail against all policies that are not written
// in CEL: each event is read once, and the index finds the conditions that can
// be true of it.
type watch struct {
	window  fleet.Window
	judges  []*judgement // all of them
	set     *document.Set
	targets [][]target // by condition: who is told
	tallies []*tally   // a tally stands behind those that it looks at
	reach   time.Duration
}

// target is told of a match: a policy, or a part of a correlation.
type target struct {
	judge *judgement
	tally *tally
	part  int
}

// tally is a correlation under way, and who is told of its matches.
type tally struct {
	*sigma.Tally
	targets []target
}

func newWatch(js []*judgement, w fleet.Window) *watch {
	x := &watch{window: w, judges: js}
	var conditions []document.Condition
	known := map[*sigma.Rule]int{} // the condition of a rule, or the tally
	var add func(r *sigma.Rule, t target) time.Duration
	correlate := func(c *sigma.Correlation, t target) (*tally, time.Duration) {
		made := &tally{Tally: sigma.NewTally(c), targets: []target{t}}
		reach := time.Duration(0)
		for part, r := range c.Parts() {
			reach = max(reach, add(r, target{tally: made, part: part}))
		}
		x.tallies = append(x.tallies, made)
		return made, reach + c.Timespan
	}
	add = func(r *sigma.Rule, t target) time.Duration {
		if r.Correlation != nil {
			_, reach := correlate(r.Correlation, t)
			return reach
		}
		i, ok := known[r]
		if !ok {
			i = len(conditions)
			known[r] = i
			conditions = append(conditions, r.Condition)
			x.targets = append(x.targets, nil)
		}
		x.targets[i] = append(x.targets[i], t)
		return 0
	}
	for _, j := range js {
		switch d := j.policy.detects; {
		case d.unjudged != "":
		case d.correlation != nil:
			_, reach := correlate(d.correlation, target{judge: j})
			x.reach = max(x.reach, reach)
		default:
			conditions = append(conditions, d.condition)
			x.targets = append(x.targets, []target{{judge: j}})
		}
	}
	x.set = document.NewSet("eventSource", "eventName", conditions)
	return x
}

// take judges the next event. Those before the window are only counted by
// correlations.
func (x *watch) take(rec *fleet.Record, v *record) {
	within := x.window.Contains(rec.Time)
	if !within && len(x.tallies) == 0 {
		return
	}
	doc, err := v.document()
	if err != nil {
		for _, j := range x.judges {
			j.unreadable(rec, err)
		}
		return
	}
	if within {
		for _, j := range x.judges {
			if len(j.evidence) > 0 {
				j.again(rec.ID)
			}
		}
	}
	var kept *fleet.Record
	x.set.Match(doc, func(condition int) {
		if kept == nil {
			kept = light(rec)
		}
		m := sigma.Event(kept, doc)
		for _, t := range x.targets[condition] {
			x.tell(t, m)
		}
	})
}

// light is a record without its evidence, which a correlation may hold for days.
func light(rec *fleet.Record) *fleet.Record {
	r := *rec
	r.Raw = nil
	return &r
}

func (x *watch) tell(t target, m sigma.Match) {
	if t.judge != nil {
		if x.window.Contains(m.At) {
			t.judge.detected(m)
		}
		return
	}
	for _, found := range t.tally.Add(t.part, m) {
		for _, next := range t.tally.targets {
			x.tell(next, found)
		}
	}
}

// close says that everything before that time has come.
func (x *watch) close(at time.Time) {
	for _, y := range x.tallies { // those that others look at come first
		for _, found := range y.Close(at) {
			for _, next := range y.targets {
				x.tell(next, found)
			}
		}
	}
}

// detected notes what a detection found.
func (j *judgement) detected(m sigma.Match) {
	first := m.Records[0]
	o := occurrence{resource: firstResource(first)}
	for _, r := range m.Records {
		if firstResource(r) != o.resource {
			o.resource = "" // of several
		}
	}
	if c := j.policy.detects.correlation; c != nil {
		if len(j.policy.Absence) > 0 && !j.proven(first.Time, first.Time.Add(c.Timespan+time.Microsecond)) {
			return
		}
		o.key = strings.Join(m.Group, "\x00")
		o.message = shorten(j.policy.Title + ": " + correlated(c, m))
	} else {
		o.message = shorten(j.policy.Title + ": " + called(first))
		if o.resource == "" {
			o.key = first.Principal
		}
	}
	j.local(o, first).add(o, m.Records)
}

// called is one event in words.
func called(r *fleet.Record) string {
	who := cmp.Or(r.Principal, r.Attributes.Get(fleet.AttrSourceIP), "somebody")
	s := who + " called " + cmp.Or(r.Name, r.Attributes.Get(fleet.AttrEventName), "an API")
	if name := firstResource(r); name != "" {
		s += " on " + name
	}
	if r.Error != "" {
		s += ", which failed with " + r.Error
	}
	return s
}

// correlated is the events of a correlation in words.
func correlated(c *sigma.Correlation, m sigma.Match) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d events within %s", len(m.Records), c.Timespan)
	for i, field := range c.GroupBy {
		fmt.Fprintf(&s, ", %s %s", field, m.Group[i])
	}
	var names []string
	for _, r := range m.Records {
		if name := cmp.Or(r.Attributes.Get(fleet.AttrEventName), r.Name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		s.WriteString(": " + strings.Join(names, ", "))
	}
	return s.String()
}

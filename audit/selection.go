package audit

import "muster/fleet"

// selection narrows a policy to some events, so that its condition runs on
// candidates only. An empty list takes every value.
type selection struct {
	sources, names []string
}

// index finds the policies that a record is a candidate for without asking
// each: by its kind, then by the name of its event, then by the source.
type index map[fleet.Kind]*candidates

// candidates are the policies on one kind of record.
type candidates struct {
	any     []*judgement            // of every source and name
	sources map[string][]*judgement // of these sources, and every name
	names   map[string][]candidate
}

// candidate is a policy on the events of a name, and of a source; "" for any.
type candidate struct {
	source string
	judge  *judgement
}

func (x index) add(j *judgement) {
	kind, s := fleet.Kind(j.policy.On), j.policy.selects
	c := x[kind]
	if c == nil {
		c = &candidates{sources: map[string][]*judgement{}, names: map[string][]candidate{}}
		x[kind] = c
	}
	if len(s.sources)+len(s.names) == 0 {
		c.any = append(c.any, j)
		return
	}
	for _, source := range orAny(s.sources) {
		if len(s.names) == 0 {
			c.sources[source] = append(c.sources[source], j)
		}
		for _, name := range s.names {
			c.names[name] = append(c.names[name], candidate{source, j})
		}
	}
}

// each calls do for every policy that the record is a candidate for.
func (x index) each(r *fleet.Record, do func(*judgement)) {
	c := x[r.Kind]
	if c == nil {
		return
	}
	for _, j := range c.any {
		do(j)
	}
	if len(c.sources) > 0 {
		for _, j := range c.sources[r.Attributes.Get(fleet.AttrEventSource)] {
			do(j)
		}
	}
	if len(c.names) == 0 {
		return
	}
	if named := c.names[r.Attributes.Get(fleet.AttrEventName)]; len(named) > 0 {
		source := r.Attributes.Get(fleet.AttrEventSource)
		for _, n := range named {
			if n.source == "" || n.source == source {
				do(n.judge)
			}
		}
	}
}

func orAny(ss []string) []string {
	if len(ss) == 0 {
		return []string{""}
	}
	return ss
}

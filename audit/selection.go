package audit

import "muster/fleet"

// selection narrows a policy to some events, so that its condition runs on
// candidates only. An empty list takes every value.
type selection struct {
	sources, names []string
}

// index finds the policies that a record is a candidate for without asking
// each. Its keys are kind, event source and event name, "" for any.
type index map[[3]string][]*judgement

func (x index) add(j *judgement) {
	for _, source := range orAny(j.policy.selects.sources) {
		for _, name := range orAny(j.policy.selects.names) {
			key := [3]string{string(j.policy.On), source, name}
			x[key] = append(x[key], j)
		}
	}
}

// each calls do for every policy that the record is a candidate for.
func (x index) each(r *fleet.Record, do func(*judgement)) {
	for _, source := range withAny(r.Attributes[fleet.AttrEventSource]) {
		for _, name := range withAny(r.Attributes[fleet.AttrEventName]) {
			for _, j := range x[[3]string{string(r.Kind), source, name}] {
				do(j)
			}
		}
	}
}

// withAny are the keys under which a value is looked up.
func withAny(s string) []string {
	if s == "" {
		return []string{""}
	}
	return []string{s, ""}
}

func orAny(ss []string) []string {
	if len(ss) == 0 {
		return []string{""}
	}
	return ss
}

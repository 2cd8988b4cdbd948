package truth

import (
	"cmp"
	"slices"
	"time"
)

// The kinds of labels.
const (
	LabelFault    = "fault"
	LabelIncident = "incident"
	LabelNoise    = "noise"
)

// Label says that a fault or an incident has happened once, and by which ids
// it is found in the evidence. All ids of a label are in the evidence of the
// run. Two runs of one seed have the same labels but for their ids.
type Label struct {
	Kind string `json:"kind"` // "fault", "incident", "noise"
	Name string `json:"name"`
	// Subject is what it happened to: an order, a service, a principal.
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	// Until is when an episode of many occurrences ended; zero for one occurrence.
	Until time.Time `json:"until,omitzero"`
	// Services are where it lies.
	Services []string `json:"services"`
	Traces   []string `json:"traces"`
	Journeys []string `json:"journeys"`
	// Requests are request ids of AWS calls.
	Requests  []string `json:"requests"`
	Messages  []string `json:"messages"`
	Resources []string `json:"resources"` // canonical
}

// Label notes an occurrence of a fault or an incident.
func (r *Recorder) Label(l Label) {
	r.do(func() {
		if l.Time.IsZero() {
			l.Time = r.now().UTC()
		}
		r.labels = append(r.labels, l)
	})
}

// sortedLabels are the labels in an order that does not depend on timing, with
// lists that are never nil.
func sortedLabels(all []Label) []Label {
	out := list(all)
	for i := range out {
		l := &out[i]
		l.Services, l.Traces, l.Journeys = known(l.Services), known(l.Traces), known(l.Journeys)
		l.Requests, l.Messages, l.Resources = known(l.Requests), known(l.Messages), known(l.Resources)
	}
	slices.SortFunc(out, func(a, b Label) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subject, b.Subject), a.Time.Compare(b.Time))
	})
	return out
}

// known is a list without what is empty.
func known(ids []string) []string {
	return slices.DeleteFunc(list(ids), func(id string) bool { return id == "" })
}

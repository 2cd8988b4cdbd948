package samples

import (
	"muster/samples/faults"
	"muster/samples/truth"
)

// faulty labels a fault that no service notes itself, and expects the findings
// of its policies.
func (f *Fleet) faulty(l truth.Label) {
	l.Kind = truth.LabelFault
	f.o.Truth.Label(l)
	for _, p := range faults.Of(faults.Fault(l.Name)).Policies {
		place := truth.Expected{Traces: l.Traces, Requests: l.Requests, Anywhere: len(l.Traces)+len(l.Requests) == 0}
		if p.Journey {
			place.Journeys = l.Journeys
		}
		f.o.Truth.Expect(p.ID, place)
	}
}

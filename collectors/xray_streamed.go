package collectors

import "muster/fleet"

// placeStreamed gives subsegments that were sent alone the service of the
// segment they belong to, if it is among the spans, and says whose is not.
func placeStreamed(spans []fleet.Record) (orphans []*fleet.Record) {
	first := 0
	for first < len(spans) && spans[first].Service != "" {
		first++
	}
	if first == len(spans) {
		return nil
	}
	services := make(map[string]*fleet.Record, len(spans))
	for i := range spans {
		services[spans[i].ID] = &spans[i]
	}
	for i := range spans {
		r := &spans[i]
		if r.Attributes.Get(fleet.AttrUnreadable) != "" || r.Service != "" {
			continue
		}
		r.Service = serviceAbove(services, r)
		if r.Service == "" {
			orphans = append(orphans, r)
		}
	}
	return orphans
}

// serviceAbove climbs from a span to the first one that knows its service.
func serviceAbove(spans map[string]*fleet.Record, r *fleet.Record) string {
	for range maxNesting {
		above, ok := spans[fleet.SpanID(r.Seen.Trace, r.Seen.Parent)]
		if !ok {
			return ""
		}
		if above.Service != "" {
			return above.Service
		}
		r = above
	}
	return ""
}

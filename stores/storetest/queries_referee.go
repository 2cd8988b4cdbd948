package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// find is what Records must yield.
func (w *fleetOfTests) find(q fleet.Query) []fleet.Record {
	met := map[string]bool{} // whether a trace meets the filter
	var out []fleet.Record
	for _, r := range w.records {
		if !meets(&r, &q) {
			continue
		}
		if q.Filter != nil {
			ok, known := met[r.Keys.Trace]
			if !known {
				ok = r.Keys.Trace != "" && fleet.MatchTrace(q.Filter, w.around(r.Keys.Trace, q.Window))
				met[r.Keys.Trace] = ok
			}
			if !ok {
				continue
			}
		}
		out = append(out, r)
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[len(out)-q.Limit:]
	}
	return out
}

// around are the records of a trace within a day of a window.
func (w *fleetOfTests) around(trace string, window fleet.Window) []fleet.Record {
	const day = 24 * time.Hour
	if !window.Start.IsZero() {
		window.Start = window.Start.Add(-day).Truncate(day)
	}
	if !window.End.IsZero() {
		window.End = window.End.Add(2*day - 1).Truncate(day)
	}
	return slices.DeleteFunc(slices.Clone(w.byTrace[trace]), func(r fleet.Record) bool { return !window.Contains(r.Time) })
}

// meets judges everything that a query asks of one record.
func meets(r *fleet.Record, q *fleet.Query) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	hasText := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(q.Text)) }
	principal := r.Principal == q.Principal || !strings.HasPrefix(q.Principal, "arn:") && strings.Contains(r.Principal, q.Principal)
	return q.Window.Contains(r.Time) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Kind)) && (len(q.IDs) == 0 || slices.Contains(q.IDs, r.ID)) &&
		is(q.Service, r.Service) && is(q.Trace, r.Keys.Trace) && is(q.Correlation, r.Keys.Correlation) && is(q.Request, r.Keys.Request) &&
		principal && (q.Resource == "" || slices.Contains(r.Resources, q.Resource)) && (!q.Errors || r.Error != "") &&
		(q.Text == "" || slices.ContainsFunc([]string{r.Name, r.Message, r.Error, string(r.Raw)}, hasText))
}

// summaries are what Traces must yield.
func (w *fleetOfTests) summaries(q fleet.Query) []fleet.Summary {
	hits := q
	hits.Limit = 0
	var out []fleet.Summary
	seen := map[string]bool{"": true}
	for _, r := range w.find(hits) {
		if trace := r.Keys.Trace; !seen[trace] {
			seen[trace] = true
			out = append(out, summary(trace, w.around(trace, q.Window)))
		}
	}
	slices.SortFunc(out, func(a, b fleet.Summary) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Trace, b.Trace))
	})
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out
}

// summary sums up records in the order of fleet.Compare.
func summary(trace string, rs []fleet.Record) fleet.Summary {
	s := fleet.Summary{Trace: trace}
	var root *fleet.Record
	var spans []fleet.Record
	for i := range rs {
		r := &rs[i]
		s.Correlation = cmp.Or(s.Correlation, r.Keys.Correlation)
		s.Error = cmp.Or(s.Error, r.Error)
		if r.Error != "" {
			s.Errors++
		}
		if r.Service != "" && !slices.Contains(s.Services, r.Service) {
			s.Services = append(s.Services, r.Service)
		}
		counts := map[fleet.Kind]*int{fleet.KindSpan: &s.Spans, fleet.KindLog: &s.Logs, fleet.KindAPICall: &s.APICalls, fleet.KindChange: &s.Changes}
		*counts[r.Kind]++
		if r.Kind == fleet.KindSpan {
			spans = append(spans, *r)
			if root == nil && r.Seen.Parent == "" {
				root = r
			}
		}
	}
	if root == nil {
		root = &fleet.Record{Service: rs[0].Service, Name: rs[0].Name}
	}
	s.Service, s.Name, s.Error = root.Service, root.Name, cmp.Or(root.Error, s.Error)
	slices.Sort(s.Services)
	if len(spans) == 0 {
		spans = rs
	}
	end := spans[0].End()
	for i := range spans {
		if e := spans[i].End(); e.After(end) {
			end = e
		}
	}
	s.Start, s.Duration = spans[0].Time, end.Sub(spans[0].Time)
	return s
}

// dossier is what Trace must open, but for findings.
func (w *fleetOfTests) dossier(id string) (fleet.Trace, bool) {
	trace, isTrace := fleet.ParseTraceID(id)
	if isTrace && len(w.byTrace[trace]) > 0 {
		return w.opened(trace, fleet.Query{Trace: trace}), true
	}
	shows := []func(*fleet.Record) bool{
		func(r *fleet.Record) bool { return r.ID == id },
		func(r *fleet.Record) bool { return r.Keys.Correlation == id },
		func(r *fleet.Record) bool { return r.Keys.Request == id },
		func(r *fleet.Record) bool { return slices.Contains(r.Keys.Messages, id) },
		func(r *fleet.Record) bool { return r.Keys.Span == id },
		func(r *fleet.Record) bool { return slices.Contains(r.Resources, id) },
	}
	for how, show := range shows {
		found := slices.DeleteFunc(slices.Clone(w.records), func(r fleet.Record) bool { return !show(&r) })
		if len(found) == 0 {
			continue
		}
		switch how {
		case 1:
			return w.opened("", fleet.Query{Correlation: id}), true
		case 5:
			return w.opened("", fleet.Query{Resource: id}), true
		}
		if i := slices.IndexFunc(found, func(r fleet.Record) bool { return r.Keys.Trace != "" }); i >= 0 {
			trace := found[i].Keys.Trace
			return w.opened(trace, fleet.Query{Trace: trace}), true
		}
		return w.opened("", fleet.Query{IDs: ids(found)}), true
	}
	return fleet.Trace{}, false
}

// opened is the dossier of a query, with the other traces of its journey.
func (w *fleetOfTests) opened(trace string, q fleet.Query) fleet.Trace {
	t := fleet.NewTrace(trace, q, w.find(q))
	for _, r := range w.records {
		if other := r.Keys.Trace; t.Correlation != "" && r.Keys.Correlation == t.Correlation && other != "" && other != t.ID &&
			!slices.Contains(t.Related, other) {
			t.Related = append(t.Related, other)
		}
	}
	return t
}

package explore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"muster/fleet"
)

// fake is a Reader over records in memory. Its records are given resolved.
type fake struct {
	records  []fleet.Record
	findings []fleet.Finding
	err      error // of every answer
}

var _ fleet.Reader = (*fake)(nil)

func (f *fake) Traces(_ context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) {
		if f.err != nil {
			yield(fleet.Summary{}, f.err)
			return
		}
		n := 0
		for _, s := range f.summaries() {
			if q.Errors && s.Errors == 0 || q.Service != "" && !slices.Contains(s.Services, q.Service) ||
				!strings.Contains(strings.ToLower(s.Name), strings.ToLower(q.Text)) {
				continue
			}
			if n++; q.Limit > 0 && n > q.Limit || !yield(s, nil) {
				return
			}
		}
	}
}

func (f *fake) summaries() []fleet.Summary {
	by := map[string]*fleet.Trace{}
	for _, r := range f.records {
		if id := r.Keys.Trace; id != "" {
			if by[id] == nil {
				by[id] = &fleet.Trace{ID: id}
			}
			by[id].Records = append(by[id].Records, r)
		}
	}
	var out []fleet.Summary
	for _, t := range by {
		out = append(out, summarise(t))
	}
	slices.SortFunc(out, func(a, b fleet.Summary) int {
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(a.Trace, b.Trace))
	})
	return out
}

func summarise(t *fleet.Trace) fleet.Summary {
	fleet.Sort(t.Records)
	root := rootOf(t)
	from, to := extent(t.Records)
	s := fleet.Summary{
		Trace: t.ID, Start: from, Duration: to.Sub(from), Service: root.Service, Name: root.Name,
		Error: root.Error, Services: servicesIn(t.Records),
	}
	for _, r := range t.Records {
		s.Correlation = cmp.Or(s.Correlation, r.Keys.Correlation)
		if r.Error != "" {
			s.Errors++
		}
		switch r.Kind {
		case fleet.KindSpan:
			s.Spans++
		case fleet.KindLog:
			s.Logs++
		case fleet.KindAPICall:
			s.APICalls++
		case fleet.KindChange, fleet.KindVerdict:
			s.Changes++
		}
	}
	return s
}

func (f *fake) Trace(_ context.Context, id string) (fleet.Trace, error) {
	if f.err != nil {
		return fleet.Trace{}, f.err
	}
	if t, ok := fleet.ParseTraceID(id); ok {
		id = t
	}
	t := fleet.Trace{}
	for _, r := range f.records {
		if r.ID == id && r.Keys.Trace != "" {
			id = r.Keys.Trace
		}
	}
	for _, r := range f.records {
		if slices.Contains([]string{r.Keys.Trace, r.Keys.Correlation, r.Keys.Request, r.ID}, id) {
			t.Records = append(t.Records, r)
			t.ID = cmp.Or(t.ID, r.Keys.Trace)
			t.Correlation = cmp.Or(t.Correlation, r.Keys.Correlation)
		}
	}
	if len(t.Records) == 0 {
		return t, fmt.Errorf("open %s: looked at the last 30 days: %w", id, fleet.ErrNotFound)
	}
	fleet.Sort(t.Records)
	for _, r := range f.records {
		if r.Keys.Correlation == t.Correlation && t.Correlation != "" && r.Keys.Trace != t.ID &&
			id != t.Correlation && !slices.Contains(t.Related, r.Keys.Trace) {
			t.Related = append(t.Related, r.Keys.Trace)
		}
	}
	for _, x := range f.findings {
		if x.Trace == t.ID && t.ID != "" {
			t.Findings = append(t.Findings, x)
		}
	}
	return t, nil
}

func (f *fake) Records(_ context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		if f.err != nil {
			yield(fleet.Record{}, f.err)
			return
		}
		for _, r := range f.records {
			asked := (len(q.IDs) == 0 || slices.Contains(q.IDs, r.ID)) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Kind)) &&
				(q.Service == "" || r.Service == q.Service) && (q.Request == "" || r.Keys.Request == q.Request) &&
				(q.Resource == "" || slices.Contains(r.Resources, q.Resource)) &&
				(q.Text == "" || strings.Contains(strings.ToLower(r.Name+r.Message+r.Error+string(r.Raw)), strings.ToLower(q.Text)))
			if asked && f.meets(q, &r) && !yield(r, nil) {
				return
			}
		}
	}
}

// meets reports whether a record is in a query's window and its trace meets the
// filter.
func (f *fake) meets(q fleet.Query, r *fleet.Record) bool {
	if !q.Window.Start.IsZero() && r.Time.Before(q.Window.Start) || !q.Window.End.IsZero() && !r.Time.Before(q.Window.End) {
		return false
	}
	if q.Filter == nil {
		return true
	}
	var trace []fleet.Record
	for _, o := range f.records {
		if o.Keys.Trace == r.Keys.Trace {
			trace = append(trace, o)
		}
	}
	return fleet.MatchTrace(q.Filter, trace)
}

func (f *fake) Findings(_ context.Context, q fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(yield func(fleet.Finding, error) bool) {
		if f.err != nil {
			yield(fleet.Finding{}, f.err)
			return
		}
		for _, x := range f.findings {
			if len(q.Status) > 0 && !slices.Contains(q.Status, x.Status) ||
				!strings.Contains(x.Title+x.Message, q.Text) {
				continue
			}
			if !yield(x, nil) {
				return
			}
		}
	}
}

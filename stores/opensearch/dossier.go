package opensearch

import (
	"context"
	"fmt"
	"slices"

	"muster/fleet"
)

// maxDossier bounds what a much used resource or id opens: its newest records.
// It is also the deepest that OpenSearch counts into an answer.
const maxDossier = 10_000

// idFields are what an id can be, the most telling first.
var idFields = []string{
	"muster.id", "muster.correlation_id", "muster.request_id", "muster.message_ids", "muster.span_id", "muster.resources",
}

// Trace opens the dossier of any id, in all that OpenSearch holds. An id that
// several things have opens the first of: trace, record, correlation, request,
// message, span, resource.
func (s *Store) Trace(ctx context.Context, id string) (fleet.Trace, error) {
	t, err := s.open(ctx, id)
	if err == nil && len(t.Records) == 0 {
		err = fmt.Errorf("%w, in all that OpenSearch holds", fleet.ErrNotFound)
	}
	if err != nil {
		return fleet.Trace{}, fmt.Errorf("open %s: %w", id, err)
	}
	return t, nil
}

// open returns a dossier without records when nothing has the id.
func (s *Store) open(ctx context.Context, id string) (fleet.Trace, error) {
	if trace, ok := fleet.ParseTraceID(id); ok {
		t, err := s.dossier(ctx, trace, fleet.Query{Trace: trace})
		if err != nil || len(t.Records) > 0 {
			return t, err
		}
	}
	for _, field := range idFields {
		matches, err := collect(s.records(ctx, search{
			indices: patterns(nil), query: filter{}.set(field, id), order: byTime(), source: "muster", limit: pageHits,
		}))
		if err != nil {
			return fleet.Trace{}, err
		}
		if len(matches) > 0 {
			return s.openMatch(ctx, id, field, matches)
		}
	}
	return fleet.Trace{}, nil
}

// openMatch opens what an id stands for.
func (s *Store) openMatch(ctx context.Context, id, field string, matches []fleet.Record) (fleet.Trace, error) {
	switch field {
	case "muster.correlation_id":
		return s.dossier(ctx, "", fleet.Query{Correlation: id})
	case "muster.resources":
		q := fleet.Query{Resource: id}
		var err error
		if len(matches) == pageHits { // there may be too many
			q.Window, err = s.newestWindow(ctx, field, id)
		}
		if err != nil {
			return fleet.Trace{}, err
		}
		return s.dossier(ctx, "", q)
	}
	for i := range matches {
		if trace := matches[i].Keys.Trace; trace != "" {
			return s.dossier(ctx, trace, fleet.Query{Trace: trace})
		}
	}
	q := fleet.Query{}
	for i := range matches {
		q.IDs = append(q.IDs, matches[i].ID)
	}
	return s.dossier(ctx, "", q)
}

// newestWindow begins at the last but maxDossier of the records with a value.
func (s *Store) newestWindow(ctx context.Context, field, value string) (fleet.Window, error) {
	newest := search{query: filter{}.set(field, value), order: sorted("desc", "muster.time_us"), source: "muster"}
	body := newest.body(1)
	body["from"] = maxDossier - 1
	a, err := s.ask(ctx, patterns(nil), body)
	if err != nil || len(a.Hits.Hits) == 0 {
		return fleet.Window{}, err
	}
	r, err := decode(&a.Hits.Hits[0])
	return fleet.Window{Start: r.Time}, err
}

// dossier gathers the records of a query, what was found about them, and the
// other traces of the journey.
func (s *Store) dossier(ctx context.Context, trace string, q fleet.Query) (fleet.Trace, error) {
	records, err := collect(s.Records(ctx, q))
	t := fleet.NewTrace(trace, q, records)
	if err != nil || len(records) == 0 {
		return t, err
	}
	if t.Related, err = s.related(ctx, &t); err != nil {
		return t, err
	}
	t.Findings, err = s.findingsAbout(ctx, &t, q.Resource)
	return t, err
}

// related are the other traces of the journey, earliest first.
func (s *Store) related(ctx context.Context, t *fleet.Trace) ([]string, error) {
	if t.Correlation == "" {
		return nil, nil
	}
	var out []string
	journey := search{
		indices: patterns(nil), order: byTime(), fields: []string{"muster.trace_id"},
		query: filter{}.set("muster.correlation_id", t.Correlation).exists("muster.trace_id"),
	}
	for h, err := range s.scan(ctx, journey) {
		if err != nil {
			return nil, err
		}
		if id := h.text("muster.trace_id"); id != t.ID && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

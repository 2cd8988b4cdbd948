package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// pageHits is the size of a page of a scan that reads evidence, and
	// pageFields that of one that reads a few fields. 10,000 is the most that
	// OpenSearch hands out.
	pageHits   = 500
	pageFields = 10_000
	// leanPages is how many times pageHits a page without evidence has.
	leanPages = 5
	// pointInTime is how long OpenSearch keeps a point in time between two pages.
	pointInTime = 2 * time.Minute
	// closeTime bounds how long letting go of a point in time may take.
	closeTime = 5 * time.Second
)

// pages are the sizes of the pages of scans.
type pages struct{ hits, fields int }

// search is one question to OpenSearch.
type search struct {
	indices []string
	query   filter
	order   []any
	source  string   // the object of the document to read; "" for none
	lean    bool     // leaves the evidence out of it
	fields  []string // to read from the index instead
	limit   int      // the greatest number of hits; 0 means all
	// versions asks for the documents' versions.
	versions bool
	// many: more hits than a page are likely, so that a page alone is not tried first.
	many bool
}

// byTime orders hits as fleet.Compare does; the kind tells two records of one id
// and time apart.
func byTime() []any { return sorted("asc", "muster.time_us", "muster.id", "muster.kind") }

// newestFirst is byTime backwards.
func newestFirst() []any { return sorted("desc", "muster.time_us", "muster.id", "muster.kind") }

func sorted(direction string, fields ...string) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = map[string]any{f: map[string]any{"order": direction}}
	}
	return out
}

// hit is a document that was found.
type hit struct {
	Index   string            `json:"_index"`
	ID      string            `json:"_id"`
	Version int64             `json:"_version"`
	Source  json.RawMessage   `json:"_source"`
	Fields  map[string][]any  `json:"fields"`
	Sort    []json.RawMessage `json:"sort"`
}

// text is a field's value, "" when it has none.
func (h *hit) text(field string) string {
	if v := h.Fields[field]; len(v) > 0 {
		s, _ := v[0].(string)
		return s
	}
	return ""
}

// number is a field's value, 0 when it has none. JSON's numbers hold
// microseconds exactly until the year 2255.
func (h *hit) number(field string) int64 {
	if v := h.Fields[field]; len(v) > 0 {
		n, _ := v[0].(float64)
		return int64(n)
	}
	return 0
}

func (h *hit) flag(field string) bool {
	if v := h.Fields[field]; len(v) > 0 {
		b, _ := v[0].(bool)
		return b
	}
	return false
}

type searchAnswer struct {
	PIT  string `json:"pit_id"`
	Hits struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []hit `json:"hits"`
	} `json:"hits"`
	Aggregations json.RawMessage `json:"aggregations"`
	Shards       struct {
		Total    int `json:"total"`
		Failed   int `json:"failed"`
		Failures []struct {
			Index  string    `json:"index"`
			Reason itemError `json:"reason"`
		} `json:"failures"`
	} `json:"_shards"`
	TimedOut bool `json:"timed_out"`
}

// check makes an error of an answer that leaves something out: half an answer
// must not look like a whole one.
func (a *searchAnswer) check() error {
	if a.TimedOut {
		return fmt.Errorf("the search took too long and was cut short")
	}
	if a.Shards.Failed > 0 && len(a.Shards.Failures) > 0 {
		f := a.Shards.Failures[0]
		return fmt.Errorf("%d shards did not answer; index %s: %s: %s", a.Shards.Failed, f.Index, f.Reason.Kind, f.Reason.String())
	}
	if a.Shards.Failed > 0 {
		return fmt.Errorf("%d shards did not answer", a.Shards.Failed)
	}
	return nil
}

// ask sends a search; indices is nil with a point in time.
func (s *Store) ask(ctx context.Context, indices []string, body map[string]any) (*searchAnswer, error) {
	path := "/_search?allow_partial_search_results=false"
	if indices != nil {
		path = "/" + strings.Join(indices, ",") + path + "&ignore_unavailable=true"
	}
	if _, asked := body["track_total_hits"]; !asked {
		body["track_total_hits"] = false
	}
	var a searchAnswer
	if err := s.doJSON(ctx, http.MethodPost, path, body, &a); err != nil {
		return nil, err
	}
	return &a, a.check()
}

// count is how many documents meet a filter, up to a most.
func (s *Store) count(ctx context.Context, indices []string, f filter, most int) (int, error) {
	a, err := s.ask(ctx, indices, map[string]any{"size": 0, "query": f.json(), "track_total_hits": most})
	if err != nil {
		return 0, err
	}
	return min(a.Hits.Total.Value, most), nil
}

func (q *search) body(size int) map[string]any {
	body := map[string]any{"size": size, "query": q.query.json(), "sort": q.order}
	body["_source"] = false
	if q.source != "" {
		body["_source"] = []string{q.source}
	}
	if q.lean {
		body["_source"] = map[string]any{"includes": []string{q.source}, "excludes": []string{"muster.raw"}}
	}
	if q.versions {
		body["version"] = true
	}
	if len(q.fields) > 0 {
		body["docvalue_fields"] = q.fields
		if q.source == "" && !q.versions {
			body["stored_fields"] = "_none_" // the index alone answers; ids are stored beside the document
			delete(body, "_source")
		}
	}
	return body
}

// scan yields the hits of a search in its order. What fits on a page is one
// request. What does not is read anew from one point in time, so that nothing
// comes twice or is missed while others write.
func (s *Store) scan(ctx context.Context, q search) iter.Seq2[hit, error] {
	return func(yield func(hit, error) bool) {
		page := s.pages.hits
		switch {
		case q.source == "":
			page = s.pages.fields
		case q.lean:
			page *= leanPages
		}
		hits, all, err := s.scanPage(ctx, q, page)
		if err != nil {
			yield(hit{}, err)
			return
		}
		if all {
			for _, h := range hits {
				if !yield(h, nil) {
					return
				}
			}
			return
		}
		if err := s.scanPages(ctx, q, page, yield); err != nil {
			yield(hit{}, err)
		}
	}
}

// scanPage reads all hits of a search, if they fit on a page.
func (s *Store) scanPage(ctx context.Context, q search, page int) (hits []hit, all bool, err error) {
	bounded := q.limit > 0 && q.limit <= page
	if q.many && !bounded {
		return nil, false, nil
	}
	if bounded {
		page = q.limit
	}
	a, err := s.ask(ctx, q.indices, q.body(page))
	if err != nil {
		return nil, false, err
	}
	return a.Hits.Hits, bounded || len(a.Hits.Hits) < page, nil
}

// scanPages reads page after page; it has not yielded the error that it returns.
func (s *Store) scanPages(ctx context.Context, q search, page int, yield func(hit, error) bool) error {
	pit, err := s.openPoint(ctx, q.indices)
	if err != nil || pit == "" {
		return err
	}
	defer func() { s.closePoint(ctx, pit) }()
	var after []json.RawMessage
	for n := 0; ; {
		body := q.body(page)
		body["pit"] = map[string]any{"id": pit, "keep_alive": keepAlive(pointInTime)}
		if after != nil {
			body["search_after"] = after
		}
		a, err := s.ask(ctx, nil, body)
		if err != nil {
			return err
		}
		if a.PIT != "" {
			pit = a.PIT
		}
		for _, h := range a.Hits.Hits {
			if !yield(h, nil) {
				return nil
			}
			if n++; n == q.limit {
				return nil
			}
		}
		if len(a.Hits.Hits) < page {
			return nil
		}
		after = a.Hits.Hits[len(a.Hits.Hits)-1].Sort
	}
}

// openPoint opens a point in time; "" when there is no index yet, over which
// OpenSearch opens none.
func (s *Store) openPoint(ctx context.Context, indices []string) (string, error) {
	a, err := s.ask(ctx, indices, map[string]any{"size": 0, "terminate_after": 1})
	if err != nil || a.Shards.Total == 0 {
		return "", err
	}
	var answer struct {
		ID string `json:"pit_id"`
	}
	path := "/" + strings.Join(indices, ",") + "/_search/point_in_time?ignore_unavailable=true&allow_partial_pit_creation=false&keep_alive=" + url.QueryEscape(keepAlive(pointInTime))
	return answer.ID, s.do(ctx, http.MethodPost, path, nil, &answer)
}

// closePoint lets go of a point in time, also when ctx has ended. If that does
// not work OpenSearch does it by itself after pointInTime.
func (s *Store) closePoint(ctx context.Context, pit string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if err := s.doJSON(ctx, http.MethodDelete, "/_search/point_in_time", map[string]any{"pit_id": []string{pit}}, nil); err != nil {
		s.logger.DebugContext(ctx, "a point in time stays open", "error", err)
	}
}

// refresh makes what was written to indices visible.
func (s *Store) refresh(ctx context.Context, indices ...string) error {
	return s.do(ctx, http.MethodPost, "/"+strings.Join(indices, ",")+"/_refresh?ignore_unavailable=true", nil, nil)
}

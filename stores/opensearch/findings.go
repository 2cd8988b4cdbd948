package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// findingDocument is a finding as it is indexed.
type findingDocument struct {
	Timestamp   string         `json:"@timestamp,omitempty"` // when it was last seen
	Fingerprint string         `json:"fingerprint"`
	Policy      string         `json:"policy"`
	Title       string         `json:"title"`
	Severity    fleet.Severity `json:"severity"`
	Rank        int            `json:"severity_rank"`
	Status      fleet.Status   `json:"status"`
	FirstSeen   string         `json:"first_seen,omitempty"`
	LastSeen    string         `json:"last_seen,omitempty"`
	FirstSeenUS int64          `json:"first_seen_us,omitempty"` // 0: never
	LastSeenUS  int64          `json:"last_seen_us"`
	Count       int            `json:"count"`
	Message     string         `json:"message"`
	Remedy      string         `json:"remedy"`
	Resource    string         `json:"resource,omitempty"`
	Service     string         `json:"service,omitempty"`
	Trace       string         `json:"trace_id,omitempty"`
	Evidence    []string       `json:"evidence,omitempty"`
}

func newFindingDocument(f *fleet.Finding) findingDocument {
	return findingDocument{
		Timestamp: dateNanos(f.LastSeen), Fingerprint: f.Fingerprint, Policy: f.Policy, Title: f.Title,
		Severity: f.Severity, Rank: f.Severity.Rank(), Status: f.Status,
		FirstSeen: dateNanos(f.FirstSeen), LastSeen: dateNanos(f.LastSeen),
		FirstSeenUS: microseconds(f.FirstSeen), LastSeenUS: microseconds(f.LastSeen), Count: f.Count,
		Message: f.Message, Remedy: f.Remedy, Resource: f.Resource, Service: f.Service, Trace: f.Trace, Evidence: f.Evidence,
	}
}

func (d *findingDocument) finding() fleet.Finding {
	return fleet.Finding{
		Fingerprint: d.Fingerprint, Policy: d.Policy, Title: d.Title, Severity: d.Severity, Status: d.Status,
		FirstSeen: fromMicroseconds(d.FirstSeenUS), LastSeen: fromMicroseconds(d.LastSeenUS), Count: d.Count,
		Message: d.Message, Remedy: d.Remedy, Resource: d.Resource, Service: d.Service, Trace: d.Trace, Evidence: d.Evidence,
	}
}

// microseconds is a time as findings hold it, 0 for the zero time.
func microseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicroseconds(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// takeFindings writes findings as they were at a mark of the lake's.
func (s *Store) takeFindings(ctx context.Context, fs []fleet.Finding, through int64) (Written, error) {
	w := s.startSending(ctx)
	c := &chunk{}
	for i := range fs {
		body, err := json.Marshal(newFindingDocument(&fs[i]))
		if err != nil {
			_, _ = w.wait() // says less
			return Written{}, fmt.Errorf("write finding %s: %w", fs[i].Fingerprint, err)
		}
		c.add(findingIndex, documentID(fleet.KindVerdict, fs[i].Fingerprint), through, func(b []byte) []byte { return append(b, body...) })
		if c.full() {
			if w.send(c) != nil {
				break // wait says why
			}
			c = &chunk{}
		}
	}
	_ = w.send(c) // as above
	return w.wait()
}

// Findings yields the newest state of the findings that meet a query, worst
// first, then last seen first. Of a query's fields, Window means last seen in
// it, and IDs fingerprints; the keys of records other than Trace, and
// Principal, Kinds and Errors, say nothing about findings and are left aside.
func (s *Store) Findings(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(yield func(fleet.Finding, error) bool) {
		f := filter{}.within("last_seen_us", q.Window).oneOf("fingerprint", q.IDs).set("service", q.Service).
			set("trace_id", traceID(q.Trace)).set("resource", q.Resource)
		if q.MinSeverity != "" {
			f = append(f, map[string]any{"range": map[string]any{"severity_rank": map[string]any{"gte": q.MinSeverity.Rank()}}})
		}
		status := make([]string, len(q.Status))
		for i, v := range q.Status {
			status[i] = string(v)
		}
		text, n := strings.ToLower(q.Text), 0
		for d, err := range s.findings(ctx, f.oneOf("status", status)) {
			if err != nil {
				yield(fleet.Finding{}, fmt.Errorf("read findings: %w", err))
				return
			}
			if text != "" && !strings.Contains(strings.ToLower(d.Title+"\n"+d.Message), text) {
				continue
			}
			if n++; !yield(d, nil) || n == q.Limit {
				return
			}
		}
	}
}

// findings yields the findings that meet a filter, worst first.
func (s *Store) findings(ctx context.Context, f filter) iter.Seq2[fleet.Finding, error] {
	return func(yield func(fleet.Finding, error) bool) {
		all := search{
			indices: []string{findingIndex + "*"}, query: f, source: "*",
			order: append(sorted("desc", "severity_rank", "last_seen_us"), sorted("asc", "fingerprint")...),
		}
		for h, err := range s.scan(ctx, all) {
			var d findingDocument
			if err == nil {
				err = json.Unmarshal(h.Source, &d)
			}
			if !yield(d.finding(), err) || err != nil {
				return
			}
		}
	}
}

// evidenceIDs bounds how many ids one question about findings names.
const evidenceIDs = 10_000

// findingsAbout are the findings that name a trace of a dossier's records, or
// the resource, or whose evidence is among the records.
func (s *Store) findingsAbout(ctx context.Context, t *fleet.Trace, resource string) ([]fleet.Finding, error) {
	var ids, traces []string
	if t.ID != "" {
		traces = append(traces, t.ID)
	}
	for i := range t.Records {
		ids = append(ids, t.Records[i].ID)
		if k := t.Records[i].Keys.Trace; t.ID != "" && k != "" && !slices.Contains(traces, k) {
			traces = append(traces, k)
		}
	}
	var out []fleet.Finding
	seen := map[string]bool{}
	for chunk := range slices.Chunk(ids, evidenceIDs) {
		anyOf := filter{}.oneOf("evidence", chunk).oneOf("trace_id", traces).set("resource", resource)
		about := filter{map[string]any{"bool": map[string]any{"should": []any(anyOf)}}}
		found, err := collect(s.findings(ctx, about))
		if err != nil {
			return nil, err
		}
		for i := range found {
			if !seen[found[i].Fingerprint] {
				seen[found[i].Fingerprint] = true
				out = append(out, found[i])
			}
		}
	}
	return out, nil
}

// Moved says when a lake was last followed; the zero time when none was.
func (s *Store) Moved(ctx context.Context) (time.Time, error) {
	body := map[string]any{"size": 1, "sort": sorted("desc", "moved")}
	var answer struct {
		Hits struct {
			Hits []struct {
				Source mark `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	err := s.doJSON(ctx, http.MethodPost, "/"+stateIndex+"*/_search?ignore_unavailable=true", body, &answer)
	if err != nil || len(answer.Hits.Hits) == 0 {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, answer.Hits.Hits[0].Source.Moved)
}

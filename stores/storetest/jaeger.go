package storetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/fleet"
	"muster/internal/filter"
)

// RunJaeger asks a store the questions of Jaeger's own storage tests, in
// muster's words, and expects exactly the traces that Jaeger does.
func RunJaeger(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("MUSTER_CORPUS"), filepath.Join("..", "..", "..", "shared", "data")), "jaeger-query-fixtures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no recorded data in %s (set MUSTER_CORPUS)", dir)
	}
	s := open(t)
	commit(t, s, jaegerRecords(t, dir), fleet.Commit{})
	asked := 0
	for _, name := range []string{"queries.json", "queries_es.json"} {
		var questions []jaegerQuestion
		readJSON(t, filepath.Join(dir, name), &questions)
		for _, q := range questions {
			query, text := q.query(t)
			var want, got []string
			for _, fixture := range q.Expected {
				want = append(want, jaegerTrace(t, dir, fixture))
			}
			for _, sum := range all(t, s.Traces(t.Context(), query)) {
				got = append(got, sum.Trace)
			}
			slices.Sort(want)
			slices.Sort(got)
			same(t, q.Caption+": "+text, want, got)
			asked++
		}
	}
	t.Logf("%d of Jaeger's questions were asked", asked)
}

// jaegerQuestion is a question of Jaeger's tests. Durations are in nanoseconds.
type jaegerQuestion struct {
	Caption string
	Query   struct {
		ServiceName, OperationName string
		Tags                       map[string]any
		StartTimeMin, StartTimeMax time.Time
		DurationMin, DurationMax   int64
		NumTraces                  int
	}
	Expected []string `json:"ExpectedFixtures"`
}

// query says it in muster's words: Jaeger asks all of one span.
func (q *jaegerQuestion) query(t *testing.T) (fleet.Query, string) {
	t.Helper()
	j := &q.Query
	var asked []string
	if j.OperationName != "" {
		asked = append(asked, "operation = "+quoted(j.OperationName))
	}
	for _, key := range slices.Sorted(maps.Keys(j.Tags)) {
		asked = append(asked, "annotation["+quoted(key)+"] "+jaegerTag(j.Tags[key]))
	}
	for _, bound := range []struct {
		op    string
		nanos int64
	}{{">=", j.DurationMin}, {"<=", j.DurationMax}} {
		if bound.nanos != 0 {
			asked = append(asked, "duration "+bound.op+" "+strconv.FormatFloat(float64(bound.nanos)/1e9, 'f', 9, 64))
		}
	}
	text := "service(" + quoted(j.ServiceName) + ") { " + strings.Join(asked, " AND ") + " }"
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("%s: %s: %v", q.Caption, text, err)
	}
	window := fleet.Window{Start: j.StartTimeMin, End: j.StartTimeMax.Add(time.Microsecond)}
	return fleet.Query{Window: window, Limit: j.NumTraces, Filter: f}, text
}

// jaegerTag is the comparison with a tag. Jaeger's tests of OpenSearch have a
// regular expression in two, which here are a beginning and a plain text.
func jaegerTag(value any) string {
	switch v := value.(type) {
	case string:
		if beginning, ok := strings.CutSuffix(v, ".*"); ok {
			return "BEGINSWITH " + quoted(beginning)
		}
		return "= " + quoted(strings.ReplaceAll(v, `\*`, "*"))
	case float64:
		return "= " + strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprintf("= %v", value)
}

// jaegerFile is a trace in OpenTelemetry's JSON, as far as it is asked for.
type jaegerFile struct {
	ResourceSpans []struct {
		Resource   jaegerAttributed
		ScopeSpans []struct {
			Scope jaegerAttributed
			Spans []jaegerSpan
		}
	}
}

type jaegerSpan struct {
	jaegerAttributed
	TraceID, SpanID, ParentSpanID, Name string
	StartTimeUnixNano, EndTimeUnixNano  int64 `json:",string"`
	Events, Links                       []jaegerAttributed
}

type jaegerAttributed struct {
	Attributes []struct {
		Key   string
		Value map[string]any // one of stringValue, intValue, doubleValue, boolValue, bytesValue
	}
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
}

func jaegerTrace(t *testing.T, dir, fixture string) string {
	t.Helper()
	var f jaegerFile
	readJSON(t, filepath.Join(dir, "traces", fixture+".json"), &f)
	return f.ResourceSpans[0].ScopeSpans[0].Spans[0].TraceID
}

// jaegerRecords are all fixtures as records.
func jaegerRecords(t *testing.T, dir string) []fleet.Record {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "traces", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces in %s: %v", dir, err)
	}
	var out []fleet.Record
	for _, name := range files {
		var f jaegerFile
		readJSON(t, name, &f)
		for _, r := range f.ResourceSpans {
			for _, scope := range r.ScopeSpans {
				for _, s := range scope.Spans {
					out = append(out, s.record(r.Resource, scope.Scope))
				}
			}
		}
	}
	return out
}

// record is a span with all its tags as annotations: its own, its resource's and
// scope's, and those of its events and links, as Jaeger looks for them.
func (s *jaegerSpan) record(around ...jaegerAttributed) fleet.Record {
	r := fleet.Record{
		ID: fleet.SpanID(s.TraceID, s.SpanID), Revision: 1, Kind: fleet.KindSpan, Name: s.Name,
		Time: time.Unix(0, s.StartTimeUnixNano).UTC(), Duration: time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano),
		Seen: fleet.Keys{Trace: s.TraceID, Span: s.SpanID, Parent: s.ParentSpanID},
	}
	for _, from := range slices.Concat(around, s.Events, s.Links, []jaegerAttributed{s.jaegerAttributed}) {
		for _, a := range from.Attributes {
			for _, v := range a.Value {
				r.Attributes.Set(fleet.AttrAnnotationPrefix+a.Key, fmt.Sprint(v))
			}
			if a.Key == "service.name" {
				r.Service = r.Attributes.Get(fleet.AttrAnnotationPrefix + a.Key)
			}
		}
	}
	return resolved(r)
}

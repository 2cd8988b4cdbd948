//go:build engines

package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/engines"
)

// jaegerTrace is what Jaeger's query API answers, as far as it is looked at.
type jaegerTrace struct {
	Data []struct {
		Spans []struct {
			TraceID, SpanID, OperationName, ProcessID string
			References                                []struct{ RefType, TraceID, SpanID string }
			StartTime, Duration                       int64 // µs
			Tags                                      []jaegerTag
			Logs                                      []struct {
				Timestamp int64
				Fields    []jaegerTag
			}
		}
		Processes map[string]struct {
			ServiceName string
			Tags        []jaegerTag
		}
	}
}

type jaegerTag struct {
	Key   string
	Value any
}

// told is a span as one line for comparison.
type told struct {
	ID, Parent, Service, Name, Status string
	StartUS, DurationUS               int64
	Attributes                        map[string]string
	Events                            []string
}

// TestJaegerShowsTheSameSpans sends a dossier's export to a Jaeger and reads it
// back.
func TestJaegerShowsTheSameSpans(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute) // the first time it is built
	defer cancel()
	j, err := engines.StartJaeger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	tr := order()
	var body bytes.Buffer
	if err := OTLP(&body, tr); err != nil {
		t.Fatal(err)
	}
	post(ctx, t, j.OTLPURL(), body.Bytes())
	want, err := requestOf(tr)
	if err != nil {
		t.Fatal(err)
	}
	var got []told
	for wait := time.NewTimer(0); len(got) < len(spansOf(tr.Records)); wait.Reset(200 * time.Millisecond) {
		select { // what it took is not yet what it shows
		case <-wait.C:
			got = ask(ctx, t, j.QueryURL()+"/api/traces/"+tr.ID)
		case <-ctx.Done():
			t.Fatalf("Jaeger shows %d spans: %v", len(got), ctx.Err())
		}
	}
	if diff := cmp.Diff(ours(want), got); diff != "" {
		t.Errorf("Jaeger shows other spans (-ours +Jaeger's):\n%s", diff)
	}
}

func post(ctx context.Context, t *testing.T, address string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said bytes.Buffer
	if _, err := said.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("Jaeger answers %s: %s (%v)", answer.Status, said.String(), err)
	}
}

// ask is what Jaeger shows of a trace; nothing while it has none.
func ask(ctx context.Context, t *testing.T, address string) []told {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil
	}
	var trace jaegerTrace
	if err := json.NewDecoder(answer.Body).Decode(&trace); err != nil || len(trace.Data) != 1 {
		t.Fatal(errors.Join(err, fmt.Errorf("%d traces", len(trace.Data))))
	}
	var out []told
	for _, s := range trace.Data[0].Spans {
		x := told{
			ID: s.SpanID, Service: trace.Data[0].Processes[s.ProcessID].ServiceName, Name: s.OperationName,
			StartUS: s.StartTime, DurationUS: s.Duration, Attributes: map[string]string{},
		}
		for _, r := range s.References {
			x.Parent = r.SpanID
		}
		for _, tag := range s.Tags {
			switch tag.Key {
			case "otel.status_description":
				x.Status = fmt.Sprint(tag.Value)
			case "otel.status_code", "error", "span.kind", "otel.scope.name", "internal.span.format":
			default:
				x.Attributes[tag.Key] = fmt.Sprint(tag.Value)
			}
		}
		for _, l := range s.Logs {
			for _, f := range l.Fields {
				if f.Key == "event" {
					x.Events = append(x.Events, strconv.FormatInt(l.Timestamp, 10)+" "+fmt.Sprint(f.Value))
				}
			}
		}
		out = append(out, x)
	}
	return sorted(out)
}

// ours are the spans of the export.
func ours(r otlpRequest) []told {
	var out []told
	for _, rs := range r.ResourceSpans {
		for _, s := range rs.ScopeSpans[0].Spans {
			from, _ := strconv.ParseInt(s.Start, 10, 64) // we wrote it
			to, _ := strconv.ParseInt(s.End, 10, 64)
			x := told{
				ID: s.SpanID, Parent: s.ParentID, Service: rs.Resource.Attributes[0].Value.Text, Name: s.Name,
				StartUS: from / 1000, DurationUS: (to - from) / 1000, Attributes: map[string]string{},
			}
			if s.Status != nil {
				x.Status = s.Status.Message
			}
			for _, a := range s.Attributes {
				x.Attributes[a.Key] = a.Value.Text
			}
			for _, e := range s.Events {
				x.Events = append(x.Events, strings.TrimSuffix(e.Time, "000")+" "+e.Name)
			}
			out = append(out, x)
		}
	}
	return sorted(out)
}

func sorted(all []told) []told {
	for i := range all {
		slices.Sort(all[i].Events)
	}
	slices.SortFunc(all, func(a, b told) int { return strings.Compare(a.ID, b.ID) })
	return all
}

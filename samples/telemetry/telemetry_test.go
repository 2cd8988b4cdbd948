package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-xray-sdk-go/v2/xray"

	"muster/samples/truth"
)

func TestGateWaitsForWhatIsUnderWay(t *testing.T) {
	var g gate
	if err := g.wait(t.Context()); err != nil {
		t.Fatalf("an idle gate: %v", err)
	}
	g.enter()
	g.enter()
	g.leave()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.wait(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("one under way: %v, want %v", err, context.Canceled)
	}
	waited := make(chan error, 1)
	go func() { waited <- g.wait(t.Context()) }()
	g.leave()
	if err := <-waited; err != nil {
		t.Errorf("all left: %v", err)
	}
}

func TestBatchKeepsTheLimitsOfPutLogEvents(t *testing.T) {
	events := func(n, size int) []types.InputLogEvent {
		line := strings.Repeat("x", size)
		out := make([]types.InputLogEvent, n)
		for i := range out {
			out[i] = types.InputLogEvent{Message: &line}
		}
		return out
	}
	for _, c := range []struct {
		name          string
		n, size, want int
	}{
		{"few", 3, 10, 3},
		{"too many", maxBatchEvents + 1, 1, maxBatchEvents},
		{"just fitting bytes", 2, maxBatchBytes/2 - eventOverheadByte, 2},
		{"too many bytes", 2, maxBatchBytes/2 - eventOverheadByte + 1, 1},
		{"one that is too long goes alone", 2, maxBatchBytes, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := batch(events(c.n, c.size)); got != c.want {
				t.Errorf("batch of %d, want %d", got, c.want)
			}
		})
	}
}

// written logs under a context that prepare makes from one inside a segment,
// and returns the line, its truth and the segment's trace.
func written(t *testing.T, prepare func(context.Context) context.Context) (line map[string]any, known truth.Line, trace string) {
	t.Helper()
	return writtenIn(t, "", prepare, slog.Int("n", 1))
}

// writtenIn is written in the trace of a header.
func writtenIn(t *testing.T, header string, prepare func(context.Context) context.Context, fields ...any) (line map[string]any, known truth.Line, trace string) {
	t.Helper()
	rec := truth.NewRecorder(1, time.Now)
	tracing, err := newXRay("orders", "127.0.0.1:9", rec)
	if err != nil {
		t.Fatal(err)
	}
	out := new(shipper)
	log := newLog(&lineWriter{
		service: "orders", run: "run", tracer: tracing, truth: rec, out: out,
		now: func() time.Time { return time.UnixMilli(1795557920123) },
	})
	ctx, end := tracing.begin(t.Context(), Work{Header: header})
	defer end(nil)
	log.With("part", "test").InfoContext(prepare(withCorrelation(ctx, "j-1")), "hello", fields...)
	if got := aws.ToInt64(out.waiting[0].Timestamp); got != 1795557920123 {
		t.Errorf("timestamp %d, want the clock's", got)
	}
	if err := json.Unmarshal([]byte(*out.waiting[0].Message), &line); err != nil {
		t.Fatal(err)
	}
	return line, rec.File().Lines[0], xray.TraceID(ctx)
}

func TestLineShowsItsTrace(t *testing.T) {
	line, known, trace := written(t, func(ctx context.Context) context.Context { return ctx })
	for field, want := range map[string]any{
		"msg": "hello", "service": "orders", "part": "test", "line": "orders-run-1",
		"trace_id": trace, "correlation_id": "j-1", "level": "INFO",
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %v", field, line[field], want)
		}
	}
	if want := (truth.Line{ID: "orders-run-1", Service: "orders", Trace: truth.TraceID(trace)}); known != want {
		t.Errorf("the truth is %+v, want %+v", known, want)
	}
}

func TestUnlinkedLineHidesItsTraceButTruthKnows(t *testing.T) {
	line, known, trace := written(t, Unlinked)
	for _, field := range []string{"trace_id", "span_id", "correlation_id"} {
		if v, ok := line[field]; ok {
			t.Errorf("%s is shown: %v", field, v)
		}
	}
	if !known.Unlinked || known.Trace != truth.TraceID(trace) {
		t.Errorf("the truth is %+v, want it unlinked on %s", known, trace)
	}
}

// TestLineOfWhatIsNotSampledShowsItsTrace: it is all that does. What shows
// neither a trace nor a message is hidden.
func TestLineOfWhatIsNotSampledShowsItsTrace(t *testing.T) {
	header := Unsampled()
	same := func(ctx context.Context) context.Context { return ctx }
	line, known, trace := writtenIn(t, header, same)
	if line["trace_id"] != trace || !strings.Contains(header, trace) || line["correlation_id"] != "j-1" || known.Hidden {
		t.Errorf("line %v, truth %+v, want trace %s", line, known, trace)
	}
	if _, known, _ := writtenIn(t, header, Unlinked, FieldRequest, "r1"); !known.Hidden || known.Trace != truth.TraceID(trace) {
		t.Errorf("of a line with a request id alone: %+v", known)
	}
	if _, known, _ := writtenIn(t, header, Unlinked, FieldMessage, "m1"); known.Hidden || known.Message != "m1" {
		t.Errorf("of a line with a message id: %+v", known)
	}
}

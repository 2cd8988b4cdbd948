package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/google/go-cmp/cmp"

	"muster/samples/truth"
)

// flaky is AWS with answers in order; the last repeats. Each answer carries a
// request id of its own: "r1", "r2" and so on.
type flaky struct {
	mu     sync.Mutex
	status []int
	bodies []string
	from   []string // X-Forwarded-For
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	f.bodies = append(f.bodies, string(body))
	f.from = append(f.from, r.Header.Get(forwardedFor))
	status := f.status[min(len(f.bodies), len(f.status))-1]
	w.Header().Set("X-Amzn-Requestid", fmt.Sprintf("r%d", len(f.bodies)))
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{}`)
}

func (f *flaky) start(t *testing.T) aws.Config {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	}
}

func put(ctx context.Context, cfg aws.Config) error {
	_, err := dynamodb.NewFromConfig(cfg).PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String("t"), Item: map[string]types.AttributeValue{"k": &types.AttributeValueMemberS{Value: "v"}},
	})
	return err
}

func TestTruthKnowsEveryAttemptOfACall(t *testing.T) {
	rec := truth.NewRecorder(1, time.Now)
	f := &flaky{status: []int{http.StatusServiceUnavailable, http.StatusOK}}
	tracing, err := newXRay("orders", "127.0.0.1:9", rec)
	if err != nil {
		t.Fatal(err)
	}
	cfg := observed(f.start(t), observer{truth: rec, tracer: tracing}, "10.0.1.12")
	ctx, seg := xray.BeginSegment(context.WithValue(t.Context(), xray.RecorderContextKey{}, tracing.config), "orders")
	if err := put(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	seg.Close(nil)
	known := rec.File()
	span := ""
	for _, s := range known.Spans {
		if s.Name == "DynamoDB" {
			span = s.ID
		}
	}
	call := truth.Call{
		Request: "r1", Service: "DynamoDB", Operation: "PutItem",
		Trace: truth.TraceID(seg.TraceID), Span: span, Failed: true, Retried: true,
	}
	last := call
	last.Request, last.Failed, last.Retried = "r2", false, false
	if diff := cmp.Diff([]truth.Call{call, last}, known.Calls); diff != "" || span == "" {
		t.Errorf("calls on span %q (-want +got):\n%s", span, diff)
	}
	if f.from[0] != "10.0.1.12" {
		t.Errorf("AWS was shown the address %q, want the service's", f.from[0])
	}
}

func TestPlainCallsBelongToNoTrace(t *testing.T) {
	rec := truth.NewRecorder(1, time.Now)
	cfg := observed((&flaky{status: []int{http.StatusOK}}).start(t), observer{truth: rec}, "10.0.1.12")
	tracing, err := newXRay("orders", "127.0.0.1:9", rec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, seg := xray.BeginSegment(context.WithValue(t.Context(), xray.RecorderContextKey{}, tracing.config), "orders")
	defer seg.Close(nil)
	if err := put(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	want := []truth.Call{{Request: "r1", Service: "DynamoDB", Operation: "PutItem"}}
	if diff := cmp.Diff(want, rec.File().Calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShipperKeepsLinesThatWereNotTaken(t *testing.T) {
	f := &flaky{status: []int{http.StatusBadRequest, http.StatusOK}}
	s := &shipper{client: cloudwatchlogs.NewFromConfig(f.start(t)), group: "g", stream: "s"}
	at := time.UnixMilli(1795557920000)
	s.add(at.Add(time.Second), "later")
	s.add(at, "earlier")
	if err := s.flush(t.Context()); err == nil {
		t.Fatal("no error of the call that failed")
	}
	s.add(at.Add(2*time.Second), "last")
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := f.bodies[len(f.bodies)-1]
	first, second, third := strings.Index(sent, "earlier"), strings.Index(sent, "later"), strings.Index(sent, "last")
	if first < 0 || first > second || second > third {
		t.Errorf("sent %s, want all three lines in order of time", sent)
	}
	if err := s.flush(t.Context()); err != nil || len(f.bodies) != 2 {
		t.Errorf("a flush of nothing made a call, or failed: %v", err)
	}
}

func TestShipperEndsTheCallThatHasBegun(t *testing.T) { // or its lines would be there twice
	f := &flaky{status: []int{http.StatusOK}}
	taken, answer := make(chan struct{}, 2), make(chan struct{})
	logs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.ServeHTTP(w, r) // which takes the lines
		taken <- struct{}{}
		<-answer
	}))
	t.Cleanup(logs.Close)
	s := &shipper{group: "g", stream: "s", client: cloudwatchlogs.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &logs.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})}
	s.add(time.UnixMilli(1795557920000), "once")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx, slog.New(slog.DiscardHandler))
	}()
	<-taken
	stop()
	select {
	case <-ended:
		t.Error("the call was broken off")
	case <-time.After(100 * time.Millisecond):
	}
	close(answer)
	<-ended
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.bodies) != 1 {
		t.Errorf("the line was shipped %d times, want once", len(f.bodies))
	}
}

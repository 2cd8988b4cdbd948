package telemetry

import (
	"context"
	"fmt"
	"io"
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

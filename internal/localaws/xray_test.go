package localaws

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// testTrace is the id of the n-th trace of a test.
func testTrace(n int) string { return fmt.Sprintf("1-6b060a20-%024x", n) }

// document is a segment document; rest is its last members, in JSON.
func document(trace, id string, start float64, rest string) string {
	return fmt.Sprintf(`{"trace_id":%q, "id":%q,"name":"orders","start_time":%f,%s}`, trace, id, start, rest)
}

// send puts documents that must all be accepted.
func (s *telemetry) send(t *testing.T, documents ...string) {
	t.Helper()
	out, err := s.xray.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: documents})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.UnprocessedTraceSegments) > 0 {
		t.Fatalf("unprocessed: %s", *out.UnprocessedTraceSegments[0].Message)
	}
}

// traces reads traces with all pages, and the documents by segment id.
func (s *telemetry) traces(t *testing.T, ids ...string) (traces []types.Trace, documents map[string]string, pages int) {
	t.Helper()
	documents = map[string]string{}
	for p := xray.NewBatchGetTracesPaginator(s.xray, &xray.BatchGetTracesInput{TraceIds: ids}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		traces = append(traces, out.Traces...)
		for _, tr := range out.Traces {
			for _, g := range tr.Segments {
				documents[*g.Id] = *g.Document
			}
		}
	}
	return traces, documents, pages
}

func TestPutTraceSegmentsUpserts(t *testing.T) {
	const id = "00000000000000aa"
	running := document(testTrace(1), id, 100, `"in_progress":true`)
	finished := document(testTrace(1), id, 100, `"end_time":101.5`)
	resent := document(testTrace(1), id, 100, `"end_time":101.5,"subsegments":[]`)
	for name, tt := range map[string]struct {
		sent []string
		want string
	}{
		"finished replaces running":         {[]string{running, finished}, finished},
		"running never replaces finished":   {[]string{finished, running}, finished},
		"the later of two finished":         {[]string{finished, resent}, resent},
		"the same again":                    {[]string{finished, finished}, finished},
		"a finished one between two others": {[]string{running, finished, running}, finished},
	} {
		t.Run(name, func(t *testing.T) {
			s := startTelemetry(t, Options{})
			for _, d := range tt.sent {
				s.send(t, d)
			}
			traces, documents, _ := s.traces(t, testTrace(1))
			if diff := cmp.Diff(map[string]string{id: tt.want}, documents); diff != "" {
				t.Error(diff)
			}
			if len(traces) != 1 || *traces[0].Duration != 1.5 {
				t.Errorf("got %+v", traces)
			}
		})
	}
}

func TestPutTraceSegmentsRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	const id = "00000000000000aa"
	for name, tt := range map[string]struct{ document, id, code string }{
		"not json":        {`{"id":`, "", "ParseError"},
		"an empty array":  {`[]`, "", "ParseError"},
		"no id":           {`{"name":"orders","trace_id":"` + testTrace(1) + `","start_time":1,"end_time":2}`, "", "MissingId"},
		"short id":        {document(testTrace(1), "aa", 1, `"end_time":2`), "aa", "InvalidId"},
		"no trace id":     {document("", id, 1, `"end_time":2`), id, "MissingTraceId"},
		"W3C trace id":    {document(strings.Repeat("a", 32), id, 1, `"end_time":2`), id, "InvalidTraceId"},
		"no name":         {`{"id":"` + id + `","trace_id":"` + testTrace(1) + `","start_time":1,"end_time":2}`, id, "MissingName"},
		"name":            {document(testTrace(1), id, 1, `"end_time":2,"name":"a?b"`), id, "InvalidName"},
		"no start time":   {`{"name":"orders","id":"` + id + `","trace_id":"` + testTrace(1) + `","end_time":2}`, id, "MissingStartTime"},
		"no end time":     {document(testTrace(1), id, 1, `"fault":true`), id, "MissingEndTime"},
		"orphan":          {document(testTrace(1), id, 1, `"end_time":2,"type":"subsegment"`), id, "MissingParentId"},
		"more than 64 KB": {document(testTrace(1), id, 1, `"end_time":2,"user":"`+strings.Repeat("u", 64<<10)+`"`), "", "SizeLimitExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := s.xray.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{tt.document}})
			if err != nil {
				t.Fatal(err)
			}
			want := []types.UnprocessedTraceSegment{{ErrorCode: &tt.code, Message: aws.String("Invalid segment. ErrorCode: " + tt.code)}}
			if tt.id != "" {
				want[0].Id = &tt.id
			}
			if diff := cmp.Diff(want, out.UnprocessedTraceSegments, cmpopts.IgnoreUnexported(types.UnprocessedTraceSegment{})); diff != "" {
				t.Error(diff)
			}
		})
	}
	if traces, _, _ := s.traces(t, testTrace(1)); len(traces) != 0 {
		t.Errorf("refused segments left %d traces", len(traces))
	}
	_, err := s.xray.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{}})
	wantCode(t, err, "InvalidRequestException")
}

func TestPutTraceSegmentsRefusesBeyondItsMemory(t *testing.T) {
	s := newTraceStore(newTrouble(0, Trouble{}), newPageTokens())
	first := document(testTrace(1), "00000000000000aa", 1, `"end_time":2`)
	s.maxSize = len(first) + 1
	if refused := s.put(time.Now(), first); refused != nil {
		t.Fatal(refused.Message)
	}
	refused := s.put(time.Now(), document(testTrace(2), "00000000000000bb", 1, `"end_time":2`))
	if refused == nil || refused.ErrorCode != "LimitExceeded" {
		t.Errorf("got %+v", refused)
	}
}

// large is a document of about 60 KB.
func large(trace string, n int) string {
	return document(trace, fmt.Sprintf("%016x", n), float64(n), `"end_time":1000,"user":"`+strings.Repeat("u", 60_000)+`"`)
}

func TestBatchGetTracesLimitsATracesSize(t *testing.T) {
	s := startTelemetry(t, Options{})
	for n := range 10 {
		s.send(t, large(testTrace(1), n))
	}
	traces, documents, _ := s.traces(t, testTrace(1))
	if len(documents) != 8 || !*traces[0].LimitExceeded {
		t.Errorf("got %d segments, LimitExceeded %v, want 8 and true", len(documents), *traces[0].LimitExceeded)
	}
}

func TestBatchGetTracesPagesLargeTraces(t *testing.T) {
	s := startTelemetry(t, Options{})
	var ids []string
	for n := range 5 {
		ids = append(ids, testTrace(n))
		for m := range 7 {
			s.send(t, large(testTrace(n), m))
		}
	}
	traces, _, pages := s.traces(t, ids...)
	var got []string
	for _, tr := range traces {
		got = append(got, *tr.Id)
	}
	if diff := cmp.Diff(ids, got); diff != "" || pages != 3 {
		t.Errorf("%d pages, want 3; %s", pages, diff)
	}
}

func TestBatchGetTracesRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	for name, in := range map[string]xray.BatchGetTracesInput{
		"six ids":      {TraceIds: []string{testTrace(1), testTrace(2), testTrace(3), testTrace(4), testTrace(5), testTrace(6)}},
		"no ids":       {TraceIds: []string{}},
		"not an id":    {TraceIds: []string{"latest"}},
		"unknown page": {TraceIds: []string{testTrace(1)}, NextToken: aws.String("made-up")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.xray.BatchGetTraces(t.Context(), &in)
			wantCode(t, err, "InvalidRequestException")
		})
	}
}

func TestBatchGetTracesNamesWhatItDidNotProcess(t *testing.T) {
	s := startTelemetry(t, Options{Seed: 1, Trouble: Trouble{EmptyPage: 0.5}})
	s.send(t, document(testTrace(1), "00000000000000aa", 1, `"end_time":2`), document(testTrace(2), "00000000000000bb", 1, `"end_time":2`))
	outcomes := map[string]int{}
	for range 20 {
		out, err := s.xray.BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{TraceIds: []string{testTrace(3), testTrace(1), testTrace(2)}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tr := range out.Traces {
			got = append(got, *tr.Id)
		}
		outcomes[strings.Join(got, " ")+" | "+strings.Join(out.UnprocessedTraceIds, " ")]++
	}
	whole := testTrace(1) + " " + testTrace(2) + " | " + testTrace(3)
	cut := testTrace(1) + " | " + testTrace(2) + " " + testTrace(3)
	if len(outcomes) != 2 || outcomes[whole] == 0 || outcomes[cut] == 0 {
		t.Errorf("got %v", outcomes)
	}
}

func TestSegmentDestinationIsXRay(t *testing.T) {
	s := startTelemetry(t, Options{})
	out, err := s.xray.GetTraceSegmentDestination(t.Context(), &xray.GetTraceSegmentDestinationInput{})
	if err != nil || out.Destination != types.TraceSegmentDestinationXRay || out.Status != types.TraceSegmentDestinationStatusActive {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestXRayThrottles(t *testing.T) {
	s := startTelemetry(t, Options{Trouble: Trouble{Throttle: 0.999}})
	once := xray.NewFromConfig(client(t, s.Server, BootstrapKey))
	_, err := once.BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{TraceIds: []string{testTrace(1)}})
	wantCode(t, err, "ThrottledException")
}

func FuzzParseSegment(f *testing.F) {
	f.Add(document(testTrace(1), "00000000000000aa", 1, `"end_time":2,"annotations":{"a":1,"b":true}`))
	f.Add(`{"start_time":1e300,"subsegments":[{"subsegments":[{}]}]}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		d, refused := parseSegment(text)
		if refused != nil {
			return
		}
		// Whatever is accepted must be readable again without a fault.
		s := newTraceStore(newTrouble(0, Trouble{}), newPageTokens())
		if refused := s.put(time.Unix(1, 0), text); refused != nil {
			t.Fatalf("accepted, then refused: %+v", refused)
		}
		out, err := s.batch(&call{}, batchGetTracesInput{TraceIDs: []string{d.TraceID}})
		if err != nil || len(out.Traces) != 1 || out.Traces[0].Segments[0].Document != text {
			t.Fatalf("got %+v, %v", out, err)
		}
		found := foundTrace{s.traces[d.TraceID], time.Unix(1, 0)}
		if _, err := encodeJSON(found.summary("111122223333")); err != nil {
			t.Fatal(err)
		}
	})
}

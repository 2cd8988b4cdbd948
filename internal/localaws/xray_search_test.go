package localaws

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/google/go-cmp/cmp"
)

// seconds is a time of the hand clock as segments have it.
func seconds(at time.Time) float64 { return float64(at.UnixMicro()) / 1e6 }

// finished is a finished segment of a trace that starts at a time.
func finished(trace, id string, at time.Time, rest string) string {
	return document(trace, id, seconds(at), fmt.Sprintf(`"end_time":%f%s`, seconds(at)+1, rest))
}

// retrieve runs a retrieval of traces to its end.
func (s *telemetry) retrieve(t *testing.T, clock *handClock, format types.TraceFormatType, ids ...string) []types.RetrievedTrace {
	t.Helper()
	begun, err := s.xray.StartTraceRetrieval(t.Context(), &xray.StartTraceRetrievalInput{
		TraceIds: ids, StartTime: aws.Time(clock.Now().Add(-time.Hour)), EndTime: aws.Time(clock.Now().Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &xray.ListRetrievedTracesInput{RetrievalToken: begun.RetrievalToken, TraceFormat: format}
	if early, err := s.xray.ListRetrievedTraces(t.Context(), in); err != nil || early.RetrievalStatus != types.RetrievalStatusScheduled || len(early.Traces) != 0 {
		t.Fatalf("at once the retrieval is %+v, %v", early, err)
	}
	clock.advance(retrievalTime)
	var out []types.RetrievedTrace
	for {
		page, err := s.xray.ListRetrievedTraces(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if page.RetrievalStatus != types.RetrievalStatusComplete || len(page.Traces) > maxRetrievedTraces {
			t.Fatalf("a page has status %s and %d traces", page.RetrievalStatus, len(page.Traces))
		}
		out = append(out, page.Traces...)
		if in.NextToken = page.NextToken; page.NextToken == nil {
			return out
		}
	}
}

func TestTransactionSearchTakesSegmentsFromNowOn(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.send(t, finished(testTrace(1), "00000000000000a1", clock.Now(), ""))
	out, err := s.xray.UpdateTraceSegmentDestination(t.Context(), &xray.UpdateTraceSegmentDestinationInput{Destination: types.TraceSegmentDestinationCloudWatchLogs})
	if err != nil || out.Status != types.TraceSegmentDestinationStatusPending {
		t.Fatalf("the update answered %+v, %v", out, err)
	}
	clock.advance(destinationPending)
	now, err := s.xray.GetTraceSegmentDestination(t.Context(), &xray.GetTraceSegmentDestinationInput{})
	if err != nil || now.Destination != types.TraceSegmentDestinationCloudWatchLogs || now.Status != types.TraceSegmentDestinationStatusActive {
		t.Fatalf("the destination is %+v, %v", now, err)
	}
	s.send(t, finished(testTrace(2), "00000000000000a2", clock.Now(), `,"subsegments":[{"id":"00000000000000b2","name":"DynamoDB","namespace":"aws","start_time":1,"end_time":2,"aws":{"request_id":"R","operation":"PutItem"}}]`))

	traces, _, _ := s.traces(t, testTrace(1), testTrace(2))
	if len(traces) != 1 || *traces[0].Id != testTrace(1) {
		t.Errorf("BatchGetTraces finds %d traces, want the earlier one", len(traces))
	}
	lines, err := s.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(spansGroup)})
	if err != nil || len(lines.Events) != 2 {
		t.Fatalf("%d spans in %s, %v", len(lines.Events), spansGroup, err)
	}
	got := map[string]bool{}
	for _, e := range lines.Events {
		var span otelSpan
		if err := json.Unmarshal([]byte(*e.Message), &span); err != nil || span.TraceID != strings.ReplaceAll(strings.TrimPrefix(testTrace(2), "1-"), "-", "") {
			t.Errorf("span %s: %v", *e.Message, err)
		}
		got[span.Name] = true
	}
	if d := cmp.Diff(map[string]bool{"orders": true, "DynamoDB": true}, got); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
}

func TestRetrievedTracesComeByFivesInBothFormats(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, TransactionSearch: true})
	var ids []string
	for n := range 12 {
		ids = append(ids, testTrace(n))
		s.send(t, finished(testTrace(n), fmt.Sprintf("%016x", n+1), clock.Now(), `,"subsegments":[{"id":"00000000000000b2","name":"sub","start_time":1,"end_time":2}]`))
	}
	for format, spans := range map[types.TraceFormatType]int{types.TraceFormatTypeXray: 1, types.TraceFormatTypeOtel: 2} {
		found := s.retrieve(t, clock, format, append(ids, testTrace(99))...)
		var got []string
		for _, tr := range found {
			got = append(got, *tr.Id)
			if len(tr.Spans) != spans {
				t.Errorf("%s: trace %s has %d spans, want %d", format, *tr.Id, len(tr.Spans), spans)
			}
		}
		if d := cmp.Diff(ids, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", format, d)
		}
	}
}

func TestLargeTraceIsRetrievedOverPages(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, TransactionSearch: true})
	const n = 250
	for i := range n {
		s.send(t, finished(testTrace(1), fmt.Sprintf("%016x", i+1), clock.Now(), ""))
	}
	seen := map[string]bool{}
	for _, tr := range s.retrieve(t, clock, types.TraceFormatTypeXray, testTrace(1)) {
		for _, span := range tr.Spans {
			seen[*span.Id] = true
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d spans came", len(seen), n)
	}
}

func TestRetrievalRefusesWhatItDoesNotKnow(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, TransactionSearch: true})
	_, err := s.xray.ListRetrievedTraces(t.Context(), &xray.ListRetrievedTracesInput{RetrievalToken: aws.String("none")})
	wantCode(t, err, "ResourceNotFoundException")
	window := func(ids ...string) *xray.StartTraceRetrievalInput {
		return &xray.StartTraceRetrievalInput{TraceIds: ids, StartTime: aws.Time(clock.Now().Add(-time.Hour)), EndTime: aws.Time(clock.Now())}
	}
	_, err = s.xray.StartTraceRetrieval(t.Context(), window(slices.Repeat([]string{testTrace(1)}, maxRetrievedIDs+1)...))
	wantCode(t, err, "InvalidRequestException")
	begun, err := s.xray.StartTraceRetrieval(t.Context(), window(testTrace(1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.xray.CancelTraceRetrieval(t.Context(), &xray.CancelTraceRetrievalInput{RetrievalToken: begun.RetrievalToken}); err != nil {
		t.Fatal(err)
	}
	out, err := s.xray.ListRetrievedTraces(t.Context(), &xray.ListRetrievedTracesInput{RetrievalToken: begun.RetrievalToken})
	if err != nil || out.RetrievalStatus != types.RetrievalStatusCancelled {
		t.Errorf("a cancelled retrieval is %+v, %v", out, err)
	}
	classic := startTelemetry(t, Options{Now: clock.Now})
	_, err = classic.xray.StartTraceRetrieval(t.Context(), window(testTrace(1)))
	wantCode(t, err, "InvalidRequestException")
}

// TestSummariesAreOfTheIndexedShare: one percent by default, all when asked.
func TestSummariesAreOfTheIndexedShare(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, TransactionSearch: true})
	const n = 1000
	for i := range n / 50 {
		var batch []string
		for j := range 50 {
			batch = append(batch, finished(testTrace(50*i+j), "00000000000000a1", clock.Now(), ""))
		}
		s.send(t, batch...)
	}
	summaries := func() (found int) {
		in := &xray.GetTraceSummariesInput{StartTime: aws.Time(clock.Now().Add(-time.Minute)), EndTime: aws.Time(clock.Now().Add(time.Minute))}
		for pages := xray.NewGetTraceSummariesPaginator(s.xray, in); pages.HasMorePages(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found += len(page.TraceSummaries)
		}
		return found
	}
	if got := summaries(); got == 0 || got > n/25 {
		t.Errorf("%d of %d traces have a summary, want about one percent", got, n)
	}
	_, err := s.xray.UpdateIndexingRule(t.Context(), &xray.UpdateIndexingRuleInput{Name: aws.String("Default"), Rule: &types.IndexingRuleValueUpdateMemberProbabilistic{
		Value: types.ProbabilisticRuleValueUpdate{DesiredSamplingPercentage: aws.Float64(100)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := summaries(); got != n {
		t.Errorf("%d of %d traces have a summary after all were to be indexed", got, n)
	}
}

func TestServiceGraphSaysWhoCallsWhom(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	at := clock.Now()
	for n := range 3 {
		fault := ""
		if n == 0 {
			fault = `,"fault":true`
		}
		s.send(t,
			strings.Replace(finished(testTrace(n), "00000000000000a1", at, `,"origin":"AWS::ECS::Container","subsegments":[{"id":"00000000000000b1","name":"payments","namespace":"remote","start_time":1,"end_time":2}]`+fault), `"orders"`, `"gateway"`, 1),
			strings.Replace(finished(testTrace(n), "00000000000000c1", at, `,"parent_id":"00000000000000b1","subsegments":[{"id":"00000000000000d1","name":"DynamoDB","namespace":"aws","start_time":1,"end_time":2}]`+fault), `"orders"`, `"payments"`, 1),
		)
	}
	check := func(services []types.Service) {
		t.Helper()
		names := map[int32]string{}
		for _, sv := range services {
			names[*sv.ReferenceId] = *sv.Name + " " + aws.ToString(sv.Type)
		}
		var got []string
		for _, sv := range services {
			for _, e := range sv.Edges {
				got = append(got, fmt.Sprintf("%s -> %s: %d ok, %d faults", names[*sv.ReferenceId], names[*e.ReferenceId], *e.SummaryStatistics.OkCount, *e.SummaryStatistics.FaultStatistics.TotalCount))
			}
		}
		slices.Sort(got)
		want := []string{
			"gateway AWS::ECS::Container -> payments : 2 ok, 1 faults",
			"gateway client -> gateway AWS::ECS::Container: 2 ok, 1 faults",
			"payments  -> DynamoDB AWS::DynamoDB::Table: 3 ok, 0 faults",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("edges (-want +got):\n%s", d)
		}
	}
	out, err := s.xray.GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: aws.Time(at.Add(-time.Minute)), EndTime: aws.Time(at.Add(time.Minute))})
	if err != nil {
		t.Fatal(err)
	}
	check(out.Services)
	one, err := s.xray.GetTraceGraph(t.Context(), &xray.GetTraceGraphInput{TraceIds: []string{testTrace(0), testTrace(1), testTrace(2)}})
	if err != nil {
		t.Fatal(err)
	}
	check(one.Services)
	_, err = s.xray.GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: aws.Time(at.Add(-7 * time.Hour)), EndTime: aws.Time(at)})
	wantCode(t, err, "InvalidRequestException")
}

func TestSamplingRulesAreKeptAndReported(t *testing.T) {
	s := startTelemetry(t, Options{})
	ctx := t.Context()
	rule := &types.SamplingRule{
		RuleName: aws.String("base-scorekeep"), ResourceARN: aws.String("*"), Priority: aws.Int32(9000), FixedRate: 0.1, ReservoirSize: 5,
		ServiceName: aws.String("Scorekeep"), ServiceType: aws.String("*"), Host: aws.String("*"), HTTPMethod: aws.String("*"), URLPath: aws.String("*"), Version: aws.Int32(1),
	}
	if _, err := s.xray.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: rule}); err != nil {
		t.Fatal(err)
	}
	_, err := s.xray.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: rule})
	wantCode(t, err, "InvalidRequestException")
	if _, err := s.xray.UpdateSamplingRule(ctx, &xray.UpdateSamplingRuleInput{SamplingRuleUpdate: &types.SamplingRuleUpdate{RuleName: aws.String("Default"), FixedRate: aws.Float64(0.01)}}); err != nil {
		t.Fatal(err)
	}
	targets, err := s.xray.GetSamplingTargets(ctx, &xray.GetSamplingTargetsInput{SamplingStatisticsDocuments: []types.SamplingStatisticsDocument{{
		RuleName: rule.RuleName, ClientID: aws.String(strings.Repeat("a", 24)), Timestamp: aws.Time(time.Now()), RequestCount: 7, SampledCount: 3, BorrowCount: 1,
	}}})
	if err != nil || len(targets.SamplingTargetDocuments) != 1 || *targets.SamplingTargetDocuments[0].ReservoirQuota != 5 {
		t.Fatalf("targets %+v, %v", targets, err)
	}
	stats, err := s.xray.GetSamplingStatisticSummaries(ctx, &xray.GetSamplingStatisticSummariesInput{})
	if err != nil || len(stats.SamplingStatisticSummaries) != 1 || stats.SamplingStatisticSummaries[0].SampledCount != 3 {
		t.Fatalf("statistics %+v, %v", stats, err)
	}
	rules, err := s.xray.GetSamplingRules(ctx, &xray.GetSamplingRulesInput{})
	if err != nil || len(rules.SamplingRuleRecords) != 2 || rules.SamplingRuleRecords[0].SamplingRule.FixedRate != 0.01 {
		t.Fatalf("rules %+v, %v", rules, err)
	}
	if _, err := s.xray.DeleteSamplingRule(ctx, &xray.DeleteSamplingRuleInput{RuleName: rule.RuleName}); err != nil {
		t.Fatal(err)
	}
	_, err = s.xray.DeleteSamplingRule(ctx, &xray.DeleteSamplingRuleInput{RuleName: aws.String("Default")})
	wantCode(t, err, "InvalidRequestException")
}

package localaws

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// summaries reads all pages of a window in seconds since 1970.
func (s *telemetry) summaries(t *testing.T, rangeType types.TimeRangeType, start, end int64) (summaries []types.TraceSummary, pages int) {
	t.Helper()
	in := &xray.GetTraceSummariesInput{
		StartTime: aws.Time(time.Unix(start, 0)), EndTime: aws.Time(time.Unix(end, 0)), TimeRangeType: rangeType,
	}
	for p := xray.NewGetTraceSummariesPaginator(s.xray, in); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		summaries = append(summaries, out.TraceSummaries...)
	}
	return summaries, pages
}

func summaryIDs(summaries []types.TraceSummary) []string {
	var ids []string
	for _, sum := range summaries {
		ids = append(ids, *sum.Id)
	}
	return ids
}

func TestGetTraceSummariesPagesNewestFirst(t *testing.T) {
	s := startTelemetry(t, Options{})
	var want []string
	for n := range 250 {
		// Pairs of traces start in the same microsecond.
		s.send(t, document(testTrace(n), fmt.Sprintf("%016x", n), float64(1000+n/2), `"end_time":2000`))
		want = append([]string{testTrace(n)}, want...)
	}
	summaries, pages := s.summaries(t, types.TimeRangeTypeTraceId, 1000, 2000)
	if diff := cmp.Diff(want, summaryIDs(summaries)); diff != "" || pages != 3 {
		t.Errorf("%d pages, want 3; %s", pages, diff)
	}
}

func TestGetTraceSummariesLosesNothingOnEmptyAndRepeatedPages(t *testing.T) {
	s := startTelemetry(t, Options{Seed: 5, Trouble: Trouble{EmptyPage: 0.4, Repeat: 0.9}})
	for n := range 450 {
		s.send(t, document(testTrace(n), fmt.Sprintf("%016x", n), float64(1000+n), `"end_time":2000`))
	}
	summaries, pages := s.summaries(t, types.TimeRangeTypeTraceId, 1000, 2000)
	unique := map[string]bool{}
	for _, id := range summaryIDs(summaries) {
		unique[id] = true
	}
	if len(unique) != 450 || len(summaries) == 450 || pages < 7 {
		t.Errorf("got %d summaries, %d distinct, on %d pages", len(summaries), len(unique), pages)
	}
}

func TestGetTraceSummariesSelectsByTimeRangeType(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.send(t, document(testTrace(1), "00000000000000aa", 100, `"in_progress":true`))
	first := clock.Now().Unix()
	clock.advance(time.Minute)
	s.send(t, document(testTrace(1), "00000000000000aa", 100, `"end_time":200`))
	s.send(t, document(testTrace(1), "00000000000000bb", 150, `"end_time":160,"parent_id":"00000000000000aa"`))

	for name, tt := range map[string]struct {
		by         types.TimeRangeType
		start, end int64
		found      int
	}{
		"start of the trace":        {types.TimeRangeTypeTraceId, 100, 101, 1},
		"default is the start":      {"", 100, 101, 1},
		"the end is exclusive":      {types.TimeRangeTypeTraceId, 99, 100, 0},
		"a later segment's start":   {types.TimeRangeTypeTraceId, 150, 151, 0},
		"latest update":             {types.TimeRangeTypeEvent, first + 60, first + 61, 1},
		"a version that went":       {types.TimeRangeTypeEvent, first, first + 1, 0},
		"a segment's end":           {types.TimeRangeTypeService, 160, 161, 1},
		"the last segment's end":    {types.TimeRangeTypeService, 200, 201, 1},
		"no segment's end":          {types.TimeRangeTypeService, 161, 200, 0},
		"updates are not the start": {types.TimeRangeTypeEvent, 100, 101, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := s.summaries(t, tt.by, tt.start, tt.end); len(got) != tt.found {
				t.Errorf("found %d traces, want %d", len(got), tt.found)
			}
		})
	}
}

func TestGetTraceSummariesRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	start, end := aws.Time(time.Unix(100, 0)), aws.Time(time.Unix(200, 0))
	for name, in := range map[string]xray.GetTraceSummariesInput{
		"end before start":  {StartTime: end, EndTime: start},
		"filter expression": {StartTime: start, EndTime: end, FilterExpression: aws.String("fautl")},
		"sampling strategy": {StartTime: start, EndTime: end, SamplingStrategy: &types.SamplingStrategy{Name: types.SamplingStrategyNamePartialScan}},
		"time range type":   {StartTime: start, EndTime: end, TimeRangeType: "Other"},
		"unknown page":      {StartTime: start, EndTime: end, NextToken: aws.String("made-up")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.xray.GetTraceSummaries(t.Context(), &in)
			wantCode(t, err, "InvalidRequestException")
		})
	}
}

func TestGetTraceSummariesOfARecordedTrace(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	dir := corpus(t, "xray-sdk-captures")
	for _, name := range []string{"01-payments-segment-ok", "02-payments-segment-fault-cause", "03-orders-segment-http-aws-sql-remote"} {
		datagram, err := os.ReadFile(filepath.Join(dir, name+".udp"))
		if err != nil {
			t.Fatal(err)
		}
		segment, err := parseDatagram(datagram)
		if err != nil {
			t.Fatal(err)
		}
		s.send(t, string(segment))
	}
	summaries, _ := s.summaries(t, types.TimeRangeTypeTraceId, 1795557920, 1795557921)
	service := func(name string) types.ServiceId {
		return types.ServiceId{Name: &name, Names: []string{name}, AccountId: aws.String(DefaultAccount)}
	}
	orders, payments := service("orders"), service("payments")
	text := func(value string, by ...types.ServiceId) types.ValueWithServiceIds {
		return types.ValueWithServiceIds{AnnotationValue: &types.AnnotationValueMemberStringValue{Value: value}, ServiceIds: by}
	}
	want := []types.TraceSummary{{
		Id: aws.String("1-6b060a20-02824693e59a59d3fb62ab14"), StartTime: aws.Time(time.UnixMilli(1795557920376).UTC()),
		Duration: aws.Float64(0.029), ResponseTime: aws.Float64(0.029),
		HasFault: aws.Bool(false), HasError: aws.Bool(false), HasThrottle: aws.Bool(false), IsPartial: aws.Bool(false),
		Http: &types.Http{
			HttpURL: aws.String("http://127.0.0.1:36315/orders"), HttpStatus: aws.Int32(202), HttpMethod: aws.String("POST"),
			UserAgent: aws.String("probe/1"), ClientIp: aws.String("203.0.113.9"),
		},
		Annotations: map[string][]types.ValueWithServiceIds{
			"correlation_id": {text("c-123", orders, payments)},
			"step":           {text("validate", orders)},
			"amount":         {{AnnotationValue: &types.AnnotationValueMemberNumberValue{Value: 42.5}, ServiceIds: []types.ServiceId{orders}}},
			"vip":            {{AnnotationValue: &types.AnnotationValueMemberBooleanValue{Value: true}, ServiceIds: []types.ServiceId{orders}}},
		},
		Users:      []types.TraceUser{{UserName: aws.String("user-7"), ServiceIds: []types.ServiceId{orders}}},
		ServiceIds: []types.ServiceId{orders, payments}, EntryPoint: &orders, Revision: 3,
		MatchedEventTime: aws.Time(time.UnixMilli(1795557920376).UTC()),
	}}
	ignore := cmpopts.IgnoreUnexported(
		types.TraceSummary{}, types.Http{}, types.ServiceId{}, types.TraceUser{}, types.ValueWithServiceIds{},
		types.AnnotationValueMemberStringValue{}, types.AnnotationValueMemberNumberValue{}, types.AnnotationValueMemberBooleanValue{})
	if diff := cmp.Diff(want, summaries, ignore); diff != "" {
		t.Error(diff)
	}
}

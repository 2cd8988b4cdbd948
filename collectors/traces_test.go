package collectors

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func tracesAnswer(unprocessed string, last ...string) answer {
	var traces []string
	for _, l := range last {
		doc := strings.ReplaceAll(strings.Replace(span1, segmentTrace+"d", segmentTrace+l, 1), `"`, `\"`)
		traces = append(traces, `{"Id":"`+segmentTrace+l+`","Segments":[{"Id":"x","Document":"`+doc+`"}]}`)
	}
	return answer{body: `{"Traces":[` + strings.Join(traces, ",") + `],"UnprocessedTraceIds":[` + unprocessed + `]}`}
}

func summariesAnswer(token string, last ...string) answer {
	var ids []string
	for _, l := range last {
		ids = append(ids, `{"Id":"`+segmentTrace+l+`"}`)
	}
	doc := `{"TraceSummaries":[` + strings.Join(ids, ",") + `]`
	if token != "" {
		doc += `,"NextToken":"` + token + `"`
	}
	return answer{body: doc + "}"}
}

func TestTracesAskAgainForWhatWasUnprocessed(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": classic,
		"/TraceSummaries":             {summariesAnswer("1"), summariesAnswer("", "1", "2")},
		"/Traces":                     {tracesAnswer(`"`+segmentTrace+`2"`, "1"), tracesAnswer("", "2")},
	}}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceXRay}}), lastHour)
	if len(got.records) != 2 || got.summary() != "through 12:00, complete" {
		t.Errorf("got %d records, %q, %v", len(got.records), got.summary(), got.err)
	}
	calls := s.calls("/Traces")
	if again := fmt.Sprint(calls[len(calls)-1]["TraceIds"]); len(calls) != 2 || again != "["+segmentTrace+"2]" {
		t.Errorf("asked %d times, last for %s", len(calls), again)
	}
	if r := s.calls("/TraceSummaries")[0]["TimeRangeType"]; r != "Event" {
		t.Errorf("asked by %v: late segments would be missed", r)
	}
}

func TestTracesThatStayUnprocessedHoldTheMark(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": classic,
		"/TraceSummaries":             {summariesAnswer("", "1"), summariesAnswer("", "2"), summariesAnswer("", "3")},
		"/Traces":                     {tracesAnswer("", "1"), tracesAnswer(`"` + segmentTrace + `2"`)},
	}}
	c := scripted(t, s, Options{Sources: []string{SourceXRay}})
	c.(*traces).wait = func(context.Context, time.Duration) error { return nil }
	w := fleet.Window{Start: noon.Add(-18*time.Hour + xrayOverlap), End: noon}
	got := collect(t.Context(), c, w)
	// The first of three slices is whole, so the mark gets that far; the others
	// are read all the same.
	if want := "through 00:00, partial throttled, partial throttled"; got.summary() != want || got.err != nil {
		t.Errorf("got %q (%v), want %q", got.summary(), got.err, want)
	}
	if n := len(s.calls("/Traces")); n != 1+2*unprocessedRounds {
		t.Errorf("asked %d times for traces", n)
	}
}

func TestTracesStopWhenTold(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": classic,
		"/TraceSummaries":             {summariesAnswer("more", strings.Split("0123456789ab", "")...)},
		"/Traces":                     {tracesAnswer("", "1")},
	}}
	for _, err := range scripted(t, s, Options{Sources: []string{SourceXRay}}).Collect(t.Context(), lastHour) {
		must(t, err)
		break
	}
	if n := len(s.calls("/TraceSummaries")); n != 1 {
		t.Errorf("read on after the consumer had stopped: %d pages", n)
	}
}

func TestStreamedSubsegmentIsRevisedWhenItsSegmentComes(t *testing.T) {
	alone := `{"trace_id":"` + segmentTrace + `d","id":"aaaaaaaaaaaaaaaa","parent_id":"5cc4a447f5d4d696","type":"subsegment","name":"x","start_time":1595437651.6,"end_time":1595437651.7}`
	answered := func(docs ...string) answer {
		var segments []string
		for _, d := range docs {
			segments = append(segments, `{"Id":"x","Document":"`+strings.ReplaceAll(d, `"`, `\"`)+`"}`)
		}
		return answer{body: `{"Traces":[{"Id":"t","Segments":[` + strings.Join(segments, ",") + `]}]}`}
	}
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": classic,
		"/TraceSummaries":             {summariesAnswer("", "d")},
		"/Traces":                     {answered(alone), answered(alone, span1)},
	}}
	c := scripted(t, s, Options{Sources: []string{SourceXRay}})
	early := collect(t.Context(), c, lastHour).records
	late := collect(t.Context(), c, lastHour).records
	if len(early) != 1 || early[0].Revision != 0 || early[0].Service != "" {
		t.Errorf("before its segment: %+v", early)
	}
	if len(late) != 2 || late[0].ID != early[0].ID || late[0].Revision != 1 || late[0].Service != "orders" {
		t.Errorf("with its segment: %+v", late)
	}
}

func TestTracesAskForFiveAtATime(t *testing.T) {
	all := strings.Split("0123456789ab", "")
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": classic,
		"/TraceSummaries":             {summariesAnswer("", all...)},
		"/Traces":                     {tracesAnswer("", "1")},
	}}
	collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceXRay}}), lastHour)
	total := 0
	for _, in := range s.calls("/Traces") {
		n := len(in["TraceIds"].([]any))
		total += n
		if n > 5 {
			t.Errorf("asked for %d traces in one call", n)
		}
	}
	if total != len(all) {
		t.Errorf("asked for %d of %d traces", total, len(all))
	}
}

func TestTracesHalveASliceThatIsRefused(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": classic,
		"/TraceSummaries":             {failing(400, "InvalidRequestException"), summariesAnswer("")},
	}}
	w := fleet.Window{Start: noon.Add(-6*time.Hour + xrayOverlap), End: noon}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceXRay}}), w)
	if want := "through 09:00, through 12:00, complete"; got.summary() != want {
		t.Errorf("got %q (%v), want %q", got.summary(), got.err, want)
	}
}

// TestSpansGroupThatMayNotBeReadIsNamed: Transaction Search needs a permission of
// CloudWatch Logs.
func TestSpansGroupThatMayNotBeReadIsNamed(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": {{body: `{"Destination":"CloudWatchLogs","Status":"ACTIVE"}`}},
		"DescribeLogGroups":           {{body: `{"logGroups":[{"logGroupName":"aws/spans","creationTime":1}]}`}},
		"FilterLogEvents":             {denied()},
	}}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceXRay}}), lastHour)
	if got.summary() != "partial denied" || !strings.Contains(got.ledger[0].Detail, "logs:FilterLogEvents") {
		t.Errorf("got %q: %+v", got.summary(), got.ledger)
	}
	if n := len(s.calls("/TraceSummaries")); n != 0 {
		t.Errorf("X-Ray itself was asked %d times for what it never had", n)
	}
}

func TestTracesBeforeRetentionAreInTheLedger(t *testing.T) {
	s := &script{answers: map[string][]answer{"/GetTraceSegmentDestination": {denied()}, "/TraceSummaries": {summariesAnswer("")}}}
	w := fleet.Window{Start: noon.AddDate(0, 0, -40), End: noon}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceXRay}}), w)
	if first := got.ledger[0]; first.Reason != "retention" || !first.Window.Start.Equal(w.Start) || got.err != nil {
		t.Errorf("got %+v, %v", first, got.err)
	}
	if last := got.ledger[len(got.ledger)-1]; last.Coverage != fleet.Complete || !last.Window.Start.Equal(noon.Add(-xrayReach)) {
		t.Errorf("got %+v", last)
	}
}

package localaws

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/google/go-cmp/cmp"
)

// TestGetLogEventsReadsAStreamFromEitherEnd: to the end, which a call shows by
// returning the token that it was given.
func TestGetLogEventsReadsAStreamFromEitherEnd(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a", "b")
	base := time.Now()
	var want []string
	for i := range int64(25) {
		s.putLines(t, "a", base, i/2) // pairs share a millisecond
		s.putLines(t, "b", base, i)
		want = append(want, fmt.Sprintf("%d a", i/2))
	}
	for _, head := range []bool{true, false} {
		in := &cloudwatchlogs.GetLogEventsInput{
			LogGroupName: aws.String(testGroup), LogStreamName: aws.String("a"), Limit: aws.Int32(7), StartFromHead: aws.Bool(head),
		}
		var got []string
		for calls := 0; ; calls++ {
			out, err := s.logs.GetLogEvents(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			var page []string
			for _, e := range out.Events {
				page = append(page, *e.Message)
			}
			next := out.NextForwardToken
			if head {
				got = append(got, page...)
			} else {
				got, next = append(page, got...), out.NextBackwardToken
			}
			if in.NextToken != nil && *next == *in.NextToken {
				if calls != 4 {
					t.Errorf("the end came with call %d", calls)
				}
				break
			}
			in.NextToken = next
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("from the head %v (-want +got):\n%s", head, d)
		}
	}
}

func TestGetLogEventsTurnsRound(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	base := time.Now()
	s.putLines(t, "a", base, 0, 1, 2, 3, 4, 5)
	get := func(token *string) *cloudwatchlogs.GetLogEventsOutput {
		out, err := s.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
			LogGroupName: aws.String(testGroup), LogStreamName: aws.String("a"), Limit: aws.Int32(2), StartFromHead: aws.Bool(true), NextToken: token,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := get(nil)
	second := get(first.NextForwardToken)
	back := get(second.NextBackwardToken)
	if *back.Events[0].Message != "0 a" || len(back.Events) != 2 {
		t.Errorf("back from the second page there are %d events", len(back.Events))
	}
	get(get(get(second.NextForwardToken).NextForwardToken).NextForwardToken)
	s.putLines(t, "a", base, 6)
	end := get(get(second.NextForwardToken).NextForwardToken)
	if len(end.Events) != 1 || *end.Events[0].Message != "6 a" {
		t.Errorf("what came later is not found with the token of the end: %+v", end.Events)
	}
}

// TestGetLogEventsEndIsExclusive: unlike FilterLogEvents' end.
func TestGetLogEventsEndIsExclusive(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	base := time.Now()
	s.putLines(t, "a", base, 0, 1, 2, 3)
	out, err := s.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: aws.String(testGroup), LogStreamName: aws.String("a"),
		StartTime: aws.Int64(base.UnixMilli() + 1), EndTime: aws.Int64(base.UnixMilli() + 3),
	})
	if err != nil || len(out.Events) != 2 {
		t.Errorf("%d events, %v, want those of 1 and 2", len(out.Events), err)
	}
}

func TestGetLogEventsThroughEmptyPages(t *testing.T) {
	s := startTelemetry(t, Options{Seed: 5, Trouble: Trouble{EmptyPage: 0.5}})
	s.createStreams(t, "a")
	s.putLines(t, "a", time.Now(), slices.Collect(func(yield func(int64) bool) {
		for i := range int64(40) {
			if !yield(i) {
				return
			}
		}
	})...)
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String("a"), Limit: aws.Int32(5), StartFromHead: aws.Bool(true)}
	n, empty := 0, 0
	for {
		out, err := s.logs.GetLogEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if n += len(out.Events); len(out.Events) == 0 {
			empty++
		}
		if in.NextToken != nil && *in.NextToken == *out.NextForwardToken {
			break
		}
		in.NextToken = out.NextForwardToken
	}
	if n != 40 || empty < 2 {
		t.Errorf("%d of 40 events, %d empty pages", n, empty)
	}
}

func TestGetLogEventsRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	for name, in := range map[string]cloudwatchlogs.GetLogEventsInput{
		"InvalidParameterException token": {LogStreamName: aws.String("a"), NextToken: aws.String("f/invalid")},
		"InvalidParameterException limit": {LogStreamName: aws.String("a"), Limit: aws.Int32(10_001)},
		"InvalidParameterException start": {LogStreamName: aws.String("a"), StartTime: aws.Int64(9), EndTime: aws.Int64(3)},
		"ResourceNotFoundException none":  {LogStreamName: aws.String("none")},
	} {
		in.LogGroupName = aws.String(testGroup)
		_, err := s.logs.GetLogEvents(t.Context(), &in)
		var code string
		_, _ = fmt.Sscan(name, &code)
		wantCode(t, err, code)
	}
}

func TestFilterPatternsOfAllKindsAreMatched(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	s.putMessages(t, time.Now(), `{"level":"error","code":404}`, `127.0.0.1 - frank "GET /x" 404 12`, "plain ERROR line", "INFO line")
	for pattern, want := range map[string]int{
		`{ $.level = "err*" && $.code >= 400 }`: 1, `[ip, dash, user, request = *GET*, status = 4*, bytes]`: 1,
		`%E[R]+OR%`: 1, `?ERROR ?INFO`: 2, `line -ERROR`: 1, `"ERROR line"`: 1, ``: 4,
	} {
		got, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{FilterPattern: &pattern})
		if len(got) != want {
			t.Errorf("%s finds %d, want %d: %q", pattern, len(got), want, got)
		}
	}
}

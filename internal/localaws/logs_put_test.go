package localaws

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPutLogEventsRejectsWhatIsTooOldOrTooNew(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	day := (24 * time.Hour).Milliseconds()
	out := s.putLines(t, "a", clock.Now(), -15*day, -14*day-1, -1, 0, day/2)
	want := &types.RejectedLogEventsInfo{TooOldLogEventEndIndex: aws.Int32(2), TooNewLogEventStartIndex: aws.Int32(4)}
	if diff := cmp.Diff(want, out.RejectedLogEventsInfo, cmpopts.IgnoreUnexported(types.RejectedLogEventsInfo{})); diff != "" {
		t.Error(diff)
	}
	messages, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{})
	if diff := cmp.Diff([]string{"-1 a", "0 a"}, messages); diff != "" {
		t.Error(diff)
	}
}

func TestPutLogEventsRefusesABatch(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	now := clock.Now().UnixMilli()
	event := func(offset int64, message string) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: aws.Int64(now + offset), Message: aws.String(message)}
	}
	many := make([]types.InputLogEvent, 10_001)
	for i := range many {
		many[i] = event(0, "m")
	}
	for name, tt := range map[string]struct {
		events        []types.InputLogEvent
		stream        string
		code, message string
	}{
		"out of order": {[]types.InputLogEvent{event(1, "m"), event(0, "m")}, "a", "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order."},
		"more than 24 hours": {
			[]types.InputLogEvent{event(-86_400_001, "m"), event(0, "m")},
			"a", "InvalidParameterException",
			"The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
		},
		"too large": {
			[]types.InputLogEvent{event(0, strings.Repeat("m", 1<<20-25))},
			"a", "InvalidParameterException",
			"Upload too large: 1048577 bytes exceeds limit of 1048576",
		},
		"too many": {many, "a", "InvalidParameterException", "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to 10000"},
		"no events": {
			[]types.InputLogEvent{},
			"a", "InvalidParameterException",
			"1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		"empty message": {
			[]types.InputLogEvent{event(0, "")},
			"a", "InvalidParameterException",
			"1 validation error detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		"unknown stream": {[]types.InputLogEvent{event(0, "m")}, "b", "ResourceNotFoundException", "The specified log stream does not exist."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
				LogGroupName: aws.String(testGroup), LogStreamName: aws.String(tt.stream), LogEvents: tt.events,
			})
			wantCode(t, err, tt.code)
			if !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %v, want %q", err, tt.message)
			}
		})
	}
	if messages, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{}); messages != nil {
		t.Errorf("refused batches left %d events", len(messages))
	}
}

func TestPutLogEventsRefusesBeyondItsMemory(t *testing.T) {
	s := newLogStore(0, newTrouble(0, Trouble{}), newPageTokens())
	s.maxSize = 100
	c := &call{Time: time.Now()}
	put := func() error {
		_, err := s.put(c, putLogEventsInput{"g", "s", []inputLogEvent{{aws.Int64(c.Time.UnixMilli()), "thirty bytes of a log's message"}}})
		return err
	}
	if _, err := s.createGroup(c, createLogGroupInput{LogGroupName: "g"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.createStream(c, createLogStreamInput{"g", "s"}); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if e := asAPIError(put()); e.Code != "ServiceUnavailableException" {
		t.Errorf("got %v", e)
	}
}

func TestCreateLogGroupAndStreamRefuse(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	group := func(name string) error {
		_, err := s.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
		return err
	}
	stream := func(group, name string) error {
		_, err := s.logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name})
		return err
	}
	wantCode(t, group(testGroup), "ResourceAlreadyExistsException")
	wantCode(t, group("a b"), "InvalidParameterException")
	wantCode(t, group(strings.Repeat("g", 513)), "InvalidParameterException")
	wantCode(t, stream(testGroup, "a"), "ResourceAlreadyExistsException")
	wantCode(t, stream(testGroup, "a:b"), "InvalidParameterException")
	wantCode(t, stream("other", "a"), "ResourceNotFoundException")
}

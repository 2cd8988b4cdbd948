package localaws

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// putMessages writes lines to stream a of the test's group, a millisecond apart.
func (s *telemetry) putMessages(t *testing.T, base time.Time, messages ...string) {
	t.Helper()
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String("a")}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(base.UnixMilli() + int64(i)), Message: aws.String(m)})
	}
	if _, err := s.logs.PutLogEvents(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// streaming is a client whose host prefix "stream-" leads to the stand-in.
func streaming(t *testing.T, s *Server) *cloudwatchlogs.Client {
	t.Helper()
	cfg := client(t, s, BootstrapKey)
	address := s.listener.Addr().String()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = &http.Client{Transport: transport}
	return cloudwatchlogs.NewFromConfig(cfg)
}

// tailUpdates reads updates until enough has come.
func tailUpdates(t *testing.T, stream *cloudwatchlogs.StartLiveTailEventStream, enough func(*types.LiveTailSessionUpdate) bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case ev, ok := <-stream.Events():
			if !ok {
				t.Fatalf("the stream ended: %v", stream.Err())
			}
			if u, ok := ev.(*types.StartLiveTailResponseStreamMemberSessionUpdate); ok && enough(&u.Value) {
				return
			}
		case <-deadline.C:
			t.Fatal("the updates did not come")
		}
	}
}

func TestLiveTailShowsWhatComesAndWhatItSampled(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	s.putMessages(t, time.Now(), "ERROR before the session")
	arn := "arn:aws:logs:us-east-1:111122223333:log-group:" + testGroup
	out, err := streaming(t, s.Server).StartLiveTail(t.Context(), &cloudwatchlogs.StartLiveTailInput{
		LogGroupIdentifiers: []string{arn}, LogEventFilterPattern: aws.String("ERROR"),
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	if first, ok := (<-stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionStart); !ok || first.Value.LogGroupIdentifiers[0] != arn {
		t.Fatalf("the session begins with %+v", first)
	}
	s.putMessages(t, time.Now(), "ERROR one", "INFO two")
	tailUpdates(t, stream, func(u *types.LiveTailSessionUpdate) bool {
		for _, e := range u.SessionResults {
			if *e.Message != "ERROR one" || *e.LogGroupIdentifier != "111122223333:"+testGroup || u.SessionMetadata.Sampled {
				t.Errorf("an update shows %q of %s", *e.Message, *e.LogGroupIdentifier)
			}
		}
		return len(u.SessionResults) == 1
	})
	many := strings.Split(strings.Repeat("ERROR many\n", maxTailedEvents+1), "\n")
	s.putMessages(t, time.Now(), many[:maxTailedEvents+1]...)
	tailUpdates(t, stream, func(u *types.LiveTailSessionUpdate) bool {
		return u.SessionMetadata.Sampled && len(u.SessionResults) == maxTailedEvents
	})
}

func TestLiveTailRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	c := streaming(t, s.Server)
	for want, in := range map[string]*cloudwatchlogs.StartLiveTailInput{
		"InvalidParameterException": {LogGroupIdentifiers: []string{testGroup}},
		"ResourceNotFoundException": {LogGroupIdentifiers: []string{"arn:aws:logs:us-east-1:111122223333:log-group:none"}},
	} {
		_, err := c.StartLiveTail(t.Context(), in)
		wantCode(t, err, want)
	}
}

// TestCloseEndsLiveTails: no session keeps the stand-in from stopping.
func TestCloseEndsLiveTails(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	tel := &telemetry{Server: s, logs: cloudwatchlogs.NewFromConfig(client(t, s, BootstrapKey))}
	tel.createStreams(t, "a")
	out, err := streaming(t, s).StartLiveTail(t.Context(), &cloudwatchlogs.StartLiveTailInput{
		LogGroupIdentifiers: []string{"arn:aws:logs:us-east-1:111122223333:log-group:" + testGroup},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.GetStream().Close()
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*closeTimeout {
		t.Errorf("closing took %s", took)
	}
}

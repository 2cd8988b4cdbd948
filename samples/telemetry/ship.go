package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

const (
	// shipEvery is the longest that a line waits: short against what a person
	// waits for, and far below the 5 calls a second that a log stream once took.
	shipEvery = time.Second
	// shipWithin is far above what a call takes on a busy machine. What is cut then
	// may have been taken all the same, and would be there twice.
	shipWithin = 10 * time.Second
	// PutLogEvents takes at most 10,000 events and 1,048,576 bytes a call, where
	// each event costs 26 bytes beyond its text.
	maxBatchEvents    = 10_000
	maxBatchBytes     = 1 << 20
	eventOverheadByte = 26
)

// shipper sends lines to one log stream, in order of time. A line stays until
// CloudWatch Logs has taken it, however long that is; nothing bounds how many
// wait, since the samples write a few lines a second.
type shipper struct {
	client        *cloudwatchlogs.Client
	group, stream string

	flushing sync.Mutex // held for a whole flush, so that batches keep their order
	mu       sync.Mutex
	waiting  []types.InputLogEvent
}

// newShipper makes the group and the stream where they are absent.
func newShipper(ctx context.Context, cfg aws.Config, group, stream string) (*shipper, error) {
	s := &shipper{client: cloudwatchlogs.NewFromConfig(cfg), group: group, stream: stream}
	_, err := s.client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group})
	if _, exists := errors.AsType[*types.ResourceAlreadyExistsException](err); err != nil && !exists {
		return nil, fmt.Errorf("create log group %s: %w", group, err)
	}
	_, err = s.client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	if err != nil {
		return nil, fmt.Errorf("create log stream %s in %s: %w", stream, group, err)
	}
	return s, nil
}

func (s *shipper) add(at time.Time, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, types.InputLogEvent{Timestamp: aws.Int64(at.UnixMilli()), Message: &line})
}

// run ships until the context ends. What failed is tried again the next time. A
// call that has begun is ended: one that is broken off may have been taken, and
// its lines would be shipped again.
func (s *shipper) run(ctx context.Context, trouble *slog.Logger) {
	tick := time.NewTicker(shipEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			begun, cancel := context.WithTimeout(context.WithoutCancel(ctx), shipWithin)
			if err := s.flush(begun); err != nil {
				trouble.WarnContext(ctx, "log lines wait", "error", err)
			}
			cancel()
		}
	}
}

// flush ships what waits. On an error the lines that were not taken wait on.
func (s *shipper) flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	events := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	slices.SortStableFunc(events, func(a, b types.InputLogEvent) int { return cmp.Compare(*a.Timestamp, *b.Timestamp) })
	for len(events) > 0 {
		n := batch(events)
		if err := s.put(ctx, events[:n]); err != nil {
			s.mu.Lock()
			s.waiting = append(events, s.waiting...)
			s.mu.Unlock()
			return fmt.Errorf("ship %d lines to %s: %w", len(events), s.group, err)
		}
		events = events[n:]
	}
	return nil
}

func (s *shipper) put(ctx context.Context, events []types.InputLogEvent) error {
	out, err := s.client.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &s.group, LogStreamName: &s.stream, LogEvents: events,
	})
	if err != nil {
		return err
	}
	if r := out.RejectedLogEventsInfo; r != nil {
		return fmt.Errorf("rejected as too old or too new: %+v", *r)
	}
	return nil
}

// batch is how many of the events fit into one call; at least one.
func batch(events []types.InputLogEvent) int {
	size := 0
	for i, e := range events {
		size += len(*e.Message) + eventOverheadByte
		if i == maxBatchEvents || (size > maxBatchBytes && i > 0) {
			return i
		}
	}
	return len(events)
}

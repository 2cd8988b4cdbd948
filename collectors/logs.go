package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"muster/fleet"
)

const (
	// logsOverlap is re-read before each window. Events become visible seconds
	// after they were put and out of order, and agents that were offline put them
	// minutes late.
	logsOverlap = 5 * time.Minute
	// logsReach is where a collection without a start begins. Groups keep their
	// events for as long as their owner says, so this is a choice.
	logsReach = 90 * 24 * time.Hour
	// Widths of what is read between checkpoints. A page token lives a day, and a
	// busy group has hundreds of pages an hour.
	logsLeastSlice = time.Hour
	logsMostSlice  = 24 * time.Hour
)

// logs reads one CloudWatch Logs group by FilterLogEvents.
type logs struct {
	source
	client *cloudwatchlogs.Client
	group  string
	arn    string // of a group of another account; else ""
	class  types.LogGroupClass
}

// newLogs reads one group. What a filter leaves is another stream than the whole:
// its checkpoints say nothing of what it leaves out.
func newLogs(o Options, client *cloudwatchlogs.Client, g *logGroup) *logs {
	l := &logs{client: client, group: g.name, class: g.class}
	if g.account != o.Account {
		l.arn = g.arn
		o.Account = g.account
	}
	name := g.name
	if o.Groups.Filter != "" {
		name += "?filter=" + hashID("", o.Groups.Filter)
	}
	l.source = newSource(o, SourceLogs, name)
	return l
}

// Collect yields the group's lines, page by page.
func (l *logs) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := l.bounds(w, logsOverlap, logsReach)
		out := &output{s: &l.source, yield: yield, window: read, filter: l.Groups.Filter}
		if err := l.collect(ctx, read, out); err != nil {
			if l.refusesClass(err) {
				_ = out.missing(read, "class", fmt.Sprintf("AWS does not let groups of class %s be read by FilterLogEvents: leave %s out with --log-group-class STANDARD, or read it with Logs Insights: %v", l.class, l.group, err)) // the last word either way
				return
			}
			out.end(fmt.Errorf("read log group %s: %w", l.group, err))
		}
	}
}

func (l *logs) collect(ctx context.Context, read fleet.Window, out *output) error {
	for s := newSlicer(read, logsLeastSlice, logsMostSlice); s.more(); {
		pages := 0
		err := l.afresh(ctx, func() (err error) {
			pages, err = l.slice(ctx, s.slice(), out)
			return err
		})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone && !slices.Contains(l.Groups.Names, l.group) {
			return nil // deleted between listing and reading: nothing to collect
		}
		if err != nil {
			return err
		}
		through := s.slice().End
		s.done(pages)
		if s.more() {
			if err := out.send(fleet.Batch{Through: through}); err != nil {
				return err
			}
		}
	}
	return out.finish()
}

// slice reads one slice and says how many pages it had. Only a missing token
// ends it: a page may be empty and still carry one.
func (l *logs) slice(ctx context.Context, w fleet.Window, out *output) (pages int, err error) {
	in := &cloudwatchlogs.FilterLogEventsInput{
		StartTime: aws.Int64(w.Start.UnixMilli()),
		EndTime:   aws.Int64(lastMilli(w.End)),
	}
	if l.arn != "" {
		in.LogGroupIdentifier = &l.arn
	} else {
		in.LogGroupName = &l.group
	}
	if l.Groups.Filter != "" {
		in.FilterPattern = &l.Groups.Filter
	}
	var p pager
	for {
		page, err := call(ctx, &l.source, "logs:FilterLogEvents", l.client.FilterLogEvents, in)
		if err != nil {
			return pages, err
		}
		pages++
		b := fleet.Batch{Records: make([]fleet.Record, 0, len(page.Events))}
		for _, e := range page.Events {
			b.Records = append(b.Records, l.records(&e)...)
		}
		if len(b.Records) > 0 {
			if err := out.send(b); err != nil {
				return pages, err
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return pages, err
		}
		in.NextToken = page.NextToken
	}
}

// refusesClass reports whether AWS would read the group if it were of the class
// STANDARD.
func (l *logs) refusesClass(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || l.class == "" || l.class == types.LogGroupClassStandard {
		return false
	}
	switch api.ErrorCode() {
	case "InvalidOperationException", "InvalidParameterException", "UnsupportedOperationException", "ValidationException":
		return true
	}
	return false
}

// lastMilli is the last millisecond before t; endTime is inclusive here.
func lastMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Equal(time.UnixMilli(ms)) {
		return ms - 1
	}
	return ms
}

func (l *logs) records(e *types.FilteredLogEvent) []fleet.Record {
	line := logEvent{
		EventID: aws.ToString(e.EventId), Group: l.group, Stream: aws.ToString(e.LogStreamName),
		Timestamp: aws.ToInt64(e.Timestamp), Message: aws.ToString(e.Message),
	}
	return line.records(l.origin)
}

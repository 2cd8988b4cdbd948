package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"muster/fleet"
)

// spansGroup is the log group in which Transaction Search keeps every span.
const spansGroup = "aws/spans"

// destinationPending is how long segments may go to X-Ray itself after Transaction
// Search was turned on; AWS says up to ten minutes.
const destinationPending = time.Hour

// searches reports whether segments go to CloudWatch Logs (Transaction Search),
// where BatchGetTraces cannot find them. Policies written before Transaction
// Search do not allow the question; those accounts are asked as they always were.
func searches(ctx context.Context, s *source, client *xray.Client) (bool, error) {
	answer, err := call(ctx, s, "xray:GetTraceSegmentDestination",
		client.GetTraceSegmentDestination, &xray.GetTraceSegmentDestinationInput{})
	if _, denied := errors.AsType[*deniedError](err); denied {
		s.Logger.WarnContext(ctx, "cannot tell where X-Ray keeps segments", "stream", s.stream, "error", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return answer.Destination == types.TraceSegmentDestinationCloudWatchLogs, nil
}

// describeSpans is the log group of Transaction Search; nil where there is none.
func describeSpans(ctx context.Context, s *source, client *cloudwatchlogs.Client) (found *logGroup, err error) {
	in := &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(spansGroup)}
	err = s.pagesOfGroups(ctx, client, in, func(g *logGroup) {
		if g.name == spansGroup {
			found = g
		}
	})
	return found, err
}

// collectSearched reads aws/spans, and what X-Ray itself kept before there was
// one. The mark moves by what was read of both.
func (t *traces) collectSearched(ctx context.Context, read fleet.Window, out *output) error {
	group, err := describeSpans(ctx, &t.source, t.logs)
	until := read.End // where X-Ray itself has nothing any more
	_, denied := errors.AsType[*deniedError](err)
	switch {
	case denied:
		t.Logger.WarnContext(ctx, "cannot tell since when spans are in a log group: X-Ray is asked for all of the window", "stream", t.stream, "error", err)
	case err != nil:
		return err
	case group != nil:
		until = group.created.Add(destinationPending)
	}
	complete := true
	if kept, _ := t.kept(read, read, xrayReach); kept.Start.Before(until) {
		kept.End = earlier(kept.End, until)
		if complete, err = t.classic(ctx, kept, out, false); err != nil {
			return err
		}
	}
	if group == nil && !denied {
		return t.ended(complete, out) // nothing was sent yet
	}
	for s := newSlicer(read, logsLeastSlice, logsMostSlice); s.more(); {
		pages := 0
		err := t.afresh(ctx, func() (err error) {
			pages, err = t.spansIn(ctx, s.slice(), out)
			return err
		})
		if err != nil {
			return fmt.Errorf("read log group %s: %w", spansGroup, err)
		}
		through := s.slice().End
		s.done(pages)
		if s.more() && complete {
			if err := out.send(fleet.Batch{Through: through}); err != nil {
				return err
			}
		}
	}
	return t.ended(complete, out)
}

// ended is finish, unless something is missing: then it is in the ledger, and the
// mark stays before it.
func (t *traces) ended(complete bool, out *output) error {
	if !complete {
		return nil
	}
	return out.finish()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// spansIn reads one slice of aws/spans and says how many pages it had.
func (t *traces) spansIn(ctx context.Context, w fleet.Window, out *output) (pages int, err error) {
	in := &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(spansGroup),
		StartTime:    aws.Int64(w.Start.UnixMilli()), EndTime: aws.Int64(lastMilli(w.End)),
	}
	var p pager
	var place placer
	for {
		page, err := call(ctx, &t.source, "logs:FilterLogEvents", t.logs.FilterLogEvents, in)
		if err != nil {
			return pages, err
		}
		pages++
		var rs []fleet.Record
		for _, e := range page.Events {
			if message := aws.ToString(e.Message); strings.Contains(message, otelMember) {
				rs = append(rs, parseOTelSpan([]byte(message), t.origin)...)
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil {
			return pages, err
		}
		if b := (fleet.Batch{Records: place.page(rs, !more)}); len(b.Records) > 0 {
			if err := out.send(b); err != nil {
				return pages, err
			}
		}
		if !more {
			return pages, nil
		}
		in.NextToken = page.NextToken
	}
}

// placer finds out whose the subsegments are that were sent alone. Lines come by
// when spans ended, so that a caller is on the page of what it called or soon
// after.
type placer struct {
	held []fleet.Record // from the page before, at most as many as a page has
}

// page takes the spans of a page and returns those to hand over. One whose caller
// does not come has a lower revision, so that reading it again with its caller
// replaces it.
func (p *placer) page(rs []fleet.Record, last bool) []fleet.Record {
	old := len(p.held)
	all := slices.Concat(p.held, rs)
	waits := map[*fleet.Record]bool{}
	for _, r := range placeStreamed(all) {
		waits[r] = true
	}
	p.held = nil
	ready := make([]fleet.Record, 0, len(all))
	for i := range all {
		r := &all[i]
		if waits[r] {
			if i >= old && !last {
				p.held = append(p.held, *r)
				continue
			}
			r.Revision--
		}
		ready = append(ready, *r)
	}
	return ready
}

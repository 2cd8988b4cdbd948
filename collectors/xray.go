package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/aws/smithy-go"

	"muster/fleet"
)

const (
	// xrayOverlap is re-read before each window. Traces are found by when X-Ray
	// last updated them, so that a segment that was sent late brings its trace
	// back; what is left to re-read is the minutes that indexing may take.
	xrayOverlap = 5 * time.Minute
	// xrayReach is how long X-Ray keeps traces.
	xrayReach = 30 * 24 * time.Hour
	// xraySlice is the longest window that AWS's own console asks for, and
	// xrayLeastSlice where halving a slice that X-Ray refuses ends.
	xraySlice      = 6 * time.Hour
	xrayLeastSlice = time.Minute
	// tracesPerCall is BatchGetTraces' limit.
	tracesPerCall = 5
	// xrayCalls is how many BatchGetTraces run at once; AWS publishes no rate.
	xrayCalls = 4
	// unprocessedRounds is how often traces are asked for again that X-Ray
	// returned as unprocessed: under a minute in all.
	unprocessedRounds = 10
)

// traces reads X-Ray: GetTraceSummaries for ids, BatchGetTraces for documents,
// and with Transaction Search the log group that the spans are in.
type traces struct {
	source
	client *xray.Client
	logs   *cloudwatchlogs.Client
	only   string // filter expression of the group that is read; "" for all traces
}

func newTraces(o Options) *traces {
	group := ""
	if o.XRayGroup != "" { // its checkpoints say nothing of what it leaves out
		group = "group/" + o.XRayGroup
	}
	return &traces{source: newSource(o, SourceXRay, group), client: xray.NewFromConfig(o.AWS), logs: cloudwatchlogs.NewFromConfig(o.AWS)}
}

// Collect yields the spans of every trace that X-Ray updated in the window, or
// with Transaction Search those that were logged in it.
func (t *traces) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := t.bounds(w, xrayOverlap, xrayReach)
		out := &output{s: &t.source, yield: yield, window: read}
		if err := t.collect(ctx, w, read, out); err != nil {
			out.end(fmt.Errorf("read X-Ray traces: %w", err))
		}
	}
}

func (t *traces) collect(ctx context.Context, asked, read fleet.Window, out *output) error {
	searched, err := searches(ctx, &t.source, t.client)
	if err != nil {
		return err
	}
	if t.XRayGroup != "" {
		if searched {
			return errors.New("with Transaction Search spans are read from " + spansGroup + ", which no group filters: leave out --xray-group")
		}
		if t.only, err = t.group(ctx); err != nil {
			return err
		}
		if t.only != "" {
			out.filter = "group " + t.XRayGroup + ": " + t.only
		}
	}
	if searched {
		return t.collectSearched(ctx, read, out)
	}
	read, lost := t.kept(asked, read, xrayReach)
	out.window = read
	if !lost.End.IsZero() {
		if err := out.send(retentionPassed(lost, "X-Ray keeps traces for 30 days")); err != nil {
			return err
		}
	}
	complete, err := t.classic(ctx, read, out, true)
	if err != nil {
		return err
	}
	if complete {
		out.sampled = t.sampling(ctx, read)
	}
	return t.ended(complete, out)
}

// classic reads what X-Ray itself keeps, and reports whether that was all of it.
// marks says that what was read may be told by and by.
func (t *traces) classic(ctx context.Context, read fleet.Window, out *output, marks bool) (complete bool, err error) {
	complete = true
	for s := newSlicer(read, xraySlice, xraySlice); s.more(); {
		whole := false
		err := t.afresh(ctx, func() (err error) {
			whole, err = t.slice(ctx, s.slice(), out)
			return err
		})
		if err != nil && ctx.Err() == nil && isRefused(err) && s.width > xrayLeastSlice {
			s.width = max(s.width/2, xrayLeastSlice)
			continue
		}
		if err != nil {
			return false, err
		}
		complete = complete && whole
		through := s.slice().End
		s.done(1)
		if s.more() && complete && marks {
			if err := out.send(fleet.Batch{Through: through}); err != nil {
				return false, err
			}
		}
	}
	return complete, nil
}

// isRefused reports whether X-Ray might answer a shorter window: whether it is a
// call with a window that it answered with an error of its own.
func isRefused(err error) bool {
	_, failed := errors.AsType[*windowError](err)
	_, denied := errors.AsType[*deniedError](err)
	_, answered := errors.AsType[smithy.APIError](err)
	return failed && answered && !denied
}

// windowError is an error of GetTraceSummaries or GetServiceGraph, the calls that
// have a window.
type windowError struct{ err error }

func (e *windowError) Error() string { return e.err.Error() }
func (e *windowError) Unwrap() error { return e.err }

// slice reads one slice and reports whether every trace of it was handed out.
func (t *traces) slice(ctx context.Context, w fleet.Window, out *output) (whole bool, err error) {
	in := &xray.GetTraceSummariesInput{
		StartTime: &w.Start, EndTime: &w.End, TimeRangeType: types.TimeRangeTypeEvent,
	}
	if t.only != "" {
		in.FilterExpression = &t.only
	}
	whole = true
	var p pager
	for {
		page, err := call(ctx, &t.source, "xray:GetTraceSummaries", t.client.GetTraceSummaries, in)
		if err != nil {
			return false, &windowError{err}
		}
		ids := make([]string, 0, len(page.TraceSummaries))
		for _, s := range page.TraceSummaries {
			ids = append(ids, aws.ToString(s.Id))
		}
		left, err := t.fetch(ctx, ids, out)
		if err != nil {
			return false, err
		}
		if left > 0 {
			whole = false
			detail := fmt.Sprintf("X-Ray left %d of %d traces unprocessed", left, len(ids))
			if err := out.missing(w, "throttled", detail); err != nil {
				return false, err
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return whole, err
		}
		in.NextToken = page.NextToken
	}
}

// fetch hands over the spans of traces and says how many X-Ray held back.
func (t *traces) fetch(ctx context.Context, ids []string, out *output) (left int64, err error) {
	var held atomic.Int64
	chunks := slices.Collect(slices.Chunk(ids, tracesPerCall))
	err = fanOut(ctx, xrayCalls, chunks, out, func(ctx context.Context, ids []string, send func(fleet.Batch) error) error {
		for round := 0; len(ids) > 0; round++ {
			if round == unprocessedRounds {
				held.Add(int64(len(ids)))
				return nil
			}
			if round > 0 {
				if err := t.wait(ctx, backoff(round-1)); err != nil {
					return err
				}
			}
			b, unprocessed, err := t.batch(ctx, ids)
			if err != nil {
				return err
			}
			if len(b.Records) > 0 {
				if err := send(b); err != nil {
					return err
				}
			}
			ids = unprocessed
		}
		return nil
	})
	return held.Load(), err
}

// batch reads up to tracesPerCall traces, and says which X-Ray did not process.
func (t *traces) batch(ctx context.Context, ids []string) (b fleet.Batch, unprocessed []string, err error) {
	in := &xray.BatchGetTracesInput{TraceIds: ids}
	var p pager
	for {
		page, err := call(ctx, &t.source, "xray:BatchGetTraces", t.client.BatchGetTraces, in)
		if err != nil {
			return b, nil, fmt.Errorf("read traces %s: %w", strings.Join(ids, ", "), err)
		}
		for _, trace := range page.Traces {
			b.Records = append(b.Records, t.spans(&trace)...)
			if aws.ToBool(trace.LimitExceeded) {
				b.Ledger = append(b.Ledger, tooLarge(&trace, b.Records))
			}
		}
		unprocessed = append(unprocessed, page.UnprocessedTraceIds...)
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			for _, r := range placeStreamed(b.Records) { // at the end, since a trace may go over pages
				r.Revision-- // it is read again once its segment has come, and is complete then
			}
			slices.Sort(unprocessed)
			return b, slices.Compact(unprocessed), err
		}
		in.NextToken = page.NextToken
	}
}

func (t *traces) spans(trace *types.Trace) []fleet.Record {
	var rs []fleet.Record
	for _, s := range trace.Segments {
		rs = append(rs, parseSpanDocument(aws.ToString(s.Document), t.origin)...)
	}
	return rs
}

// tooLarge is the ledger's word on a trace that X-Ray cut short.
func tooLarge(trace *types.Trace, rs []fleet.Record) fleet.LedgerEntry {
	e := fleet.LedgerEntry{
		Coverage: fleet.Partial, Reason: "unreadable",
		Detail: "trace " + aws.ToString(trace.Id) + " is larger than X-Ray keeps", Records: len(trace.Segments),
	}
	if n := len(rs); n > 0 {
		e.Window = fleet.Window{Start: rs[n-1].Time, End: rs[n-1].End()}
	}
	return e
}

package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"muster/fleet"
)

const (
	// tracesPerRetrieval is StartTraceRetrieval's limit.
	tracesPerRetrieval = 100
	// retrievalPatience is how long a retrieval may take; AWS needs seconds to
	// minutes and gives one up after an hour.
	retrievalPatience = 10 * time.Minute
	// firstLook is when a retrieval is first looked at, and mostLook the longest
	// time between two looks.
	firstLook = 250 * time.Millisecond
	mostLook  = 5 * time.Second
)

// MissingTracesError says which of the traces asked for X-Ray does not have.
type MissingTracesError struct{ IDs []string }

func (e *MissingTracesError) Error() string {
	return "X-Ray has no trace " + strings.Join(e.IDs, ", ") +
		" in this account, region and window: an earlier --since looks further back, and an unsampled request has no trace"
}

// Retrieve yields the spans of Options.TraceIDs, in whichever of X-Ray's storage
// modes they are. It moves no mark. After the last batch it yields a
// MissingTracesError if there are traces that X-Ray does not have.
func Retrieve(ctx context.Context, o Options, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		err := retrieve(ctx, o, w, yield)
		if err != nil && !errors.Is(err, errStopped) {
			yield(fleet.Batch{}, err)
		}
	}
}

func retrieve(ctx context.Context, o Options, w fleet.Window, yield func(fleet.Batch, error) bool) error {
	var ids []string
	for _, id := range o.TraceIDs {
		trace, ok := fleet.ParseTraceID(strings.TrimSpace(id))
		if !ok {
			return fmt.Errorf("%q is no trace id: give 32 hex digits, or 1-8-24 of them", clip(id, maxIDBytes))
		}
		ids = append(ids, fleet.FormatTraceID(trace))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	o.Sources = []string{SourceXRay}
	ps, err := Places(ctx, o)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	var errs []error
	for _, p := range ps {
		err := p.Err
		if err == nil {
			err = newTraces(p.Options).retrieve(ctx, ids, w, found, yield)
		}
		if errors.Is(err, errStopped) || ctx.Err() != nil {
			return err
		}
		if err != nil { // the trace may be in another account
			errs = append(errs, fmt.Errorf("account %s, region %s: %w", p.Account, p.Region, err))
		}
	}
	if lost := slices.Collect(filtered(ids, func(id string) bool { return !found[id] })); len(lost) > 0 && len(errs) == 0 {
		return &MissingTracesError{lost}
	}
	return errors.Join(errs...)
}

// retrieve reads those of traces that one account and region has, and notes which
// they are.
func (t *traces) retrieve(ctx context.Context, ids []string, w fleet.Window, found map[string]bool, yield func(fleet.Batch, error) bool) error {
	out := &output{s: &t.source, window: w, yield: func(b fleet.Batch, err error) bool {
		for i := range b.Records {
			found[fleet.FormatTraceID(b.Records[i].Seen.Trace)] = true
		}
		return yield(b, err)
	}}
	searched, err := searches(ctx, &t.source, t.client)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(ids, tracesPerCall) {
		if err := t.asked(ctx, chunk, out); err != nil {
			return err
		}
	}
	if !searched {
		return nil
	}
	left := slices.Collect(filtered(ids, func(id string) bool { return !found[id] }))
	for chunk := range slices.Chunk(left, tracesPerRetrieval) {
		if err := t.retrieval(ctx, chunk, w, out); err != nil {
			return err
		}
	}
	return nil
}

// askedRounds is how often a trace is asked for that X-Ray returns as unprocessed:
// it says the same of one that it does not have.
const askedRounds = 3

// asked reads traces that X-Ray itself may keep.
func (t *traces) asked(ctx context.Context, ids []string, out *output) error {
	for round := range askedRounds {
		b, left, err := t.batch(ctx, ids)
		if err != nil {
			return err
		}
		if len(b.Records) > 0 {
			if err := out.send(b); err != nil {
				return err
			}
		}
		if ids = left; len(ids) == 0 {
			return nil
		}
		if err := t.wait(ctx, backoff(round)); err != nil {
			return err
		}
	}
	return nil
}

func filtered(ids []string, keep func(string) bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, id := range ids {
			if keep(id) && !yield(id) {
				return
			}
		}
	}
}

// retrieval has Transaction Search fetch traces, waits for it, and reads them.
func (t *traces) retrieval(ctx context.Context, ids []string, w fleet.Window, out *output) error {
	begun, err := call(ctx, &t.source, "xray:StartTraceRetrieval", t.client.StartTraceRetrieval, &xray.StartTraceRetrievalInput{
		TraceIds: ids, StartTime: &w.Start, EndTime: &w.End,
	})
	if err != nil {
		return err
	}
	in := &xray.ListRetrievedTracesInput{RetrievalToken: begun.RetrievalToken, TraceFormat: types.TraceFormatTypeOtel}
	waited := time.Duration(0)
	for look := firstLook; ; look = min(2*look, mostLook) {
		page, err := call(ctx, &t.source, "xray:ListRetrievedTraces", t.client.ListRetrievedTraces, in)
		if err != nil {
			return err
		}
		switch page.RetrievalStatus {
		case types.RetrievalStatusComplete:
			return t.afresh(ctx, func() error { return t.retrieved(ctx, *in, out) })
		case types.RetrievalStatusScheduled, types.RetrievalStatusRunning:
		default:
			return fmt.Errorf("the retrieval of %d traces ended as %s: ask for them again", len(ids), page.RetrievalStatus)
		}
		if waited >= retrievalPatience {
			_, err := call(ctx, &t.source, "xray:CancelTraceRetrieval", t.client.CancelTraceRetrieval,
				&xray.CancelTraceRetrievalInput{RetrievalToken: begun.RetrievalToken})
			return errors.Join(fmt.Errorf("the retrieval of %d traces is %s after %s: ask for fewer, or again", len(ids), page.RetrievalStatus, waited), err)
		}
		if err := t.wait(ctx, look); err != nil {
			return err
		}
		waited += look
	}
}

// retrieved reads what a complete retrieval holds. A trace may go over pages, so
// that what was sent alone is placed at the end; there are at most a hundred.
func (t *traces) retrieved(ctx context.Context, in xray.ListRetrievedTracesInput, out *output) error {
	var b fleet.Batch
	var p pager
	for {
		page, err := call(ctx, &t.source, "xray:ListRetrievedTraces", t.client.ListRetrievedTraces, &in)
		if err != nil {
			return err
		}
		for _, trace := range page.Traces {
			for _, span := range trace.Spans {
				b.Records = append(b.Records, parseSpanDocument(aws.ToString(span.Document), t.origin)...)
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		in.NextToken = page.NextToken
	}
	for _, r := range placeStreamed(b.Records) {
		r.Revision--
	}
	if len(b.Records) == 0 {
		return nil
	}
	return out.send(b)
}

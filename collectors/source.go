package collectors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sfn "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"muster/fleet"
)

// source is what all collectors have in common.
type source struct {
	Options
	origin
	stream string
	// wait is pause; tests that wait out minutes have another.
	wait func(context.Context, time.Duration) error
}

func newSource(o Options, kind, rest string) source {
	stream := kind + "/" + o.Account + "/" + o.AWS.Region
	if rest != "" {
		stream += "/" + rest
	}
	return source{Options: o, origin: origin{o.Account, o.AWS.Region}, stream: stream, wait: pause}
}

// Stream is the checkpoint key: source, account, region, and what else names it.
func (s *source) Stream() string { return s.stream }

// bounds are the window to read: w with its open ends closed, and its start
// moved back by the overlap. Reach is how far back a collection goes that was
// given no start.
func (s *source) bounds(w fleet.Window, overlap, reach time.Duration) fleet.Window {
	if w.End.IsZero() {
		w.End = s.Now()
	}
	if w.Start.IsZero() {
		return fleet.Window{Start: w.End.Add(-reach), End: w.End}
	}
	w.Start = w.Start.Add(-s.overlapOr(overlap))
	return w
}

// kept cuts a window to what AWS still has, and gives what was asked for and is
// lost; that is empty when nothing is.
func (s *source) kept(asked, read fleet.Window, kept time.Duration) (left, lost fleet.Window) {
	oldest := s.Now().Add(-kept)
	if oldest.After(read.End) {
		oldest = read.End
	}
	if !read.Start.Before(oldest) {
		return read, fleet.Window{}
	}
	read.Start = oldest
	if !asked.Start.IsZero() && asked.Start.Before(oldest) {
		lost = fleet.Window{Start: asked.Start, End: oldest}
	}
	return read, lost
}

// output hands over what a collector reads. It is not for concurrent use.
type output struct {
	s       *source
	yield   func(fleet.Batch, error) bool
	window  fleet.Window
	records int
	partial bool   // something in the window could not be read
	filter  string // by which AWS was asked for less than there is; "" for none
	sampled string // why what AWS has is less than there was; "" for all of it
}

// send hands over a batch, with a ledger entry for every document that was
// kept raw. An error says that no more is wanted.
func (o *output) send(b fleet.Batch) error {
	for i := range b.Ledger {
		o.partial = o.partial || o.within(b.Ledger[i].Window)
	}
	for i := range b.Records {
		if r := &b.Records[i]; r.Attributes.Get(fleet.AttrUnreadable) != "" {
			b.Ledger = append(b.Ledger, unreadableEntry(r, r.ID))
		}
	}
	o.records += len(b.Records)
	for i := range b.Ledger {
		b.Ledger[i].Stream = o.s.stream
	}
	if !o.yield(b, nil) {
		return errStopped
	}
	return nil
}

// within reports whether a window touches the one that is read.
func (o *output) within(w fleet.Window) bool {
	return w.Start.Before(o.window.End) && o.window.Start.Before(w.End)
}

// missing puts into the ledger that a window was not read whole, and why.
func (o *output) missing(w fleet.Window, reason, detail string) error {
	return o.send(fleet.Batch{Ledger: []fleet.LedgerEntry{
		{Window: w, Coverage: fleet.Partial, Reason: reason, Detail: detail},
	}})
}

// finish ends a window that was read to its end.
func (o *output) finish() error {
	b := fleet.Batch{Through: o.window.End}
	if o.filter != "" && !o.partial {
		b.Ledger = []fleet.LedgerEntry{{
			Window: o.window, Coverage: fleet.Partial, Reason: "filtered", Detail: "read by the filter pattern " + o.filter, Records: o.records,
		}}
		return o.send(b)
	}
	if o.sampled != "" && !o.partial {
		b.Ledger = []fleet.LedgerEntry{{Window: o.window, Coverage: fleet.Partial, Reason: "sampled", Detail: o.sampled, Records: o.records}}
		return o.send(b)
	}
	if !o.partial && o.window.Start.Before(o.window.End) {
		b.Ledger = []fleet.LedgerEntry{{Window: o.window, Coverage: fleet.Complete, Records: o.records}}
	}
	return o.send(b)
}

// end reports an error of reading to the consumer, unless it is what a consumer
// that stopped, or a denied permission, brought about.
func (o *output) end(err error) {
	var denied *deniedError
	switch {
	case err == nil, errors.Is(err, errStopped):
	case errors.As(err, &denied):
		_ = o.missing(o.window, "denied", denied.Error()) // the last word either way
	default:
		o.yield(fleet.Batch{}, err)
	}
}

// deniedError says which permission is missing.
type deniedError struct {
	action string
	err    error
}

func (e *deniedError) Error() string {
	return "allow " + e.action + " to read this: " + e.err.Error()
}
func (e *deniedError) Unwrap() error { return e.err }

// Bounds on waiting. The SDK's retries bridge what passes in seconds; throttling
// beyond that is waited out for as long as it takes, since a quota comes back.
const (
	callAttempts = 8
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 20 * time.Second // AWS's own SDKs wait no longer
)

// backoff is how long to wait before another attempt, counted from 0: doubling,
// and spread so that many collectors do not come back at once.
func backoff(attempt int) time.Duration {
	const doublings = 8 // 100 ms doubled eight times is past maxBackoff
	d := min(firstBackoff<<min(attempt, doublings), maxBackoff)
	return d/2 + rand.N(d/2) //nolint:gosec // spreading load needs no secret
}

// withRetries makes the SDK's clients patient. Its retry quota is off: a
// collector has nothing better to do than to try again.
func withRetries(cfg aws.Config) aws.Config {
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = callAttempts
			o.RateLimiter = ratelimit.None
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				return backoff(attempt), nil
			})
		})
	}
	return cfg
}

// call makes one call of AWS and waits out throttling. Action is its IAM name,
// such as "logs:FilterLogEvents".
func call[In, Out, Opt any](ctx context.Context, s *source, action string,
	f func(context.Context, In, ...Opt) (Out, error), in In, opts ...Opt,
) (Out, error) {
	renewed := 0
	for attempt := 0; ; attempt++ {
		out, err := f(ctx, in, opts...)
		switch {
		case err == nil:
			return out, nil
		case ctx.Err() != nil:
			return out, ctx.Err()
		case isExpired(err) && renewed < maxRenewals && s.renew():
			renewed++
			if err := s.wait(ctx, backoff(renewed)); err != nil {
				return out, err
			}
			continue
		case isDenied(err):
			return out, &deniedError{assumption(err, action), err}
		case !isThrottle(err):
			return out, fmt.Errorf("call %s: %w", action, err)
		}
		s.Logger.WarnContext(ctx, "throttled, waiting", "stream", s.stream, "action", action, "error", err)
		if err := s.wait(ctx, backoff(attempt+callAttempts)); err != nil {
			return out, err
		}
	}
}

// maxRenewals is how often in a row a session's credentials are asked for anew:
// what issues them may take a moment, and what is revoked stays so.
const maxRenewals = 5

// renew drops the credentials, so that the next call gets new ones, and reports
// whether there are any to get: a static key has expired for good.
func (s *source) renew() bool {
	cached, ok := s.AWS.Credentials.(interface{ Invalidate() })
	if ok {
		cached.Invalidate()
	}
	return ok
}

// isExpired reports whether a session's credentials are over, before the time
// that they came with.
func isExpired(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"}, api.ErrorCode())
}

// staleTries is how often a slice is read anew whose page token is refused. A
// token lives for a day and a slice takes minutes: AWS forgets few.
const staleTries = 20

// afresh runs what reads pages from the first one on, and runs it again where AWS
// refuses a page token, since an old token can be got only that way. Stable ids
// make reading again free.
func (s *source) afresh(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if err == nil || ctx.Err() != nil || try == staleTries || !isStalePage(err) {
			return err
		}
		s.Logger.WarnContext(ctx, "a page token is refused, reading again from the first page", "stream", s.stream, "error", err)
	}
}

// isStalePage reports whether it is the page token that AWS does not like.
func isStalePage(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	if _, ok := errors.AsType[*sfn.InvalidToken](err); ok {
		return true
	}
	switch api.ErrorCode() {
	case "InvalidNextTokenException", "ExpiredNextTokenException", "InvalidNextToken":
		return true
	case "InvalidParameterException", "InvalidRequestException", "ValidationException", "InvalidArgument":
		return strings.Contains(strings.ToLower(api.ErrorMessage()), "token")
	}
	return false
}

// pause waits, or ends early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func isThrottle(err error) bool {
	return retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// isDenied reports whether a permission is what is missing. Services spell it
// in their own ways.
func isDenied(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError",
		"UnauthorizedException", "NotAuthorized", "Forbidden":
		return true
	}
	return false
}

// pager remembers the last page token, so that a service that repeats one
// cannot keep a collector busy for ever. A few repeats are well: an empty page
// may come with the token of the page that it stands for.
type pager struct {
	token   string
	repeats int
}

// maxRepeats is how often one page token may come in a row: far more empty pages
// than anybody sends, and few enough to end soon.
const maxRepeats = 100

// next takes the token that a page came with and reports whether there is more.
func (p *pager) next(token *string) (bool, error) {
	if token == nil || *token == "" {
		return false, nil
	}
	if p.repeats++; *token != p.token {
		p.token, p.repeats = *token, 0
	}
	if p.repeats >= maxRepeats {
		return false, fmt.Errorf("page token %s came %d times in a row", clip(*token, maxIDBytes), maxRepeats)
	}
	return true, nil
}

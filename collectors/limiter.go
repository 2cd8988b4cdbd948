package collectors

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/time/rate"
)

// DefaultQuotaShare leaves half of every documented quota to the account's own
// consoles, dashboards and exporters.
const DefaultQuotaShare = 0.5

const (
	// leastShare of a quota, and leastRate calls a second where there is none, is
	// where lowering a pace ends: the SDK's own waits do the rest.
	leastShare = 0.1
	leastRate  = 1
	// cutEvery is how long a lowered pace is left alone. Calls that were on their
	// way at the old one are throttled too, and are no further sign.
	cutEvery = time.Second
	// backSteps is in how many seconds without throttling a pace is back where it
	// was when it was lowered, and raiseSteps in how many it doubles from there: one
	// throttle may be another caller's burst, the next one is not.
	backSteps  = 2
	raiseSteps = 20
	// burstSeconds is how much of a second's calls may go at once.
	burstSeconds = 0.25
)

// A Limiter paces the calls of all collectors, each API of each account and
// region by itself. A pace starts at the configured share of AWS's documented
// quota; it is halved when AWS throttles and grows back by the second (additive
// increase, multiplicative decrease). Without a documented quota it starts when
// AWS first throttles, at half of what was sent. Safe for concurrent use.
type Limiter struct {
	share   float64
	observe func(Call)
	now     func() time.Time

	mu    sync.Mutex
	paces map[paceKey]*pace
}

// Call is what became of one attempt of a call.
type Call struct {
	Account, Region string
	Action          string // its IAM name, of a closed set
	Throttled       bool
	Err             error
	Waited, Took    time.Duration
	Bytes           int64 // of the answer's body; 0 where AWS does not say
}

// NewLimiter keeps to a share of the documented quotas, from above 0 to 1; with
// 0 it waits for no quota and adapts to throttling alone, as a stand-in wants.
// observe, when not nil, is told of every attempt; it may be called concurrently.
func NewLimiter(share float64, observe func(Call)) *Limiter {
	if observe == nil {
		observe = func(Call) {}
	}
	return &Limiter{share: share, observe: observe, now: time.Now, paces: map[paceKey]*pace{}}
}

type paceKey struct{ account, region, action string }

// limit puts the limiter into the clients that are made of cfg.
func (l *Limiter) limit(cfg aws.Config, account string) aws.Config {
	// Within the retries, so that each attempt waits and counts, and before
	// signing, so that a signature does not age.
	insert := func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(&limiting{l, account}, "Retry", middleware.After)
	}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), insert)
	return cfg
}

// limiting is the limiter in one client of one account.
type limiting struct {
	limiter *Limiter
	account string
}

// ID names the middleware.
func (*limiting) ID() string { return "muster:Limiter" }

// HandleFinalize waits for the call's turn, makes it, and learns from its end.
func (m *limiting) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, meta middleware.Metadata, err error,
) {
	l := m.limiter
	c := Call{
		Account: m.account, Region: awsmiddleware.GetRegion(ctx),
		Action: actionOf(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)),
	}
	p := l.pace(paceKey{c.Account, c.Region, c.Action})
	came := l.now()
	if err := p.limiter.Wait(ctx); err != nil {
		return out, meta, errors.Join(ctx.Err(), err)
	}
	sent := l.now()
	p.sent(sent)
	out, meta, err = next.HandleFinalize(ctx, in)
	ended := l.now()
	c.Waited, c.Took, c.Err = sent.Sub(came), ended.Sub(sent), err
	if c.Throttled = err != nil && isThrottle(err); c.Throttled {
		p.lower(ended)
	} else {
		p.raise(ended)
	}
	if answer, ok := awsmiddleware.GetRawResponse(meta).(*smithyhttp.Response); ok && answer.Response != nil {
		c.Bytes = max(0, answer.ContentLength)
	}
	l.observe(c)
	return out, meta, err
}

func (l *Limiter) pace(key paceKey) *pace {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[key]
	if p == nil {
		p = newPace(l.share * quotas[key.action].in(key.region))
		l.paces[key] = p
	}
	return p
}

// pace is the speed of one API in one place.
type pace struct {
	limiter *rate.Limiter

	mu      sync.Mutex
	ceiling float64   // calls a second; 0: nobody knows
	before  float64   // calls a second when it was last lowered
	lowered time.Time // when it was
	raised  time.Time // when it last grew
	second  int64     // the Unix second in which calls are counted
	count   [2]int    // calls in that second, and in the one before
}

func newPace(ceiling float64) *pace {
	p := &pace{limiter: rate.NewLimiter(rate.Inf, 1), ceiling: ceiling}
	if ceiling > 0 {
		p.set(ceiling)
	}
	return p
}

func (p *pace) set(perSecond float64) {
	p.limiter.SetLimit(rate.Limit(perSecond))
	p.limiter.SetBurst(max(1, int(perSecond*burstSeconds)))
}

// sent counts a call, for the speed of a pace without a limit.
func (p *pace) sent(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roll(now)
	p.count[0]++
}

func (p *pace) roll(now time.Time) {
	switch s := now.Unix(); s - p.second {
	case 0:
	case 1:
		p.second, p.count = s, [2]int{0, p.count[0]}
	default:
		p.second, p.count = s, [2]int{}
	}
}

// lower halves the pace, once for all calls that are on their way.
func (p *pace) lower(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.lowered) < cutEvery {
		return
	}
	p.roll(now)
	p.before = float64(p.limiter.Limit())
	if p.limiter.Limit() == rate.Inf {
		p.before = float64(max(1, p.count[0], p.count[1]))
	}
	p.lowered, p.raised = now, now
	least := leastShare * p.ceiling
	if p.ceiling == 0 {
		least = leastRate
	}
	p.set(max(p.before/2, least))
}

// raise lets a lowered pace grow with the time that passed without throttling.
func (p *pace) raise(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	passed := now.Sub(p.raised)
	at := float64(p.limiter.Limit())
	if p.limiter.Limit() == rate.Inf || p.ceiling > 0 && at >= p.ceiling || passed < cutEvery {
		return
	}
	for left := min(passed.Seconds(), raiseSteps); left > 0; left-- {
		step := p.before / 2 / backSteps
		if at >= p.before {
			step = p.before / raiseSteps
		}
		at += step * min(left, 1)
	}
	if p.ceiling > 0 {
		at = min(at, p.ceiling)
	}
	p.raised = now
	p.set(at)
}

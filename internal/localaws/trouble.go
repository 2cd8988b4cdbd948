package localaws

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"net/http"
	"sync"
	"time"
)

// lateFactor is how many times its delay a late item takes: late enough to lie
// beyond the overlap of a reader that trusts the usual delay.
const lateFactor = 3

// trouble decides when the stand-in misbehaves. A decision depends only on the
// seed, what is asked and how often that was asked before, so one seed and one
// order of calls always meet the same trouble. Safe for concurrent use.
type trouble struct {
	seed uint64
	odds Trouble

	mu sync.Mutex
	// asked counts the questions by kind and operation; bounded by the number of
	// operations.
	asked map[string]uint64
}

func newTrouble(seed uint64, odds Trouble) *trouble {
	return &trouble{seed: seed, odds: odds, asked: make(map[string]uint64)}
}

// emptyPage says that a paging operation should answer nothing and a token.
func (t *trouble) emptyPage(c *call) bool { return t.strikes("empty", c.action(), t.odds.EmptyPage) }

// repeat says that an item should be handed out twice.
func (t *trouble) repeat(what string) bool { return t.strikes("repeat", what, t.odds.Repeat) }

// addendum says that a trail's record should come in two parts.
func (t *trouble) addendum() bool { return t.strikes("addendum", "trail", t.odds.Addendum) }

// delay is how long after it happened an item of a kind becomes visible.
func (t *trouble) delay(what string, usual time.Duration) time.Duration {
	if !t.strikes("late", what, t.odds.Late) {
		return usual
	}
	if t.odds.LateBy > 0 {
		return usual + time.Duration(t.draw("lateness", what)*float64(t.odds.LateBy))
	}
	return lateFactor * usual
}

// reset says that a call's connection should break, and half whether it does so
// in the middle of the answer.
func (t *trouble) reset(c *call) bool {
	return (t.odds.All || readsEvidence(c)) && t.strikes("reset", c.action(), t.odds.Reset)
}

func (t *trouble) half(c *call) bool { return t.draw("half", c.action()) < 0.5 }

// expiredPage says that a page token should be refused.
func (t *trouble) expiredPage() bool { return t.strikes("expired page", "token", t.odds.ExpiredPage) }

// sameMillisecond says that a log event should have its neighbour's time.
func (t *trouble) sameMillisecond() bool {
	return t.strikes("same millisecond", "logs", t.odds.SameMillisecond)
}

// refuse returns the error that a call meets before it is looked at, or nil.
func (t *trouble) refuse(c *call) *apiError {
	if !t.odds.All && !readsEvidence(c) {
		return nil
	}
	if !c.Identity.Expires.IsZero() && t.strikes("expired session", c.action(), t.odds.ExpiredSession) {
		return expiredToken(c.Service)
	}
	if t.strikes("throttle", c.action(), t.odds.Throttle) {
		return throttled(c.Service)
	}
	if t.strikes("fail", c.action(), t.odds.Fail) {
		return &apiError{Code: "InternalFailure", Message: "An internal error occurred.", Status: http.StatusInternalServerError}
	}
	return nil
}

func throttled(service string) *apiError {
	switch service {
	case "s3":
		return &apiError{Code: "SlowDown", Message: "Please reduce your request rate.", Status: http.StatusServiceUnavailable}
	case "sts", "sns", "sqs":
		return failf("Throttling", "Rate exceeded")
	case "ec2":
		return &apiError{Code: "RequestLimitExceeded", Message: "Request limit exceeded.", Status: http.StatusServiceUnavailable}
	case "xray":
		return &apiError{Code: "ThrottledException", Message: "Rate exceeded", Status: http.StatusTooManyRequests}
	case "dynamodb":
		return failf("ThrottlingException", "Throughput exceeds the current capacity of your table or index.")
	}
	return failf("ThrottlingException", "Rate exceeded")
}

func (t *trouble) strikes(kind, what string, odds float64) bool {
	return odds > 0 && t.draw(kind, what) < odds
}

// draw is the next number from 0 to 1 of those for one kind of question.
func (t *trouble) draw(kind, what string) float64 {
	key := kind + " " + what
	t.mu.Lock()
	n := t.asked[key]
	t.asked[key] = n + 1
	t.mu.Unlock()

	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], t.seed)
	binary.LittleEndian.PutUint64(b[8:], n)
	_, _ = h.Write(b[:]) // a hash never fails
	_, _ = h.Write([]byte(key))
	return float64(mix(h.Sum64())) / math.MaxUint64
}

// mix spreads a hash over all its bits (the finalizer of splitmix64): FNV alone
// leaves the high bits of near equal inputs near equal.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// expired refuses the key of a session that is over.
func expired(c *call) *apiError {
	if c.Identity.Expires.IsZero() || c.Time.Before(c.Identity.Expires) {
		return nil
	}
	return expiredToken(c.Service)
}

// expiredToken has the code that each service uses.
func expiredToken(service string) *apiError {
	const text = "The security token included in the request is expired"
	switch service {
	case "sts", "sns", "sqs":
		return &apiError{Code: "ExpiredToken", Message: text, Status: http.StatusForbidden}
	case "s3":
		return failf("ExpiredToken", "The provided token has expired.")
	case "ec2":
		return failf("RequestExpired", "Request has expired.")
	}
	return failf("ExpiredTokenException", text)
}

// readsEvidence reports whether a call is one by which evidence is collected.
func readsEvidence(c *call) bool {
	switch c.Service {
	case "logs", "xray", "cloudtrail", "config", "kinesis", "organizations", "states":
		return c.readOnly
	case "s3":
		return c.readOnly && c.evidence
	}
	return false
}

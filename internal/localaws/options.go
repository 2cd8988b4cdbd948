package localaws

import (
	"log/slog"
	"time"
)

// Options says how the stand-in behaves. The zero Options is the demo's
// account, prompt and free of trouble.
type Options struct {
	// Account is the 12-digit account; empty means DefaultAccount.
	Account string
	// Members are further accounts of the organization whose management account
	// Account is. Their roles can be assumed from there; with them the trail is
	// the organization's.
	Members []Member
	// Region is where calls land whose signature names none; empty means
	// DefaultRegion. A signature's region wins.
	Region string
	// Seed decides when Trouble strikes. Ids never depend on it: two runs of one
	// seed are two runs, and their evidence must not look like one.
	Seed uint64
	// Now is the clock of everything recorded; nil means time.Now. Long polling
	// and visibility timeouts run on real time.
	Now     func() time.Time
	Delay   Delay
	Trouble Trouble
	// TransactionSearch starts X-Ray with CloudWatch Logs as the destination of
	// segments, as UpdateTraceSegmentDestination would set it.
	TransactionSearch bool
	// Quotas throttles at AWS's documented rates, for each account and region.
	Quotas bool
	// Skew is by how much AWS's clock is ahead of Now; with it, requests signed too
	// far from that are refused.
	Skew time.Duration
	// Deny lists IAM actions ("logs:FilterLogEvents") that answer AccessDenied.
	Deny   []string
	Logger *slog.Logger
	// TrailBucket receives the trail's files; empty means DefaultTrailBucket.
	TrailBucket string
	// TrinoURL is the Trino to which Athena hands its statements, and
	// TrinoCatalog the catalog that stands for Glue there; empty means "lake".
	// Without a Trino, Athena answers that it has no engine.
	TrinoURL, TrinoCatalog string
	// ListenAddr and DaemonAddr are loopback addresses; empty means a free port.
	ListenAddr, DaemonAddr string
}

// Delay says how long after it happened evidence can be read. Drain makes all
// that is pending visible at once.
type Delay struct {
	Trail  time.Duration // files in the trail bucket; AWS: about five minutes
	Lookup time.Duration // CloudTrail LookupEvents; AWS: up to 15 minutes
	Config time.Duration // configuration items; AWS: a few minutes
	Logs   time.Duration // CloudWatch Logs events; AWS: seconds
}

// Trouble holds probabilities from 0 to below 1. It strikes only the calls by
// which evidence is read, unless All is set.
type Trouble struct {
	Throttle  float64 // ThrottlingException, or S3's SlowDown
	Fail      float64 // an internal error, HTTP 500
	EmptyPage float64 // a page with a token and nothing else
	Repeat    float64 // an item is handed out or delivered twice
	Addendum  float64 // a trail's record lacks something that an addendum brings later
	Late      float64 // an item becomes visible late; see LateBy
	Reset     float64 // the connection breaks before or in an answer
	// ExpiredPage makes a page token be refused as one that has expired, and
	// ExpiredSession a session's key.
	ExpiredPage, ExpiredSession float64
	// SameMillisecond gives a log event the timestamp of the one before it in its
	// batch.
	SameMillisecond float64
	// LateBy is by how much a late item is late at most, beyond its delay; zero
	// means lateFactor times its delay.
	LateBy time.Duration
	// All lets Throttle and Fail strike every call, the fleet's writes too.
	All bool
}

// The demo's account, region and trail bucket.
const (
	DefaultAccount     = "111122223333"
	DefaultRegion      = "us-east-1"
	DefaultTrailBucket = "muster-trail"
)

func (o Options) withDefaults() Options {
	if o.Account == "" {
		o.Account = DefaultAccount
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if o.TrailBucket == "" {
		o.TrailBucket = DefaultTrailBucket
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TrinoCatalog == "" {
		o.TrinoCatalog = "lake"
	}
	if o.ListenAddr == "" {
		o.ListenAddr = "127.0.0.1:0"
	}
	if o.DaemonAddr == "" {
		o.DaemonAddr = "127.0.0.1:0"
	}
	return o
}

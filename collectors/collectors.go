// Package collectors reads what AWS recorded about a fleet, from its APIs and
// from files in the formats that AWS writes, and translates it once into
// fleet.Record. It is the only room that parses ids, knows AWS's shapes, and
// masks secrets: whatever leaves it is safe to store and to show.
package collectors

import (
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Sources by which Options.Sources chooses.
const (
	SourceLogs       = "logs"       // CloudWatch Logs, one stream per group
	SourceLogBucket  = "log-bucket" // a bucket that logs are delivered to; its stream is one of the logs
	SourceXRay       = "xray"       // traces
	SourceCloudTrail = "cloudtrail" // LookupEvents: management events only
	SourceTrail      = "trail"      // the bucket that a trail delivers to
	SourceConfig     = "config"     // configuration items
	SourceVerdicts   = "verdicts"   // of AWS Config's rules
	SourceInventory  = "inventory"  // what resources look like now, by AWS Config's advanced queries
)

// Sources lists every source in the order in which they are read. Spans come
// first, since they are what most other records borrow their trace from.
func Sources() []string {
	return []string{SourceXRay, SourceLogs, SourceLogBucket, SourceCloudTrail, SourceTrail, SourceConfig, SourceVerdicts, SourceInventory}
}

// Options says what to read. The zero value of every field but AWS is usable.
type Options struct {
	// AWS carries region, credentials and, in BaseEndpoint, an endpoint override.
	AWS aws.Config
	// Account is the account whose evidence this is; "" asks STS.
	Account string
	// Accounts chooses accounts, and Regions regions; empty means the caller's own,
	// and AWS's.
	Accounts Accounts
	Regions  []string
	// Sessions remembers what Accounts takes; nil means anew for each Discover.
	Sessions *Sessions
	// Sources chooses sources; empty means all of them ("trail" and
	// "log-bucket" only with their buckets, "inventory" only with an aggregator).
	Sources []string
	// Groups chooses log groups; the zero value means all of the account.
	Groups GroupChoice
	// GroupTags remembers what tags groups have; nil means anew for each Discover.
	GroupTags *GroupTags
	// TraceIDs are those that Retrieve reads, in either spelling.
	TraceIDs []string
	// TrailBucket is where a trail delivers; TrailPrefix is what it puts before
	// "AWSLogs/" there.
	TrailBucket, TrailPrefix string
	// TrailQueue is the URL of a queue that is told of the files in TrailBucket;
	// "" lists the bucket.
	TrailQueue string
	// LiveTail says that LiveTail will be called: it takes a permission more.
	LiveTail bool
	// LogBucket is where logs are delivered to, below LogBucketPrefix.
	LogBucket, LogBucketPrefix string
	// Limiter paces the calls, of all that share it; nil means one that adapts to
	// throttling alone, anew for each Discover.
	Limiter *Limiter
	// ConfigAggregator is an aggregator of AWS Config by which the inventory and
	// the verdicts of all of its accounts are read; "" for none.
	ConfigAggregator string
	// ConfigTypes are the resource types to read from AWS Config; empty means
	// ConfigTypes().
	ConfigTypes []string
	// Overlap is re-read before each window; 0 means each source's own default.
	Overlap time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger is told what was worth a wait; nil means silence.
	Logger *slog.Logger

	placed    bool        // of one place, and ready
	foreign   bool        // of an account that is not the caller's
	bare      aws.Config  // AWS without the limiter of an account
	bucketAWS *aws.Config // by which buckets are read; nil means AWS
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.GroupTags == nil {
		o.GroupTags = &GroupTags{}
	}
	if o.Sessions == nil {
		o.Sessions = &Sessions{}
	}
	if o.Limiter == nil {
		o.Limiter = NewLimiter(0, nil)
	}
	return o
}

// overlapOr is the configured overlap, or a source's own.
func (o Options) overlapOr(own time.Duration) time.Duration {
	if o.Overlap > 0 {
		return o.Overlap
	}
	return own
}

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
	SourceKinesis    = "kinesis"    // data streams that logs are delivered to; each is one of the logs
	SourceXRay       = "xray"       // traces
	SourceCloudTrail = "cloudtrail" // LookupEvents: management events only
	SourceTrail      = "trail"      // the bucket that a trail delivers to
	SourceConfig     = "config"     // configuration items
	SourceVerdicts   = "verdicts"   // of AWS Config's rules
	SourceInventory  = "inventory"  // what resources look like now, by AWS Config's advanced queries
	SourceExecutions = "executions" // of Step Functions, one stream per state machine
)

// Sources lists every source in the order in which they are read. Spans come
// first, since they are what most other records borrow their trace from.
func Sources() []string {
	return []string{
		SourceXRay, SourceExecutions, SourceLogs, SourceLogBucket, SourceKinesis,
		SourceCloudTrail, SourceTrail, SourceConfig, SourceVerdicts, SourceInventory,
	}
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
	// Sources chooses sources; empty means all of them ("trail", "log-bucket" and
	// "kinesis" only with their buckets and streams, "inventory" only with an
	// aggregator).
	Sources []string
	// Groups chooses log groups; the zero value means all of the account.
	Groups GroupChoice
	// GroupTags remembers what tags groups have; nil means anew for each Discover.
	GroupTags *GroupTags
	// Machines chooses state machines; the zero value means all. ExecutionData keeps
	// the inputs and outputs of executions and their steps.
	Machines      MachineChoice
	ExecutionData bool
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
	// XRayGroup is a group of X-Ray whose traces alone are read; "" means all.
	XRayGroup string
	// KinesisStreams are data streams that logs are delivered to, by name or ARN.
	KinesisStreams []string
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
	// Graph has Examine compare X-Ray's service graph with a store; nil means no.
	Graph *GraphCheck
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger is told what was worth a wait; nil means silence.
	Logger *slog.Logger

	placed    bool        // of one place, and ready
	foreign   bool        // of an account that is not the caller's
	bare      aws.Config  // AWS without the limiter of an account
	bucketAWS *aws.Config // by which buckets and data streams are read; nil means AWS
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

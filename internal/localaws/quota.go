package localaws

import (
	"sync"
	"time"
)

// quotas are the documented rates, in calls a second for one account and region,
// that Options.Quotas enforces. AWS publishes none for X-Ray's and Config's reads.
var quotas = map[string]rate{
	"logs:FilterLogEvents":       {usual: 10, by: map[string]float64{"us-east-1": 25, "ap-northeast-3": 5, "ap-southeast-3": 5, "ca-west-1": 5, "eu-central-1": 5, "il-central-1": 5}},
	"logs:GetLogEvents":          {usual: 10, by: map[string]float64{"us-east-1": 25, "us-west-2": 25, "eu-west-1": 25}},
	"logs:DescribeLogGroups":     {usual: 10},
	"logs:DescribeLogStreams":    {usual: 25},
	"logs:StartQuery":            {usual: 5},
	"logs:GetQueryResults":       {usual: 5},
	"logs:StartLiveTail":         {usual: 3},
	"cloudtrail:LookupEvents":    {usual: 2},
	"cloudtrail:DescribeTrails":  {usual: 10},
	"cloudtrail:GetTrailStatus":  {usual: 10},
	"organizations:ListAccounts": {usual: 8},
	"states:ListStateMachines":   {usual: 5},
	"states:ListExecutions":      {usual: 2, by: map[string]float64{"us-east-1": 5, "us-west-2": 5, "eu-west-1": 5}},
	"states:DescribeExecution":   {usual: 10, by: map[string]float64{"us-east-1": 15, "us-west-2": 15, "eu-west-1": 15}},
	"states:GetExecutionHistory": {usual: 20},
}

// rate is how many calls a second go, in most regions and in some.
type rate struct {
	usual float64
	by    map[string]float64
}

func (r rate) in(region string) float64 {
	if n, ok := r.by[region]; ok {
		return n
	}
	return r.usual
}

// throttle keeps a token bucket for each operation that has a quota, in each
// place. A full bucket holds what a second allows. Safe for concurrent use.
type throttle struct {
	mu      sync.Mutex
	buckets map[bucketKey]*tokenBucket
}

type bucketKey struct {
	place
	action string
}

type tokenBucket struct {
	tokens float64
	filled time.Time
}

// newThrottle returns nil, which allows everything, unless quotas are on.
func newThrottle(on bool) *throttle {
	if !on {
		return nil
	}
	return &throttle{buckets: map[bucketKey]*tokenBucket{}}
}

// allows takes a token for a call, or says that there is none.
func (t *throttle) allows(c *call) bool {
	if t == nil {
		return true
	}
	quota, ok := quotas[c.action()]
	if !ok {
		return true
	}
	rate := quota.in(c.Region)
	key := bucketKey{c.place(), c.action()}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[key]
	if b == nil {
		b = &tokenBucket{tokens: rate, filled: c.Time}
		t.buckets[key] = b
	}
	if passed := c.Time.Sub(b.filled).Seconds(); passed > 0 {
		b.tokens, b.filled = min(rate, b.tokens+passed*rate), c.Time
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

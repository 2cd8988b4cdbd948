package audit

import "time"

// route is one operation that a service is asked for.
type route struct {
	Service  string       `cel:"service" doc:"who is asked"`
	Name     string       `cel:"name" doc:"the operation; what names one thing in its path is {id}"`
	Requests int64        `cel:"requests" doc:"how often it was asked for"`
	Faults   int64        `cel:"faults" doc:"those that failed by the service's own fault"`
	Sized    int64        `cel:"sized" doc:"the answers that say how long they are"`
	Typical  float64      `cel:"typical_bytes" doc:"half of those are not longer, give or take a fifth"`
	Largest  int64        `cel:"max_bytes" doc:"the longest answer"`
	LargeID  string       `cel:"max_id" doc:"of the longest answer"`
	Hours    []*routeHour `cel:"hours" doc:"the same by hours of the clock"`

	sizes histogram // in megabytes
}

// routeHour is a route in one hour of the clock.
type routeHour struct {
	Service    string    `cel:"service" doc:"who is asked"`
	Name       string    `cel:"name" doc:"the operation"`
	Start      time.Time `cel:"start" doc:"when the hour began"`
	Requests   int64     `cel:"requests" doc:"how often it was asked for"`
	Faults     int64     `cel:"faults" doc:"those that failed by the service's own fault"`
	FaultIDs   []string  `cel:"fault_ids" doc:"of the latest of those"`
	SlowestIDs []string  `cel:"slowest_ids" doc:"of the slowest requests, the slowest first"`
	P95        float64   `cel:"p95" doc:"95 of 100 took less seconds, give or take a fifth"`

	durations histogram
	slowest   []slowRequest
}

// slowRequest is one of the slowest requests of an hour.
type slowRequest struct {
	seconds float64
	id      string
}

// channel is where payloads go that say of what format they are: a route of a
// service, or a queue.
type channel struct {
	Service string   `cel:"service" doc:"who is asked, or takes from the queue"`
	Name    string   `cel:"name" doc:"the operation, or the queue"`
	Formats []string `cel:"formats" doc:"the formats, the most frequent first"`
	Common  int64    `cel:"common" doc:"the payloads of the most frequent format"`
	Odd     int64    `cel:"odd" doc:"the payloads of all others"`
	OddIDs  []string `cel:"odd_ids" doc:"of the first records that show another"`

	seen map[string]*formatSeen
}

// formatSeen is how often a channel showed a format.
type formatSeen struct {
	count int64
	ids   []string
}

// claim is a resource that a service may use: its role's policy names it.
type claim struct {
	ID       string   `cel:"id" doc:"of the API call that wrote the policy"`
	Role     string   `cel:"role" doc:"the role that may use it"`
	Resource string   `cel:"resource" doc:"the canonical name of what it may use"`
	Calls    int64    `cel:"calls" doc:"how often the role was seen to call it"`
	Visible  int64    `cel:"visible" doc:"how often any role was seen to call what is of its type: 0 says that such calls are not recorded"`
	IDs      []string `cel:"ids" doc:"of the call that wrote the policy, and of the role's latest call of all"`
}

// histogram counts durations in steps of a fifth.
type histogram [96]int64

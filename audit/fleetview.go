package audit

import "time"

// fleetView is everything of the window together, as expressions see it. Its
// lists are in the order of names, but for changes, which are in that of time.
type fleetView struct {
	Start    time.Time    `cel:"start" doc:"of the first record that was read"`
	Seconds  float64      `cel:"seconds" doc:"from the first record to the last"`
	Services []*service   `cel:"services" doc:"what is called, registered, traced or writes lines"`
	Edges    []*edge      `cel:"edges" doc:"the calls of one service to another, or to an AWS service"`
	Uses     []*use       `cel:"uses" doc:"the resources that services call APIs on, one for each service"`
	Changes  []*change    `cel:"changes" doc:"the API calls that wrote something outside of any trace"`
	Sessions []*session   `cel:"sessions" doc:"temporary credentials that were obtained with temporary credentials"`
	Firsts   []*firstCall `cel:"firsts" doc:"the first call of an operation by a role"`
	Routes   []*route     `cel:"routes" doc:"the operations that services are asked for"`
	Channels []*channel   `cel:"channels" doc:"where payloads go that say of what format they are"`
	Claims   []*claim     `cel:"claims" doc:"the resources that policies of roles name, and how often the roles did use them; none where there are too many to tell"`
}

// service is one service over the window.
type service struct {
	Name        string    `cel:"name" doc:"as its spans or lines name it, or the registry"`
	Spans       int64     `cel:"spans" doc:"the number of its spans"`
	Lines       int64     `cel:"lines" doc:"the number of its log lines"`
	Requests    int64     `cel:"requests" doc:"what it was asked: spans without a parent, or whose parent is another service's"`
	Faults      int64     `cel:"faults" doc:"the requests that failed by its own fault"`
	Throttles   int64     `cel:"throttles" doc:"the requests that were throttled"`
	P95         float64   `cel:"p95" doc:"95 of 100 of its requests took less seconds, give or take a fifth"`
	Called      int64     `cel:"called" doc:"the calls of other services to it"`
	Entries     int64     `cel:"entries" doc:"HTTP requests that no service is known to have made"`
	EntryIDs    []string  `cel:"entry_ids" doc:"of the latest of those spans"`
	CacheHits   int64     `cel:"cache_hits" doc:"spans with the annotation cache: hit"`
	CacheMisses int64     `cel:"cache_misses" doc:"spans with the annotation cache: miss"`
	MissIDs     []string  `cel:"miss_ids" doc:"of the latest of those spans"`
	Registered  int64     `cel:"registered" doc:"the instances that were registered less those that were taken out"`
	RegisterIDs []string  `cel:"register_ids" doc:"of the calls that registered them"`
	IDs         []string  `cel:"ids" doc:"of its first spans"`
	LineIDs     []string  `cel:"line_ids" doc:"of its first lines"`
	CallIDs     []string  `cel:"call_ids" doc:"of the latest calls to it"`
	FaultIDs    []string  `cel:"fault_ids" doc:"of the latest requests that failed by its own fault"`
	First       time.Time `cel:"first" doc:"when it was first seen"`
	Hours       []*hour   `cel:"hours" doc:"the same by hours of the clock: what was wrong for an hour is not seen in a day's sums"`

	durations histogram
}

// hour is a service in one hour of the clock.
type hour struct {
	Service     string    `cel:"service" doc:"its name"`
	Start       time.Time `cel:"start" doc:"when the hour began"`
	Spans       int64     `cel:"spans" doc:"the number of its spans"`
	Lines       int64     `cel:"lines" doc:"the number of its log lines"`
	Requests    int64     `cel:"requests" doc:"what it was asked"`
	Faults      int64     `cel:"faults" doc:"the requests that failed by its own fault"`
	CacheHits   int64     `cel:"cache_hits" doc:"spans with the annotation cache: hit"`
	CacheMisses int64     `cel:"cache_misses" doc:"spans with the annotation cache: miss"`
	IDs         []string  `cel:"ids" doc:"of its first spans"`
	MissIDs     []string  `cel:"miss_ids" doc:"of the latest spans with a miss"`
}

// edge is the calls of one service to another.
type edge struct {
	Service    string   `cel:"service" doc:"the caller"`
	Target     string   `cel:"target" doc:"the callee"`
	Remote     bool     `cel:"remote" doc:"the callee is no AWS service"`
	Answered   int64    `cel:"answered" doc:"the calls with a span of the callee below"`
	Calls      int64    `cel:"calls" doc:"the number of calls"`
	Errors     int64    `cel:"errors" doc:"those that failed"`
	MaxSeconds float64  `cel:"max_seconds" doc:"the longest call"`
	IDs        []string `cel:"ids" doc:"of the latest calls"`
}

// use is one service's use of one resource.
type use struct {
	Resource string   `cel:"resource" doc:"the canonical name, such as AWS::DynamoDB::Table/orders"`
	Service  string   `cel:"service" doc:"who uses it"`
	Owner    string   `cel:"owner" doc:"the service that writes it most, else that calls it most"`
	Calls    int64    `cel:"calls" doc:"the number of API calls"`
	Writes   int64    `cel:"writes" doc:"those that are not read-only"`
	IDs      []string `cel:"ids" doc:"of the latest calls"`
}

// change is an API call that wrote something, and what came of it.
type change struct {
	ID        string    `cel:"id" doc:"of the API call"`
	Time      time.Time `cel:"time" doc:"when it was made"`
	Name      string    `cel:"name" doc:"the operation, such as ecs:UpdateService"`
	Principal string    `cel:"principal" doc:"who made it"`
	Person    bool      `cel:"person" doc:"it was made by a user, root or a session of single sign-on, not by a role"`
	UserAgent string    `cel:"user_agent" doc:"the program that made it"`
	Resource  string    `cel:"resource" doc:"what it changed"`
	ManagedBy string    `cel:"managed_by" doc:"the role that created or changed the resource before; empty for none"`
	Service   string    `cel:"service" doc:"the service that the resource runs, if it is an ECS service or a function"`
	Before    traffic   `cel:"before" doc:"the 15 minutes before, or since the change before it"`
	After     traffic   `cel:"after" doc:"the 15 minutes after, or until the next change"`
	Users     []string  `cel:"users" doc:"the services that were seen to use the resource, or to call the service that it runs"`
	Related   []string  `cel:"related" doc:"what AWS Config says the resource is related to, such as Is attached to AWS::EC2::Instance/i-1"`
	UseIDs    []string  `cel:"use_ids" doc:"of the latest calls of those services"`
	UndoneBy  string    `cel:"undone_by" doc:"who put back later what a person did; empty for nobody"`
	UndoneID  string    `cel:"undone_id" doc:"of the call that put it back"`
	Lasted    float64   `cel:"lasted" doc:"the seconds until it was put back"`

	end    time.Time // of After; zero: open
	params uint64    // a hash of what was asked for; 0 for nothing
}

// traffic is what was asked of a service, or of a resource, for a while.
type traffic struct {
	Requests int64    `cel:"requests" doc:"of the service; where the resource runs none, the API calls of services on it"`
	Errors   int64    `cel:"errors" doc:"those that failed by the fault of what was asked"`
	Ratio    float64  `cel:"ratio" doc:"the share that failed; 0 where there is nothing"`
	Mean     float64  `cel:"mean" doc:"how long a request, or a call, took on average, in seconds"`
	ErrorIDs []string `cel:"error_ids" doc:"of the first that failed"`
}

// session is temporary credentials that were obtained with temporary ones.
type session struct {
	Principal string   `cel:"principal" doc:"whose they are"`
	Chain     []string `cel:"chain" doc:"who obtained them, the first of all in front"`
	Calls     int64    `cel:"calls" doc:"what was called with them"`
	Names     []string `cel:"names" doc:"the operations, each once"`
	IDs       []string `cel:"ids" doc:"of the call that obtained them, and of the latest calls"`
}

// firstCall is the first call of an operation by a role.
type firstCall struct {
	ID        string  `cel:"id" doc:"of the API call"`
	Role      string  `cel:"role" doc:"the role's name"`
	Principal string  `cel:"principal" doc:"whose session it was"`
	Name      string  `cel:"name" doc:"the operation"`
	Known     float64 `cel:"known" doc:"the seconds since the role's first call of all"`
	Calls     int64   `cel:"calls" doc:"the calls of the role before"`
}

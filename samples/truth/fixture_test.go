package truth_test

import (
	"context"
	"iter"
	"time"

	"muster/fleet"
	"muster/samples/truth"
)

const (
	traceA = "6b060a2002824693e59a59d3fb62ab14"
	traceB = "6b060a20aaaaaaaaaaaaaaaaaaaaaaaa"
	spanA  = "008a9ce984d37f9a"
	spanB  = "1111111111111111"
	stray  = "6b060a20bbbbbbbbbbbbbbbbbbbbbbbb"
	table  = "AWS::DynamoDB::Table/orders"
	bucket = "AWS::S3::Bucket/receipts"
	user   = "arn:aws:iam::111122223333:user/deployer"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// store is a reader with fixed answers.
type store struct {
	records   []fleet.Record
	summaries []fleet.Summary
	findings  []fleet.Finding
	err       error
}

func (s *store) Records(context.Context, fleet.Query) iter.Seq2[fleet.Record, error] {
	return answers(s.records, s.err)
}

func (s *store) Traces(context.Context, fleet.Query) iter.Seq2[fleet.Summary, error] {
	return answers(s.summaries, nil)
}

func (s *store) Findings(context.Context, fleet.Query) iter.Seq2[fleet.Finding, error] {
	return answers(s.findings, nil)
}

func (s *store) Trace(context.Context, string) (fleet.Trace, error) {
	return fleet.Trace{}, fleet.ErrNotFound
}

func answers[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			var zero T
			yield(zero, err)
		}
	}
}

// known is a small run: a request on trace A that publishes a message, and
// trace B that handles it and makes a bucket.
func known() *truth.File {
	now := start
	r := truth.NewRecorder(7, func() time.Time { return now })
	r.Switched([]string{"slow-dependency"}, []string{"security-group-open"})
	r.Journey(traceA, "j-1")
	r.Request(truth.Request{Trace: traceA, Span: spanA, Journey: "j-1", Name: "POST /orders", Status: 201})
	r.Span(truth.Span{Trace: traceA, ID: spanA, Service: "gateway", Name: "gateway"})
	r.Span(truth.Span{Trace: traceB, ID: spanB, Service: "notifications", Name: "notifications"})
	r.Consumed("m-1", traceB) // before the producer is known, as it happens
	r.Published("m-1", traceA)
	r.Line(truth.Line{ID: "shown", Service: "gateway", Trace: traceA})
	r.Line(truth.Line{ID: "unlinked", Service: "orders", Trace: traceA, Unlinked: true})
	r.Line(truth.Line{ID: "startup", Service: "orders"})
	r.Call(truth.Call{Request: "put", Service: "DynamoDB", Operation: "PutItem", Trace: traceA, Span: spanA})
	r.Call(truth.Call{Request: "throttled", Service: "DynamoDB", Operation: "PutItem", Trace: traceA, Retried: true, Failed: true})
	r.Call(truth.Call{Request: "create-table", Service: "DynamoDB", Operation: "CreateTable"})
	r.Call(truth.Call{Request: "create-bucket", Service: "S3", Operation: "CreateBucket", Trace: traceB, Span: spanB})
	r.Change(table, "create-table")
	r.Change(bucket, "create-bucket")
	r.Session("ASIA1", user)
	r.Expect("slow-dependency", truth.Expected{Traces: []string{traceA}})
	r.Expect("security-group-open", truth.Expected{Resources: []string{table}, Requests: []string{"create-table"}})
	return r.File()
}

func link(via fleet.Rung, sure fleet.Certainty) fleet.Link { return fleet.Link{Via: via, Sure: sure} }

var (
	seen     = link(fleet.RungSeen, fleet.Exact)
	exact    = link(fleet.RungRequest, fleet.Exact)
	byTrace  = link(fleet.RungTrace, fleet.Exact)
	message  = link(fleet.RungMessage, fleet.Exact)
	inferred = link(fleet.RungRequest, fleet.Inferred)
	touch    = link(fleet.RungTouch, fleet.Inferred)
	session  = link(fleet.RungSession, fleet.Exact)
)

// resolved is what a perfect muster makes of that run.
func resolved() *store {
	span := func(trace, id string, correlation fleet.Link) fleet.Record {
		return fleet.Record{
			ID: fleet.SpanID(trace, id), Kind: fleet.KindSpan, Seen: fleet.Keys{Trace: trace, Span: id},
			Keys: fleet.Keys{Trace: trace, Span: id, TraceLink: seen, Correlation: "j-1", CorrelationLink: correlation},
		}
	}
	log := func(id, raw string, s, k fleet.Keys) fleet.Record {
		return fleet.Record{ID: id, Kind: fleet.KindLog, Seen: s, Keys: k, Raw: []byte(raw)}
	}
	call := func(id, request string, k fleet.Keys) fleet.Record {
		k.Request, k.Scope, k.RequestLink, k.AccessKey = request, fleet.ScopeAWS, seen, "ASIA1"
		k.Origin, k.OriginLink = user, session
		return fleet.Record{
			ID: id, Kind: fleet.KindAPICall, Keys: k,
			Seen: fleet.Keys{Request: request, Scope: fleet.ScopeAWS, AccessKey: "ASIA1"},
		}
	}
	joinedA := fleet.Keys{Trace: traceA, TraceLink: exact, Correlation: "j-1", CorrelationLink: byTrace}
	joinedB := fleet.Keys{Trace: traceB, TraceLink: exact, Correlation: "j-1", CorrelationLink: message}
	changed := joinedB
	changed.Request, changed.RequestLink, changed.TraceLink = "create-bucket", touch, inferred
	changed.CorrelationLink = link(fleet.RungMessage, fleet.Inferred)
	gateway := span(traceA, spanA, seen)
	gateway.Seen.Correlation = "j-1"
	return &store{
		records: []fleet.Record{
			gateway,
			span(traceB, spanB, message),
			log("l1", `{"line":"shown"}`, fleet.Keys{Trace: traceA},
				fleet.Keys{Trace: traceA, TraceLink: seen, Correlation: "j-1", CorrelationLink: byTrace}),
			log("l2", `{"eventId":"1","message":"{\"line\":\"unlinked\"}"}`, fleet.Keys{Request: "put", Scope: fleet.ScopeAWS}, joinedA),
			log("l3", `{"line":"startup"}`, fleet.Keys{}, fleet.Keys{}),
			log("l4", `another program's line`, fleet.Keys{}, fleet.Keys{Trace: stray, TraceLink: exact}),
			call("c1", "put", joinedA), call("c2", "throttled", fleet.Keys{}),
			call("c3", "create-table", fleet.Keys{}), call("c4", "create-bucket", joinedB),
			{
				ID: "ch1", Kind: fleet.KindChange, Resources: []string{table},
				Keys: fleet.Keys{Request: "create-table", Scope: fleet.ScopeAWS, RequestLink: touch},
			},
			{ID: "ch2", Kind: fleet.KindChange, Resources: []string{bucket, "arn:aws:s3:::receipts"}, Keys: changed},
		},
		summaries: []fleet.Summary{{Trace: traceA, Correlation: "j-1"}, {Trace: traceB, Correlation: "j-1"}},
		findings: []fleet.Finding{
			{Policy: "slow-dependency", Severity: fleet.High, Trace: traceA, Count: 1, Evidence: []string{"c1", "an old run's"}, LastSeen: start},
			{Policy: "security-group-open", Severity: fleet.High, Evidence: []string{"c3"}, LastSeen: start},
			{Policy: "chatty", Severity: fleet.Low, LastSeen: start},
			{Policy: "an old run's", Severity: fleet.Critical, LastSeen: start.Add(-time.Hour)},
		},
	}
}

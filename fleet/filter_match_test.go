package fleet_test

import (
	"testing"
	"time"

	"muster/fleet"
	"muster/internal/filter"
)

// filterSpan is a span of a trace that began at a fixed time.
func filterSpan(id, parent string, start, end int, service, name string, attributes fleet.Attributes) fleet.Record {
	return fleet.Record{
		ID: id, Kind: fleet.KindSpan, Time: time.UnixMilli(int64(start)).UTC(),
		Duration: time.Duration(end-start) * time.Millisecond, Service: service, Name: name, Account: "111122223333",
		Seen: fleet.Keys{Span: id, Parent: parent}, Attributes: attributes,
	}
}

// checkout is a trace: orders answers 200 although a call of payments to the
// bank failed, writes to DynamoDB, and takes 2 seconds; a worker goes on.
func checkout() []fleet.Record {
	call := func(namespace, name string) fleet.Attributes {
		return fleet.AttributesOf("span_type", "subsegment", "namespace", namespace, "segment_name", name)
	}
	root := filterSpan("root", "", 1000, 3000, "orders", "POST /orders", fleet.AttributesOf(
		"span_type", "segment", "http_status", "200", "http_method", "POST", "http_url", "http://shop.example/orders?x=1",
		"user_agent", "curl/8", "source_ip", "198.51.100.7", "user", "alice", "origin", "AWS::ECS::Container",
	))
	step := filterSpan("step", "root", 1100, 1200, "orders", "check", fleet.AttributesOf(
		"span_type", "subsegment", "annotation.tier", "gold", "annotation.items", "12", "annotation.paid", "true", "annotation.gift", "false",
	))
	put := filterSpan("put", "step", 1110, 1120, "orders", "dynamodb:PutItem", call("aws", "DynamoDB"))
	put.Error, put.Message = "throttle", "slow down"
	put.Resources = []string{"AWS::DynamoDB::Table/orders", "arn:aws:dynamodb:us-east-1:111122223333:table/orders"}
	ask := filterSpan("ask", "root", 1300, 2800, "orders", "POST payments:8080", call("remote", "payments:8080"))
	pay := filterSpan("pay", "ask", 1310, 2700, "payments", "POST /pay", fleet.AttributesOf(
		"span_type", "segment", "http_status", "404", "origin", "AWS::Lambda::Function",
	))
	bank := filterSpan("bank", "pay", 1400, 2600, "payments", "GET bank.example", call("remote", "bank.example"))
	bank.Error = "fault"
	worker := filterSpan("worker", "put", 3500, 3500, "worker", "handle", fleet.AttributesOf("span_type", "segment", "in_progress", "true"))
	line := fleet.Record{ID: "line", Kind: fleet.KindLog, Service: "audit", Error: "fault", Message: "kaboom", Time: time.UnixMilli(9000)}
	return []fleet.Record{root, step, put, ask, pay, bank, worker, line}
}

func TestMatchTraceMeansWhatTheDocumentationSays(t *testing.T) {
	tests := map[string]bool{
		// The trace itself is its entry.
		`ok`: true, `error`: false, `fault`: false, `throttle`: false, `!fault`: true, `ok = false`: false,
		`responsetime = 2`: true, `responsetime < 2`: false, `responsetime >= 2.0000004`: false, `responsetime <= 2.0000004`: true, `responsetime > 1.999999`: true,
		`duration = 2.5`: true, `duration > 2.5`: false, `duration`: true,
		`http.status = 200`: true, `http.status != 200`: false, `http.status > 199.5`: true, `http.status < 200.5`: true, `http.status = 200.5`: false,
		`http.status != 200.5`: true,
		`http.method = "POST"`: true, `http.method = "post"`: false, `http.url BEGINSWITH "http://shop"`: true, `http.url ENDSWITH "x=1"`: true,
		`http.url CONTAINS "/orders?"`: true, `http.url CONTAINS "%"`: false, `http.useragent = "curl/8"`: true, `http.clientip != "198.51.100.7"`: false,
		`name = "orders"`: true, `type = "AWS::ECS::Container"`: true, `operation = "POST /orders"`: true, `account.id = "111122223333"`: true,
		// These are any span's.
		`partial`: true, `inferred`: false, `user = "alice"`: true, `user != "alice"`: false, `user CONTAINS ""`: true,
		`message = "slow down"`: true, `message = "kaboom"`: false, `resource.arn ENDSWITH "table/orders"`: true, `resource.arn CONTAINS "AWS::"`: false,
		`annotation.tier = "gold"`: true, `annotation.tier != "gold"`: false, `annotation.colour`: false, `!annotation.colour`: true, `annotation.tier`: true,
		`annotation.items > 11.5`: true, `annotation.items = "12"`: true, `annotation.items = 12`: true, `annotation.tier > 1`: false, `annotation.tier != 1`: false,
		`annotation.paid`: true, `annotation.gift`: false, `annotation.gift = false`: true, `annotation.paid != true`: false,
		// Services are segments, and what calls lead to where nothing else tells.
		`service("orders")`: true, `service("audit")`: false, `service("orders") { fault }`: false, `service("payments") { error }`: true,
		`service("payments") { fault }`: false, `service("bank.example") { fault }`: true, `service("payments:8080")`: false,
		`service("DynamoDB") { throttle AND error }`: true, `service() { throttle }`: true, `service() { fault }`: true,
		`service("check")`: false, `service("orders") { root }`: true, `service("payments") { root }`: false,
		`service("payments") { responsetime = 1.39 }`: true, `service("worker") { ok }`: false, `service("worker") { partial }`: true,
		`service("worker") { responsetime < 9 }`: false, `service("payments") { http.status = 404 AND !ok }`: true,
		`service(id(type: "AWS::Lambda::Function"))`: true, `service(id(name: "orders", type: "AWS::Lambda::Function"))`: false,
		`service(id(name: "orders", account.id: "111122223333"))`: true, `service(id(name: "orders", account.id: "1"))`: false,
		`service("orders") { annotation.tier = "gold" }`: false, `service("orders") { user = "alice" AND http.status = 200 }`: true,
		`service("orders") { NOT annotation.tier = "gold" }`: true,
		// Edges are calls, as both sides saw them.
		`edge("orders", "payments")`: true, `edge("orders", "payments") { error }`: true, `edge("orders", "payments") { ok }`: true,
		`edge("orders", "payments") { fault }`: false, `edge("payments", "orders")`: false, `edge("orders", "DynamoDB") { throttle }`: true,
		`edge("orders", "payments:8080")`: true, `edge("payments", "bank.example") { fault }`: true, `edge("orders", "worker")`: true,
		`edge("", "payments")`: true, `edge("orders", id(type: "AWS::Lambda::Function"))`: true,
		`edge(id(name: "orders", type: "AWS::ECS::Container"), "payments")`: true, `edge(id(type: "AWS::Lambda::Function"), "payments")`: false,
		`edge("orders", "check")`: false,
		// Together.
		`ok !fault partial`: true, `fault OR service("bank.example")`: true, `(fault OR error) AND ok`: false, `NOT (fault OR error)`: true,
	}
	for text, want := range tests {
		f, err := filter.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fleet.MatchTrace(f, checkout()); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}

func TestMatchTraceAsksForASpan(t *testing.T) {
	line := []fleet.Record{{Kind: fleet.KindLog, Error: "fault"}}
	if fleet.MatchTrace(fleet.FilterNot{Of: fleet.FilterTest{Keyword: fleet.KeyFault}}, line) {
		t.Error("a trace without a span meets a filter")
	}
	if !fleet.MatchTrace(nil, line) {
		t.Error("no filter leaves a trace out")
	}
}

// TestMatchTraceTakesTheEarliestSpanForTheEntry has a trace whose root was never
// seen, as behind a balancer that sends no segment.
func TestMatchTraceTakesTheEarliestSpanForTheEntry(t *testing.T) {
	late := filterSpan("b", "elb", 2000, 2100, "late", "GET /", nil)
	early := filterSpan("c", "elb", 1000, 1100, "early", "GET /", nil)
	twin := filterSpan("d", "elb", 1000, 1100, "twin", "GET /", nil)
	f := fleet.FilterTest{Keyword: fleet.KeyName, Op: fleet.OpEqual, Value: "early"}
	if !fleet.MatchTrace(f, []fleet.Record{late, twin, early}) {
		t.Error("the entry is not the earliest span with the smallest id")
	}
}

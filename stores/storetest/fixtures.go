package storetest

import (
	"fmt"
	"time"

	"muster/fleet"
)

// noon is when the fixtures begin: late enough in a day that none of them
// crosses into the next by accident, and in the past of every test.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// exact is the link of a key that the record showed itself.
var exact = fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}

// traceAt is the n-th trace id that X-Ray could have handed out at a time.
func traceAt(at time.Time, n int) string { return fmt.Sprintf("%08x%024x", at.Unix(), n) }

// resolved copies the observed keys of a record, as resolving alone would.
func resolved(r fleet.Record) fleet.Record {
	r.Keys = r.Seen
	if r.Keys.Trace != "" {
		r.Keys.TraceLink = exact
	}
	if r.Keys.Request != "" {
		r.Keys.RequestLink = exact
	}
	if r.Keys.Correlation != "" {
		r.Keys.CorrelationLink = exact
	}
	return r
}

func span(trace string, n int, at time.Time) fleet.Record {
	id := fmt.Sprintf("%016x", n)
	return resolved(fleet.Record{
		ID: fleet.SpanID(trace, id), Revision: 1, Kind: fleet.KindSpan, Time: at, Duration: 20 * time.Millisecond,
		Account: "111122223333", Region: "us-east-1", Service: "orders", Name: "POST /orders",
		Seen: fleet.Keys{Trace: trace, Span: id}, Raw: []byte(`{"name":"orders"}`),
	})
}

func logLine(id string, at time.Time, seen fleet.Keys) fleet.Record {
	return resolved(fleet.Record{
		ID: id, Kind: fleet.KindLog, Time: at, Account: "111122223333", Region: "us-east-1",
		Service: "payments", Name: "INFO", Message: "line " + id, Seen: seen,
		Attributes: fleet.AttributesOf(fleet.AttrLogGroup, "/muster/payments"), Raw: []byte("line " + id),
	})
}

func apiCall(id string, at time.Time, seen fleet.Keys) fleet.Record {
	return resolved(fleet.Record{
		ID: id, Kind: fleet.KindAPICall, Time: at, Account: "111122223333", Region: "us-east-1",
		Service: "dynamodb", Name: "dynamodb:PutItem", Principal: "arn:aws:sts::111122223333:assumed-role/muster-orders/task",
		Resources: []string{"AWS::DynamoDB::Table/orders", "arn:aws:dynamodb:us-east-1:111122223333:table/orders"},
		Seen:      seen, Attributes: fleet.AttributesOf(fleet.AttrEventSource, "dynamodb.amazonaws.com", fleet.AttrEventName, "PutItem"),
		Raw: []byte(`{"eventID":"` + id + `"}`),
	})
}

func change(id string, at time.Time) fleet.Record {
	return resolved(fleet.Record{
		ID: id, Kind: fleet.KindChange, Time: at, Account: "111122223333", Region: "us-east-1",
		Service: "ec2", Name: "changed", Resources: []string{"AWS::EC2::SecurityGroup/sg-1"}, Raw: []byte(`{}`),
	})
}

// ref names a record for an amendment.
func ref(r fleet.Record) fleet.Ref { return fleet.Ref{ID: r.ID, Kind: r.Kind, Time: r.Time} }

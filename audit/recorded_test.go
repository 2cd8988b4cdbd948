package audit

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/fleet"
	"muster/internal/nezha"
)

// trainTicket are the spans of one minute of a real system of 40 services. A span
// with another service's span below it is a call, as X-Ray's SDKs mark it.
func trainTicket(t *testing.T, minute string) []fleet.Record {
	t.Helper()
	var out []fleet.Record
	places := map[string]int{}
	for _, row := range nezha.Spans(t, corpus(t, "nezha-trainticket"), minute) {
		begin, err := strconv.ParseInt(row["StartTimeUnixNano"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		end, err := strconv.ParseInt(row["EndTimeUnixNano"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(row["PodName"], "-") // the last two are the replica's
		r := fleet.Record{
			ID: fleet.SpanID(row["TraceID"], row["SpanID"]), Kind: fleet.KindSpan, Account: "111122223333", Region: "us-east-1",
			Time: time.Unix(0, begin).UTC(), Duration: time.Duration(end - begin), Service: strings.Join(parts[:len(parts)-2], "-"),
			Name: row["OperationName"], Keys: fleet.Keys{Trace: row["TraceID"], Span: row["SpanID"]},
		}
		if row["ParentID"] != "root" {
			r.Keys.Parent = row["ParentID"]
		}
		r.Seen = r.Keys
		places[r.ID] = len(out)
		out = append(out, r)
	}
	for i := range out {
		if above, ok := places[fleet.SpanID(out[i].Keys.Trace, out[i].Keys.Parent)]; ok && out[above].Service != out[i].Service {
			out[above].Attributes.Set(fleet.AttrNamespace, "remote")
		}
	}
	fleet.Sort(out)
	return out
}

// In this minute a booking asks up to nine services, and seats are asked for one
// by one; no chain is deeper than five services, and there is no cycle.
func TestRecordedTracesOfARealSystem(t *testing.T) {
	var shapes []Policy
	for _, p := range catalogue(t) {
		switch p.ID {
		case "fan-out", "sync-chain-too-deep", "dependency-cycle":
			shapes = append(shapes, p)
		}
	}
	result := judge(t, shapes, Input{Reader: &memory{records: trainTicket(t, "2023-01-29_08_44")}})
	services := map[string]bool{}
	for _, f := range result.Findings {
		if f.Policy != "fan-out" {
			t.Errorf("%s: %s", f.Policy, f.Message)
		}
		services[f.Service] = true
	}
	if !services["ts-preserve-service"] || len(services) > 2 {
		t.Errorf("services that ask too many others: %v, want those of bookings", services)
	}
}

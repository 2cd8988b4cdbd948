package storetest

import (
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

// recordsComeBackAsTheyWere writes records with every field set, with none set,
// and with what stores tend to lose.
func recordsComeBackAsTheyWere(t *testing.T, s Store) {
	keys := fleet.Keys{
		Trace: traceAt(noon, 7), Span: "00000000000000aa", Parent: "00000000000000bb", Request: "REQ", Scope: fleet.ScopeApp,
		Messages: []string{"m-2", "m-1"}, Correlation: "C", AccessKey: "ASIAEXAMPLE1", IssuedKey: "ASIAEXAMPLE2",
	}
	full := resolved(fleet.Record{
		ID: "full", Revision: 2, Kind: fleet.KindSpan, Time: noon.Add(123456 * time.Microsecond), Duration: 1500 * time.Microsecond,
		Account: "111122223333", Region: "eu-central-1", Service: "svc", Name: "GET /", Resources: []string{"AWS::S3::Bucket/b", "arn:aws:s3:::b"},
		Principal: "arn:aws:iam::111122223333:root", Error: "AccessDenied", Message: "one\nline", Seen: keys,
		Attributes: fleet.AttributesOf(
			fleet.AttrEventSource, "s3.amazonaws.com", fleet.AttrEventName, "GetObject", fleet.AttrSourceIP, "198.51.100.7",
			fleet.AttrUserAgent, "agent/1", fleet.AttrReadOnly, "true", fleet.AttrHTTPMethod, "GET", fleet.AttrHTTPStatus, "403",
			fleet.AttrLogGroup, "/g", "own", "value", "", "empty key", "empty value", "",
		),
		Raw: []byte(`{"a":1}`),
	})
	inferred := full
	inferred.ID, inferred.Kind, inferred.Time = "inferred", fleet.KindChange, full.Time.Add(1)
	inferred.Time = full.Time.Add(time.Microsecond)
	inferred.Seen = fleet.Keys{}
	inferred.Keys = fleet.Keys{
		Trace: keys.Trace, Request: "REQ", Scope: fleet.ScopeAWS, Correlation: "C", Origin: "arn:aws:iam::111122223333:user/u",
		TraceLink:       fleet.Link{Via: fleet.RungRequest, Sure: fleet.Inferred},
		RequestLink:     fleet.Link{Via: fleet.RungTouch, Sure: fleet.Inferred},
		CorrelationLink: fleet.Link{Via: fleet.RungTrace, Sure: fleet.Inferred},
		OriginLink:      fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact},
	}
	want := append([]fleet.Record{full, inferred}, hardRecords()...)
	for i := range want[2:] {
		want[2+i].Time = noon.Add(time.Second + time.Duration(i)*time.Microsecond)
	}
	want = append(want, unusualTimes()...)
	commit(t, s, want, fleet.Commit{})
	fleet.Sort(want)
	got := records(t, s, fleet.Query{})
	same(t, "ids", ids(want), ids(got))
	for i := range min(len(want), len(got)) {
		same(t, want[i].ID, want[i], got[i])
	}
}

// hardRecords hold what encodings tend to lose.
func hardRecords() []fleet.Record {
	raw := func(id string, raw []byte) fleet.Record { return fleet.Record{ID: id, Kind: fleet.KindLog, Raw: raw} }
	rs := []fleet.Record{
		{ID: "bare", Kind: fleet.KindVerdict},
		raw("not utf-8", []byte{0xff, 0x00, 0xfe, 'a'}),
		raw("looks encoded", []byte("base64:not really")),
		raw("really encoded", []byte("base64:aGVsbG8=")),
		raw("large", []byte(strings.Repeat("0123456789abcdef", 1<<16))),
		raw("nul", []byte("a\x00b")),
		{ID: "ünï-号-🐙'\"\\;--%_", Kind: fleet.KindLog, Message: "naïve\t\r\n\u2028 'quoted' \"double\" \\ $1 ? {}", Name: "号", Service: "🐙"},
		{ID: "attributes", Kind: fleet.KindLog, Attributes: fleet.AttributesOf(
			fleet.AttrReadOnly, "false", fleet.AttrHTTPStatus, "2xx", fleet.AttrUserAgent, "", "k'\"", "v\\",
		)},
		{ID: "status", Kind: fleet.KindLog, Attributes: fleet.AttributesOf(fleet.AttrHTTPStatus, "0200")},
		{ID: "status of zero", Kind: fleet.KindLog, Attributes: fleet.AttributesOf(fleet.AttrHTTPStatus, "0")},
		{ID: strings.Repeat("long id ", 200), Kind: fleet.KindLog},
		{ID: "kind of tomorrow", Kind: "other/kind with spaces"},
	}
	return rs
}

func unusualTimes() []fleet.Record {
	at := func(id string, when time.Time) fleet.Record {
		return fleet.Record{ID: id, Kind: fleet.KindLog, Time: when.UTC().Truncate(time.Microsecond)}
	}
	return []fleet.Record{
		at("epoch", time.Unix(0, 0)), at("before the epoch", time.Unix(0, -1000)), at("long before", time.Date(1905, 2, 3, 4, 5, 6, 7000, time.UTC)),
		at("far future", time.Date(2199, 12, 31, 23, 59, 59, 999999000, time.UTC)),
		at("last of a day", time.Date(2026, 3, 14, 23, 59, 59, 999999000, time.UTC)), at("first of a day", time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)),
	}
}

func queryNarrows(t *testing.T, s Store) {
	a := span(traceAt(noon, 1), 1, noon)
	b := logLine("b", noon.Add(time.Second), fleet.Keys{Trace: traceAt(noon, 1), Correlation: "C"})
	b.Message, b.Error = "Über 100% of_quota", "fault"
	c := apiCall("c", noon.Add(2*time.Second), fleet.Keys{Request: "R", Scope: fleet.ScopeAWS})
	d := change("d", noon.Add(26*time.Hour))
	d.Raw = []byte(`{"Hidden":"needle"}`)
	d.Principal = "someone"
	commit(t, s, []fleet.Record{a, b, c, d}, fleet.Commit{})
	tests := []struct {
		name string
		q    fleet.Query
		want []string
	}{
		{"everything", fleet.Query{}, []string{a.ID, b.ID, c.ID, d.ID}},
		{"window", fleet.Query{Window: fleet.Window{Start: b.Time, End: d.Time}}, []string{b.ID, c.ID}},
		{"window open to the right", fleet.Query{Window: fleet.Window{Start: c.Time}}, []string{c.ID, d.ID}},
		{"window open to the left", fleet.Query{Window: fleet.Window{End: b.Time}}, []string{a.ID}},
		{"kinds", fleet.Query{Kinds: []fleet.Kind{fleet.KindSpan, fleet.KindChange}}, []string{a.ID, d.ID}},
		{"ids", fleet.Query{IDs: []string{d.ID, "nobody", b.ID}}, []string{b.ID, d.ID}},
		{"service", fleet.Query{Service: "payments"}, []string{b.ID}},
		{"trace", fleet.Query{Trace: traceAt(noon, 1)}, []string{a.ID, b.ID}},
		{"correlation", fleet.Query{Correlation: "C"}, []string{b.ID}},
		{"request", fleet.Query{Request: "R"}, []string{c.ID}},
		{"principal", fleet.Query{Principal: c.Principal}, []string{c.ID}},
		{"part of a principal", fleet.Query{Principal: "muster-orders"}, []string{c.ID}},
		{"part of an arn is no arn", fleet.Query{Principal: "arn:aws:sts::111122223333"}, []string{}},
		{"resource", fleet.Query{Resource: "AWS::EC2::SecurityGroup/sg-1"}, []string{d.ID}},
		{"arn", fleet.Query{Resource: "arn:aws:dynamodb:us-east-1:111122223333:table/orders"}, []string{c.ID}},
		{"text in a message", fleet.Query{Text: "über 100% OF_"}, []string{b.ID}},
		{"text in evidence", fleet.Query{Text: "NEEDLE"}, []string{d.ID}},
		{"text is no pattern", fleet.Query{Text: "%"}, []string{b.ID}},
		{"text is no sql", fleet.Query{Text: "' or true --"}, []string{}},
		{"errors", fleet.Query{Errors: true}, []string{b.ID}},
		{"all at once", fleet.Query{Kinds: []fleet.Kind{fleet.KindLog}, Errors: true, Service: "payments", Trace: traceAt(noon, 1)}, []string{b.ID}},
		{"limit", fleet.Query{Limit: 2}, []string{c.ID, d.ID}},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, ids(records(t, s, tt.q)))
	}
}

func recordsAreInOrder(t *testing.T, s Store) {
	var rs []fleet.Record
	for _, id := range []string{"c", "a", "b"} {
		rs = append(rs, logLine(id, noon, fleet.Keys{}), logLine("late "+id, noon.Add(time.Hour), fleet.Keys{}))
	}
	commit(t, s, rs[:3], fleet.Commit{})
	commit(t, s, rs[3:], fleet.Commit{})
	same(t, "ids", []string{"a", "b", "c", "late a", "late b", "late c"}, ids(records(t, s, fleet.Query{})))
}

func tracesAreSummedUp(t *testing.T, s Store) {
	one, two := traceAt(noon, 1), traceAt(noon.Add(time.Minute), 2)
	root := span(one, 1, noon.Add(time.Millisecond))
	root.Duration = 500 * time.Millisecond
	child := span(one, 2, noon.Add(2*time.Millisecond))
	child.Seen.Parent, child.Keys.Parent, child.Service, child.Error = root.Seen.Span, root.Seen.Span, "payments", "throttle"
	line := logLine("line", noon, fleet.Keys{Trace: one, Correlation: "C"}) // before the root, by a clock that is behind
	call := apiCall("call", noon, fleet.Keys{Trace: one})                   // CloudTrail's whole second
	moved := change("moved", noon.Add(time.Second))                         // captured later
	moved.Keys.Trace, moved.Keys.TraceLink = one, fleet.Link{Via: fleet.RungRequest, Sure: fleet.Inferred}
	rootless := logLine("rootless", noon.Add(time.Minute), fleet.Keys{Trace: two})
	commit(t, s, []fleet.Record{root, child, line, call, moved, rootless, change("alone", noon)}, fleet.Commit{})

	first := fleet.Summary{
		Trace: one, Correlation: "C", Start: root.Time, Duration: root.Duration, Service: "orders", Name: "POST /orders",
		Error: "throttle", Services: []string{"dynamodb", "ec2", "orders", "payments"}, Spans: 2, Logs: 1, APICalls: 1, Changes: 1, Errors: 1,
	}
	second := fleet.Summary{
		Trace: two, Start: noon.Add(time.Minute), Service: "payments", Name: "INFO", Services: []string{"payments"}, Logs: 1,
	}
	tests := []struct {
		name string
		q    fleet.Query
		want []fleet.Summary
	}{
		{"newest first", fleet.Query{}, []fleet.Summary{second, first}},
		{"limit", fleet.Query{Limit: 1}, []fleet.Summary{second}},
		{"by one of its records", fleet.Query{Errors: true}, []fleet.Summary{first}},
		{"by a service that is not the root's", fleet.Query{Service: "dynamodb"}, []fleet.Summary{first}},
		{"window", fleet.Query{Window: fleet.Window{Start: noon.Add(time.Minute)}}, []fleet.Summary{second}},
		{"the window holds one record of it", fleet.Query{Window: fleet.Window{End: noon.Add(time.Millisecond)}}, []fleet.Summary{first}},
		{"nothing", fleet.Query{Service: "nobody"}, nil},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, all(t, s.Traces(t.Context(), tt.q)))
	}
}

package correlate

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

const (
	ordersTask = "arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task"
	sdkAgent   = "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux"
)

// made is a call of the orders service from where it runs.
func made(id, clock, name string) fleet.Record {
	return fleet.Record{
		ID: id, Kind: fleet.KindAPICall, Time: at(clock), Principal: ordersTask, Name: "dynamodb:" + name,
		Seen: fleet.Keys{Request: "R" + id, Scope: fleet.ScopeAWS},
		Attributes: fleet.AttributesOf(
			fleet.AttrEventSource, "dynamodb.amazonaws.com", fleet.AttrEventName, name,
			fleet.AttrSourceIP, "10.0.1.12", fleet.AttrUserAgent, sdkAgent,
		),
	}
}

// spanOf is a span that shows the request of a call.
func spanOf(call, clock, trace string) fleet.Record {
	return with(span(fleet.SpanID(trace, call), clock, trace), func(k *fleet.Keys) { k.Request, k.Scope = "R"+call, fleet.ScopeAWS })
}

func attribute(r fleet.Record, name, value string) fleet.Record {
	r.Attributes.Set(name, value)
	return r
}

func TestOutOfBandSaysWhyNoSpanAccountsForACall(t *testing.T) {
	traced := []fleet.Record{made("t", "10:00:10", "GetItem"), spanOf("t", "10:00:10", traceA)}
	failed := func(clock string) fleet.Record {
		r := made("c", clock, "GetItem")
		r.Error = "ThrottlingException"
		return r
	}
	shows := func(k *fleet.Keys) { k.Trace = traceB }
	by := func(principal string) fleet.Record {
		r := made("c", "10:00:00", "GetItem")
		r.Principal = principal
		return r
	}
	tests := []struct {
		name    string
		records []fleet.Record
		want    Reason
		sure    fleet.Certainty
	}{
		{"accounted for by its request", append(traced, made("c", "10:00:00", "GetItem"), spanOf("c", "10:00:00", traceB)), "", ""},
		{"accounted for by its trace", append(traced, with(made("c", "10:00:00", "GetItem"), shows), span("s", "10:00:00", traceB)), "", ""},
		{"from elsewhere", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrSourceIP, "198.51.100.23")), OtherAddress, fleet.Exact},
		{"from elsewhere, though it shows a trace", append(traced, attribute(with(made("c", "10:00:00", "GetItem"), shows), fleet.AttrSourceIP, "198.51.100.23")), OtherAddress, fleet.Exact},
		{"from the next task of the same network", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrSourceIP, "10.0.77.9")), Unsampled, fleet.Inferred},
		{"from another private network", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrSourceIP, "10.9.1.12")), OtherAddress, fleet.Exact},
		{"over IPv6", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrSourceIP, "2001:db8::5")), OtherAddress, fleet.Exact},
		{"with another program", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrUserAgent, "[aws-cli/2.31.4 md/awscrt]")), OtherAgent, fleet.Exact},
		{"with another version of it", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrUserAgent, "aws-sdk-go-v2/1.49.0")), Unsampled, fleet.Inferred},
		{"of a trace without spans", append(traced, with(made("c", "10:00:00", "GetItem"), shows)), Unsampled, fleet.Exact},
		{"a log line shows its request and a trace without spans", append(traced, made("c", "10:00:00", "GetItem"), with(log("l", "10:00:00"), func(k *fleet.Keys) { k.Trace, k.Request, k.Scope = traceB, "Rc", fleet.ScopeAWS })), Unsampled, fleet.Exact},
		{"as those that are traced", append(traced, made("c", "10:00:00", "GetItem")), Unsampled, fleet.Inferred},
		{"an attempt before one that is traced", append(traced, failed("10:00:00")), Retried, fleet.Inferred},
		{"failed, and traced much later", append(traced, failed("09:59:00")), Unsampled, fleet.Inferred},
		{"of an operation that is never traced", append(traced, made("c", "10:00:00", "Scan")), Uninstrumented, fleet.Inferred},
		{"of a role that is never traced", []fleet.Record{made("c", "10:00:00", "GetItem")}, Uninstrumented, fleet.Inferred},
		{"of a role that is never traced, of a trace", []fleet.Record{with(made("c", "10:00:00", "GetItem"), shows)}, Unsampled, fleet.Exact},
		{"by AWS on the role's behalf", append(traced, attribute(made("c", "10:00:00", "GetItem"), fleet.AttrSourceIP, "lambda.amazonaws.com")), "", ""},
		{"by a user", append(traced, by("arn:aws:iam::111122223333:user/deployer")), "", ""},
		{"by another role", append(traced, by("arn:aws:sts::111122223333:assumed-role/admin/alice")), Uninstrumented, fleet.Inferred},
		{"by another session of the role", append(traced, by("arn:aws:sts::111122223333:assumed-role/muster-orders/debug")), Unsampled, fleet.Inferred},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rs := resolved(tt.records)
			var want []Unaccounted
			for _, r := range rs {
				if r.ID == "c" && tt.want != "" {
					want = append(want, Unaccounted{fleet.Ref{ID: "c", Kind: r.Kind, Time: r.Time}, RoleOf(r.Principal), tt.want, tt.sure})
				}
			}
			if diff := cmp.Diff(want, OutOfBand(rs)); diff != "" {
				t.Errorf("want (-) and got (+):\n%s", diff)
			}
		})
	}
}

// bands makes random evidence of calls in which everything collides.
func (s *sets) bands(n int) []fleet.Record {
	rs := s.records(n)
	for i := range rs {
		r := &rs[i]
		r.Principal = s.maybe(0.9, "arn:aws:sts::1:assumed-role/role", 3)
		if r.Principal != "" && s.Float64() < 0.95 {
			r.Principal += s.pick("/session", 2)
		}
		addresses := []string{"10.0.1.1", "10.0.2.2", "10.1.1.1", "192.168.0.9", "172.16.0.1", "172.32.0.1", "100.64.1.1", "203.0.113.7", "203.0.114.7", "2001:db8::1", "2001:db8:1::1", "::1", "lambda.amazonaws.com", ""}
		agents := []string{sdkAgent, "[" + sdkAgent + "]", "aws-cli/2", "console.amazonaws.com", "", "[aws-cli/1 b]"}
		r.Attributes.Set(fleet.AttrSourceIP, addresses[min(s.IntN(len(addresses)), s.IntN(len(addresses)))])
		r.Attributes.Set(fleet.AttrUserAgent, agents[min(s.IntN(len(agents)), s.IntN(len(agents)))])
		r.Attributes.Set(fleet.AttrEventSource, s.pick("service", 2))
		r.Attributes.Set(fleet.AttrEventName, s.pick("Do", 2))
		if s.Float64() < 0.6 {
			r.Error = "fault"
		}
		if r.Kind == fleet.KindAPICall && s.Float64() < 0.5 {
			r.Seen.Request = fmt.Sprint("lonely", i)
		}
	}
	Resolve(rs)
	return rs
}

// bandRow has the columns of the views that outofband.sql reads.
type bandRow struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	TimeUS      int64  `json:"time_us"`
	Principal   string `json:"principal"`
	Origin      string `json:"origin"`
	Error       string `json:"error"`
	Trace       string `json:"trace_id"`
	TraceVia    string `json:"trace_via"`
	Request     string `json:"request_id"`
	Scope       string `json:"request_scope"`
	SeenTrace   string `json:"seen_trace_id"`
	SeenRequest string `json:"seen_request_id"`
	EventSource string `json:"event_source"`
	EventName   string `json:"event_name"`
	SourceIP    string `json:"source_ip"`
	UserAgent   string `json:"user_agent"`
}

func loadBands(t *testing.T, db *sql.DB, rs []fleet.Record) {
	t.Helper()
	rows := make([]bandRow, len(rs))
	for i := range rs {
		r := &rs[i]
		rows[i] = bandRow{
			r.ID, string(r.Kind), r.TimeUS(), r.Principal, r.Keys.Origin, r.Error, r.Keys.Trace, string(r.Keys.TraceLink.Via),
			r.Keys.Request, string(r.Keys.Scope), r.Seen.Trace, r.Seen.Request,
			r.Attributes.Get(fleet.AttrEventSource), r.Attributes.Get(fleet.AttrEventName),
			r.Attributes.Get(fleet.AttrSourceIP), r.Attributes.Get(fleet.AttrUserAgent),
		}
	}
	doc, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"create or replace macro regexp_like(s, p) as regexp_matches(s, p)",
		`create or replace table records as select unnest(from_json($1::json, '[{"id":"VARCHAR","kind":"VARCHAR","time_us":"BIGINT",
			"principal":"VARCHAR","origin":"VARCHAR","error":"VARCHAR","trace_id":"VARCHAR","trace_via":"VARCHAR","request_id":"VARCHAR",
			"request_scope":"VARCHAR","seen_trace_id":"VARCHAR","seen_request_id":"VARCHAR","event_source":"VARCHAR",
			"event_name":"VARCHAR","source_ip":"VARCHAR","user_agent":"VARCHAR"}]'), recursive := true)`,
		"create or replace view api_calls as select * from records where kind = 'api_call'",
		"create or replace view spans as select * from records where kind = 'span'",
		"create or replace view logs as select * from records where kind = 'log'",
	} {
		var args []any
		if strings.Contains(statement, "$1") {
			args = append(args, string(doc))
		}
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestOutOfBandIsItsSQL(t *testing.T) {
	db := openDuckDB(t)
	reasons := map[Reason]int{}
	seeds(t, 120, func(t *testing.T, s *sets) {
		rs := s.bands(20 + s.IntN(150))
		inGo := OutOfBand(rs)
		loadBands(t, db, rs)
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM ("+OutOfBandSQL()+") AS answer ORDER BY time_us, id")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var inSQL []Unaccounted
		for rows.Next() {
			u := Unaccounted{Call: fleet.Ref{Kind: fleet.KindAPICall}}
			var timeUS int64
			if err := rows.Scan(&u.Call.ID, &timeUS, &u.Role, &u.Reason, &u.Sure); err != nil {
				t.Fatal(err)
			}
			u.Call.Time = time.UnixMicro(timeUS).UTC()
			inSQL = append(inSQL, u)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inGo, inSQL); diff != "" {
			t.Errorf("Go (-) and SQL (+) differ:\n%s", diff)
		}
		for _, u := range inGo {
			reasons[u.Reason]++
		}
		s.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		if diff := cmp.Diff(inGo, OutOfBand(rs)); diff != "" {
			t.Errorf("in another order:\n%s", diff)
		}
	})
	for _, r := range []Reason{OtherAddress, OtherAgent, Unsampled, Retried, Uninstrumented} {
		if reasons[r] < 20 {
			t.Errorf("%d calls are %s, too few to prove anything", reasons[r], r)
		}
	}
}

// TestTheSavedQueryGoesOnFromTheSQL holds the saved query to the text that the
// tests above prove: all of it before its last SELECT.
func TestTheSavedQueryGoesOnFromTheSQL(t *testing.T) {
	saved, err := os.ReadFile("../dashboards/sql/calls-outside-traces.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(OutOfBandSQL(), "WITH\n")
	proved, _, found := strings.Cut(body, "\n\nSELECT id, time_us, role, reason, sure FROM out_of_band")
	if !found || !strings.Contains(string(saved), proved) {
		t.Error("dashboards/sql/calls-outside-traces.sql is not correlate/outofband.sql with another SELECT at its end")
	}
	if !slices.Contains(strings.Fields(string(saved)), "reason,") {
		t.Error("it has no column for the reason")
	}
}

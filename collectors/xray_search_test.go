package collectors

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

// searchTrace is a trace id in X-Ray's spelling. The time in it is nobody's.
func searchTrace(n int) string { return fmt.Sprintf("1-5f187253-%024x", n) }

// fleetSegments are segments as the SDKs of the fleet send them: nested calls, one
// that was sent alone before its segment, failures of all kinds, and a segment
// that is sent again once it has finished.
func fleetSegments(at float64) []string {
	t1, t2 := searchTrace(1), searchTrace(2)
	return []string{
		fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000d1","parent_id":"00000000000000a1","type":"subsegment","name":"SQS","namespace":"aws","start_time":%f,"end_time":%f,"aws":{"operation":"SendMessage","region":"us-east-1","request_id":"R-2","queue_url":"https://q/1/events","message_id":"M-1"},"http":{"response":{"status":200}}}`, t1, at+0.1, at+0.2),
		fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000a1","name":"orders","start_time":%f,"in_progress":true}`, t1, at),
		fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000a1","name":"orders","start_time":%f,"end_time":%f,"user":"u-1","http":{"request":{"method":"POST","url":"http://orders.local/orders?x=1","client_ip":"10.0.0.1","user_agent":"curl"},"response":{"status":503}},"fault":true,"annotations":{"correlation_id":"c-1","tenant":"blue"},"cause":{"exceptions":[{"id":"e1","type":"Timeout","message":"payments is slow"}]},"subsegments":[`+
			`{"id":"00000000000000b1","name":"DynamoDB","namespace":"aws","start_time":%f,"end_time":%f,"error":true,"fault":true,"aws":{"operation":"PutItem","region":"us-east-1","request_id":"R-1","table_name":"orders"},"http":{"response":{"status":400}}},`+
			`{"id":"00000000000000b2","name":"payments.local","namespace":"remote","start_time":%f,"end_time":%f,"throttle":true,"error":true,"http":{"request":{"method":"GET","url":"http://payments.local/pay"},"response":{"status":429}}},`+
			`{"id":"00000000000000b3","name":"validate","start_time":%f,"end_time":%f}]}`,
			t1, at, at+1, at+0.1, at+0.3, at+0.3, at+0.4, at+0.5, at+0.6),
		fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000c1","parent_id":"00000000000000b2","name":"payments","start_time":%f,"end_time":%f,"http":{"request":{"method":"GET","url":"http://payments.local/pay"},"response":{"status":429}},"error":true,"throttle":true}`, t1, at+0.31, at+0.39),
		fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000e1","name":"worker","start_time":%f,"end_time":%f,"aws":{"account_id":"444455556666"},"resource_arn":"arn:aws:lambda:us-east-1:111122223333:function:worker","origin":"AWS::Lambda::Function","links":[{"trace_id":%q,"id":"00000000000000d1"}]}`, t2, at+0.5, at+0.9, t1),
	}
}

// sendSegments sends documents as an SDK does.
func sendSegments(t *testing.T, s *localaws.Server, documents ...string) {
	t.Helper()
	d, err := (&net.Dialer{}).DialContext(t.Context(), "udp", s.DaemonAddr())
	must(t, err)
	defer d.Close()
	for _, doc := range documents {
		_, err := d.Write([]byte("{\"format\": \"json\", \"version\": 1}\n" + doc))
		must(t, err)
	}
	s.Drain()
}

// asRead is what a span is to everything behind the collectors, by its id; the
// highest revision counts, as in the lake.
func asRead(rs []fleet.Record) map[string]fleet.Record {
	all := map[string]fleet.Record{}
	for _, r := range rs {
		if old, ok := all[r.ID]; ok && old.Revision > r.Revision {
			continue
		}
		r.Raw = nil
		var keep fleet.Attributes
		for _, name := range []string{
			fleet.AttrHTTPMethod, fleet.AttrHTTPStatus, fleet.AttrSourceIP, fleet.AttrUserAgent, fleet.AttrNamespace, fleet.AttrSpanType,
			fleet.AttrInProgress, fleet.AttrUnreadable, "http_url", "user", "links", "annotation.tenant", "exception_type",
		} {
			set(&keep, name, r.Attributes.Get(name))
		}
		r.Attributes = keep
		all[r.ID] = r
	}
	return all
}

func recent() fleet.Window {
	return fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Minute)}
}

// spansOf are what the one stream of X-Ray yields.
func spansOf(t *testing.T, cfg aws.Config) collected {
	t.Helper()
	cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceXRay}})
	must(t, err)
	got := collect(t.Context(), cs[0], recent())
	if got.err != nil || len(cs) != 1 || got.ledger[len(got.ledger)-1].Coverage != fleet.Complete {
		t.Fatalf("%d streams: %s: %v", len(cs), got.summary(), got.err)
	}
	return got
}

func TestBothStorageModesGiveTheSameTraces(t *testing.T) {
	at := float64(time.Now().UnixMicro())/1e6 - 60
	documents := fleetSegments(at)
	read := map[bool]map[string]fleet.Record{}
	for _, search := range []bool{false, true} {
		s, cfg := standIn(t, localaws.Options{TransactionSearch: search, Seed: 3, Trouble: localaws.Trouble{EmptyPage: 0.3, Repeat: 0.3, Throttle: 0.1}})
		sendSegments(t, s, documents...)
		got := spansOf(t, cfg)
		read[search] = asRead(got.records)
		// All sources together have each span once: the log group is no group of lines.
		for stream, other := range collectAll(t, s, cfg, recent()) {
			for _, r := range other.records {
				if r.Kind == fleet.KindSpan != strings.HasPrefix(stream, SourceXRay) || r.Attributes.Get(fleet.AttrLogGroup) == spansGroup {
					t.Errorf("%s has the %s %s", stream, r.Kind, r.ID)
				}
			}
		}
	}
	if d := cmp.Diff(read[false], read[true]); d != "" {
		t.Errorf("spans (-X-Ray +Transaction Search):\n%s", d)
	}
	if n := len(read[true]); n != 7 {
		t.Errorf("%d spans, want 7", n)
	}
	for id, service := range map[string]string{"d1": "orders", "b1": "orders", "c1": "payments", "e1": "worker"} {
		trace, _ := fleet.ParseTraceID(searchTrace(map[bool]int{false: 1, true: 2}[id == "e1"]))
		if r := read[true][fleet.SpanID(trace, "00000000000000"+id)]; r.Service != service || r.Revision != 1 {
			t.Errorf("%s is of %q, revision %d", id, r.Service, r.Revision)
		}
	}
}

// TestCapturesAreTheSameInBothModes holds what a real SDK sent to the same.
func TestCapturesAreTheSameInBothModes(t *testing.T) {
	var documents []string
	for _, p := range corpusFiles(t, "xray-sdk-captures", "*.json") {
		documents = append(documents, fileText(t, p))
	}
	read := map[bool]map[string]fleet.Record{}
	for _, search := range []bool{false, true} {
		s, cfg := standIn(t, localaws.Options{TransactionSearch: search, Now: func() time.Time { return captured(t, documents) }})
		for _, d := range documents {
			sendSegments(t, s, d)
		}
		cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceXRay}, Now: func() time.Time { return captured(t, documents) }})
		must(t, err)
		got := collect(t.Context(), cs[0], fleet.Window{Start: captured(t, documents).Add(-24 * time.Hour), End: captured(t, documents).Add(time.Hour)})
		if got.err != nil {
			t.Fatal(got.err)
		}
		read[search] = asRead(got.records)
	}
	if d := cmp.Diff(read[false], read[true]); d != "" || len(read[true]) < len(documents) {
		t.Errorf("%d spans (-X-Ray +Transaction Search):\n%s", len(read[true]), d)
	}
}

// captured is the end of the newest of documents.
func captured(t *testing.T, documents []string) time.Time {
	t.Helper()
	var newest time.Time
	for _, d := range documents {
		for _, r := range parseSegment([]byte(d), origin{}) {
			if r.End().After(newest) {
				newest = r.End()
			}
		}
	}
	return newest.Add(time.Minute)
}

func TestSpansBeforeAndAfterTheSwitchAreOneStream(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	deployer := cfg
	deployer.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	at := float64(time.Now().UnixMicro())/1e6 - 60
	before := fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000a1","name":"orders","start_time":%f,"end_time":%f}`, searchTrace(8), at, at+1)
	after := fmt.Sprintf(`{"trace_id":%q,"id":"00000000000000a2","name":"orders","start_time":%f,"end_time":%f}`, searchTrace(9), at+2, at+3)
	sendSegments(t, s, before)
	_, err := xray.NewFromConfig(deployer).UpdateTraceSegmentDestination(t.Context(), &xray.UpdateTraceSegmentDestinationInput{
		Destination: types.TraceSegmentDestinationCloudWatchLogs,
	})
	must(t, err)
	sendSegments(t, s, after)
	if got := spansOf(t, cfg); len(strings.Fields(got.ids())) != 2 {
		t.Errorf("got %s", got.ids())
	}
	// Asked for by id, in either spelling, they come from where they are.
	other, _ := fleet.ParseTraceID(searchTrace(9))
	var found []string
	for b, err := range Retrieve(t.Context(), Options{AWS: cfg, TraceIDs: []string{searchTrace(8), other, searchTrace(7)}}, recent()) {
		if missing, ok := errors.AsType[*MissingTracesError](err); ok && len(missing.IDs) == 1 && missing.IDs[0] == searchTrace(7) {
			found = append(found, "and one is missing")
			continue
		}
		must(t, err)
		for _, r := range b.Records {
			found = append(found, r.Seen.Span)
		}
	}
	if want := []string{"00000000000000a1", "00000000000000a2", "and one is missing"}; !slices.Equal(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
}

func TestRetrieveRefusesWhatIsNoTraceID(t *testing.T) {
	for _, err := range Retrieve(t.Context(), Options{TraceIDs: []string{"1-2-3"}}, recent()) {
		if err == nil || !strings.Contains(err.Error(), `"1-2-3" is no trace id`) {
			t.Errorf("got %v", err)
		}
	}
}

// TestSubsegmentIsPlacedByALaterPage: what was called ended before its caller.
func TestSubsegmentIsPlacedByALaterPage(t *testing.T) {
	span := func(id, parent, service string) fleet.Record {
		return fleet.Record{ID: fleet.SpanID("t", id), Revision: 1, Service: service, Seen: fleet.Keys{Trace: "t", Span: id, Parent: parent}}
	}
	var p placer
	told := func(rs []fleet.Record) (s string) {
		for _, r := range rs {
			s += fmt.Sprintf("%s %s %d; ", r.Seen.Span, r.Service, r.Revision)
		}
		return s
	}
	for i, step := range []struct {
		page []fleet.Record
		last bool
		want string
	}{
		{[]fleet.Record{span("b", "a", ""), span("x", "", "other")}, false, "x other 1; "},
		{[]fleet.Record{span("a", "", "orders"), span("c", "lost", "")}, false, "b orders 1; a orders 1; "},
		{nil, false, "c  0; "},
		{[]fleet.Record{span("d", "lost", "")}, true, "d  0; "},
	} {
		if got := told(p.page(step.page, step.last)); got != step.want {
			t.Errorf("page %d: got %q, want %q", i, got, step.want)
		}
	}
}

func TestOTelSpanThatCannotBeReadIsKept(t *testing.T) {
	for name, doc := range map[string]string{
		"no trace":   `{"traceId":"x","spanId":"00000000000000a1","startTimeUnixNano":1,"name":"n"}`,
		"no span":    `{"traceId":"5f1872530000000000000000000000a1","spanId":"x","startTimeUnixNano":1700000000000000000}`,
		"no start":   `{"traceId":"5f1872530000000000000000000000a1","spanId":"00000000000000a1","startTimeUnixNano":"soon"}`,
		"wrong type": `{"traceId":["5"],"spanId":"00000000000000a1","startTimeUnixNano":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			rs := parseOTelSpan([]byte(doc), origin{})
			if len(rs) != 1 || rs[0].Attributes.Get(fleet.AttrUnreadable) == "" || string(rs[0].Raw) != doc {
				t.Errorf("got %+v", rs)
			}
		})
	}
}

func FuzzParseOTelSpan(f *testing.F) {
	f.Add([]byte(`{"resource":{"attributes":{"service.name":"orders","aws.log.group.names":["/a"]}},"traceId":"5f1872530000000000000000000000a1","spanId":"00000000000000a1","kind":"SERVER","startTimeUnixNano":1700000000000000000,"endTimeUnixNano":"1700000001000000000","attributes":{"http.method":"GET","http.target":"/x","http.status_code":500,"aws.xray.annotations":["a"],"a":1},"events":[{"name":"exception","attributes":{"exception.type":"T"}}],"links":[{"traceId":"x"}],"status":{"code":"ERROR"}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, r := range parseOTelSpan(doc, origin{}) {
			if r.ID == "" || r.Kind != fleet.KindSpan || r.Time.IsZero() {
				t.Errorf("got %+v", r)
			}
		}
	})
}

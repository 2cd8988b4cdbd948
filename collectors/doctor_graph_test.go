package collectors

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// heldStore is a store that was told what it has.
type heldStore struct {
	read, settled fleet.Window
	segments      []HeldSegments
	gaps          []fleet.LedgerEntry
	err           error
	asked         []fleet.Window
}

func (h *heldStore) Covered(context.Context, string) (read, settled fleet.Window, err error) {
	return h.read, h.settled, nil
}

func (h *heldStore) Segments(_ context.Context, w fleet.Window) ([]HeldSegments, error) {
	h.asked = append(h.asked, w)
	return h.segments, h.err
}

func (h *heldStore) Gaps(context.Context, string, fleet.Window) ([]fleet.LedgerEntry, error) {
	return h.gaps, nil
}

// held is what the tests' account has of a service.
func held(service, origin string, n int64) HeldSegments {
	return HeldSegments{Account: testAccount, Region: testRegion, Service: service, Origin: origin, Segments: n}
}

// readSince is a store that follows X-Ray since a time before noon, and read what
// is two hours old a second time.
func readSince(ago time.Duration, segments ...HeldSegments) *heldStore {
	start := noon.Add(-ago)
	return &heldStore{
		read: fleet.Window{Start: start, End: noon}, settled: fleet.Window{Start: start, End: noon.Add(-2*time.Hour + time.Minute)}, segments: segments,
	}
}

// node is a service of the graph; more is its other members, with a comma before.
func node(name, kind string, requests int, more string) string {
	return fmt.Sprintf(`{"Name":%q,"Names":[%q],"Type":%q,"SummaryStatistics":{"TotalCount":%d}%s}`, name, name, kind, requests, more)
}

func graphPage(token string, nodes ...string) answer {
	return answer{body: fmt.Sprintf(`{"Services":[%s],"NextToken":%q}`, strings.Join(nodes, ","), token)}
}

// examineGraph has a doctor look at X-Ray, and returns what it says of the graph
// and of the permission to ask for it: state and words.
func examineGraph(t *testing.T, s *script, store SegmentStore, o Options, w fleet.Window) (said []string, checks []Check) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	o.AWS, o.Account = awsAt(t, server.URL), testAccount
	o.Now = func() time.Time { return noon }
	o.Graph = &GraphCheck{Store: store, Window: w}
	d := &doctor{source: newSource(o.withDefaults(), "doctor", "")}
	d.xray(t.Context())
	for _, c := range d.checks {
		if c.Subject == graphSubject || strings.Contains(c.Found, "GetServiceGraph") {
			said, checks = append(said, string(c.State)+" "+c.Found), append(checks, c)
		}
		if (c.State == StateOK) != (c.For == "" && c.Remedy == "") {
			t.Errorf("it must say for what and what to do, if anything: %+v", c)
		}
	}
	return said, checks
}

// graphScript is an X-Ray with a service graph, and nothing else to complain of.
func graphScript(pages ...answer) *script {
	s := sampledScript(`{"SamplingStatisticSummaries":[]}`, `{"SamplingRuleRecords":[]}`)
	s.answers["/Traces"] = []answer{{body: `{"Traces":[]}`}}
	s.answers["/ServiceGraph"] = pages
	return s
}

func TestServiceGraphIsHeldAgainstTheStore(t *testing.T) {
	const ecs, ec2, lambda = "AWS::ECS::Container", "AWS::EC2::Instance", "AWS::Lambda"
	all := func(n int) string {
		return fmt.Sprintf("ok services compared with X-Ray's service graph from 2026-01-02T09:00:00Z to 2026-01-02T10:00:00Z: %d", n)
	}
	says := func(state, service string, requests, segments int) string {
		return fmt.Sprintf("%s %s: X-Ray counts %d requests, the store has %d segments", state, service, requests, segments)
	}
	inferred := held("fn", lambda, 5)
	inferred.Inferred = 5
	running := held("orders", ecs, 3)
	running.InProgress = 1
	elsewhere, unnamed, linked := held("orders", ecs, 100), held("orders", ecs, 2), held("orders", ecs, 3)
	elsewhere.Region, unnamed.Account, unnamed.Region, linked.Account = "eu-west-1", "", "", "444455556666"
	for name, c := range map[string]struct {
		pages []answer
		held  []HeldSegments
		want  []string
	}{
		"as many, and fewer": {
			[]answer{graphPage("", node("orders", ecs, 7, ""), node("checkout", ecs, 120, ""))},
			[]HeldSegments{held("checkout", ecs, 118), held("orders", ecs, 7)},
			[]string{says("missing", "checkout ("+ecs+")", 120, 118), says("ok", "orders ("+ecs+")", 7, 7), all(2)},
		},
		"none, and more": {
			[]answer{graphPage("", node("checkout", ecs, 1, ""), node("orders", ecs, 1, ""))},
			[]HeldSegments{held("orders", ecs, 4)},
			[]string{says("missing", "checkout ("+ecs+")", 1, 0), says("ok", "orders ("+ecs+")", 1, 4), all(2)},
		},
		"over pages, an empty one among them": {
			[]answer{graphPage("1", node("orders", ecs, 7, "")), graphPage("2"), graphPage("", node("stock", ecs, 2, ""))},
			[]HeldSegments{held("orders", ecs, 7), held("stock", ecs, 1)},
			[]string{says("ok", "orders ("+ecs+")", 7, 7), says("missing", "stock ("+ecs+")", 2, 1), all(2)},
		},
		"clients, and what is called": {
			[]answer{graphPage(
				"", `{"Name":"orders","Type":"client"}`, node("orders", ecs, 7, ""), node("api.example.com", "remote", 9, ""),
				node("orders-table", "AWS::DynamoDB::Table", 14, ""), node("events", "AWS::SQS::Queue", 3, `,"Edges":[{"ReferenceId":1}]`), node("idle", ecs, 0, ""),
			)},
			[]HeldSegments{held("orders", ecs, 7)},
			[]string{says("ok", "orders ("+ecs+")", 7, 7), all(1) + "; 2 more are known by their callers alone and send no segments"},
		},
		"a function's two nodes": {
			[]answer{graphPage("", node("fn", lambda, 5, ""), node("fn", lambdaOrigin, 5, ""))},
			[]HeldSegments{held("fn", lambda, 5), held("fn", lambdaOrigin, 4)},
			[]string{says("ok", "fn (AWS::Lambda)", 5, 5), says("missing", "fn (AWS::Lambda::Function)", 5, 4), all(2)},
		},
		"a function that is not traced": {
			[]answer{graphPage("", node("fn", lambda, 6, ""), node("orders", ecs, 6, ""))},
			[]HeldSegments{inferred, held("orders", ecs, 6)},
			[]string{says("ok", "orders ("+ecs+")", 6, 6), all(1) + "; 1 more are known by their callers alone and send no segments"},
		},
		"one name in several types": {
			[]answer{graphPage("", node("orders", ec2, 4, ""), node("orders", ecs, 6, ""))},
			[]HeldSegments{held("orders", ecs, 6), held("orders", ec2, 3)},
			[]string{says("missing", "orders ("+ec2+")", 4, 3), says("ok", "orders ("+ecs+")", 6, 6), all(2)},
		},
		"types that one side does not tell": {
			[]answer{graphPage("", node("orders", "", 4, ""), node("stock", ecs, 2, ""), node("stock", "", 3, ""))},
			[]HeldSegments{held("orders", ecs, 4), held("stock", ecs, 2), held("stock", "", 3)},
			[]string{says("ok", "orders", 4, 4), says("ok", "stock", 3, 3), says("ok", "stock ("+ecs+")", 2, 2), all(3)},
		},
		"in progress": {
			[]answer{graphPage("", node("orders", ecs, 3, ""))},
			[]HeldSegments{running},
			[]string{says("ok", "orders ("+ecs+")", 3, 3) + ", 1 of them in progress", all(1)},
		},
		"a service of another name": {
			[]answer{graphPage("", `{"Name":"orders.example.com","Names":["orders.example.com","orders"],"Type":"AWS::ECS::Container","SummaryStatistics":{"TotalCount":3}}`)},
			[]HeldSegments{held("orders", ecs, 3)},
			[]string{says("ok", "orders.example.com ("+ecs+")", 3, 3), all(1)},
		},
		"other accounts and regions": {
			[]answer{graphPage("", node("orders", ecs, 6, ""))},
			[]HeldSegments{elsewhere, unnamed, linked, held("orders", ecs, 3)},
			[]string{says("missing", "orders ("+ecs+")", 6, 5), all(1)},
		},
		"a linked account": {
			[]answer{graphPage("", node("orders", ecs, 6, `,"AccountId":"444455556666"`))},
			[]HeldSegments{linked, held("orders", ecs, 3)},
			[]string{says("ok", "orders ("+ecs+")", 6, 6), all(1)},
		},
		"nothing": {
			[]answer{graphPage("")},
			nil,
			[]string{"unknown X-Ray's service graph is not compared: from 2026-01-02T09:00:00Z to 2026-01-02T10:00:00Z it has no service that sends segments"},
		},
		"denied": {
			[]answer{denied()},
			nil,
			[]string{"unknown xray:GetServiceGraph is denied: this cannot be checked"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			said, _ := examineGraph(t, graphScript(c.pages...), readSince(24*time.Hour, c.held...), Options{}, fleet.Window{})
			if diff := cmp.Diff(c.want, said); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServiceGraphIsAskedSixHoursAtATime(t *testing.T) {
	s := graphScript(failing(400, "InvalidRequestException"), graphPage("", node("orders", "", 2, "")))
	store := readSince(100*time.Hour, held("orders", "", 8))
	w := fleet.Window{Start: noon.Add(-15 * time.Hour), End: noon.Add(-2 * time.Hour)}
	said, checks := examineGraph(t, s, store, Options{}, w)
	var spans []string
	for _, in := range s.calls("/ServiceGraph") {
		from, to := in["StartTime"].(float64), in["EndTime"].(float64)
		spans = append(spans, fmt.Sprintf("%.3f-%.3f", (from-float64(w.Start.Unix()))/3600, (to+0.001-float64(w.Start.Unix()))/3600))
	}
	// The first is refused, and asked for in halves; then slices grow again.
	if diff := cmp.Diff([]string{"0.000-6.000", "0.000-3.000", "3.000-9.000", "9.000-13.000"}, spans); diff != "" {
		t.Error(diff)
	}
	if c := checks[0].Compared; c.Requests != 6 || c.Segments != 8 || !c.Start.Equal(w.Start) || !c.End.Equal(w.End) {
		t.Errorf("got %+v: %q", c, said)
	}
	if diff := cmp.Diff([]fleet.Window{w}, store.asked); diff != "" {
		t.Error(diff)
	}
}

func TestServiceGraphIsComparedWhereTheStoreCanHaveEverything(t *testing.T) {
	at := func(ago time.Duration) time.Time { return noon.Add(-ago) }
	const hour = time.Hour
	followed := readSince(24 * hour)
	for name, c := range map[string]struct {
		store *heldStore
		given fleet.Window
		want  fleet.Window // zero: none
		says  string
	}{
		"the newest hour that was read twice": {followed, fleet.Window{}, fleet.Window{Start: at(3 * hour), End: at(2 * hour)}, ""},
		"nothing was read":                    {&heldStore{}, fleet.Window{}, fleet.Window{}, "nothing was collected of stream xray/111122223333/us-east-1"},
		"no whole hour was read twice":        {readSince(150 * time.Minute), fleet.Window{}, fleet.Window{}, "X-Ray was read from 2026-01-02T09:30:00Z to 2026-01-02T12:00:00Z"},
		"since":                               {followed, fleet.Window{Start: at(5*hour + time.Millisecond)}, fleet.Window{Start: at(5 * hour), End: at(5 * time.Minute)}, ""},
		"until":                               {followed, fleet.Window{End: at(4 * hour)}, fleet.Window{Start: at(5 * hour), End: at(4 * hour)}, ""},
		"until beyond what was read":          {followed, fleet.Window{Start: at(hour), End: noon.Add(hour)}, fleet.Window{Start: at(hour), End: noon}, ""},
		"since the last minutes":              {followed, fleet.Window{Start: at(time.Minute)}, fleet.Window{}, "may still be on its way"},
		"imported":                            {&heldStore{}, fleet.Window{Start: at(2 * hour), End: at(hour)}, fleet.Window{Start: at(2 * hour), End: at(hour)}, ""},
		"longer ago than X-Ray keeps":         {followed, fleet.Window{Start: at(32 * day), End: at(31 * day)}, fleet.Window{}, "X-Ray keeps traces for 30 days"},
		"since longer than X-Ray keeps":       {followed, fleet.Window{Start: at(32 * day), End: at(29*day + 23*hour)}, fleet.Window{Start: at(30 * day), End: at(29*day + 23*hour)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.store.asked = nil
			s := graphScript(graphPage("", node("orders", "", 0, "")))
			said, _ := examineGraph(t, s, c.store, Options{}, c.given)
			var want []fleet.Window
			if c.want != (fleet.Window{}) {
				want = []fleet.Window{c.want}
			}
			if diff := cmp.Diff(want, c.store.asked); diff != "" {
				t.Errorf("compared (-want +got): %s", diff)
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], "unknown X-Ray's service graph is not compared: ") || !strings.Contains(said[0], c.says) {
				t.Errorf("said %q, want %q", said, c.says)
			}
			if (c.want == fleet.Window{}) != (len(s.calls("/ServiceGraph")) == 0) {
				t.Errorf("asked X-Ray %d times", len(s.calls("/ServiceGraph")))
			}
		})
	}
}

func TestServiceGraphIsNoMeasureOfTransactionSearch(t *testing.T) {
	s := graphScript(graphPage("", node("orders", "", 5, "")))
	s.answers["/GetTraceSegmentDestination"] = []answer{{body: `{"Destination":"CloudWatchLogs","Status":"ACTIVE"}`}}
	said, _ := examineGraph(t, s, readSince(24*time.Hour), Options{}, fleet.Window{})
	if len(said) != 1 || !strings.HasPrefix(said[0], "unknown ") || !strings.Contains(said[0], "indexed spans only") || len(s.calls("/ServiceGraph")) != 0 {
		t.Errorf("said %q after %d calls", said, len(s.calls("/ServiceGraph")))
	}
}

func TestServiceGraphOfAGroup(t *testing.T) {
	store := readSince(24*time.Hour, held("orders", "", 4))
	store.gaps = []fleet.LedgerEntry{
		{Reason: "throttled", Detail: "X-Ray left 1 of 5 traces unprocessed"},
		{Reason: "sampled", Detail: "kept 5 of 50"},
		{Reason: "throttled", Detail: "X-Ray left 1 of 5 traces unprocessed"},
	}
	s := graphScript(graphPage("", node("orders", "", 5, "")))
	said, checks := examineGraph(t, s, store, Options{XRayGroup: "slow"}, fleet.Window{})
	if in := s.calls("/ServiceGraph"); len(in) != 1 || in[0]["GroupName"] != "slow" {
		t.Errorf("asked %v", in)
	}
	// The pass ended three hours and more after the window began.
	const want = "read it again, which doubles nothing: muster collect --source xray --overlap 181m --xray-group slow; " +
		"the ledger says of that time: throttled (X-Ray left 1 of 5 traces unprocessed)"
	if checks[0].State != StateMissing || checks[0].Remedy != want {
		t.Errorf("said %q, do %q", said, checks[0].Remedy)
	}
	s = graphScript(answer{body: `{"Services":[],"ContainsOldGroupVersions":true}`})
	if said, _ := examineGraph(t, s, store, Options{XRayGroup: "slow"}, fleet.Window{}); len(said) != 1 || !strings.Contains(said[0], "filter expression of group slow was changed") {
		t.Errorf("said %q", said)
	}
}

func TestWhatWasNeverReadIsReadByABackfill(t *testing.T) {
	s := graphScript(graphPage("", node("orders", "", 5, "")))
	_, checks := examineGraph(t, s, readSince(3*time.Hour), Options{}, fleet.Window{Start: noon.Add(-5 * time.Hour), End: noon.Add(-4 * time.Hour)})
	if !strings.HasSuffix(checks[0].Remedy, "muster collect --source xray --since 2026-01-02T07:00:00Z") {
		t.Errorf("do %q", checks[0].Remedy)
	}
}

func TestAStoreThatCannotCountIsNoMissingRequest(t *testing.T) {
	store := readSince(24 * time.Hour)
	store.err = errors.New("the disk is gone")
	said, _ := examineGraph(t, graphScript(graphPage("", node("orders", "", 5, ""))), store, Options{}, fleet.Window{})
	if len(said) != 1 || said[0] != "unknown X-Ray's service graph is not compared: the store's segments: the disk is gone" {
		t.Errorf("said %q", said)
	}
}

// TestServiceGraphIsReadAnewWhenAPageIsRefused: nothing counts twice.
func TestServiceGraphIsReadAnewWhenAPageIsRefused(t *testing.T) {
	s := graphScript(
		graphPage("1", node("orders", "", 5, "")), answer{400, `{"__type":"InvalidRequestException","message":"Invalid NextToken"}`},
		graphPage("1", node("orders", "", 5, "")), graphPage("", node("stock", "", 1, "")),
	)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	o := Options{AWS: awsAt(t, server.URL), Account: testAccount, Now: func() time.Time { return noon }}
	got, err := newTraces(o.withDefaults()).serviceGraph(t.Context(), xray.NewFromConfig(o.AWS), lastHour)
	must(t, err)
	if len(got) != 2 || got[nodeKey{"orders", ""}].requests != 5 || got[nodeKey{"stock", ""}].requests != 1 {
		t.Errorf("got %v", got)
	}
}

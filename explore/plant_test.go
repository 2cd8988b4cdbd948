package explore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// drawn is a forest as indented text: what stands under what, and why.
func drawn(f *forest) string {
	var b strings.Builder
	var draw func(ns []*node, depth int)
	draw = func(ns []*node, depth int) {
		for _, n := range ns {
			name := n.heading
			if n.rec != nil {
				name = strings.TrimPrefix(n.rec.ID, n.rec.Keys.Trace+"/")
			}
			fmt.Fprintf(&b, "%s%s (%s)\n", strings.Repeat("  ", depth), name, n.placed)
			draw(n.kids, depth+1)
		}
	}
	draw(f.roots, 0)
	return b.String()
}

func TestPlantPutsEveryRecordUnderWhatItBelongsTo(t *testing.T) {
	const tr = "67432b5e9f3a41d7c05be0a1862f44d1"
	s := &story{trace: tr, start: noon}
	s.span("a", "", "gateway", "GET /", 0, 100*ms, "")
	s.span("b", "a", "orders", "GET /orders", 10*ms, 50*ms, "")
	s.span("lost", "gone", "orders", "late", 70*ms, 10*ms, "")
	s.aws("c", "b", "dynamodb", "dynamodb", "PutItem", "AWS::DynamoDB::Table/orders", "R1", 20*ms, 10*ms)
	s.records[len(s.records)-1].ID = "call"
	s.log("b", "orders", "INFO", "by span id", 5*ms).ID = "log-by-span"
	s.log("", "orders", "INFO", "by time", 30*ms).ID = "log-by-time"
	s.log("", "orders", "INFO", "before everything", -time.Second).ID = "log-early"
	s.log("", "mailer", "INFO", "of another service", 30*ms).ID = "log-stranger"
	l := s.log("", "dynamodb", "INFO", "by request", 40*ms)
	l.ID, l.Keys.Request, l.Keys.Scope = "log-by-request", "R1", fleet.ScopeAWS
	l = s.log("", "mailer", "INFO", "the same id of another scope", 40*ms)
	l.ID, l.Keys.Request, l.Keys.Scope = "log-other-scope", "R1", fleet.ScopeApp
	c := s.add(fleet.Record{Kind: fleet.KindChange, ID: "change", Name: "updated"}, 90*time.Second)
	c.Keys.Request, c.Keys.Scope = "R1", fleet.ScopeAWS

	dossier := fleet.Trace{ID: tr, Records: s.records}
	fleet.Sort(dossier.Records)
	want := `a ()
  b (parent span)
    log-by-span (span id)
    c (parent span)
      call (request id)
        change (request id)
      log-by-request (request id)
    log-by-time (time)
lost ()
outside every span ()
  log-early (outside every span)
  log-stranger (outside every span)
  log-other-scope (outside every span)
`
	if diff := cmp.Diff(want, drawn(plant(&dossier))); diff != "" {
		t.Errorf("the forest is not as expected (-want +got):\n%s", diff)
	}
}

// count is how often each record is in a forest.
func (f *forest) count() map[string]int {
	n := map[string]int{}
	var walk func([]*node)
	walk = func(ns []*node) {
		for _, x := range ns {
			if x.rec != nil {
				n[x.rec.ID]++
			}
			walk(x.kids)
		}
	}
	walk(f.roots)
	return n
}

// wild are records with random keys: cycles, orphans, doubles, several traces.
func wild(r *rand.Rand, n int) []fleet.Record {
	var rs []fleet.Record
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	id := func() string { return pick("", "a", "b", "c", "d", "e", "f") }
	for i := range n {
		rec := fleet.Record{
			ID: fmt.Sprint(i), Kind: fleet.Kinds()[r.IntN(5)], Service: pick("x", "y"),
			Time: noon.Add(time.Duration(r.IntN(100)) * ms), Duration: time.Duration(r.IntN(50)) * ms,
		}
		rec.Keys.Trace, rec.Keys.Span, rec.Keys.Parent, rec.Keys.Request = pick("", "t1", "t2"), id(), id(), id()
		if rec.Kind != fleet.KindSpan {
			rec.Duration = 0
		}
		rs = append(rs, rec)
	}
	fleet.Sort(rs)
	return rs
}

func TestPlantKeepsEveryRecordExactlyOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		rs := wild(r, r.IntN(30))
		got := plant(&fleet.Trace{Records: rs}).count()
		for i := range rs {
			if got[rs[i].ID] != 1 {
				t.Fatalf("record %s is there %d times; records: %+v", rs[i].ID, got[rs[i].ID], rs)
			}
		}
		rows := outline(plant(&fleet.Trace{Records: rs}), nil, nil, nil)
		shown := slices.DeleteFunc(rows, func(r row) bool { return r.record() == nil })
		if len(shown) != len(rs) {
			t.Fatalf("%d of %d records have a row", len(shown), len(rs))
		}
	}
}

func TestOutlineFoldsAndHides(t *testing.T) {
	dossier, err := sample().Trace(t.Context(), "67432b5e9f3a41d7c05be0a1862f44d1")
	if err != nil {
		t.Fatal(err)
	}
	f := plant(&dossier)
	all := len(outline(f, nil, nil, nil))
	orders := fleet.SpanID(dossier.ID, "orders0000000001")

	rows := outline(f, nil, map[string]bool{orders: true}, nil)
	i := slices.IndexFunc(rows, func(r row) bool { return r.key() == orders })
	if !rows[i].folded || rows[i].beneath != all-len(rows) {
		t.Errorf("the folded row stands for %d rows; %d of %d are gone", rows[i].beneath, all-len(rows), all)
	}

	rows = outline(f, nil, nil, map[fleet.Kind]bool{fleet.KindSpan: true})
	for _, r := range rows {
		if rec := r.record(); rec != nil && rec.Kind == fleet.KindSpan {
			t.Errorf("span %s shows though spans are hidden", rec.ID)
		}
	}
	// What stood under the spans shows in the order of time.
	logs := slices.DeleteFunc(rows, func(r row) bool { return r.record() == nil || r.depth > 0 })
	if !slices.IsSortedFunc(logs, func(a, b row) int { return compareNodes(a.node, b.node) }) {
		t.Error("without spans the rows are not in the order of time")
	}
}

// chain is a trace of n spans, each inside the one before.
func chain(n int) *fleet.Trace {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon}
	for i := range n {
		s.span(fmt.Sprintf("%016x", i+1), fmt.Sprintf("%016x", i), "deep", "call", time.Duration(i)*ms, time.Duration(2*n-i)*ms, "")
		s.records[i].Raw = nil
	}
	s.records[0].Keys.Parent = ""
	return &fleet.Trace{ID: s.trace, Records: s.records}
}

func TestADeepTraceKeepsRoomForNames(t *testing.T) {
	f := plant(chain(10_000))
	rows := outline(f, nil, nil, nil)
	if len(rows) != 10_000 {
		t.Fatalf("%d rows", len(rows))
	}
	got := waterRow(f, &rows[9_999], 80, false).String()
	if !strings.Contains(got, "9999 ") || !strings.Contains(got, "deep call") {
		t.Errorf("the deepest row is %q", got)
	}
}

func TestTracesAreInTheOrderOfTheirFirstSpans(t *testing.T) {
	first := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon.Add(100 * ms)}
	first.span("a", "", "gateway", "POST /orders", 0, 100*ms, "")
	second := &story{trace: "67432b5e0000000000000000862f44d1", start: noon.Add(500 * ms)}
	second.span("c", "", "mailer", "receive", 0, 100*ms, "")
	second.aws("b", "c", "mailer", "s3", "GetObject", "AWS::S3::Bucket/x", "R1", 50*ms, 10*ms) // at noon sharp
	dossier := fleet.Trace{Records: append(first.records, second.records...)}
	fleet.Sort(dossier.Records)
	if got := traceOrder(dossier.Records); !slices.Equal(got, []string{first.trace, second.trace}) {
		t.Errorf("the traces are in the order %v", got)
	}
}

func TestAPICallsAreDrawnWhereTheirSpanBegan(t *testing.T) {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon.Add(400 * ms)}
	s.span("a", "", "gateway", "GET /", 0, 100*ms, "")
	s.aws("b", "gateway", "gateway", "s3", "GetObject", "AWS::S3::Bucket/x", "R1", 50*ms, 10*ms)
	f := plant(&fleet.Trace{Records: s.records})
	way := trail(f.roots, s.records[2].ID)
	if got, want := way[len(way)-1].moment(), s.records[1].Time; !got.Equal(want) {
		t.Errorf("the call is drawn at %v, its span began at %v", got, want)
	}
}

package explore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// edgesOf spells the edges of a map, with counts, errors and cycles.
func edgesOf(m *ServiceMap) []string {
	var out []string
	for _, e := range m.Edges {
		s := fmt.Sprintf("%s %d %v", e.Name(), e.Count, e.Max)
		if e.Errors > 0 {
			s += fmt.Sprintf(" ✗%d", e.Errors)
		}
		if e.Cycle > 0 {
			s += fmt.Sprintf(" ↺%d", e.Cycle)
		}
		out = append(out, s)
	}
	return out
}

func nodesOf(m *ServiceMap) []string {
	var out []string
	for _, n := range m.Nodes {
		out = append(out, fmt.Sprintf("%d %s %s %d", n.Layer, n.Name, n.Kind, n.Count))
	}
	return out
}

func mapOf(t *testing.T, records []fleet.Record) *ServiceMap {
	t.Helper()
	m, err := Services(t.Context(), &fake{records: records}, fleet.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// calling makes a span a call to another service.
func calling(r *fleet.Record, to string) {
	r.Attributes = fleet.AttributesOf(
		fleet.AttrSpanType, "subsegment", fleet.AttrNamespace, "remote", fleet.AttrSegmentName, to,
	)
}

func TestTheMapCountsEachCallOnce(t *testing.T) {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon}
	s.span("a", "", "web", "GET /", 0, 100*ms, "")
	calling(s.span("b", "a", "web", "GET orders:80", 5*ms, 80*ms, ""), "orders:80")
	s.span("c", "b", "orders", "GET /", 10*ms, 60*ms, "fault") // answers b
	step := s.span("d", "c", "orders", "validate", 11*ms, 5*ms, "")
	step.Attributes.Set(fleet.AttrSpanType, "subsegment")
	s.aws("e", "c", "orders", "dynamodb", "GetItem", "AWS::DynamoDB::Table/orders", "R1", 20*ms, 30*ms)
	made := s.span("f", "e", "DynamoDB", "made up by X-Ray", 20*ms, 30*ms, "")
	made.Attributes.Set(fleet.AttrInferred, "true")
	calling(s.span("g", "c", "orders", "GET bank", 55*ms, 10*ms, "error"), "bank")
	s.span("h", "c", "audit", "POST /", 40*ms, 7*ms, "") // below another's segment, without a call
	s.span("i", "gone", "orders", "GET /", 70*ms, 20*ms, "")
	m := mapOf(t, s.records)
	if diff := cmp.Diff([]string{
		"web → orders 1 80ms ✗1", "orders → audit 1 7ms", "orders → bank 1 10ms ✗1", "orders → dynamodb 1 30ms",
	}, edgesOf(m)); diff != "" {
		t.Errorf("edges (-want +found):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"1 web service 1", "2 orders service 2", "3 audit service 1", "3 bank remote 1", "3 dynamodb aws 1",
	}, nodesOf(m)); diff != "" {
		t.Errorf("nodes (-want +found):\n%s", diff)
	}
}

func TestMessagesAreEdgesButNoCycle(t *testing.T) {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon}
	n := &story{trace: "67432b5fa10c22e4b7d9013355aa8e02", start: noon}
	s.span("a", "", "orders", "send", 0, 10*ms, "").Keys.Messages = []string{"m1", "m2"}
	n.span("b", "", "mail", "receive", 200*ms, 10*ms, "").Keys.Messages = []string{"m1"}
	n.span("c", "", "mail", "send", 210*ms, 10*ms, "").Keys.Messages = []string{"m3"}
	s.span("d", "", "orders", "receive", 300*ms, 10*ms, "").Keys.Messages = []string{"m3"}
	m := mapOf(t, append(s.records, n.records...))
	if diff := cmp.Diff([]string{"mail ⇢ orders 1 90ms", "orders ⇢ mail 1 200ms"}, edgesOf(m)); diff != "" {
		t.Errorf("edges (-want +found):\n%s", diff)
	}
}

func TestCyclesOfCallsAreMarked(t *testing.T) {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon}
	s.span("a", "", "web", "GET /", 0, 100*ms, "")
	s.span("b", "a", "orders", "GET /", 10*ms, 60*ms, "")
	s.span("c", "b", "stock", "GET /", 20*ms, 40*ms, "")
	s.span("d", "c", "orders", "GET /", 30*ms, 20*ms, "")
	calling(s.span("e", "a", "web", "GET self", 80*ms, 10*ms, ""), "web")
	s.span("f", "e", "web", "GET /self", 81*ms, 8*ms, "")
	m := mapOf(t, s.records)
	if diff := cmp.Diff([]string{
		"web → web 1 10ms ↺3", "web → orders 1 60ms", "orders → stock 1 40ms ↺1", "stock → orders 1 20ms ↺1",
	}, renumbered(edgesOf(m))); diff != "" {
		t.Errorf("edges (-want +found):\n%s", diff)
	}
}

// renumbered calls the second cycle the third, since which of two comes first is
// by name: it only must be another one.
func renumbered(edges []string) []string {
	for i := range edges {
		edges[i] = strings.ReplaceAll(edges[i], "↺2", "↺3")
	}
	return edges
}

// TestLayersOfAnyGraph holds what is true of every map: a call from outside of a
// cycle leads down, and whatever the order of edges, the answer is the same.
func TestLayersOfAnyGraph(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		n := 1 + random.IntN(50)
		m := &ServiceMap{}
		for i := range n {
			m.Nodes = append(m.Nodes, ServiceNode{Name: fmt.Sprint("s", i), Kind: NodeService})
		}
		seen := map[[2]int]bool{}
		for range random.IntN(3 * n) {
			k := [2]int{random.IntN(n), random.IntN(n)}
			if !seen[k] {
				seen[k] = true
				m.Edges = append(m.Edges, ServiceEdge{From: m.Nodes[k[0]].Name, To: m.Nodes[k[1]].Name})
			}
		}
		other := &ServiceMap{Nodes: slices.Clone(m.Nodes), Edges: slices.Clone(m.Edges)}
		slices.Reverse(other.Nodes)
		slices.Reverse(other.Edges)
		m.arrange()
		other.arrange()
		if diff := cmp.Diff(nodesOf(m), nodesOf(other)); diff != "" {
			t.Fatalf("the order of the edges shows:\n%s", diff)
		}
		layer := map[string]int{}
		for _, x := range m.Nodes {
			layer[x.Name] = x.Layer
		}
		for _, e := range m.Edges {
			if e.Cycle == 0 && layer[e.From] >= layer[e.To] || e.Cycle > 0 && layer[e.From] != layer[e.To] {
				t.Fatalf("%s, cycle %d, leads from layer %d to %d", e.Name(), e.Cycle, layer[e.From], layer[e.To])
			}
		}
		for _, r := range mapRows(m, 200) {
			if r.gutter != "" && cellWidth(r.gutter) > 41 {
				t.Fatalf("the lanes take %d of 200 cells", cellWidth(r.gutter))
			}
		}
	}
}

func TestQuantilesAreNearestRank(t *testing.T) {
	var s ServiceStats
	for i := range 20 {
		s.note(time.Duration(20-i)*ms, i == 0)
	}
	s.settle()
	if s.P50 != 10*ms || s.P95 != 19*ms || s.Max != 20*ms || s.Errors != 1 || s.Count != 20 {
		t.Errorf("the figures are %+v", s)
	}
}

func TestTheServiceMapOnTheScreen(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		s := newStage(t, sample(), size[0], size[1], Options{})
		s.press("S")
		s.golden(fmt.Sprintf("services-%dx%d", size[0], size[1]))
		s.press("/ orders")
		s.press("enter enter")
		s.golden(fmt.Sprintf("services-around-%dx%d", size[0], size[1]))
		s.press("esc")
		if got := s.m.top().(*services); got.focus != "" || len(got.rows) < 8 {
			t.Errorf("esc leaves %d rows around %q", len(got.rows), got.focus)
		}
		s.press("esc")
		if got := s.m.top().title(); got != "traces" {
			t.Errorf("esc leads to %s", got)
		}
	}
}

func TestTheServiceMapFillsTheTerminalExactlyAndSafely(t *testing.T) {
	for name, r := range map[string]fleet.Reader{"hostile": hostile(), "empty": &fake{}, "broken": &fake{err: errDown}} {
		s := newStage(t, r, 80, 24, Options{})
		s.press("S end enter up enter n")
		for _, w := range []int{60, 80, 200} {
			s.m.width = w
			s.m.fit()
			checkFrame(t, s.m.View().Content, w, 24)
		}
		if got := s.frame(); name == "broken" && !strings.Contains(got, "The service map could not be read.") {
			t.Errorf("the frame is:\n%s", got)
		}
	}
}

func TestTheServiceMapRestsBetweenReadings(t *testing.T) {
	now := noon
	e := &env{reader: sample(), now: func() time.Time { return now }, run: func(f func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return f(t.Context()) }
	}}
	s := newServices(e)
	s.load()().(tea.BatchMsg)[0]().(answer).deliver() // beside it is the one that draws progress
	if s.all == nil || s.load() != nil {
		t.Error("the map is read again at once")
	}
	now = now.Add(mapRest)
	if s.load() == nil {
		t.Error("the map is not read again after its rest")
	}
}

func TestPrintServices(t *testing.T) {
	m := mapOf(t, sample().records)
	near, err := m.Focus("payments")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := PrintServices(&b, near, 100, "payments"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"around payments", "● orders", "→ payments", "▸→ dynamodb", "✗100%", "layer 3"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if _, err := m.Focus("paymnts"); err == nil || !strings.Contains(err.Error(), "there are: ") {
		t.Errorf("a misspelled name says %v", err)
	}
}

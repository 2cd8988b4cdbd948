package compare

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/crisp"
)

// span is a span from one microsecond after 1970 to another.
func span(id, parent, service string, from, to int64) fleet.Record {
	return crisp.Span(id, parent, service, "do", from, to)
}

// spell writes the nodes of a comparison, one a line, by their services.
func spell(c *Comparison) string {
	var b strings.Builder
	b.WriteByte('\n')
	var walk func(ns []*Node, in string)
	walk = func(ns []*Node, in string) {
		for _, n := range ns {
			how := string(n.Verdict)
			if n.Moved {
				how += " moved"
			}
			if n.Fails {
				how += " fails"
			}
			fmt.Fprintf(&b, "%s%s %s %d→%d self %d→%d waited %d→%d\n", in, n.Service, how, n.Before.Count, n.After.Count,
				n.Before.Self.Microseconds(), n.After.Self.Microseconds(), n.Before.Waited.Microseconds(), n.After.Waited.Microseconds())
			walk(n.Kids, in+"  ")
		}
	}
	walk(c.Roots, "")
	return b.String()
}

// TestAStepPutInBetweenMovesWhatIsBelow: b called c itself; now m, which is new,
// does. c is the same call as before, and what it calls, d, too.
func TestAStepPutInBetweenMovesWhatIsBelow(t *testing.T) {
	before := []fleet.Record{
		span("1", "", "b", 0, 1000), span("2", "1", "c", 100, 500), span("3", "2", "d", 200, 300),
	}
	after := []fleet.Record{
		span("1", "", "b", 0, 1000), span("9", "1", "m", 50, 850), span("2", "9", "c", 100, 800), span("3", "2", "d", 200, 300),
	}
	there := Of([][]fleet.Record{before}, after)
	want := `
b faster 1→1 self 600→200 waited 600→200
  m new 0→1 self 0→100 waited 0→100
    c slower moved 1→1 self 300→600 waited 300→600
      d same 1→1 self 100→100 waited 100→100
`
	if diff := cmp.Diff(want, spell(&there)); diff != "" {
		t.Errorf("a step in between (-want +got):\n%s", diff)
	}
	back := Of([][]fleet.Record{after}, before)
	want = `
b slower 1→1 self 200→600 waited 200→600
  m gone 1→0 self 100→0 waited 100→0
  c faster moved 1→1 self 600→300 waited 600→300
    d same 1→1 self 100→100 waited 100→100
`
	if diff := cmp.Diff(want, spell(&back)); diff != "" {
		t.Errorf("a step taken out (-want +got):\n%s", diff)
	}
}

// TestAMedianIsWhatIsUsual: of five requests, b took 10, 20, 30, 40 and 500 of a
// 1000. The median is 30, and from 10 to 500 is usual: only what lies outside is
// slower. One in five asks a cache, so that it is neither new nor gone.
func TestAMedianIsWhatIsUsual(t *testing.T) {
	request := func(b int64, more ...fleet.Record) []fleet.Record {
		return append([]fleet.Record{span("1", "", "a", 0, 1000), span("2", "1", "b", 100, 100+b)}, more...)
	}
	cache := span("3", "1", "cache", 10, 20)
	route := [][]fleet.Record{request(10), request(20), request(30, cache), request(40), request(500)}
	tests := []struct {
		name  string
		after []fleet.Record
		want  string
	}{
		{"within what is usual", request(400), `
a same 1→1 self 960→600 waited 960→600
  b same 1→1 self 30→400 waited 30→400
`},
		{"slower than usual", request(600), `
a faster 1→1 self 960→400 waited 960→400
  b slower 1→1 self 30→600 waited 30→600
`},
		{"with what one in five has", request(30, cache), `
a same 1→1 self 960→960 waited 960→960
  cache new 0→1 self 0→10 waited 0→10
  b same 1→1 self 30→30 waited 30→30
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Of(route, tt.after)
			if diff := cmp.Diff(tt.want, spell(&c)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	with := Of(route, request(30, cache))
	if n := with.All()[1]; n.Service != "cache" || n.Seen != 1 {
		t.Errorf("the cache is %+v, want one that 1 of 5 asked", n)
	}
}

func TestSpansInACircleAreAllThere(t *testing.T) {
	circle := []fleet.Record{span("1", "3", "a", 0, 10), span("2", "1", "b", 0, 10), span("3", "2", "c", 0, 10), span("4", "4", "d", 0, 10)}
	c := Of([][]fleet.Record{circle}, circle)
	if got := len(c.All()); got != 4 {
		t.Errorf("%d nodes of 4 spans:%s", got, spell(&c))
	}
}

func TestRoute(t *testing.T) {
	tests := []struct{ name, route, prefix string }{
		{"POST /orders", "POST /orders", "POST /orders"},
		{"GET /prod/v2/orders/order-mwnofhc0-4788", "GET /prod/v2/orders/*", "GET /prod/v2/orders"},
		{"GET /orders/4711?full=1", "GET /orders/*", "GET /orders"},
		{"GET /a/550e8400-e29b-41d4-a716-446655440000/b", "GET /a/*/b", "GET /a"},
		{"GET /search?q=1", "GET /search", "GET /search"},
		{"dynamodb:PutItem", "dynamodb:PutItem", "dynamodb:PutItem"},
	}
	for _, tt := range tests {
		prefix, _ := RoutePrefix(tt.name)
		if got := Route(tt.name); got != tt.route || prefix != tt.prefix {
			t.Errorf("Route(%q) = %q, prefix %q; want %q, %q", tt.name, got, prefix, tt.route, tt.prefix)
		}
	}
}

func TestADeepTraceIsCompared(t *testing.T) {
	const n = 10_000
	deep := func(extra int64) []fleet.Record {
		rs := make([]fleet.Record, n)
		for i := range rs {
			up := ""
			if i > 0 {
				up = fmt.Sprint(i - 1)
			}
			rs[i] = span(fmt.Sprint(i), up, fmt.Sprint("s", i%7), int64(i), 2*n-int64(i)+extra)
		}
		return rs
	}
	c := Of([][]fleet.Record{deep(0)}, deep(5000))
	if got := len(c.All()); got != n {
		t.Errorf("%d nodes of %d", got, n)
	}
}

package explore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

// barOf is how a span from 0 to 100 ms is drawn of which parts were waited for.
func barOf(w int, running bool, parts ...[2]int) string {
	at := func(n int) time.Time { return noon.Add(time.Duration(n) * ms) }
	n := &node{rec: &fleet.Record{Kind: fleet.KindSpan, Time: at(0), Duration: 100 * ms}}
	if running {
		n.rec.Attributes.Set(fleet.AttrInProgress, "true")
	}
	for _, p := range parts {
		n.parts = append(n.parts, stretch{n, at(p[0]), at(p[1])})
	}
	return bar(n, at(-100), at(200), w).String()
}

func TestBarsShowWhatWasWaitedForWithoutColours(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"nothing of it", barOf(9, false), "   ───   "},
		{"all of it", barOf(9, false, [2]int{0, 100}), "   ▄▄▄   "},
		{"its ends", barOf(12, false, [2]int{0, 25}, [2]int{75, 100}), "    ▄──▄    "},
		{"a moment of it", barOf(12, false, [2]int{50, 51}), "    ──▄─    "},
		{"a moment in a cell of two halves", barOf(3, false, [2]int{99, 100}), " ▄ "},
		{"half cells", barOf(10, false, [2]int{0, 40}), "   ▄▄─╴   "},
		{"not finished", barOf(9, true), "   ┅┅┅┅┅┅"},
		{"no room", barOf(0, false), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is drawn %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestTheCriticalPathIsWalkedByKey(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{Start: refusedTrace})
	s.press("-") // folded: the path unfolds what it leads to
	d := s.m.top().(*dossier)
	var got []string
	for range len(d.trees.path) + 1 {
		s.press("c")
		got = append(got, d.current().record().Service+" "+d.current().record().Name)
	}
	want := []string{
		"gateway POST /checkout", "orders POST /orders", "orders dynamodb:PutItem", "orders POST /orders",
		"payments POST /payments", "payments dynamodb:GetItem", "payments POST /payments", "orders POST /orders",
		"orders dynamodb:UpdateItem", "orders POST /orders", "orders sns:Publish", "orders POST /orders",
		"gateway POST /checkout", "gateway POST /checkout", // around
	}
	if !slices.Equal(got, want) {
		t.Errorf("the key leads along\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.press("C C")
	if got := s.frame(); !strings.Contains(got, "critical path, part 12 of 13") {
		t.Errorf("two parts back is:\n%s", got)
	}
}

func TestADossierWithoutSpansHasNoPath(t *testing.T) {
	f := &fake{records: []fleet.Record{rootLogin()}}
	s := newStage(t, f, 80, 24, Options{Start: rootLogin().ID})
	s.press("c")
	if got := s.frame(); !strings.Contains(got, "nothing was waited for") {
		t.Errorf("the frame is:\n%s", got)
	}
}

func TestTheHeadSaysWhichSpansAreApart(t *testing.T) {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", start: noon}
	s.span("a", "", "web", "GET /", 0, 100*ms, "")
	for i := range 3 {
		s.span(fmt.Sprint("o", i), "gone", "orphans", "GET /", 10*ms, 20*ms, "")
	}
	st := newStage(t, &fake{records: s.records}, 80, 24, Options{Start: s.trace})
	if got := st.frame(); !strings.Contains(got, "web GET / 100ms 100%  + 3 apart") {
		t.Errorf("the frame is:\n%s", got)
	}
}

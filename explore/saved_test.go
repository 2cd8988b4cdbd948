package explore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFiltersAreSavedByName(t *testing.T) {
	s := actionStage(t, "")
	l := s.m.stacks[tabTraces][0].(*list)
	command := func(line string) {
		t.Helper()
		s.press(":")
		s.typeLine(line)
	}
	command("save mine")
	s.says("there is no filter to save")
	s.press("/")
	s.typeLine("errors")
	found := len(l.rows)
	command("save mine")
	s.says("saved errors as mine")
	s.press("/")
	s.typeLine("")
	if len(l.rows) <= found {
		t.Fatalf("%d traces without a filter, %d with one", len(l.rows), found)
	}
	s.press("tab")
	command("filter mine")
	if got := s.m.top().title(); got != "traces" || len(l.rows) != found || l.filter.String() != "errors" {
		t.Errorf("%s shows %d traces of %q, want %d", got, len(l.rows), l.filter.String(), found)
	}
	again := newStage(t, sample(), 120, 40, Options{State: s.m.left()})
	if diff := cmp.Diff(map[string]string{"mine": "errors"}, again.m.saved); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	s.press("/")
	s.typeLine("")
	command("save mine")
	s.says("forgot mine")
	command("filter mine")
	s.says("there is no filter mine")
}

// TestTheExplorerBeginsAsItWasLeft holds what a restart keeps, by what it shows.
func TestTheExplorerBeginsAsItWasLeft(t *testing.T) {
	s := actionStage(t, "")
	s.press("T")
	s.typeLine("36h")
	s.press("s s")
	s.press("tab")
	s.press("tab")
	s.press("/")
	s.typeLine("updated")
	s.press("tab")
	s.press("/")
	s.typeLine("PutItem")
	s.press("tab")
	s.press("/")
	s.typeLine("level:info")
	again := newStage(t, sample(), 120, 40, Options{State: s.m.left()})
	for _, at := range []*stage{s, again} {
		at.says("search: level:info")
		at.press("tab")
		at.says("filter: since:36h")
		at.says("most errors first of those read")
		at.press("b b")
		at.typeLine("service")
	}
	for _, at := range []*stage{again, newStage(t, sample(), 120, 40, Options{State: again.m.left()})} {
		at.says("by service  of")
		at.press("tab tab")
		if got := at.m.top().(*changes).text; got != "updated" {
			t.Errorf("the changes are filtered by %q", got)
		}
		at.press("tab")
		if got := at.m.top().(*principals).text; got != "PutItem" {
			t.Errorf("the calls are filtered by %q", got)
		}
	}
	strange := newStage(t, sample(), 120, 40, Options{State: State{Sort: "size", Filter: "since:never", Group: "route"}})
	strange.says("since and until take 15m")
}

func TestColumnsAreChosen(t *testing.T) {
	s := actionStage(t, "")
	s.press(":")
	s.typeLine("columns trace cost")
	s.says("there is no column cost: time took service")
	s.press(":")
	s.typeLine("columns trace took operation")
	for _, at := range []*stage{s, newStage(t, sample(), 120, 40, Options{State: s.m.left()})} {
		head := strings.Fields(strings.Split(at.frame(), "\n")[3])
		if diff := cmp.Diff([]string{"TRACE", "TOOK", "OPERATION"}, head); diff != "" {
			t.Errorf("the head of the list (-want +got):\n%s", diff)
		}
	}
	if got := s.m.completeCommand("columns trace to"); len(got) != 1 || got[0] != "columns trace took" {
		t.Errorf("tab offers %q", got)
	}
	s.press(":")
	s.typeLine("columns")
	if head := strings.Split(s.frame(), "\n")[3]; !strings.Contains(head, "JOURNEY") {
		t.Errorf("no columns are %q", head)
	}
}

package explore

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestListToolsFrames(t *testing.T) {
	frames(t, []view{
		{"list-slowest", sample(), "", "s"},
		{"list-since", sample(), "", "T"},
		{"list-bad-since", sample(), "", "T nonsense enter"},
		{"groups", shipped(), "", "b"},
		{"groups-version", shipped(), "", "b b version enter"},
	})
}

func TestListTakesTimesAndExpressions(t *testing.T) {
	var asked string
	parse := func(s string) (fleet.Filter, error) {
		asked = s
		if s == "fault AND" {
			return nil, errors.New("character 10: a condition is missing")
		}
		return fleet.FilterTest{Keyword: fleet.KeyFault}, nil
	}
	l := newList(&env{now: func() time.Time { return noon }, expressions: Expressions{Parse: parse}})
	l.filter = parseFilter(`since:1h until:2026-11-24T11:30 fault AND duration > 1`)
	q, err := l.query(7)
	want := fleet.Query{
		Window: fleet.Window{Start: noon.Add(-time.Hour), End: time.Date(2026, 11, 24, 11, 30, 0, 0, time.UTC)},
		Filter: fleet.FilterTest{Keyword: fleet.KeyFault}, Limit: 7,
	}
	if diff := cmp.Diff(want, q); diff != "" || err != nil || asked != "fault AND duration > 1" {
		t.Errorf("asked %q, error %v (-want +got):\n%s", asked, err, diff)
	}
	if again := parseFilter(l.filter.String()); again != l.filter {
		t.Errorf("%q is read as %+v", l.filter.String(), again)
	}
	for _, bad := range []string{"fault AND", "since:yesterday"} {
		l.filter = parseFilter(bad)
		if _, err := l.query(1); err == nil {
			t.Errorf("%q is no filter", bad)
		}
	}
	for s, want := range map[string]bool{
		"fault": true, "!ok": true, `service("orders") { fault }`: true, "annotation.tier = 1": true, "http.status>=500": true,
		"faulty": false, "card refused": false, "POST /orders": false, "": false, "user unknown": true,
	} {
		if got := isExpression(s); got != want {
			t.Errorf("isExpression(%q) = %v", s, got)
		}
	}
}

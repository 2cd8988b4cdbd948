package collectors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func logPage(token string, ids ...string) answer {
	events := make([]string, 0, len(ids))
	for _, id := range ids {
		events = append(events, fmt.Sprintf(`{"eventId":%q,"logStreamName":"s","timestamp":%d,"message":"m"}`, id, noon.UnixMilli()-1000))
	}
	doc := `{"events":[` + strings.Join(events, ",") + `]`
	if token != "" {
		doc += `,"nextToken":"` + token + `"`
	}
	return answer{body: doc + "}"}
}

func TestLogsReadToTheEndOfTheirPages(t *testing.T) {
	for name, c := range map[string]struct {
		pages   []answer
		ids     string
		summary string
	}{
		"one page":          {[]answer{logPage("", "a", "b")}, "a b", "through 12:00, complete"},
		"pages":             {[]answer{logPage("1", "a"), logPage("2", "b"), logPage("", "c")}, "a b c", "through 12:00, complete"},
		"empty with tokens": {[]answer{logPage("1"), logPage("2"), logPage("3", "a"), logPage("")}, "a", "through 12:00, complete"},
		"throttled":         {[]answer{logPage("1", "a"), throttled(), throttled(), logPage("", "b")}, "a b", "through 12:00, complete"},
		"server's fault":    {[]answer{failing(500, "ServiceUnavailable"), logPage("", "a")}, "a", "through 12:00, complete"},
		"denied":            {[]answer{denied()}, "", "partial denied"},
		"denied on the way": {[]answer{logPage("1", "a"), denied()}, "a", "partial denied"},
		"no such group":     {[]answer{failing(400, "ResourceNotFoundException")}, "", "error"},
		"bad request":       {[]answer{failing(400, "InvalidParameterException")}, "", "error"},
		"a token for ever":  {[]answer{logPage("1", "a"), logPage("1", "b")}, "a b", "error"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: map[string][]answer{"FilterLogEvents": c.pages}}
			l := scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"/muster/orders"}}, Overlap: time.Minute})
			w := lastHour
			w.Start = w.Start.Add(time.Minute) // with the overlap, one slice
			got := collect(t.Context(), l, w)
			if got.ids() != c.ids || got.summary() != c.summary {
				t.Errorf("got IDs %q and %q (error %v), want %q and %q", got.ids(), got.summary(), got.err, c.ids, c.summary)
			}
		})
	}
}

func TestLogsAskForTheirOverlapAndAnInclusiveEnd(t *testing.T) {
	s := &script{answers: map[string][]answer{"FilterLogEvents": {logPage("")}}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"/muster/orders"}}})
	if want := "logs/111122223333/us-east-1//muster/orders"; l.Stream() != want {
		t.Errorf("got stream %q, want %q", l.Stream(), want)
	}
	w := fleet.Window{Start: noon.Add(-10 * time.Minute), End: noon}
	if got := collect(t.Context(), l, w); got.summary() != "through 12:00, complete" || !got.ledger[0].Window.Start.Equal(noon.Add(-15*time.Minute)) {
		t.Errorf("got %q, %+v", got.summary(), got.ledger)
	}
	asked := s.calls("FilterLogEvents")[0]
	if from, to := int64(asked["startTime"].(float64)), int64(asked["endTime"].(float64)); from != noon.Add(-15*time.Minute).UnixMilli() || to != noon.UnixMilli()-1 {
		t.Errorf("asked from %d to %d", from, to)
	}
}

func TestLogsMarkWhatIsReadOfALongWindow(t *testing.T) {
	s := &script{answers: map[string][]answer{"FilterLogEvents": {logPage("")}}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}, Overlap: time.Hour})
	got := collect(t.Context(), l, fleet.Window{Start: noon.Add(-6 * time.Hour), End: noon})
	// Quiet slices grow: one hour, two, four.
	if want := "through 06:00, through 08:00, through 12:00, complete"; got.summary() != want {
		t.Errorf("got %q, want %q", got.summary(), want)
	}
}

func TestDeniedGroupNamesTheMissingPermission(t *testing.T) {
	s := &script{answers: map[string][]answer{"FilterLogEvents": {denied()}}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}})
	got := collect(t.Context(), l, lastHour)
	if len(got.ledger) != 1 || !strings.Contains(got.ledger[0].Detail, "allow logs:FilterLogEvents") || got.ledger[0].Stream != l.Stream() {
		t.Errorf("got ledger %+v", got.ledger)
	}
}

func TestDeniedListingOfGroupsIsInTheLedger(t *testing.T) {
	s := &script{answers: map[string][]answer{"DescribeLogGroups": {denied()}}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}})
	got := collect(t.Context(), l, lastHour)
	if got.summary() != "partial denied" || !strings.Contains(got.ledger[0].Detail, "logs:DescribeLogGroups") {
		t.Errorf("got %q: %+v", got.summary(), got.ledger)
	}
}

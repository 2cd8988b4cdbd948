package collectors

import "testing"

// A group that was listed and is gone when it is read leaves nothing to collect;
// one that its user named and that is not there is an error (see the table of
// TestLogsReadToTheEndOfTheirPages).
func TestLogsOfAListedGroupThatIsGone(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"DescribeLogGroups": {{body: `{"logGroups":[{"logGroupName":"/muster/orders"}]}`}},
		"FilterLogEvents":   {failing(400, "ResourceNotFoundException")},
	}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}})
	if got := collect(t.Context(), l, lastHour); got.ids() != "" || got.summary() != "" {
		t.Errorf("got IDs %q and %q (error %v), want nothing", got.ids(), got.summary(), got.err)
	}
}

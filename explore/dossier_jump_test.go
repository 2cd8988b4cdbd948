package explore

import (
	"strings"
	"testing"

	"muster/fleet"
)

func TestDossierPartsFrames(t *testing.T) {
	const refused = "67432b5e9f3a41d7c05be0a1862f44d1"
	frames(t, []view{
		{"dossier-error", sample(), refused, "x"},
		{"dossier-slowest", sample(), refused, "s s"},
		{"dossier-only", sample(), refused, "f payments enter"},
		{"dossier-below", sample(), refused, "v v z"},
		{"dossier-services", sample(), refused, "_"},
		{"dossier-statistics", sample(), refused, "t"},
		{"dossier-statistics-services", sample(), refused, "t t down"},
	})
}

func TestKeysLeadThroughTheDossier(t *testing.T) {
	s := newStage(t, sample(), 120, 40, Options{Start: refusedTrace})
	d := s.m.top().(*dossier)
	all := len(d.rows)
	s.press("x")
	if r := d.current().record(); r == nil || r.Error == "" {
		t.Errorf("x leads to %+v", r)
	}
	s.press("home s")
	slowest := d.current().node.self
	for i := range d.rows {
		if n := d.rows[i].node; n != nil && n.rec != nil && n.rec.Kind == fleet.KindSpan && n.self > slowest {
			t.Errorf("s leads to %s, and there are %s", slowest, n.self)
		}
	}
	s.press("s")
	if again := d.current().node.self; again > slowest {
		t.Errorf("the second slowest took %s, the slowest %s", again, slowest)
	}
	s.press("f payments enter")
	if len(d.rows) == 0 || len(d.rows) >= all {
		t.Errorf("%d of %d lines with payments", len(d.rows), all)
	}
	if last := d.rows[len(d.rows)-1]; !strings.Contains(strings.ToLower(last.plainText()), "payments") {
		t.Errorf("the last line has no payments, and leads nowhere: %s", last.plainText())
	}
	s.press("esc")
	if len(d.rows) != all {
		t.Errorf("after esc there are %d lines of %d", len(d.rows), all)
	}
	s.press("x z")
	if len(d.rows) >= all || d.rows[0].record().Error == "" {
		t.Errorf("below the error there are %d lines of %d", len(d.rows), all)
	}
	s.press("z")
	if len(d.rows) != all {
		t.Errorf("after z there are %d lines of %d", len(d.rows), all)
	}
}

func TestInspectorShowsExceptionSQLAndEvent(t *testing.T) {
	span := fleet.Record{Kind: fleet.KindSpan, Raw: []byte(`{"cause":{"exceptions":[{"type":"Refusal","message":"card refused","remote":true,
		"stack":[{"path":"pay.go","line":42,"label":"charge"}]}]},"sql":{"sanitized_query":"SELECT 1"},"aws":{"operation":"PutItem","retries":2}}`)}
	event := fleet.Record{ID: "event-1", Kind: fleet.KindAPICall, Name: "dynamodb:PutItem", Error: "Throttled"}
	n := &node{rec: &span, kids: []*node{{rec: &event}}}
	got := lines(recordSheet(n, 100))
	for _, want := range []string{"Refusal (of the callee)", "card refused", "at charge  pay.go:42", "SELECT 1", "retries        2", "dynamodb:PutItem Throttled", "event-1"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	span.Raw = []byte(`{"cause":"ab12","sql":{"url":"db"}}`)
	if got := lines(recordSheet(n, 100)); !strings.Contains(got, "url            db") || strings.Contains(got, "exception") {
		t.Errorf("a cause that is an id is none, and SQL is there:\n%s", got)
	}
}

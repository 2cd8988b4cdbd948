package explore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// talking is a fleet of two groups that log for a quarter of an hour.
func talking() *fake {
	f := &fake{}
	add := func(i int, service, level, message, raw string, attributes fleet.Attributes) {
		r := fleet.Record{
			ID: fmt.Sprint("log", i), Kind: fleet.KindLog, Time: noon.Add(time.Duration(i-90) * 10 * time.Second),
			Service: service, Name: level, Message: message, Raw: []byte(raw), Attributes: attributes,
		}
		if level == "ERROR" {
			r.Error = "error"
		}
		if i%3 == 0 {
			r.Keys.Trace = refusedTrace
		}
		f.records = append(f.records, r)
	}
	for i := range 90 {
		group := fleet.AttributesOf(fleet.AttrLogGroup, "/ecs/orders", "order", fmt.Sprint("order-", 4000+i), "log_stream", "x")
		switch i % 9 {
		case 4:
			add(i, "payments", "ERROR", fmt.Sprintf("card %d was refused by \"bank %d\"", 1000+i, i), `{"level":"ERROR","card":{"last":4,"brands":["a","b"]}}`,
				fleet.AttributesOf(fleet.AttrLogGroup, "/ecs/payments"))
		case 7:
			add(i, "payments", "WARN", "the bank is slow", `{"level":"WARN"}`, fleet.AttributesOf(fleet.AttrLogGroup, "/ecs/payments"))
		default:
			add(i, "orders", "INFO", fmt.Sprintf("order %d placed in %dms", 4000+i, i), `plain`, group)
		}
	}
	return f
}

func TestLogsFrames(t *testing.T) {
	const logs = "tab tab tab tab "
	frames(t, []view{
		{"logs", talking(), "", logs},
		{"logs-unfolded", talking(), "", logs + "/ level:error enter home down space down"},
		{"logs-detail", talking(), "", logs + "/ group:payments enter enter"},
		{"logs-patterns", talking(), "", logs + "p down"},
		{"logs-of-pattern", talking(), "", logs + "p down enter"},
		{"logs-none", talking(), "", logs + "/ nonesuch enter"},
		{"logs-empty", &fake{}, "", logs},
	})
}

func TestPatternOf(t *testing.T) {
	tests := []struct{ message, want string }{
		{`order 4711 placed in 12ms`, `order * placed in *`},
		{`GET "/orders/1" 200`, `GET "*" *`},
		{`[2026-11-19T15:01:00.059Z] "POST /shipments" 201 - 80`, `[*:*:*] "*" * - *`},
		{`id 550e8400-e29b-41d4-a716-446655440000 lost`, `id * lost`},
		{`nothing varies`, `nothing varies`},
		{`an open "quote 7`, `an open "`},
	}
	for _, tt := range tests {
		if got := patternOf(tt.message); got != tt.want {
			t.Errorf("patternOf(%q) = %q, want %q", tt.message, got, tt.want)
		}
	}
}

func TestLogsFollowUntilSomebodyLooksBack(t *testing.T) {
	f := talking()
	s := newStage(t, f, 80, 24, Options{})
	s.press("tab tab tab tab")
	l := s.m.top().(*logs)
	grow := func(id string) {
		r := f.records[len(f.records)-1]
		r.ID, r.Time = id, r.Time.Add(time.Second)
		f.records = append(f.records, r)
		s.press("r")
	}
	grow("new1")
	if got := l.current().ID; got != "new1" {
		t.Errorf("the cursor is on %s, want the newest", got)
	}
	s.press("up up")
	was := l.current().ID
	grow("new2")
	if got := l.current().ID; got != was || l.follow {
		t.Errorf("the cursor went from %s to %s while somebody looked", was, got)
	}
	s.press("G")
	if l.current().ID != "new2" || !l.follow {
		t.Errorf("G is at %s, following %v", l.current().ID, l.follow)
	}
}

func TestLogFilterIsReadAsItIsSpelled(t *testing.T) {
	f := parseLogFilter("service:orders refused group:/ecs level:warn errors by")
	want := logFilter{text: "refused by", service: "orders", group: "/ecs", level: "warn", errors: true}
	if diff := cmp.Diff(want, f, cmp.AllowUnexported(logFilter{})); diff != "" {
		t.Error(diff)
	}
	if again := parseLogFilter(f.String()); again != f {
		t.Errorf("%q is read as %+v", f.String(), again)
	}
	if parseLogFilter("http://x").text != "http://x" {
		t.Error("a text with a colon is none of the words")
	}
}

// shipped is a fleet of 60 orders of which those of version 1.5.0 are slow and
// fail; a dozen reads of another route are neither.
func shipped() *fake {
	f := &fake{}
	for i := range 72 {
		tr := fmt.Sprintf("6743%028x", i)
		r := fleet.Record{
			ID: fmt.Sprint("s", i), Kind: fleet.KindSpan, Time: noon.Add(-time.Duration(72-i) * 10 * time.Second), Service: "orders", Name: "POST /orders",
			Duration: time.Duration(50+i%7) * time.Millisecond, Attributes: fleet.AttributesOf("annotation.version", "1.4.0", fleet.AttrUser, fmt.Sprint("customer-", i%9)),
		}
		r.Keys.Trace, r.Keys.Span = tr, "1"
		if i >= 60 {
			r.Name = fmt.Sprintf("GET /orders/%d", 4000+i)
		}
		k := r
		k.ID, k.Service, k.Name, k.Duration, k.Attributes = r.ID+"k", "payments", "POST /payments", time.Duration(20+i%11)*time.Millisecond, nil
		k.Keys.Span, k.Keys.Parent = "2", "1"
		if i%5 == 0 && i < 60 {
			r.Error, r.Duration, k.Duration = "fault", r.Duration*10, k.Duration*15
			r.Attributes = fleet.AttributesOf("annotation.version", "1.5.0", fleet.AttrUser, fmt.Sprint("customer-", i%9))
		}
		f.records = append(f.records, r, k)
	}
	fleet.Sort(f.records)
	return f
}

func TestOutliersFrames(t *testing.T) {
	frames(t, []view{
		{"outliers", shipped(), "", "end O"},
		{"outliers-slow", shipped(), "", "end O s down"},
		{"outliers-those", shipped(), "", "end O / version=1.4.0 enter"},
		{"outliers-nothing", shipped(), "", "home O"},
		{"outliers-error", &fake{err: errDown}, "", ""},
	})
}

func TestOutliersTellTheVersionAndOpenATraceWithIt(t *testing.T) {
	s := newStage(t, shipped(), 120, 40, Options{})
	s.press("end O")
	o := s.m.top().(*outlying)
	if len(o.kept) != 60 || len(o.found) == 0 {
		t.Fatalf("%d traces of the route, %d differences; want 60 and some", len(o.kept), len(o.found))
	}
	var told []string
	for _, d := range o.found {
		told = append(told, d.Attribute+"="+d.Value)
	}
	if all := strings.Join(told, " "); !strings.Contains(all, "orders version=1.5.0") || !strings.Contains(all, "ms of payments POST /payments=") || strings.Contains(all, "customer") {
		t.Errorf("told are %s", all)
	}
	s.press("enter")
	if d, is := s.m.top().(*dossier); !is || d.trace == nil {
		t.Errorf("enter opens %T", s.m.top())
	}
}

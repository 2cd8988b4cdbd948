package explore

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// viewSizes are the sizes that every view of these has to look well at.
var viewSizes = [][2]int{{80, 24}, {120, 40}, {200, 60}}

// view is a golden frame: what is shown after some keys.
type view struct {
	name   string
	reader fleet.Reader
	start  string
	keys   string
}

func frames(t *testing.T, views []view) {
	t.Helper()
	for _, v := range views {
		for _, size := range viewSizes {
			name := fmt.Sprintf("%s-%dx%d", v.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				s := newStage(t, v.reader, size[0], size[1], Options{Start: v.start})
				s.press(v.keys)
				s.golden(name)
			})
		}
	}
}

func TestCompareFrames(t *testing.T) {
	frames(t, []view{
		{"compare", sample(), "", "down m down M"},
		{"compare-differs", sample(), "", "down m down M d n"},
		{"compare-route", sample(), "", "down down M"},
		{"compare-lost", sample(), "", "home M"},
		{"compare-error", &broken{sample()}, "", "down M"},
	})
}

// broken lists traces, and fails to open one.
type broken struct{ *fake }

func (b *broken) Trace(context.Context, string) (fleet.Trace, error) { return fleet.Trace{}, errDown }

// TestTheViewsAreSafe leads through the views with evil texts and without, at
// every size.
func TestTheViewsAreSafe(t *testing.T) {
	keys := []string{
		"s", "s s s", "b", "b service enter", "esc", "T 15m enter", "T enter", "f", "m", "down M", "d n N", "x", "enter", "esc", "esc", "end M", "b", "esc", "esc",
		"tab tab", "down", "enter", "enter", "pgdown", "esc", "a", "enter", "pgdown", "esc esc", "esc", "esc", "tab", "down", "enter", "w", "w", "enter", "esc", "esc", "a", "y", "esc",
		"enter", "x X", "v V s s", "_", "f evil enter", "z", "t", "t enter", "esc", "esc", "esc", "esc",
		"tab", "up", "space", "enter", "pgdown", "esc", "p", "down", "enter", "esc", "d", "esc", "tab", "end O", "s", "t", "E", "down enter", "esc", "esc",
	}
	for name, r := range map[string]fleet.Reader{"sample": sample(), "hostile": hostile(), "empty": &fake{}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, r, 80, 24, Options{})
			for _, k := range keys {
				s.press(k)
				for _, size := range [][2]int{{60, 12}, {97, 17}, {160, 45}, {300, 90}, {30, 5}, {80, 24}} {
					s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
					checkFrame(t, s.m.View().Content, size[0], size[1])
				}
			}
		})
	}
}

// waits answers nothing until it is told to stop.
type waits struct{ *fake }

func (w *waits) Trace(ctx context.Context, _ string) (fleet.Trace, error) {
	<-ctx.Done()
	return fleet.Trace{}, ctx.Err()
}

func (w *waits) Traces(ctx context.Context, _ fleet.Query) iter.Seq2[fleet.Summary, error] {
	return stops[fleet.Summary](ctx)
}

func (w *waits) Records(ctx context.Context, _ fleet.Query) iter.Seq2[fleet.Record, error] {
	return stops[fleet.Record](ctx)
}

func (w *waits) Findings(ctx context.Context, _ fleet.Query) iter.Seq2[fleet.Finding, error] {
	return stops[fleet.Finding](ctx)
}

func stops[T any](ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		<-ctx.Done()
		var none T
		yield(none, ctx.Err())
	}
}

func TestEscStopsAReading(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave bool // esc goes back at once
		open  func(e *env) screen
	}{
		{"compare", false, func(e *env) screen { return newComparison(e, "a", "b") }},
		{"traces", false, func(e *env) screen { return newList(e) }},
		{"findings", false, func(e *env) screen { return newFindings(e) }},
		{"services", false, func(e *env) screen { return newServices(e) }},
		{"dossier", true, func(e *env) screen { return newDossier(e, "a", "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel(&waits{sample()}, Options{}, func(f func(context.Context) tea.Msg) tea.Cmd {
				return func() tea.Msg { return f(t.Context()) }
			})
			m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
			s := tt.open(m.env)
			m.push(s)
			batch, is := s.load()().(tea.BatchMsg)
			if !is || len(batch) != 2 {
				t.Fatal("the reading is not a reading and a tick")
			}
			answered := make(chan tea.Msg)
			go func() { answered <- batch[0]() }()
			if !s.loading() || !strings.Contains(lines(s.view(80, 20)), "esc stops") {
				t.Errorf("it does not say that it reads, and how to stop it:\n%s", lines(s.view(80, 20)))
			}
			m.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
			m.Update(<-answered)
			if s.loading() || !strings.Contains(lines(s.view(80, 20)), "The reading was stopped.") {
				t.Errorf("after esc it is loading: %v\n%s", s.loading(), lines(s.view(80, 20)))
			}
			if batch[1]() != nil {
				t.Error("the tick goes on after the end")
			}
			if left := m.top() != s; left != tt.leave {
				t.Errorf("esc went back, too: %v, want %v", left, tt.leave)
			}
		})
	}
}

// lines is a block as text.
func lines(b []line) string {
	var out strings.Builder
	for _, l := range b {
		out.WriteString(l.String() + "\n")
	}
	return out.String()
}

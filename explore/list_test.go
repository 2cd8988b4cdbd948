package explore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// many is a Reader with n traces, newest first, and keeps what it was asked.
type many struct {
	fake
	n     int
	asked []fleet.Query
}

func (m *many) Traces(_ context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	m.asked = append(m.asked, q)
	return func(yield func(fleet.Summary, error) bool) {
		for i := m.n; i > 0 && (q.Limit == 0 || m.n-i < q.Limit); i-- {
			s := fleet.Summary{
				Trace: fmt.Sprintf("%032x", i), Start: noon.Add(time.Duration(i-m.n) * time.Second), Service: "gateway", Name: "GET /",
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// under is the list of a stage, and the trace under its cursor.
func (s *stage) under() (*list, string) {
	l := s.m.stacks[tabTraces][0].(*list)
	return l, l.rows[l.at.cursor].Trace
}

func TestRefreshKeepsTheCursorOnItsTrace(t *testing.T) {
	m := &many{n: 100}
	s := newStage(t, m, 80, 24, Options{})
	s.press("down down down")
	_, was := s.under()

	m.n += 5 // arrive above; the window still begins at the newest
	s.press("r")
	l, is := s.under()
	if is != was || l.at.cursor != 8 || l.at.top != 0 {
		t.Errorf("the cursor is on %s in line %d of a window from %d, was on %s", is, l.at.cursor, l.at.top, was)
	}

	m.n += 50 // more than the window can show
	s.press("r")
	l, is = s.under()
	if from, to := l.at.shown(); is != was || l.at.cursor < from || l.at.cursor >= to {
		t.Errorf("the cursor is on %s in line %d, the window shows %d to %d", is, l.at.cursor, from, to)
	}
	if got := s.frame(); !strings.Contains(got, "newer above") {
		t.Errorf("nothing says that there are newer traces:\n%s", got)
	}
}

func TestRefreshKeepsTheWindowWhenItWasScrolled(t *testing.T) {
	m := &many{n: 100}
	s := newStage(t, m, 80, 24, Options{})
	s.press("pgdown pgdown up up")
	l, _ := s.under()
	before := l.at.cursor - l.at.top
	m.n += 7
	s.press("r")
	if after := l.at.cursor - l.at.top; after != before {
		t.Errorf("the cursor moved from line %d of the window to line %d", before, after)
	}
}

func TestTheCursorStaysInBoundsWhenItsTraceIsGone(t *testing.T) {
	m := &many{n: 50}
	s := newStage(t, m, 80, 24, Options{})
	s.press("end")
	m.n = 3
	s.press("r")
	if l, _ := s.under(); l.at.cursor != 2 {
		t.Errorf("the cursor is in line %d of 3", l.at.cursor)
	}
	m.n = 0
	s.press("r enter J y end")
	checkFrame(t, s.m.View().Content, 80, 24)
}

func TestMoreTracesAreReadOnlyWhenTheCursorComesNear(t *testing.T) {
	m := &many{n: 50_000}
	s := newStage(t, m, 80, 24, Options{})
	l, _ := s.under()
	if len(l.rows) != firstPage {
		t.Fatalf("%d traces are read at first", len(l.rows))
	}
	s.press("end")
	if len(l.rows) != 2*firstPage || l.at.cursor != firstPage-1 {
		t.Fatalf("at the end of the first page there are %d traces, the cursor is on %d", len(l.rows), l.at.cursor)
	}
	for len(l.rows) < m.n {
		had := len(l.rows)
		s.press("end")
		if len(l.rows) <= had {
			t.Fatalf("%d traces, and no more come", had)
		}
	}
	total := 0
	for _, q := range m.asked {
		total += q.Limit
	}
	if total > 4*m.n {
		t.Errorf("reading %d traces asked for %d", m.n, total)
	}
	s.press("home r")
	if len(l.rows) != firstPage {
		t.Errorf("back at the top a refresh reads %d traces", len(l.rows))
	}
}

func TestFilterIsAskedOfTheStore(t *testing.T) {
	m := &many{n: 10}
	s := newStage(t, m, 80, 24, Options{})
	s.press("/ service:orders")
	s.send(tea.KeyPressMsg{Code: ' ', Text: " "})
	s.press("errors")
	s.send(tea.PasteMsg{Content: " out of\nstock"})
	s.press("enter")
	want := fleet.Query{Service: "orders", Errors: true, Text: "out of stock", Limit: firstPage}
	got := m.asked[len(m.asked)-1]
	if got.Service != want.Service || got.Errors != want.Errors || got.Text != want.Text || got.Limit != want.Limit {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	s.press("E")
	if m.asked[len(m.asked)-1].Errors {
		t.Error("e does not take the errors-only filter back")
	}
}

func TestAnAnswerToAnOldQuestionIsDropped(t *testing.T) {
	s := newStage(t, &many{n: 10}, 80, 24, Options{})
	l, _ := s.under()
	s.send(listAnswer{to: l, asked: l.asked - 1, err: errors.New("late")})
	if l.err != nil || len(l.rows) != 10 {
		t.Errorf("the list shows the late answer: %d rows, %v", len(l.rows), l.err)
	}
}

func TestAFailedRefreshKeepsWhatWasRead(t *testing.T) {
	s := newStage(t, &many{n: 10}, 80, 24, Options{})
	l, _ := s.under()
	_ = l.load()
	s.send(listAnswer{to: l, asked: l.asked, err: errDown})
	if got := s.frame(); !strings.Contains(got, "GET /") || !strings.Contains(got, "could not read again") {
		t.Errorf("the frame is:\n%s", got)
	}
}

package explore

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"muster/fleet"
)

// evil is what an attacker would like to see printed.
const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202etxt.exe\u2066 数量数量 e\u0301\u0301\u0301\u0301\u0301\u0301 " +
	"\xff\xfe \u200b\ufeff❤\ufe0f 👩\u200d🚀 \r\n\t\u3164 end"

// hostile is a fleet in which every text is evil, and long besides.
func hostile() *fake {
	f := sample()
	long := evil + strings.Repeat(" very long 数量", 60)
	for i := range f.records {
		r := &f.records[i]
		r.Service, r.Name, r.Error, r.Message = evil, long, evil, long
		r.Account, r.Region, r.Principal = evil, evil, evil
		r.Resources = []string{"AWS::" + long, evil}
		r.ID += evil
		r.Raw = []byte(`{"a":"` + evil + `"` + evil)
		r.Attributes = fleet.AttributesOf(long, long, evil, evil)
		k := &r.Keys
		k.Trace, k.Span, k.Request, k.AccessKey, k.Origin = k.Trace+evil, k.Span+evil, evil, evil, evil
		k.Correlation, k.Scope, k.Messages = "evil"+evil, fleet.Scope(evil), []string{evil, evil}
		k.TraceLink = fleet.Link{Via: fleet.Rung(evil), Sure: fleet.Certainty(evil)}
	}
	f.records[3].Kind = fleet.Kind(evil)
	for i := range f.findings {
		x := &f.findings[i]
		x.Policy, x.Title, x.Message, x.Remedy = evil, long, long, long
		x.Resource, x.Service, x.Fingerprint = evil, evil, x.Fingerprint+evil
		x.Severity, x.Status = fleet.Severity(evil), fleet.StatusOpen
		if x.Trace != "" {
			x.Trace += evil
		}
		for j := range x.Evidence {
			x.Evidence[j] += evil
		}
	}
	return f
}

// checkFrame fails when a frame is not exactly w by h cells, or holds anything
// but text and the theme's own colours.
func checkFrame(t *testing.T, content string, w, h int) {
	t.Helper()
	lines := strings.Split(content, "\n")
	if len(lines) != h {
		t.Fatalf("the frame has %d lines, the terminal %d", len(lines), h)
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != w {
			t.Fatalf("line %d is %d cells wide, the terminal %d: %q", i, got, w, l)
		}
		for _, r := range withoutColours(l) {
			if !unicode.IsGraphic(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Variation_Selector, r) {
				t.Fatalf("line %d sends %U to the terminal: %q", i, r, l)
			}
		}
	}
}

// withoutColours takes out ESC [ digits m, and nothing else.
func withoutColours(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for {
		bare, rest, has := strings.Cut(s, "\x1b[")
		b.WriteString(bare)
		if !has {
			return b.String()
		}
		s = strings.TrimLeft(rest, "0123456789;")
		if after, is := strings.CutPrefix(s, "m"); is {
			s = after
			continue
		}
		b.WriteString("\x1b[")
		s = rest
	}
}

// tour are keys that lead through every view.
var tour = []string{
	"", "down down down down", "/ evil", "esc", "enter", "down down down down down", "enter", "pgdown", "esc", "end", "left", "-", "+",
	"1 2", "1 2", "esc", "J", "end", "esc", "tab", "down", "enter", "down", "enter", "esc", "esc", "y", "?", "esc", ":", "esc", "tab", "y",
}

func TestFramesFillTheTerminalExactlyAndSafely(t *testing.T) {
	readers := map[string]fleet.Reader{
		"sample": sample(), "hostile": hostile(), "empty": &fake{}, "broken": &fake{err: fmt.Errorf("lost: %s", evil)},
	}
	for name, r := range readers {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, r, 80, 24, Options{Store: evil, Status: func() string { return evil }})
			for _, keys := range tour {
				s.press(keys)
				for _, size := range [][2]int{{80, 24}, {60, 12}, {97, 17}, {120, 30}, {160, 45}, {300, 90}, {30, 5}, {1, 1}} {
					s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
					checkFrame(t, s.m.View().Content, size[0], size[1])
				}
				s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
			}
		})
	}
}

func TestADossierOfEvilOpens(t *testing.T) {
	f := hostile()
	s := newStage(t, f, 160, 45, Options{})
	for i := range checkout() {
		s.send(openMsg{id: f.records[i].ID, record: f.records[i].ID})
		s.press("enter")
		checkFrame(t, s.m.View().Content, 160, 45)
	}
}

func TestNothingIsDrawnBeforeTheSizeIsKnown(t *testing.T) {
	s := newStage(t, sample(), 0, 0, Options{})
	if got := s.m.View().Content; got != "" {
		t.Errorf("the first frame is %q", got)
	}
}

// TestDrawingCostsTheScreenNotTheTrace holds that drawing, and moving the
// cursor, allocate for the lines on the screen only.
func TestDrawingCostsTheScreenNotTheTrace(t *testing.T) {
	cost := func(spans int) float64 {
		deep := chain(spans)
		s := newStage(t, &fake{records: deep.Records}, 160, 45, Options{Start: deep.ID})
		s.press("end")
		return testing.AllocsPerRun(5, func() {
			s.press("up")
			s.frame()
		})
	}
	small, large := cost(100), cost(10_000)
	if large > 1.5*small {
		t.Errorf("a frame of 10,000 spans takes %.0f allocations, of 100 spans %.0f", large, small)
	}
}

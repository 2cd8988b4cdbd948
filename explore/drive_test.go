package explore

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

var update = flag.Bool("update", false, "write the golden frames anew")

// stage drives a model by messages, without a terminal and without time.
type stage struct {
	t *testing.T
	m *model
}

func newStage(t *testing.T, r fleet.Reader, w, h int, o Options) *stage {
	t.Helper()
	o.Now = func() time.Time { return noon }
	if o.Store == "" {
		o.Store = "~/.local/share/muster"
	}
	run := func(f func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return f(t.Context()) }
	}
	s := &stage{t, newModel(r, o, run)}
	s.do(s.m.Init())
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	return s
}

func (s *stage) send(msg tea.Msg) {
	_, cmd := s.m.Update(msg)
	s.do(cmd)
}

// do runs commands at once, as deep as they go.
func (s *stage) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			s.do(c)
		}
	default:
		s.send(msg)
	}
}

// named are the keys that are not letters.
var named = map[string]rune{
	"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
	"left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
	"home": tea.KeyHome, "space": tea.KeySpace, "end": tea.KeyEnd, "backspace": tea.KeyBackspace,
}

// press presses keys, separated by spaces; words that are no key are typed.
func (s *stage) press(keys string) {
	for k := range strings.FieldsSeq(keys) {
		if code, ok := named[k]; ok {
			s.send(tea.KeyPressMsg{Code: code})
			continue
		}
		for _, r := range k {
			s.send(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

// frame is what the terminal shows, as text.
func (s *stage) frame() string { return ansi.Strip(s.m.View().Content) }

// golden compares the frame with the one in testdata.
func (s *stage) golden(name string) {
	s.t.Helper()
	got := s.frame() + "\n"
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatalf("%v; go test ./explore -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("the frame is not as in %s (-want +got):\n%s", path, diff)
	}
}

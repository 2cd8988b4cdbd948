package explore

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"muster/fleet"
)

// mostCells is more than any terminal has in a line or in a column; a frame is
// held in memory.
const mostCells = 2000

// Play writes what an explorer shows in a terminal of w by h cells after keys were
// pressed: for each of presses a frame of h lines, when all that it asked for has
// been read. Keys are separated by blanks and have the names that help shows
// ("enter", "pgdown", "ctrl+u"); any other word is typed, "space" is a blank in it.
// It begins with o.State, keeps none, and refreshes only when asked.
func Play(ctx context.Context, to io.Writer, r fleet.Reader, o Options, w, h int, presses []string) error {
	if w < leastWidth || h < leastHeight {
		return fmt.Errorf("explore: a screen of %dx%d cells is too small: it needs %dx%d", w, h, leastWidth, leastHeight)
	}
	if w > mostCells || h > mostCells {
		return fmt.Errorf("explore: a screen of %dx%d cells is too large: at most %dx%d", w, h, mostCells, mostCells)
	}
	o.Refresh = 0
	p := newPlayer(ctx, r, o, w, h)
	out := colorprofile.NewWriter(to, os.Environ())
	for _, keys := range presses {
		p.press(keys)
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, p.m.View().Content); err != nil {
			return fmt.Errorf("explore: %w", err)
		}
		if p.ended {
			break
		}
	}
	return nil
}

// player drives a model by messages, without a terminal and without time: each
// command ends before the next message.
type player struct {
	m     *model
	ended bool // somebody quit
}

func newPlayer(ctx context.Context, r fleet.Reader, o Options, w, h int) *player {
	p := &player{m: newModel(r, o, func(f func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return f(ctx) }
	})}
	p.do(p.m.Init())
	p.send(tea.WindowSizeMsg{Width: w, Height: h})
	return p
}

func (p *player) send(msg tea.Msg) {
	_, cmd := p.m.Update(msg)
	p.do(cmd)
}

// do runs commands at once, as deep as they go.
func (p *player) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.QuitMsg:
		p.ended = true
	case tea.BatchMsg:
		for _, c := range msg {
			p.do(c)
		}
	default:
		p.send(msg)
	}
}

func (p *player) press(keys string) {
	for word := range strings.FieldsSeq(keys) {
		if isKey(word) {
			p.send(keyPress(word))
			continue
		}
		for _, r := range word {
			p.send(keyPress(string(r)))
		}
	}
}

// named are the keys that are not letters.
var named = map[string]rune{
	"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
	"left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
	"home": tea.KeyHome, "space": tea.KeySpace, "end": tea.KeyEnd, "backspace": tea.KeyBackspace,
	"delete": tea.KeyDelete, "f1": tea.KeyF1,
}

var modifiers = map[string]tea.KeyMod{"ctrl+": tea.ModCtrl, "shift+": tea.ModShift, "alt+": tea.ModAlt}

// isKey tells the name of a key from a word.
func isKey(word string) bool {
	if _, is := named[word]; is {
		return true
	}
	for prefix := range modifiers {
		if rest, has := strings.CutPrefix(word, prefix); has && rest != "" {
			return true
		}
	}
	return false
}

// keyPress is the message of a key by its name in a key map.
func keyPress(name string) tea.KeyPressMsg {
	var k tea.KeyPressMsg
	for prefix, mod := range modifiers {
		if rest, has := strings.CutPrefix(name, prefix); has && rest != "" {
			name, k.Mod = rest, k.Mod|mod
		}
	}
	code, special := named[name]
	switch {
	case name == "space":
		k.Code, k.Text = code, " "
	case special:
		k.Code = code
	default:
		k.Code = []rune(name)[0]
		if k.Mod == 0 {
			k.Text = name
		}
	}
	return k
}

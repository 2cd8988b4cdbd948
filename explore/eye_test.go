package explore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// An eye looks at frames. It remembers the lines that it measured, since most of
// a frame is as it was before the last key.
type eye struct{ seen map[string]lineLook }

// lineLook is what a line was found to be.
type lineLook struct {
	cells   int
	control int // the byte, when it sends one to the terminal, else -1
}

// mostRemembered is how many lines an eye remembers: some hundred frames.
const mostRemembered = 10_000

func (e *eye) look(l string) lineLook {
	if found, is := e.seen[l]; is {
		return found
	}
	if e.seen == nil || len(e.seen) >= mostRemembered {
		e.seen = map[string]lineLook{}
	}
	bare := withoutColours(l)
	found := lineLook{ansi.StringWidth(bare), -1}
	for i := range len(bare) {
		if bare[i] < ' ' || bare[i] == 0x7f {
			found.control = int(bare[i])
		}
	}
	e.seen[strings.Clone(l)] = found
	return found
}

// misfit says what is wrong with a frame for a terminal of w by h cells: it is
// not exactly as large, or sends more than text and colours.
func (e *eye) misfit(frame string, w, h int) string {
	if w <= 0 || h <= 0 {
		if frame != "" {
			return fmt.Sprintf("a terminal of %d×%d gets %q", w, h, frame)
		}
		return ""
	}
	n := 0
	for l := range strings.SplitSeq(frame, "\n") {
		n++
		switch found := e.look(l); {
		case found.cells != w:
			return fmt.Sprintf("line %d is %d cells wide in a terminal of %d×%d: %q", n, found.cells, w, h, l)
		case found.control >= 0:
			return fmt.Sprintf("line %d sends %q to the terminal: %q", n, rune(found.control), l)
		}
	}
	if n != h {
		return fmt.Sprintf("the frame has %d lines in a terminal of %d×%d", n, w, h)
	}
	return ""
}

func TestMisfitsAreSeen(t *testing.T) {
	tests := []struct {
		name, frame string
		fits        bool
	}{
		{"fits", "ab\n\x1b[1mcd\x1b[m", true},
		{"wide", "ab\n数数", false},
		{"narrow", "ab\nc", false},
		{"high", "ab\ncd\nef", false},
		{"low", "ab", false},
		{"control", "ab\n\x1b[2Jcd", false},
		{"bell", "ab\nc\a", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e eye
			if wrong := e.misfit(tt.frame, 2, 2); (wrong == "") != tt.fits {
				t.Errorf("of %q it says %q", tt.frame, wrong)
			}
			if got := ansi.StringWidth("\x1b[1mcd\x1b[m"); got != 2 {
				t.Errorf("colours take %d cells", got-2)
			}
		})
	}
}

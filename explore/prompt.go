package explore

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// mostTyped is the longest line that can be typed or pasted, in runes: an ARN
// has at most 2,048.
const mostTyped = 2048

// prompt asks for one line at the foot of the screen.
type prompt struct {
	ask   askMsg
	typed []rune
	at    int // the cursor stands before typed[at]
}

func newPrompt(a askMsg) *prompt {
	p := &prompt{ask: a, typed: []rune(a.value)}
	p.at = len(p.typed)
	return p
}

// press edits the line with the keys that a shell has.
func (p *prompt) press(msg tea.KeyPressMsg) {
	switch msg.String() {
	case "left", "ctrl+b":
		p.at = max(p.at-1, 0)
	case "right", "ctrl+f":
		p.at = min(p.at+1, len(p.typed))
	case "home", "ctrl+a":
		p.at = 0
	case "end", "ctrl+e":
		p.at = len(p.typed)
	case "backspace", "ctrl+h":
		p.drop(max(p.at-1, 0), p.at)
	case "delete", "ctrl+d":
		p.drop(p.at, min(p.at+1, len(p.typed)))
	case "ctrl+u":
		p.drop(0, p.at)
	case "ctrl+k":
		p.drop(p.at, len(p.typed))
	case "ctrl+w":
		p.drop(p.word(), p.at)
	default:
		p.insert(msg.Text)
	}
}

// word is where the word before the cursor begins.
func (p *prompt) word() int {
	i := p.at
	for i > 0 && unicode.IsSpace(p.typed[i-1]) {
		i--
	}
	for i > 0 && !unicode.IsSpace(p.typed[i-1]) {
		i--
	}
	return i
}

func (p *prompt) drop(from, to int) {
	p.typed = slices.Delete(p.typed, from, to)
	p.at = from
}

// insert types a text, of which the line breaks and tabs of a paste become
// spaces.
func (p *prompt) insert(s string) {
	rs := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	rs = rs[:min(len(rs), mostTyped-len(p.typed))]
	p.typed = slices.Insert(p.typed, p.at, rs...)
	p.at += len(rs)
}

// done is what the person asked for with the line.
func (p *prompt) done() tea.Cmd { return p.ask.then(strings.TrimSpace(string(p.typed))) }

// view is the line with its cursor; of a long line the part around the cursor.
func (p *prompt) view(w int) line {
	label := own(strong, " "+p.ask.label+": ")
	room := max(w-cellWidth(label.text)-1, 1)
	before, under, after := clean(string(p.typed[:p.at])), " ", ""
	if p.at < len(p.typed) {
		under, after = clean(string(p.typed[p.at:p.at+1])), clean(string(p.typed[p.at+1:]))
	}
	if over := cellWidth(before) + cellWidth(under) - room; over > 0 {
		before = cutLeft(before, over+1)
	}
	return line{label, own(plain, before), own(chosen, under), own(plain, after)}
}

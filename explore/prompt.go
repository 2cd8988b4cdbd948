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
	back  int // how many lines of the history ago this one is
	// What tab goes through, nil before it was pressed, and where it is.
	offers []string
	offer  int
}

func newPrompt(a askMsg) *prompt {
	p := &prompt{ask: a, typed: []rune(a.value)}
	p.at = len(p.typed)
	return p
}

// press edits the line with the keys that a shell has.
func (p *prompt) press(msg tea.KeyPressMsg) {
	switch msg.String() {
	case "tab":
		p.next(1)
		return
	case "shift+tab":
		p.next(-1)
		return
	}
	p.offers = nil
	switch msg.String() {
	case "up", "ctrl+p":
		p.recall(p.back + 1)
	case "down", "ctrl+n":
		p.recall(p.back - 1)
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

// next types the next offer in place of what is before the cursor.
func (p *prompt) next(step int) {
	if p.ask.complete == nil {
		return
	}
	if p.offers == nil {
		p.offers = p.ask.complete(string(p.typed[:p.at]))
		p.offer = -1
		if step < 0 {
			p.offer = 0
		}
	}
	if len(p.offers) == 0 {
		p.offers = nil
		return
	}
	p.offer = (p.offer + step + len(p.offers)) % len(p.offers)
	rest := slices.Clone(p.typed[p.at:])
	p.typed, p.at = nil, 0
	p.insert(p.offers[p.offer])
	p.typed = append(p.typed, rest[:min(len(rest), mostTyped-len(p.typed))]...)
}

// recall types an earlier line; none is the empty one.
func (p *prompt) recall(back int) {
	h := p.ask.history
	if len(h) == 0 {
		return
	}
	p.back = max(0, min(back, len(h)))
	p.typed, p.at = nil, 0
	if p.back > 0 {
		p.insert(h[len(h)-p.back])
	}
}

// hint says what tab does, or has found.
func (p *prompt) hint() string {
	const mostOffered = 8 // more fit on no line
	switch {
	case p.ask.complete == nil:
		return ""
	case p.offers == nil:
		return "  tab completes"
	}
	shown := []string{" ", ordinal(p.offer+1, len(p.offers)) + ":"}
	for i := range min(len(p.offers), mostOffered) {
		o := strings.TrimSpace(p.offers[(p.offer+i)%len(p.offers)])
		shown = append(shown, o[strings.LastIndexByte(o, ' ')+1:])
	}
	return strings.Join(shown, " ")
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
	return line{label, own(plain, before), own(chosen, under), own(plain, after), foreign(faint, p.hint())}
}

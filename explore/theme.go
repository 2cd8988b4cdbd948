package explore

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// theme says how each role looks: what is sent before and after its text. Every
// meaning is also in a sign or a word, so that a theme may drop any of it; the
// renderer drops the colours where the terminal or NO_COLOR says so.
type theme struct {
	dark bool
	inks [roles]ink
}

// ink is what turns a look on and off.
type ink struct{ on, off string }

// newTheme is the theme for a dark or a light ground. It uses the terminal's own
// sixteen colours, so that it follows the reader's palette. Yellow and cyan are
// the exceptions: on a light ground palettes make them too pale to read, and
// darker ones of the 256 take their place.
func newTheme(dark bool) *theme {
	s := lipgloss.NewStyle
	amber, teal := s().Foreground(lipgloss.Yellow), s().Foreground(lipgloss.Cyan)
	if !dark {
		amber, teal = s().Foreground(lipgloss.Color("130")), s().Foreground(lipgloss.Color("30"))
	}
	t := &theme{dark: dark}
	for r, look := range [roles]lipgloss.Style{
		plain:      s(),
		faint:      s().Faint(true),
		strong:     s().Bold(true),
		brand:      s().Bold(true).Reverse(true),
		column:     s().Underline(true),
		service:    teal,
		good:       s().Foreground(lipgloss.Green),
		caution:    amber,
		bad:        s().Foreground(lipgloss.Red).Bold(true),
		logKind:    s().Foreground(lipgloss.Blue),
		callKind:   s().Foreground(lipgloss.Magenta),
		changeKind: amber,
		critical:   amber.Bold(true),
		chosen:     s().Reverse(true),
	} {
		// Asked for once, since a frame has hundreds of pieces.
		t.inks[r].on, t.inks[r].off, _ = strings.Cut(look.Render("x"), "x")
	}
	return t
}

// paint turns a block into what a terminal shows: every line exactly w cells
// wide, joined by newlines.
func (t *theme) paint(block []line, w int) string {
	var b strings.Builder
	b.Grow(len(block) * (w + w/2))
	for i, l := range block {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, p := range l.fit(w) {
			if p.text == "" {
				continue
			}
			k := &t.inks[p.role]
			b.WriteString(k.on)
			b.WriteString(p.text)
			b.WriteString(k.off)
		}
	}
	return b.String()
}

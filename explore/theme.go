package explore

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// theme says how each role looks. It uses the terminal's own sixteen colours,
// so that it follows the reader's palette on dark and light ground alike; the
// renderer drops the colours where the terminal or NO_COLOR says so. Every
// meaning is also in a sign or a word.
type theme [roles]lipgloss.Style

func newTheme() *theme {
	s := lipgloss.NewStyle
	return &theme{
		plain:      s(),
		faint:      s().Faint(true),
		strong:     s().Bold(true),
		brand:      s().Bold(true).Reverse(true),
		column:     s().Underline(true),
		service:    s().Foreground(lipgloss.Cyan),
		good:       s().Foreground(lipgloss.Green),
		caution:    s().Foreground(lipgloss.Yellow),
		bad:        s().Foreground(lipgloss.Red).Bold(true),
		logKind:    s().Foreground(lipgloss.Blue),
		callKind:   s().Foreground(lipgloss.Magenta),
		changeKind: s().Foreground(lipgloss.Yellow),
		critical:   s().Foreground(lipgloss.Yellow).Bold(true),
		chosen:     s().Reverse(true),
	}
}

// paint turns a block into what a terminal shows: every line exactly w cells
// wide, joined by newlines.
func (t *theme) paint(block []line, w int) string {
	var b strings.Builder
	for i, l := range block {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, p := range l.fit(w) {
			if p.role == plain {
				b.WriteString(p.text)
				continue
			}
			b.WriteString(t[p.role].Render(p.text))
		}
	}
	return b.String()
}

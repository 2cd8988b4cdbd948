package explore

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// The smallest terminal in which the columns still say something.
const leastWidth, leastHeight = 60, 12

// The lines of a frame around the screen: the tabs above, the status and the
// keys below.
const linesAbove, linesBelow = 1, 2

// fit tells the shown screen its size.
func (m *model) fit() {
	body := m.height - linesAbove - linesBelow
	m.top().resize(m.width, body)
	if m.help != nil {
		m.help.lines = helpLines(m.groups(), m.width)
		m.help.resize(body)
	}
}

// View draws the frame.
func (m *model) View() tea.View {
	v := tea.NewView(m.theme.paint(m.frame(), m.width))
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "muster"
	return v
}

// frame is the whole screen: m.height lines.
func (m *model) frame() []line {
	w, h := m.width, m.height
	if w <= 0 || h <= 0 {
		return nil
	}
	if w < leastWidth || h < leastHeight {
		return tooSmall(w, h)
	}
	body := h - linesAbove - linesBelow
	out := []line{m.head()}
	if m.help != nil {
		out = append(out, fill(m.help.view(), body)...)
	} else {
		out = append(out, fill(m.top().view(w, body), body)...)
	}
	return append(out, m.state(), m.foot())
}

func tooSmall(w, h int) []line {
	return centred([]line{
		text(strong, cut("too small", w)),
		text(plain, cut(fmt.Sprintf("%d×%d, needs %d×%d", w, h, leastWidth, leastHeight), w)),
	}, w, h)
}

// leastStore is how many cells the name of a store may have in any terminal; where
// it is longer, its middle gives way to what is shown.
const leastStore = 24

// head is the line of the tabs and the way back.
func (m *model) head() line {
	names := tabNames
	if n := len(m.findings.found); n > 0 {
		names[tabFindings] += " " + tally(n)
	}
	l := line{own(strong, " muster ")}
	for i, n := range names {
		r := plain
		if i == m.tab {
			r, n = brand, "["+n+"]"
		} else {
			n = " " + n + " "
		}
		l = append(l, own(r, n), own(plain, " "))
	}
	for _, s := range m.stacks[m.tab][1:] {
		l = append(l, own(faint, "› "), foreignTo(plain, s.title()+" ", m.width))
	}
	return l.spread(line{own(plain, " "), own(faint, squeeze(clean(m.store), max(m.width/3, leastStore))), own(plain, " ")}, m.width)
}

// state is the line about what is shown and how fresh it is.
func (m *model) state() line {
	left := line{own(plain, " "), foreignTo(plain, m.top().status(), m.width)}
	if m.flash != "" {
		left = line{own(plain, " "), foreignTo(strong, m.flash, m.width)}
	}
	if m.top().loading() {
		left = append(left, own(faint, "  reading…"))
	}
	return left.spread(line{own(plain, "  "), foreignTo(faint, m.fresh, m.width), own(plain, " ")}, m.width)
}

// foot is the line being asked for, or else the keys that fit.
func (m *model) foot() line {
	if m.prompt != nil {
		return m.prompt.view(m.width)
	}
	if m.help != nil {
		return text(faint, " any other key closes help")
	}
	right := line{own(strong, "?"), own(plain, " help  "), own(strong, "q"), own(plain, " quit ")}
	room := m.width - right.width()
	var l line
	for _, g := range m.groups() {
		if g.title == m.env.move.group().title {
			continue
		}
		for _, b := range g.keys {
			h := b.Help()
			if h == m.keys.help.Help() || h == m.keys.quit.Help() {
				continue // they are at the right
			}
			p := line{own(plain, " "), own(strong, h.Key), own(plain, " "+h.Desc+" ")}
			if l.width()+p.width() > room {
				return l.spread(right, m.width)
			}
			l = append(l, p...)
		}
	}
	return l.spread(right, m.width)
}

package explore

import (
	tea "charm.land/bubbletea/v2"
)

// clickable is a screen with lines that the mouse can choose.
type clickable interface {
	// lineAt is the line that shows at a cell of the screen, -1 for none.
	lineAt(x, y int) int
	// choose puts the cursor on a line and reports whether it was there already.
	choose(i int) bool
}

// click chooses a tab, or a line; a line that is chosen already opens.
func (m *model) click(msg tea.MouseClickMsg) tea.Cmd {
	if msg.Button != tea.MouseLeft || m.prompt != nil || m.width < leastWidth || m.height < leastHeight {
		return nil
	}
	if m.help != nil {
		m.help = nil
		return nil
	}
	m.flash = ""
	if msg.Y < linesAbove {
		return m.clickTab(msg.X)
	}
	c, is := m.top().(clickable)
	if !is || msg.Y >= m.height-linesBelow {
		return nil
	}
	i := c.lineAt(msg.X, msg.Y-linesAbove)
	if i < 0 {
		return nil
	}
	if c.choose(i) {
		return m.top().press(tea.KeyPressMsg{Code: tea.KeyEnter})
	}
	return nil
}

// clickTab goes to the tab at a cell of the head.
func (m *model) clickTab(x int) tea.Cmd {
	at := 0
	for i, p := range m.head()[1:] { // after the program's name, pairs of a tab and a blank
		if at == 0 {
			at = m.head()[0].line().width()
		}
		if i/2 >= tabs {
			return nil
		}
		w := cellWidth(p.text)
		if i%2 == 0 && x >= at && x < at+w && i/2 != m.tab {
			m.tab = i / 2
			m.fit()
			return m.top().load()
		}
		at += w
	}
	return nil
}

// line is the line of a scroll that shows y lines below its first, -1 for none.
func (s *scroll) line(y int) int {
	if from, to := s.shown(); y >= 0 && from+y < to {
		return from + y
	}
	return -1
}

// choose is clickable's.
func (s *scroll) choose(i int) bool {
	was := s.cursor == i
	s.set(i)
	return was
}

func (l *list) lineAt(_, y int) int { return l.at.line(y - 1 - l.above) }
func (l *list) choose(i int) bool   { return l.at.choose(i) }

func (d *dossier) lineAt(x, y int) int {
	left := d.w
	if d.w >= wideDossier {
		left, _ = halvesOf(d.w)
	} else if d.inside {
		return -1
	}
	if d.trace == nil || x >= left {
		return -1
	}
	return d.at.line(y - len(d.head(d.w)) - 1)
}

func (d *dossier) choose(i int) bool {
	d.inside = false
	was := d.at.choose(i)
	d.layDetail()
	return was
}

func (f *findings) lineAt(x, y int) int {
	if f.w >= wideDossier {
		if left, _ := halvesOf(f.w); x >= left {
			return -1
		}
	}
	return f.at.line(y - 1)
}
func (f *findings) choose(i int) bool { return f.at.choose(i) }

func (s *services) lineAt(_, y int) int { return s.at.line(y - 2) }
func (s *services) choose(i int) bool   { return s.at.choose(i) }

func (c *console) lineAt(_, y int) int { return c.at.line(y - 3) }
func (c *console) choose(i int) bool   { return c.at.choose(i) && false } // a row opens nothing

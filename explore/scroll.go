package explore

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// scroll is a window of height lines onto size lines with a cursor in it. Only
// the lines from top on are ever drawn.
type scroll struct {
	cursor, top, size, height int
}

// set moves the cursor to line i and the window with it.
func (s *scroll) set(i int) {
	s.cursor = max(0, min(i, s.size-1))
	s.settle()
}

// resize tells the window how many lines there are and how many it can show.
func (s *scroll) resize(size, height int) {
	s.size, s.height = size, max(height, 1)
	s.set(s.cursor)
}

// settle keeps the cursor inside the window and the window inside the lines.
func (s *scroll) settle() {
	s.top = min(s.top, s.cursor)
	s.top = max(s.top, s.cursor-s.height+1)
	s.top = max(0, min(s.top, s.size-s.height))
}

// shown is the range of lines in the window, the end excluded.
func (s *scroll) shown() (from, to int) {
	return s.top, min(s.top+s.height, s.size)
}

// press moves by a key and reports whether it was one that moves.
func (s *scroll) press(msg tea.KeyPressMsg, k moveKeys) bool {
	switch {
	case key.Matches(msg, k.up):
		s.set(s.cursor - 1)
	case key.Matches(msg, k.down):
		s.set(s.cursor + 1)
	case key.Matches(msg, k.pageUp):
		s.set(s.cursor - s.height)
	case key.Matches(msg, k.pageDown):
		s.set(s.cursor + s.height)
	case key.Matches(msg, k.home):
		s.set(0)
	case key.Matches(msg, k.end):
		s.set(s.size - 1)
	default:
		return false
	}
	return true
}

// pane is text to scroll in, without a cursor.
type pane struct {
	lines       []line
	top, height int
}

// by scrolls n lines on.
func (p *pane) by(n int) {
	p.top = max(0, min(p.top+n, len(p.lines)-p.height))
}

// press scrolls by a key and reports whether it was one that moves.
func (p *pane) press(msg tea.KeyPressMsg, k moveKeys) bool {
	switch {
	case key.Matches(msg, k.up):
		p.by(-1)
	case key.Matches(msg, k.down):
		p.by(1)
	case key.Matches(msg, k.pageUp):
		p.by(-p.height)
	case key.Matches(msg, k.pageDown):
		p.by(p.height)
	case key.Matches(msg, k.home):
		p.by(-len(p.lines))
	case key.Matches(msg, k.end):
		p.by(len(p.lines))
	default:
		return false
	}
	return true
}

// resize tells the pane how many lines it can show, its own last line, which
// says how much there is, included.
func (p *pane) resize(h int) {
	p.height = max(h-1, 1)
	p.by(0)
}

// view is what of the text shows.
func (p *pane) view() []line {
	out := fill(p.lines[min(p.top, len(p.lines)):], p.height)
	if len(p.lines) <= p.height {
		return append(out, nil)
	}
	return append(out, text(faint, " "+share(p.top+p.height, len(p.lines))))
}

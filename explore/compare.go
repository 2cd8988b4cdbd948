package explore

import (
	"context"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/compare"
	"muster/fleet"
)

// comparison is the screen of two traces laid over each other.
type comparison struct {
	env           *env
	keymap        comparisonKeys
	before, after string // as asked for; before "" is the median of the route

	asked   int
	job     *job
	err     error
	found   *Comparison
	differs bool // only what differs, and what leads to it
	rows    []compareRow
	at      scroll
	w, h    int
}

type comparisonKeys struct{ open, openBefore, differs, next, previous, swap, copyID key.Binding }

func newComparison(e *env, before, after string) *comparison {
	return &comparison{env: e, before: before, after: after, keymap: comparisonKeys{
		open:       bind("↵", "open there", "enter", "l", "right"),
		openBefore: bind("b", "open it before", "b"),
		differs:    bind("d", "only what differs", "d"),
		next:       bind("n N", "next difference", "n"),
		previous:   bind("", "", "N"),
		swap:       bind("x", "swap", "x"),
		copyID:     bind("y", "copy id", "y"),
	}}
}

func (c *comparison) keys() []group {
	k := c.keymap
	return []group{
		{"compare", []key.Binding{k.open, k.openBefore, k.differs, k.next, k.swap, k.copyID}},
		c.env.move.group(),
	}
}

type comparisonAnswer struct {
	to    *comparison
	asked int
	found *Comparison
	err   error
}

func (a comparisonAnswer) deliver() { a.to.take(a) }

// load reads once: traces that are over do not change, and a route's median
// hardly; r reads again.
func (c *comparison) load() tea.Cmd {
	if c.found != nil && c.err == nil {
		return nil
	}
	return c.again()
}

func (c *comparison) again() tea.Cmd {
	c.asked++
	asked := c.asked
	j, cmd := c.env.begin(c.job, func(ctx context.Context, j *job) tea.Msg {
		found, err := readComparison(ctx, c.env.reader, c.before, c.after, fleet.Window{}, func() { j.read.Add(1) })
		return comparisonAnswer{c, asked, found, err}
	})
	c.job = j
	return cmd
}

func (c *comparison) take(a comparisonAnswer) {
	if a.asked != c.asked {
		return
	}
	c.job, c.err = nil, a.err
	if a.err == nil {
		c.found = a.found
		c.lay()
		if i := slices.IndexFunc(c.rows, compareRow.differs); i >= 0 {
			c.at.set(i)
		}
	}
}

// lay lays out the rows anew around the one under the cursor.
func (c *comparison) lay() {
	var was *compare.Node
	if c.at.cursor < len(c.rows) {
		was = c.rows[c.at.cursor].node
	}
	c.rows = compareRows(&c.found.Comparison, c.differs)
	c.resize(c.w, c.h)
	if i := slices.IndexFunc(c.rows, func(r compareRow) bool { return r.node == was }); i >= 0 {
		c.at.set(i)
	}
}

func (c *comparison) press(msg tea.KeyPressMsg) tea.Cmd {
	k := c.keymap
	switch {
	case c.found == nil:
	case c.at.press(msg, c.env.move):
	case key.Matches(msg, k.differs):
		c.differs = !c.differs
		c.lay()
	case key.Matches(msg, k.next):
		return c.step(1)
	case key.Matches(msg, k.previous):
		return c.step(-1)
	case key.Matches(msg, k.swap):
		return c.swap()
	case c.at.cursor >= len(c.rows):
	case key.Matches(msg, k.open):
		n := c.rows[c.at.cursor].node
		if n.After.Count == 0 {
			return c.openBefore(n)
		}
		return say(openMsg{id: c.found.After, record: n.After.Record})
	case key.Matches(msg, k.openBefore):
		return c.openBefore(c.rows[c.at.cursor].node)
	case key.Matches(msg, k.copyID):
		n := c.rows[c.at.cursor].node
		if id := firstOf(n.After.Record, n.Before.Record); id != "" {
			return say(copyMsg{id})
		}
	}
	return nil
}

// firstOf is the first text that is not empty.
func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

func (c *comparison) openBefore(n *compare.Node) tea.Cmd {
	switch {
	case c.found.Before == "":
		return say(flashMsg{"before is a median of " + plural(c.found.Of, "trace", "traces") + ": it has no dossier"})
	case n.Before.Count == 0:
		return say(flashMsg{"this is not in the trace before"})
	}
	return say(openMsg{id: c.found.Before, record: n.Before.Record})
}

// step goes to the next row that differs.
func (c *comparison) step(by int) tea.Cmd {
	for i := 1; i <= len(c.rows); i++ {
		at := ((c.at.cursor+by*i)%len(c.rows) + len(c.rows)) % len(c.rows)
		if c.rows[at].differs() {
			c.at.set(at)
			return nil
		}
	}
	return say(flashMsg{"nothing differs"})
}

// swap exchanges before and after.
func (c *comparison) swap() tea.Cmd {
	if c.before == "" {
		return say(flashMsg{"before is a median: mark a trace with m to compare two"})
	}
	c.before, c.after = c.after, c.before
	c.found, c.rows = nil, nil
	return c.again()
}

func (c *comparison) resize(w, h int) {
	c.w, c.h = w, h
	c.at.resize(len(c.rows), h-compareHeadLines-1)
}

func (c *comparison) loading() bool { return c.job != nil }

func (c *comparison) escape() bool {
	if c.job != nil && c.found == nil && c.err == nil {
		c.job.end()
		return true
	}
	c.job.end()
	return false
}

func (c *comparison) title() string {
	if c.before == "" {
		return "compare with the route"
	}
	return "compare"
}

func (c *comparison) status() string {
	var parts []string
	switch {
	case c.found != nil && c.err != nil:
		parts = append(parts, "could not read again: "+c.err.Error())
	case c.found != nil:
		parts = append(parts, "line "+ordinal(c.at.cursor+1, len(c.rows)))
	}
	if c.differs {
		parts = append(parts, "only what differs")
	}
	return strings.Join(parts, " · ")
}

func (c *comparison) view(w, h int) []line {
	switch {
	case c.err != nil && c.found == nil:
		return trouble("The traces could not be compared.", c.err, w, h)
	case c.found == nil:
		return waiting(c.job, c.env.now(), "the traces to compare", w, h)
	}
	out := append(compareHead(c.found, w), compareTitles(w))
	from, to := c.at.shown()
	for i := from; i < to; i++ {
		out = append(out, compareLine(&c.rows[i], w, i == c.at.cursor))
	}
	return fill(out, h)
}

// mark marks a trace for comparing, or unmarks it.
func (e *env) mark(id string) tea.Cmd {
	switch {
	case id == "":
		return say(flashMsg{"this line has no trace to mark"})
	case e.marked == id:
		e.marked = ""
		return say(flashMsg{"no trace is marked any more"})
	}
	e.marked = id
	return say(flashMsg{"marked: M on another trace compares it with this one"})
}

// compare shows a trace beside the marked one, or beside the median of its route
// where none is, or it itself.
func (e *env) compare(id string) tea.Cmd {
	if id == "" {
		return say(flashMsg{"this line has no trace to compare"})
	}
	before := e.marked
	if before == id {
		before = ""
	}
	return say(pushMsg{newComparison(e, before, id)})
}

package explore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// firstPage is how many traces are read at first: several screens full, and
// still one quick query. Every further page doubles it, so that reading down to
// trace n costs at most twice n.
const firstPage = 200

// list is the trace list.
type list struct {
	env    *env
	keymap listKeys
	filter filter
	// columns are those that were chosen; none: as many as there is room for.
	columns []string

	limit int // of the query
	rows  []fleet.Summary
	more  bool // there may be older traces than rows
	at    scroll
	asked int // counts the readings; only the last one's answer is taken
	busy  bool
	job   *job // the last reading
	read  bool // there has been an answer to this filter
	err   error

	order    int    // one of byNewest and the others
	follow   bool   // the cursor stays on the newest
	above    int    // lines of charts above the list
	tall     int    // the height
	drawn    []line // the charts for the width drawnFor; nil when they may say something else
	drawnFor int
	history  []string
}

func newList(e *env) *list { return &list{env: e, limit: firstPage, keymap: newListKeys()} }

// listAnswer is what a reading of the list brings back.
type listAnswer struct {
	to    *list
	asked int
	rows  []fleet.Summary
	err   error
}

func (a listAnswer) deliver() { a.to.take(a) }

func (l *list) load() tea.Cmd {
	// A refresh reads no more than the cursor needs, however far down it was.
	for l.limit = firstPage; l.limit < l.at.cursor+2*max(l.at.height, 1); {
		l.limit *= 2
	}
	q, err := l.query(l.limit)
	if err != nil {
		l.rows, l.read, l.err = nil, true, err
		return nil
	}
	l.asked++
	l.busy = true
	asked := l.asked
	j, cmd := l.env.begin(l.job, func(ctx context.Context, j *job) tea.Msg {
		a := listAnswer{to: l, asked: asked}
		a.rows, a.err = gather(l.env.reader.Traces(ctx, q), j)
		return a
	})
	l.job = j
	return cmd
}

// take shows an answer. The cursor stays on its trace, wherever that is now.
func (l *list) take(a listAnswer) {
	if a.asked != l.asked {
		return
	}
	l.busy, l.read, l.err = false, true, unlessStopped(a.err, len(l.rows) > 0)
	if a.err != nil {
		return
	}
	old, was := l.rows, l.at
	l.rows, l.more = a.rows, len(a.rows) >= l.limit
	l.drawn = nil
	l.arrange()
	l.resize(0, l.tall)
	if l.follow {
		l.at.set(0)
		return
	}
	if was.cursor >= len(old) {
		return
	}
	for i := range l.rows {
		if same(&l.rows[i], &old[was.cursor]) {
			l.keep(was, i)
			break
		}
	}
}

// keep puts the cursor on line i. A window that showed the newest traces goes
// on showing them as long as the cursor is in it; else the window moves along
// with its lines.
func (l *list) keep(was scroll, i int) {
	l.at.top = was.top + i - was.cursor
	if was.top == 0 && i < l.at.height {
		l.at.top = 0
	}
	l.at.set(i)
}

// same reports whether two summaries are of the same trace.
func same(a, b *fleet.Summary) bool {
	return a.Trace == b.Trace && (a.Trace != "" || a.Correlation == b.Correlation && a.Start.Equal(b.Start))
}

// refilter reads anew with another filter.
func (l *list) refilter(f filter) tea.Cmd {
	if s := f.String(); s != "" && !slices.Contains(l.history, s) {
		l.history = append(l.history, s)
	}
	l.filter, l.rows, l.read, l.err = f, nil, false, nil
	l.at.resize(0, l.at.height)
	return l.load()
}

func summaryID(s *fleet.Summary) string {
	if s.Trace != "" {
		return s.Trace
	}
	return s.Correlation
}

func (l *list) resize(_, h int) {
	l.tall, l.above = h, 0
	if h >= leastForCharts && len(l.rows) > 0 {
		l.above = 2
	}
	l.at.resize(len(l.rows), h-1-l.above)
}

func (l *list) loading() bool { return l.busy }
func (l *list) title() string { return "traces" }

// escape stops a first reading.
func (l *list) escape() bool {
	return l.job.stopFirst(l.read)
}

func (l *list) status() string {
	var parts []string
	switch {
	case l.err != nil && len(l.rows) > 0:
		parts = append(parts, "could not read again: "+l.err.Error())
	case len(l.rows) > 0:
		more := ""
		if l.more {
			more = "+"
		}
		parts = append(parts, fmt.Sprintf("%d of %d%s traces", l.at.cursor+1, len(l.rows), more))
	}
	if l.at.top > 0 {
		parts = append(parts, plural(l.at.top, "newer above", "newer above"))
	}
	if l.order != byNewest {
		parts = append(parts, orderNames[l.order]+" of those read")
	}
	if l.follow {
		parts = append(parts, "following")
	}
	if f := l.filter.String(); f != "" {
		parts = append(parts, "filter: "+f)
	}
	return strings.Join(parts, " · ")
}

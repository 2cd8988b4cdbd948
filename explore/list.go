package explore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
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

type listKeys struct{ open, filter, errors, copyID, journey, mark, compare, outliers, since, order, group, follow key.Binding }

func newList(e *env) *list {
	return &list{env: e, limit: firstPage, keymap: listKeys{
		open:     bind("↵", "open", "enter", "l", "right"),
		filter:   bind("/", "filter", "/"),
		errors:   bind("e", "errors only", "e"),
		journey:  bind("J", "its journey", "J"),
		mark:     bind("m", "mark", "m"),
		compare:  bind("M", "compare: marked, or route", "M"),
		outliers: bind("O", "outliers", "O"),
		since:    bind("T", "time range", "T"),
		order:    bind("s", "sort", "s"),
		group:    bind("b", "group by", "b"),
		follow:   bind("f", "follow", "f"),
		copyID:   bind("y", "copy id", "y"),
	}}
}

func (l *list) keys() []group {
	k := l.keymap
	return []group{
		{"traces", []key.Binding{k.open, k.filter, k.errors, k.journey, k.mark, k.compare, k.outliers, k.since, k.order, k.group, k.follow, k.copyID}},
		l.env.move.group(),
	}
}

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

func (l *list) press(msg tea.KeyPressMsg) tea.Cmd {
	k := l.keymap
	switch {
	case l.at.press(msg, l.env.move):
		l.follow = l.follow && l.at.cursor == 0
		if l.more && !l.busy && l.at.cursor+l.at.height >= len(l.rows) {
			return l.load()
		}
	case key.Matches(msg, k.filter):
		return say(askMsg{
			label: "filter (text, expression, service: errors since:)", value: l.filter.String(),
			history: l.history, complete: l.completeFilter,
			then: func(s string) tea.Cmd { return l.refilter(parseFilter(s)) },
		})
	case key.Matches(msg, k.errors):
		f := l.filter
		f.errors = !f.errors
		return l.refilter(f)
	case key.Matches(msg, k.since):
		return say(askMsg{
			label: "since (15m, 36h, 7d, a moment; empty: all)", value: l.filter.since,
			complete: func(string) []string { return []string{"15m", "1h", "6h", "24h", "7d", "30d"} },
			then: func(s string) tea.Cmd {
				f := l.filter
				f.since, f.until, _ = strings.Cut(s, " ")
				return l.refilter(f)
			},
		})
	case key.Matches(msg, k.order):
		l.order = (l.order + 1) % orders
		if l.order == byNewest { // as the store gave them
			return l.load()
		}
		l.arrange()
		l.at.set(0)
	case key.Matches(msg, k.follow):
		l.follow = !l.follow
		if l.follow {
			l.at.set(0)
		}
	case key.Matches(msg, k.group):
		q, err := l.query(0)
		if err != nil {
			return say(flashMsg{err.Error()})
		}
		return say(pushMsg{newGrouped(l.env, ofTraces(q))})
	case l.at.cursor >= len(l.rows):
		return nil
	case key.Matches(msg, k.open):
		return say(openMsg{id: summaryID(&l.rows[l.at.cursor])})
	case key.Matches(msg, k.journey):
		if c := l.rows[l.at.cursor].Correlation; c != "" {
			return say(openMsg{id: c})
		}
		return say(flashMsg{"this trace belongs to no journey"})
	case key.Matches(msg, k.outliers):
		q, err := l.query(0)
		if err != nil {
			return say(flashMsg{err.Error()})
		}
		return say(pushMsg{newOutlying(l.env, ofTraces(q), routeOf(&l.rows[l.at.cursor]))})
	case key.Matches(msg, k.mark):
		return l.env.mark(l.rows[l.at.cursor].Trace)
	case key.Matches(msg, k.compare):
		return l.env.compare(l.rows[l.at.cursor].Trace)
	case key.Matches(msg, k.copyID):
		return say(copyMsg{fleet.FormatTraceID(summaryID(&l.rows[l.at.cursor]))})
	}
	return nil
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

// ofTraces is a query for the spans of the traces that a list's query is about.
func ofTraces(q fleet.Query) fleet.Query {
	f := fleet.FilterAll{}
	if q.Filter != nil {
		f = append(f, q.Filter)
	}
	if q.Service != "" {
		f = append(f, fleet.FilterService{Node: fleet.FilterNode{Name: q.Service}})
	}
	out := fleet.Query{Window: q.Window}
	if len(f) > 0 {
		out.Filter = f
	}
	return out
}

// filter narrows the trace list.
type filter struct {
	text, service, since, until string
	errors                      bool
}

// parseFilter reads what a person typed: "service:orders", "errors", and the
// rest is text to look for.
func parseFilter(s string) filter {
	var f filter
	var words []string
	for w := range strings.FieldsSeq(s) {
		name, isService := strings.CutPrefix(w, "service:")
		switch {
		case isService:
			f.service = name
		case w == "errors":
			f.errors = true
		case strings.HasPrefix(w, "since:"):
			f.since = w[len("since:"):]
		case strings.HasPrefix(w, "until:"):
			f.until = w[len("until:"):]
		default:
			words = append(words, w)
		}
	}
	f.text = strings.Join(words, " ")
	return f
}

// String is the filter as a person types it.
func (f filter) String() string {
	var words []string
	if f.service != "" {
		words = append(words, "service:"+f.service)
	}
	if f.errors {
		words = append(words, "errors")
	}
	for _, x := range [][2]string{{"since:", f.since}, {"until:", f.until}} {
		if x[1] != "" {
			words = append(words, x[0]+x[1])
		}
	}
	if f.text != "" {
		words = append(words, f.text)
	}
	return strings.Join(words, " ")
}

package explore

import (
	"context"
	"fmt"
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

	limit int // of the query
	rows  []fleet.Summary
	more  bool // there may be older traces than rows
	at    scroll
	asked int // counts the readings; only the last one's answer is taken
	busy  bool
	read  bool // there has been an answer to this filter
	err   error
}

type listKeys struct{ open, filter, errors, copyID, journey, mark, compare, outliers key.Binding }

func newList(e *env) *list {
	return &list{env: e, limit: firstPage, keymap: listKeys{
		open:     bind("↵", "open", "enter", "l", "right"),
		filter:   bind("/", "filter", "/"),
		errors:   bind("e", "errors only", "e"),
		journey:  bind("J", "its journey", "J"),
		mark:     bind("m", "mark", "m"),
		compare:  bind("M", "compare: marked, or route", "M"),
		outliers: bind("O", "outliers", "O"),
		copyID:   bind("y", "copy id", "y"),
	}}
}

func (l *list) keys() []group {
	k := l.keymap
	return []group{
		{"traces", []key.Binding{k.open, k.filter, k.errors, k.journey, k.mark, k.compare, k.outliers, k.copyID}},
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
	l.asked++
	l.busy = true
	asked, q := l.asked, l.filter.query(l.limit)
	return l.env.run(func(ctx context.Context) tea.Msg {
		a := listAnswer{to: l, asked: asked}
		for s, err := range l.env.reader.Traces(ctx, q) {
			if err != nil {
				a.err = err
				return a
			}
			a.rows = append(a.rows, s)
		}
		return a
	})
}

// take shows an answer. The cursor stays on its trace, wherever that is now.
func (l *list) take(a listAnswer) {
	if a.asked != l.asked {
		return
	}
	l.busy, l.read, l.err = false, true, a.err
	if a.err != nil {
		return
	}
	old, was := l.rows, l.at
	l.rows, l.more = a.rows, len(a.rows) >= l.limit
	l.at.resize(len(l.rows), l.at.height)
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
		if l.more && !l.busy && l.at.cursor+l.at.height >= len(l.rows) {
			return l.load()
		}
	case key.Matches(msg, k.filter):
		return say(askMsg{
			label: "filter (text, service:name, errors)", value: l.filter.String(),
			then: func(s string) tea.Cmd { return l.refilter(parseFilter(s)) },
		})
	case key.Matches(msg, k.errors):
		f := l.filter
		f.errors = !f.errors
		return l.refilter(f)
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
		return say(pushMsg{newOutlying(l.env, fleet.Query{}, routeOf(&l.rows[l.at.cursor]))})
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

func (l *list) resize(_, h int) { l.at.resize(len(l.rows), h-1) }
func (l *list) loading() bool   { return l.busy }
func (l *list) title() string   { return "traces" }

func (l *list) escape() bool { return false }

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
	if f := l.filter.String(); f != "" {
		parts = append(parts, "filter: "+f)
	}
	return strings.Join(parts, " · ")
}

// filter narrows the trace list.
type filter struct {
	text, service string
	errors        bool
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
	if f.text != "" {
		words = append(words, f.text)
	}
	return strings.Join(words, " ")
}

func (f filter) query(limit int) fleet.Query {
	return fleet.Query{Text: f.text, Service: f.service, Errors: f.errors, Limit: limit}
}

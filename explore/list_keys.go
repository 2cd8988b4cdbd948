package explore

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

type listKeys struct{ open, filter, errors, copyID, journey, mark, compare, outliers, since, order, group, follow key.Binding }

func newListKeys() listKeys {
	return listKeys{
		open:     bind("↵", "open", "enter", "l", "right"),
		filter:   bind("/", "filter", "/"),
		errors:   bind("E", "errors only", "E"),
		journey:  bind("J", "its journey", "J"),
		mark:     bind("m", "mark", "m"),
		compare:  bind("M", "compare: marked, or route", "M"),
		outliers: bind("O", "outliers", "O"),
		since:    bind("T", "time range", "T"),
		order:    bind("s", "sort", "s"),
		group:    bind("b", "group by", "b"),
		follow:   bind("f", "follow", "f"),
		copyID:   bind("y", "copy id", "y"),
	}
}

func (l *list) keys() []group {
	k := l.keymap
	return []group{
		{"traces", []key.Binding{k.open, k.filter, k.errors, k.journey, k.mark, k.compare, k.outliers, k.since, k.order, k.group, k.follow, k.copyID}},
		l.env.move.group(),
	}
}

func (l *list) press(msg tea.KeyPressMsg) tea.Cmd {
	k := l.keymap
	switch {
	case l.at.press(msg, l.env.move):
		l.follow = l.follow && l.at.cursor == 0
		if l.more && !l.busy && l.at.cursor+l.at.height >= len(l.rows) {
			return l.load()
		}
	case key.Matches(msg, k.filter, k.errors, k.since):
		return l.narrow(msg)
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
		return l.explain(func(q fleet.Query) screen { return newGrouped(l.env, q, byRoute) })
	case l.at.cursor < len(l.rows):
		return l.open(msg, &l.rows[l.at.cursor])
	}
	return nil
}

// narrow handles the keys that choose what is listed.
func (l *list) narrow(msg tea.KeyPressMsg) tea.Cmd {
	k := l.keymap
	switch {
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
	}
	return say(askMsg{
		label: "filter (text, expression, service: errors since:)", value: l.filter.String(),
		history: l.history, complete: l.completeFilter,
		then: func(s string) tea.Cmd { return l.refilter(parseFilter(s)) },
	})
}

// open handles the keys about the trace under the cursor.
func (l *list) open(msg tea.KeyPressMsg, at *fleet.Summary) tea.Cmd {
	k := l.keymap
	switch {
	case key.Matches(msg, k.open):
		return say(openMsg{id: summaryID(at)})
	case key.Matches(msg, k.journey):
		if at.Correlation != "" {
			return say(openMsg{id: at.Correlation})
		}
		return say(flashMsg{"this trace belongs to no journey"})
	case key.Matches(msg, k.outliers):
		route := routeOf(at)
		return l.explain(func(q fleet.Query) screen { return newOutlying(l.env, q, route) })
	case key.Matches(msg, k.mark):
		return l.env.mark(at.Trace)
	case key.Matches(msg, k.compare):
		return l.env.compare(at.Trace)
	case key.Matches(msg, k.copyID):
		return say(copyMsg{fleet.FormatTraceID(summaryID(at))})
	}
	return nil
}

// explain shows a screen about the spans of all traces that the filter keeps.
func (l *list) explain(of func(fleet.Query) screen) tea.Cmd {
	q, err := l.query(0)
	if err != nil {
		return say(flashMsg{err.Error()})
	}
	return say(pushMsg{of(ofTraces(q))})
}

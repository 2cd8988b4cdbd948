package explore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"muster/fleet"
)

func (l *list) view(w, h int) []line {
	switch {
	case l.err != nil && len(l.rows) == 0:
		return trouble("The traces could not be read.", l.err, w, h)
	case !l.read:
		return waiting(l.job, l.env.now(), "traces", w, h)
	case len(l.rows) == 0 && l.filter != filter{}:
		return centred([]line{
			text(strong, "No trace matches."), nil,
			foreign(plain, "filter: "+l.filter.String()).line(),
			text(faint, "/ changes the filter; an empty one shows everything"),
		}, w, h)
	case len(l.rows) == 0:
		return centred([]line{
			text(strong, "There is no trace here yet."), nil,
			text(plain, "muster demo           a sample fleet on this machine "),
			text(plain, "muster collect        what AWS has recorded          "),
			text(plain, "muster import PATH    files of logs, traces or trails"), nil,
			text(faint, "r reads again; tab shows findings"),
		}, w, h)
	}
	now := l.env.now()
	cols := listColumns(w, clockWidth, func(t time.Time) string { return clock(t, now) }, l.columns)
	var out []line
	if l.above > 0 {
		if l.drawn == nil || l.drawnFor != w {
			l.drawn, l.drawnFor = l.charts(w), w
		}
		out = append(out, l.drawn...)
	}
	out = append(out, listHead(cols))
	from, to := l.at.shown()
	for i := from; i < to; i++ {
		out = append(out, listRow(cols, &l.rows[i], i == l.at.cursor))
	}
	return fill(out, h)
}

// trouble says what went wrong and what to do.
func trouble(what string, err error, w, h int) []line {
	if errors.Is(err, context.Canceled) {
		return centred([]line{text(strong, "The reading was stopped."), nil, text(faint, "r reads again; esc goes back")}, w, h)
	}
	out := []line{text(bad, "✗ "+what), nil}
	said := wrap(clean(err.Error()), max(w-8, 1))
	room := 0
	for _, s := range said {
		room = max(room, cellWidth(s))
	}
	for _, s := range said {
		out = append(out, text(plain, fit(s, room)))
	}
	return centred(append(out, nil, text(faint, "r tries again; esc goes back")), w, h)
}

// operation is what a trace did, and what went wrong if something did.
func operation(s *fleet.Summary) (role, string) {
	if s.Error == "" {
		return plain, s.Name
	}
	return bad, s.Name + " (" + s.Error + ")"
}

func count(n int, r role) (role, string) {
	if n == 0 {
		return faint, tally(n)
	}
	return r, tally(n)
}

// failed is the sign of what went wrong.
func failed(yes bool) string {
	if yes {
		return "✗"
	}
	return ""
}

func listHead(cols []listColumn) line {
	l := line{own(plain, " ")}
	for _, c := range cols {
		t := fit(c.title, c.width)
		if c.right {
			t = fitRight(c.title, c.width)
		}
		l = append(l, own(faint, t), own(plain, " "))
	}
	return l
}

func listRow(cols []listColumn, s *fleet.Summary, on bool) line {
	l := line{mark(on)}
	for _, c := range cols {
		r, t := c.cell(s)
		p := cell(r, t, c.width)
		if c.right {
			p = cellRight(r, t, c.width)
		}
		l = append(l, p, own(plain, " "))
	}
	if on {
		return l.as(chosen)
	}
	return l
}

// ordinal is "2 of 3".
func ordinal(i, n int) string { return strconv.Itoa(i) + " of " + strconv.Itoa(n) }

package explore

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// firstLines is how many log lines are read at first; every page further back
// doubles it.
const firstLines = 1000

// logs is the tail of all log groups, the newest line last, or their patterns.
type logs struct {
	env    *env
	keymap logsKeys
	filter logFilter

	limit    int
	asked    int
	job      *job
	read     bool
	err      error
	all      []fleet.Record // oldest first, as read
	more     bool           // there may be older lines
	shown    []*fleet.Record
	unfolded map[string]bool
	rows     []logRow
	patterns []logPattern // nil unless they are shown
	follow   bool         // the newest line stays in sight
	at       scroll
	detail   pane
	inside   bool
	w, h     int
}

// logRow is a line of the log, or one of the lines of its unfolded document.
type logRow struct {
	rec   *fleet.Record
	inner string // "" of the log line itself
}

func newLogs(e *env) *logs {
	return &logs{env: e, limit: firstLines, follow: true, unfolded: map[string]bool{}, keymap: newLogsKeys()}
}

type logsAnswer struct {
	to    *logs
	asked int
	found []fleet.Record
	err   error
}

func (a logsAnswer) deliver() { a.to.take(a) }

func (l *logs) load() tea.Cmd {
	l.asked++
	asked, q := l.asked, l.filter.query(l.limit)
	j, cmd := l.env.begin(l.job, func(ctx context.Context, j *job) tea.Msg {
		a := logsAnswer{to: l, asked: asked}
		a.found, a.err = gather(l.env.reader.Records(ctx, q), j)
		return a
	})
	l.job = j
	return cmd
}

func (l *logs) take(a logsAnswer) {
	if a.asked != l.asked {
		return
	}
	l.job, l.err = nil, a.err
	if a.err != nil {
		l.read = true
		return
	}
	l.all, l.more = a.found, len(a.found) >= l.limit
	first := !l.read
	l.read = true
	l.sift()
	if first || l.follow {
		l.at.set(l.at.size - 1)
	}
	l.lay()
}

// sift lays out the lines that the filter keeps, around the one under the cursor.
func (l *logs) sift() {
	was := l.current()
	l.shown = l.shown[:0:0]
	for i := range l.all {
		if l.filter.keeps(&l.all[i]) {
			l.shown = append(l.shown, &l.all[i])
		}
	}
	if l.patterns != nil {
		l.patterns = patternsOf(l.shown)
		if l.patterns == nil {
			l.patterns = []logPattern{}
		}
	}
	l.rows = l.rows[:0:0]
	for _, r := range l.shown {
		l.rows = append(l.rows, logRow{rec: r})
		if l.unfolded[r.ID] {
			for s := range strings.SplitSeq(pretty(r.Raw), "\n") {
				l.rows = append(l.rows, logRow{r, s + " "})
			}
		}
	}
	top := l.at.top
	l.resize(l.w, l.h)
	if was == nil || l.patterns != nil {
		return
	}
	for i := range l.rows {
		if l.rows[i].rec.ID == was.ID && l.rows[i].inner == "" {
			l.at.top = max(top+i-l.at.cursor, 0)
			l.at.set(i)
			return
		}
	}
}

// current is the line under the cursor, or nil.
func (l *logs) current() *fleet.Record {
	switch {
	case l.patterns != nil && l.at.cursor < len(l.patterns):
		return l.patterns[l.at.cursor].example
	case l.patterns == nil && l.at.cursor < len(l.rows):
		return l.rows[l.at.cursor].rec
	}
	return nil
}

// group shows the patterns of the lines, or the lines again.
func (l *logs) group() {
	if l.patterns == nil {
		l.patterns, l.filter.pattern = []logPattern{}, ""
	} else {
		l.patterns = nil
	}
	l.inside = false
	l.sift()
	if l.patterns != nil {
		l.at.set(0)
	} else {
		l.at.set(l.at.size - 1)
	}
}

func (l *logs) refilter(f logFilter) tea.Cmd {
	l.filter, l.all, l.shown, l.rows, l.read, l.err, l.limit, l.follow = f, nil, nil, nil, false, nil, firstLines, true
	l.resize(l.w, l.h)
	return l.load()
}

func (l *logs) resize(w, h int) {
	l.w, l.h = w, h
	n := len(l.rows)
	if l.patterns != nil {
		n = len(l.patterns)
	}
	l.at.resize(n, h-1)
	l.lay()
}

// lay lays out the details of the line under the cursor, where they show.
func (l *logs) lay() {
	r := l.current()
	if r == nil || !l.inside {
		return
	}
	w := l.w
	if w >= wideDossier {
		_, w = halvesOf(w)
	}
	l.detail.lines = recordSheet(&node{rec: r}, w)
	l.detail.resize(max(l.h-1, 2))
}

func (l *logs) loading() bool { return l.job != nil }

// escape leaves the details, then the pattern, or stops a first reading.
func (l *logs) escape() bool {
	switch {
	case l.job != nil && !l.read:
		l.job.end()
	case l.inside:
		l.inside = false
	case l.filter.pattern != "":
		l.filter.pattern = ""
		l.sift()
	case l.patterns != nil:
		l.group()
	default:
		return false
	}
	return true
}

func (l *logs) title() string { return "logs" }

func (l *logs) status() string {
	var parts []string
	if l.err != nil && len(l.all) > 0 {
		parts = append(parts, "could not read again: "+l.err.Error())
	}
	more := ""
	if l.more {
		more = "+"
	}
	switch {
	case l.patterns != nil:
		parts = append(parts, ordinal(min(l.at.cursor+1, len(l.patterns)), len(l.patterns))+" patterns of "+thousands(len(l.shown))+more+" lines")
	case len(l.shown) > 0:
		parts = append(parts, thousands(len(l.shown))+more+" lines")
	}
	if l.follow && l.patterns == nil {
		parts = append(parts, "following")
	}
	if s := l.filter.String(); s != "" {
		parts = append(parts, "search: "+s)
	}
	if l.filter.pattern != "" {
		parts = append(parts, "pattern: "+clip(l.filter.pattern, 60)+" (esc: all)")
	}
	return strings.Join(parts, " · ")
}

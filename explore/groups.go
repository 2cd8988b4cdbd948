package explore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// grouped is the screen of the traces of the list by what they have in common:
// their route, a service, or any attribute or annotation.
type grouped struct {
	env    *env
	keymap groupedKeys
	query  fleet.Query
	by     string // "route", or an attribute

	asked int
	job   *job
	err   error
	read  bool
	all   []observed
	rows  []traceGroup
	at    scroll
}

type groupedKeys struct{ open, by, copyID key.Binding }

// traceGroup is the traces with one value.
type traceGroup struct {
	value          string
	traces, failed int
	p50, p95       time.Duration
	slowest        string // trace id
}

// byRoute groups by the service and route of the entry.
const byRoute = "route"

func newGrouped(e *env, q fleet.Query, by string) *grouped {
	return &grouped{env: e, query: q, by: by, keymap: groupedKeys{
		open:   bind("↵", "its slowest trace", "enter", "l", "right"),
		by:     bind("b", "group by", "b", "/"),
		copyID: bind("y", "copy value", "y"),
	}}
}

func (g *grouped) keys() []group {
	return []group{{"groups", []key.Binding{g.keymap.open, g.keymap.by, g.keymap.copyID}}, g.env.move.group()}
}

type groupedAnswer struct {
	to    *grouped
	asked int
	found []observed
	err   error
}

func (a groupedAnswer) deliver() {
	g := a.to
	if a.asked != g.asked {
		return
	}
	g.job, g.read, g.err, g.all = nil, true, a.err, a.found
	g.lay()
}

func (g *grouped) load() tea.Cmd {
	if g.read && g.err == nil {
		return nil
	}
	g.asked++
	asked, q := g.asked, g.query
	j, cmd := g.env.begin(g.job, func(ctx context.Context, j *job) tea.Msg {
		found, err := readObserved(ctx, g.env.reader, q, j)
		return groupedAnswer{g, asked, found, err}
	})
	g.job = j
	return cmd
}

// lay groups anew, the largest group first.
func (g *grouped) lay() {
	by := map[string][]*observed{}
	for i := range g.all {
		t := &g.all[i]
		for _, v := range g.valuesOf(t) {
			by[v] = append(by[v], t)
		}
	}
	g.rows = nil
	for _, v := range slices.Sorted(maps.Keys(by)) {
		ts := by[v]
		slices.SortStableFunc(ts, func(a, b *observed) int { return cmp.Compare(a.took, b.took) })
		x := traceGroup{
			value: v, traces: len(ts), p50: ts[len(ts)/2].took, p95: ts[(len(ts)-1)*95/100].took, slowest: ts[len(ts)-1].id,
		}
		for _, t := range ts {
			if t.failed {
				x.failed++
			}
		}
		g.rows = append(g.rows, x)
	}
	slices.SortStableFunc(g.rows, func(a, b traceGroup) int { return cmp.Compare(b.traces, a.traces) })
	g.at = scroll{height: g.at.height}
	g.at.resize(len(g.rows), g.at.height)
}

// valuesOf are what a trace has of the attribute, whichever service has it when
// none is named.
func (g *grouped) valuesOf(t *observed) []string {
	if g.by == byRoute {
		return []string{t.route}
	}
	if g.by == "service" {
		seen := map[string]bool{}
		for i := range t.spans {
			seen[t.spans[i].Service] = true
		}
		return slices.Sorted(maps.Keys(seen))
	}
	seen := map[string]bool{}
	for k, vs := range t.values {
		if k == g.by || strings.HasSuffix(k, " "+g.by) {
			for _, v := range vs {
				seen[v] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// offers are the attributes that begin with what was typed.
func (g *grouped) offers(s string) []string {
	seen := map[string]bool{byRoute: true, "service": true}
	for i := range g.all {
		for k := range g.all[i].values {
			if !strings.HasPrefix(k, "calls of ") && !strings.HasPrefix(k, "ms of ") {
				seen[k[strings.LastIndexByte(k, ' ')+1:]] = true
			}
		}
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		if strings.HasPrefix(k, s) {
			out = append(out, k)
		}
	}
	return out
}

func (g *grouped) press(msg tea.KeyPressMsg) tea.Cmd {
	k := g.keymap
	switch {
	case g.at.press(msg, g.env.move):
	case key.Matches(msg, k.by):
		return say(askMsg{label: "group by (route, service, user, an annotation; tab)", complete: g.offers, then: func(s string) tea.Cmd {
			if g.by = s; s == "" {
				g.by = byRoute
			}
			g.lay()
			return nil
		}})
	case g.at.cursor >= len(g.rows):
	case key.Matches(msg, k.open):
		return say(openMsg{id: g.rows[g.at.cursor].slowest})
	case key.Matches(msg, k.copyID):
		return say(copyMsg{g.rows[g.at.cursor].value})
	}
	return nil
}

func (g *grouped) resize(_, h int) { g.at.resize(len(g.rows), h-2) }
func (g *grouped) loading() bool   { return g.job != nil }
func (g *grouped) title() string   { return "groups" }

// escape stops the reading.
func (g *grouped) escape() bool {
	if g.job == nil {
		return false
	}
	g.job.end()
	return true
}

func (g *grouped) status() string {
	if len(g.rows) == 0 {
		return ""
	}
	return ordinal(g.at.cursor+1, len(g.rows)) + " groups"
}

func (g *grouped) view(w, h int) []line {
	switch {
	case g.err != nil:
		return trouble("The traces could not be read.", g.err, w, h)
	case !g.read:
		return waiting(g.job, g.env.now(), "traces to group", w, h)
	case len(g.rows) == 0:
		return centred([]line{text(strong, "No trace has it."), nil, foreign(plain, "grouped by "+g.by+": b chooses another").line()}, w, h)
	}
	value := max(w-1-8-8-6-9-9, 1)
	out := []line{
		line{own(faint, " by "), foreign(strong, g.by), own(faint, "  of "+thousands(len(g.all))+" traces")}.fit(w),
		text(faint, fit(" "+fit("VALUE", value)+fitRight("TRACES", 8)+fitRight("FAILED", 8)+fitRight("%", 6)+fitRight("MEDIAN", 9)+fitRight("95%", 9), w)),
	}
	from, to := g.at.shown()
	for i := from; i < to; i++ {
		x := &g.rows[i]
		how := faint
		if x.failed > 0 {
			how = bad
		}
		l := line{
			mark(i == g.at.cursor), cell(service, x.value, value), own(plain, fitRight(tally(x.traces), 8)),
			own(how, fitRight(tally(x.failed), 8)), own(how, fitRight(tally(100*x.failed/x.traces), 6)),
			own(plain, fitRight(took(x.p50), 9)), own(plain, fitRight(took(x.p95), 9)),
		}
		if i == g.at.cursor {
			l = l.as(chosen)
		}
		out = append(out, l.fit(w))
	}
	return fill(out, h)
}

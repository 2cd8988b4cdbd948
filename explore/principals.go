package explore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// mostCalls bounds how many of the newest API calls are looked at: a few
// seconds of reading from a folder.
const mostCalls = 50_000

// principals is the list of who made API calls, each under the one that
// obtained its credentials.
type principals struct {
	env    *env
	keymap principalsKeys
	text   string

	asked int
	job   *job
	read  bool
	err   error
	calls int
	since time.Time // when all was asked for
	rows  []callerRow
	at    scroll
	w, h  int
}

type principalsKeys struct{ open, all, filter, copyID key.Binding }

// callerRow is a principal in its place in the tree.
type callerRow struct {
	caller *caller
	guide  string
}

func newPrincipals(e *env) *principals {
	return &principals{env: e, keymap: principalsKeys{
		open:   bind("↵", "its calls", "enter", "l", "right"),
		all:    bind("a", "all calls", "a"),
		filter: bind("/", "filter", "/"),
		copyID: bind("y", "copy principal", "y"),
	}}
}

func (p *principals) keys() []group {
	k := p.keymap
	return []group{{"principals", []key.Binding{k.open, k.all, k.filter, k.copyID}}, p.env.move.group()}
}

type principalsAnswer struct {
	to    *principals
	asked int
	calls int
	rows  []callerRow
	err   error
}

func (a principalsAnswer) deliver() { a.to.take(a) }

func (p *principals) load() tea.Cmd {
	// As the service map: all of them are read again, so not all the time.
	if p.read && p.err == nil && p.env.now().Sub(p.since) < mapRest {
		return nil
	}
	p.since = p.env.now()
	p.asked++
	asked := p.asked
	q := fleet.Query{Kinds: []fleet.Kind{fleet.KindAPICall}, Text: p.text, Lean: true, Limit: mostCalls}
	j, cmd := p.env.begin(p.job, func(ctx context.Context, j *job) tea.Msg {
		a := principalsAnswer{to: p, asked: asked}
		var calls []fleet.Record
		for r, err := range p.env.reader.Records(ctx, q) {
			if err != nil {
				a.err = err
				return a
			}
			j.read.Add(1)
			calls = append(calls, r)
		}
		a.calls, a.rows = len(calls), callerRows(callers(calls), "", 0)
		return a
	})
	p.job = j
	return cmd
}

func callerRows(cs []*caller, below string, depth int) []callerRow {
	var out []callerRow
	for i, c := range cs {
		branch, cont := "├─", "│ "
		if i == len(cs)-1 {
			branch, cont = "└─", "  "
		}
		if depth == 0 || depth > deepest {
			branch, cont = "", ""
		}
		out = append(out, callerRow{c, below + branch})
		out = append(out, callerRows(c.kids, below+cont, depth+1)...)
	}
	return out
}

func (p *principals) take(a principalsAnswer) {
	if a.asked != p.asked {
		return
	}
	p.job, p.read, p.err = nil, true, a.err
	if a.err != nil {
		return
	}
	was := ""
	if p.at.cursor < len(p.rows) {
		was = p.rows[p.at.cursor].caller.principal
	}
	p.calls, p.rows = a.calls, a.rows
	p.resize(p.w, p.h)
	if i := slices.IndexFunc(p.rows, func(r callerRow) bool { return r.caller.principal == was }); i >= 0 {
		p.at.set(i)
	}
}

func (p *principals) press(msg tea.KeyPressMsg) tea.Cmd {
	k := p.keymap
	switch {
	case p.at.press(msg, p.env.move):
	case key.Matches(msg, k.filter):
		return say(askMsg{label: "calls with", value: p.text, then: func(s string) tea.Cmd {
			p.text, p.rows, p.read, p.err = s, nil, false, nil
			p.resize(p.w, p.h)
			return p.load()
		}})
	case key.Matches(msg, k.all):
		return say(pushMsg{newCalls(p.env, callsOf{title: "all calls", text: p.text})})
	case p.at.cursor >= len(p.rows):
	case key.Matches(msg, k.open):
		c := p.rows[p.at.cursor].caller
		if c.principal == "" {
			return say(flashMsg{"CloudTrail names nobody for these calls: a shows all calls"})
		}
		return say(pushMsg{newCalls(p.env, callsOf{title: principalName(c.principal), principal: c.principal, text: p.text})})
	case key.Matches(msg, k.copyID):
		return say(copyMsg{p.rows[p.at.cursor].caller.principal})
	}
	return nil
}

func (p *principals) resize(w, h int) {
	p.w, p.h = w, h
	p.at.resize(len(p.rows), h-1)
}

func (p *principals) loading() bool { return p.job != nil }

// escape stops a first reading.
func (p *principals) escape() bool {
	return p.job.stopFirst(p.read)
}

func (p *principals) title() string { return "principals" }

func (p *principals) status() string {
	var parts []string
	if p.err != nil && len(p.rows) > 0 {
		parts = append(parts, "could not read again: "+p.err.Error())
	}
	if len(p.rows) > 0 {
		parts = append(parts, ordinal(p.at.cursor+1, len(p.rows))+" principals of "+thousands(p.calls)+" calls")
	}
	if p.calls >= mostCalls {
		parts = append(parts, fmt.Sprintf("only the newest %s calls are looked at", thousands(mostCalls)))
	}
	if p.text != "" {
		parts = append(parts, "calls with: "+p.text)
	}
	return strings.Join(parts, " · ")
}

func (p *principals) view(w, h int) []line {
	switch {
	case p.err != nil && len(p.rows) == 0:
		return trouble("The API calls could not be read.", p.err, w, h)
	case !p.read:
		return waiting(p.job, p.env.now(), "API calls", w, h)
	case len(p.rows) == 0 && p.text != "":
		return centred([]line{text(strong, "No call matches."), nil, foreign(plain, "calls with: "+p.text).line()}, w, h)
	case len(p.rows) == 0:
		return centred([]line{
			text(strong, "No API call is known."), nil,
			text(plain, "muster collect --source cloudtrail   reads the trail"),
		}, w, h)
	}
	name := callerWidth(w)
	out := []line{text(faint, fit(" "+fit("PRINCIPAL", name)+fitRight("CALLS", 7)+fitRight("WRITES", 7)+fitRight("FAILED", 7)+
		fitRight("SESS", 5)+"  "+fit("LAST", clockWidth)+" FROM", w))}
	from, to := p.at.shown()
	for i := from; i < to; i++ {
		out = append(out, callerLine(&p.rows[i], p.env.now(), w, i == p.at.cursor))
	}
	return fill(out, h)
}

// callerWidth is the column of the principals: what is left beside the numbers
// and an address or two.
func callerWidth(w int) int { return max(w-1-3*7-5-2-clockWidth-1-min(12, w/6), 1) }

func callerLine(r *callerRow, now time.Time, w int, on bool) line {
	c, room := r.caller, callerWidth(w)
	name := line{own(faint, r.guide), foreign(service, principalName(c.principal))}
	l := append(line{mark(on)}, name.fit(room)...)
	how := faint
	if c.errors > 0 {
		how = bad
	}
	l = append(l,
		own(plain, fitRight(tally(c.calls), 7)), own(plain, fitRight(tally(c.writes), 7)), own(how, fitRight(tally(c.errors), 7)),
		own(faint, fitRight(tally(len(c.sessions)), 5)), own(plain, "  "),
		own(faint, fit(clock(c.last, now), clockWidth)), own(plain, " "), foreign(faint, c.from()))
	if on {
		return l.fit(w).as(chosen)
	}
	return l.fit(w)
}

package explore

import (
	"context"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// mostListed is how many calls a list has at most; a filter finds older ones.
const mostListed = 5000

// aroundCalls is how far around a change who did what is listed.
const aroundCalls = 15 * time.Minute

// callsOf says which calls a list is of.
type callsOf struct {
	title, principal, text string
	around                 time.Time // zero: whenever
}

// calls is a list of API calls, newest first, with the details of one.
type calls struct {
	env    *env
	keymap callsKeys
	of     callsOf
	writes bool

	asked  int
	job    *job
	read   bool
	since  time.Time // when all was asked for
	err    error
	all    []fleet.Record // newest first
	found  []*fleet.Record
	at     scroll
	detail pane
	inside bool
	w, h   int
}

type callsKeys struct{ open, dossier, writes, filter, copyID, back key.Binding }

func newCalls(e *env, of callsOf) *calls {
	return &calls{env: e, of: of, keymap: callsKeys{
		open:    bind("↵", "details", "enter", "l", "right"),
		dossier: bind("d", "dossier", "d"),
		writes:  bind("w", "changing calls only", "w"),
		filter:  bind("/", "filter", "/"),
		copyID:  bind("y", "copy id", "y"),
		back:    bind("", "", "left", "h"),
	}}
}

func (c *calls) keys() []group {
	k := c.keymap
	return []group{{"calls", []key.Binding{k.open, k.dossier, k.writes, k.filter, k.copyID}}, c.env.move.group()}
}

type callsAnswer struct {
	to    *calls
	asked int
	found []fleet.Record
	err   error
}

func (a callsAnswer) deliver() { a.to.take(a) }

func (c *calls) load() tea.Cmd {
	if c.read && c.err == nil && c.env.now().Sub(c.since) < mapRest {
		return nil
	}
	c.since = c.env.now()
	c.asked++
	asked := c.asked
	q := fleet.Query{Kinds: []fleet.Kind{fleet.KindAPICall}, Principal: c.of.principal, Text: c.of.text, Limit: mostListed}
	if !c.of.around.IsZero() {
		q.Window = fleet.Window{Start: c.of.around.Add(-aroundCalls), End: c.of.around.Add(aroundCalls)}
	}
	j, cmd := c.env.begin(c.job, func(ctx context.Context, j *job) tea.Msg {
		a := callsAnswer{to: c, asked: asked}
		a.found, a.err = gather(c.env.reader.Records(ctx, q), j)
		slices.Reverse(a.found)
		return a
	})
	c.job = j
	return cmd
}

func (c *calls) take(a callsAnswer) {
	if a.asked != c.asked {
		return
	}
	c.job, c.read, c.err = nil, true, a.err
	if a.err == nil {
		c.all = a.found
		c.sift()
	}
}

// sift leaves the calls to show, around the one under the cursor.
func (c *calls) sift() {
	was := ""
	if c.at.cursor < len(c.found) {
		was = c.found[c.at.cursor].ID
	}
	c.found = nil
	for i := range c.all {
		if !c.writes || c.all[i].Write() {
			c.found = append(c.found, &c.all[i])
		}
	}
	c.resize(c.w, c.h)
	if i := slices.IndexFunc(c.found, func(r *fleet.Record) bool { return r.ID == was }); i >= 0 {
		c.at.set(i)
	}
	c.lay()
}

func (c *calls) press(msg tea.KeyPressMsg) tea.Cmd {
	k := c.keymap
	switch {
	case c.inside && c.detail.press(msg, c.env.move):
	case c.inside && key.Matches(msg, k.back):
		c.inside = false
	case c.at.press(msg, c.env.move):
		c.detail = pane{}
	case key.Matches(msg, k.writes):
		c.writes = !c.writes
		c.sift()
	case key.Matches(msg, k.filter):
		return say(askMsg{label: "calls with", value: c.of.text, then: func(s string) tea.Cmd {
			c.of.text, c.all, c.found, c.read, c.err = s, nil, nil, false, nil
			c.resize(c.w, c.h)
			return c.load()
		}})
	case c.at.cursor >= len(c.found):
	case key.Matches(msg, k.open):
		c.inside = true
	case key.Matches(msg, k.dossier):
		id := c.found[c.at.cursor].ID
		return say(openMsg{id: id, record: id})
	case key.Matches(msg, k.copyID):
		return say(copyMsg{c.found[c.at.cursor].ID})
	}
	c.lay()
	return nil
}

// lay lays out the details of the call under the cursor, where they show.
func (c *calls) lay() {
	if c.at.cursor >= len(c.found) || c.w < wideDossier && !c.inside {
		return
	}
	w := c.w
	if w >= wideDossier {
		_, w = halvesOf(w)
	}
	c.detail.lines = recordSheet(&node{rec: c.found[c.at.cursor]}, w)
	c.detail.resize(max(c.h-1, 2))
}

func (c *calls) resize(w, h int) {
	c.w, c.h = w, h
	c.at.resize(len(c.found), h-1)
	c.lay()
}

func (c *calls) loading() bool { return c.job != nil }

func (c *calls) escape() bool {
	switch {
	case c.job != nil && !c.read:
		c.job.end()
	case c.inside:
		c.inside = false
	default:
		return false
	}
	return true
}

func (c *calls) title() string { return squeeze(clean(c.of.title), 32) }

func (c *calls) status() string {
	var parts []string
	if c.err != nil && len(c.found) > 0 {
		parts = append(parts, "could not read again: "+c.err.Error())
	}
	if len(c.found) > 0 {
		parts = append(parts, ordinal(c.at.cursor+1, len(c.found))+" calls")
	}
	if len(c.all) >= mostListed {
		parts = append(parts, "only the newest "+thousands(mostListed)+" are read")
	}
	if c.writes {
		parts = append(parts, "changing calls only")
	}
	if c.of.text != "" {
		parts = append(parts, "with: "+c.of.text)
	}
	return strings.Join(parts, " · ")
}

func (c *calls) view(w, h int) []line {
	switch {
	case c.err != nil && len(c.all) == 0:
		return trouble("The API calls could not be read.", c.err, w, h)
	case !c.read:
		return waiting(c.job, c.env.now(), "API calls", w, h)
	case len(c.found) == 0:
		why := "There is no such call."
		if c.writes {
			why = "There is no changing call: w shows all."
		}
		return centred([]line{text(strong, why)}, w, h)
	}
	if w < wideDossier {
		if c.inside {
			return fill(append([]line{{own(brand, " DETAILS "), own(faint, "  ↑↓ scroll, esc leaves")}}, c.detail.view()...), h)
		}
		return c.table(w, h)
	}
	left, right := halvesOf(w)
	title := line{own(faint, " DETAILS")}
	if c.inside {
		title = line{own(brand, " DETAILS "), own(faint, "  ↑↓ scroll, esc leaves")}
	}
	return beside(c.table(left, h), append([]line{title}, c.detail.view()...), left, right, h)
}

func (c *calls) table(w, h int) []line {
	who := min(28, w/4)
	out := []line{text(faint, fit(" "+fit("TIME UTC", clockWidth)+" "+fit("PRINCIPAL", who)+"   CALL", w))}
	from, to := c.at.shown()
	for i := from; i < to; i++ {
		r := c.found[i]
		failed := own(plain, "  ")
		if r.Error != "" {
			failed = own(bad, "✗ ")
		}
		l := line{
			mark(i == c.at.cursor), own(faint, fit(clock(r.Time, c.env.now()), clockWidth)), own(plain, " "),
			cell(plain, principalName(r.Principal), who), own(plain, " "), failed,
		}
		l = append(l, what(r, w)...)
		if r.Error != "" {
			l = append(l, foreign(bad, " "+r.Error))
		}
		if i == c.at.cursor {
			l = l.as(chosen)
		}
		out = append(out, l.fit(w))
	}
	return fill(out, h)
}

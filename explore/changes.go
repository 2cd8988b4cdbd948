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

// mostChanges bounds what is read, of changes and verdicts: some weeks of a
// large account. What is older is found by a filter.
const mostChanges = 2000

// changes is the list of configuration changes and verdicts, newest first.
type changes struct {
	env    *env
	keymap changesKeys
	text   string // of the filter

	asked int
	job   *job
	read  bool
	since time.Time // when all was asked for
	err   error
	found []fleet.Record // newest first
	prior map[string]*fleet.Record
	diffs map[string][]fieldChange
	at    scroll
	w, h  int
}

type changesKeys struct{ open, filter, copyID key.Binding }

func newChanges(e *env) *changes {
	return &changes{env: e, keymap: changesKeys{
		open:   bind("↵", "timeline of the resource", "enter", "l", "right"),
		filter: bind("/", "filter", "/"),
		copyID: bind("y", "copy id", "y"),
	}}
}

func (c *changes) keys() []group {
	k := c.keymap
	return []group{{"changes", []key.Binding{k.open, k.filter, k.copyID}}, c.env.move.group()}
}

type changesAnswer struct {
	to    *changes
	asked int
	found []fleet.Record
	prior map[string]*fleet.Record
	diffs map[string][]fieldChange
	err   error
}

func (a changesAnswer) deliver() { a.to.take(a) }

func (c *changes) load() tea.Cmd {
	if c.read && c.err == nil && c.env.now().Sub(c.since) < mapRest {
		return nil
	}
	c.since = c.env.now()
	c.asked++
	asked := c.asked
	q := fleet.Query{
		Kinds: []fleet.Kind{fleet.KindChange, fleet.KindVerdict}, Text: c.text, Limit: mostChanges,
	}
	j, cmd := c.env.begin(c.job, func(ctx context.Context, j *job) tea.Msg {
		a := changesAnswer{to: c, asked: asked, diffs: map[string][]fieldChange{}}
		a.found, a.err = gather(c.env.reader.Records(ctx, q), j)
		slices.Reverse(a.found)
		a.prior = itemHistory(a.found)
		for i := range a.found {
			r := &a.found[i]
			a.diffs[r.ID] = diffItems(a.prior[r.ID], r)
		}
		return a
	})
	c.job = j
	return cmd
}

func (c *changes) take(a changesAnswer) {
	if a.asked != c.asked {
		return
	}
	c.job, c.read, c.err = nil, true, a.err
	if a.err != nil {
		return
	}
	was := ""
	if c.at.cursor < len(c.found) {
		was = c.found[c.at.cursor].ID
	}
	c.found, c.prior, c.diffs = a.found, a.prior, a.diffs
	c.resize(c.w, c.h)
	if i := slices.IndexFunc(c.found, func(r fleet.Record) bool { return r.ID == was }); i >= 0 {
		c.at.set(i)
	}
}

func (c *changes) press(msg tea.KeyPressMsg) tea.Cmd {
	k := c.keymap
	switch {
	case c.at.press(msg, c.env.move):
	case key.Matches(msg, k.filter):
		return say(askMsg{label: "filter changes", value: c.text, then: func(s string) tea.Cmd {
			c.text, c.found, c.read, c.err = s, nil, false, nil
			c.resize(c.w, c.h)
			return c.load()
		}})
	case c.at.cursor >= len(c.found):
	case key.Matches(msg, k.open):
		r := &c.found[c.at.cursor]
		if resourceOf(r) == "" {
			return say(openMsg{id: r.ID, record: r.ID})
		}
		return say(pushMsg{newTimeline(c.env, resourceOf(r), r.ID)})
	case key.Matches(msg, k.copyID):
		return say(copyMsg{c.found[c.at.cursor].ID})
	}
	return nil
}

func (c *changes) resize(w, h int) {
	c.w, c.h = w, h
	n := h - 1
	if w < wideDossier {
		n = min(len(c.found), h/2-1)
	}
	c.at.resize(len(c.found), n)
}

func (c *changes) loading() bool { return c.job != nil }

// escape stops a first reading.
func (c *changes) escape() bool {
	return c.job.stopFirst(c.read)
}

func (c *changes) title() string { return "changes" }

func (c *changes) status() string {
	var parts []string
	if c.err != nil && len(c.found) > 0 {
		parts = append(parts, "could not read again: "+c.err.Error())
	}
	if len(c.found) > 0 {
		parts = append(parts, ordinal(c.at.cursor+1, len(c.found))+" changes")
	}
	if len(c.found) >= mostChanges {
		parts = append(parts, fmt.Sprintf("only the newest %d are shown", mostChanges))
	}
	if c.text != "" {
		parts = append(parts, "filter: "+c.text)
	}
	return strings.Join(parts, " · ")
}

func (c *changes) view(w, h int) []line {
	switch {
	case c.err != nil && len(c.found) == 0:
		return trouble("The changes could not be read.", c.err, w, h)
	case !c.read:
		return waiting(c.job, c.env.now(), "changes", w, h)
	case len(c.found) == 0 && c.text != "":
		return centred([]line{text(strong, "No change matches."), nil, foreign(plain, "filter: "+c.text).line()}, w, h)
	case len(c.found) == 0:
		return centred([]line{
			text(strong, "No configuration change is known."), nil,
			text(plain, "muster collect --source config      reads AWS Config's items"),
			text(plain, "muster doctor                       says what the account lacks for it"),
		}, w, h)
	}
	r := &c.found[c.at.cursor]
	if w < wideDossier {
		out := append(c.table(w, c.at.height+1), text(faint, strings.Repeat("─", w)))
		return fill(append(out, c.preview(r, w)...), h)
	}
	left, right := halvesOf(w)
	return beside(c.table(left, h), append([]line{text(faint, " WHAT DIFFERS")}, c.preview(r, right)...), left, right, h)
}

// preview is a change and its diff.
func (c *changes) preview(r *fleet.Record, w int) []line {
	s := &sheet{w: w}
	s.lines = append(s.lines, line{own(plain, " "), sign(r.Kind), own(plain, " "), foreign(strong, resourceName(resourceOf(r)))})
	s.changeFields(r, c.prior[r.ID])
	s.diff(c.diffs[r.ID])
	return s.lines
}

// changeFields is what is known of a change without asking anybody.
func (s *sheet) changeFields(r, before *fleet.Record) {
	if r.Error != "" {
		s.field("error", bad, r.Error)
	}
	s.field("message", plain, r.Message)
	s.field("time", plain, instant(r.Time))
	if before != nil {
		s.field("before", faint, "the item of "+instant(before.Time))
	}
	s.field("request", plain, r.Keys.Request, linkPieces(r.Keys.RequestLink)...)
	s.field("trace", plain, fleet.FormatTraceID(r.Keys.Trace), linkPieces(r.Keys.TraceLink)...)
}

// Columns of the changes; what is left is divided between resource and diff.
func changeWidths(w int) (resource, what int) {
	left := max(w-1-clockWidth-1-2-1-10, 2)
	resource = min(left/2, 36)
	return resource, left - resource
}

func (c *changes) table(w, h int) []line {
	resource, what := changeWidths(w)
	out := []line{text(faint, fit(" "+fit("TIME UTC", clockWidth)+"   "+fit("RESOURCE", resource)+" "+fit("WHAT", what)+" BY", w))}
	from, to := c.at.shown()
	for i := from; i < to; i++ {
		r := &c.found[i]
		out = append(out, changeLine(r, c.diffs[r.ID], c.prior[r.ID], c.env, w, i == c.at.cursor))
	}
	return fill(out, h)
}

func changeLine(r *fleet.Record, diff []fieldChange, before *fleet.Record, e *env, w int, on bool) line {
	resource, what := changeWidths(w)
	how := plain
	if r.Error != "" {
		how = bad
	}
	l := line{
		mark(on), own(faint, fit(clock(r.Time, e.now()), clockWidth)), own(plain, " "), sign(r.Kind), own(plain, " "),
		cell(service, resourceName(resourceOf(r)), resource), own(plain, " "),
		cell(how, whatChanged(r, diff, before), what), own(plain, " "), joinedRequest(r),
	}
	if on {
		return l.fit(w).as(chosen)
	}
	return l.fit(w)
}

// joinedRequest says how the request is known that made a change.
func joinedRequest(r *fleet.Record) piece {
	l := r.Keys.RequestLink
	switch {
	case r.Keys.Request == "":
		return own(faint, "·")
	case l.Sure == fleet.Inferred:
		return foreign(caution, string(l.Via)+" ≈")
	}
	return foreign(faint, string(l.Via)+" =")
}

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

// timeline is the screen of one resource: its changes and verdicts, newest
// first, with what differs, who did it and what got worse afterwards.
type timeline struct {
	env      *env
	keymap   timelineKeys
	resource string
	want     string // the record to select when the answer is there

	asked  int
	job    *job
	err    error
	read   bool
	found  []fleet.Record
	prior  map[string]*fleet.Record
	about  map[string]*aftermath // by record: who did it and what came of it
	pushed *job                  // reads for about
	forID  string                // what pushed reads for
	at     scroll
	detail pane
	inside bool
	w, h   int
}

type timelineKeys struct{ open, request, calls, copyID, back key.Binding }

func newTimeline(e *env, resource, record string) *timeline {
	return &timeline{env: e, resource: resource, want: record, about: map[string]*aftermath{}, keymap: timelineKeys{
		open:    bind("↵", "who, and what came of it", "enter", "l", "right"),
		request: bind("R d", "its request's dossier", "R", "d"),
		calls:   bind("a", "who did what then", "a"),
		copyID:  bind("y", "copy id", "y"),
		back:    bind("", "", "left", "h"),
	}}
}

func (t *timeline) keys() []group {
	k := t.keymap
	return []group{{"timeline", []key.Binding{k.open, k.request, k.calls, k.copyID}}, t.env.move.group()}
}

type timelineAnswer struct {
	to    *timeline
	asked int
	found []fleet.Record
	err   error
}

func (a timelineAnswer) deliver() { a.to.take(a) }

func (t *timeline) load() tea.Cmd {
	t.asked++
	asked := t.asked
	q := fleet.Query{
		Kinds: []fleet.Kind{fleet.KindChange, fleet.KindVerdict}, Resource: t.resource, Limit: mostChanges,
	}
	j, cmd := t.env.begin(t.job, func(ctx context.Context, j *job) tea.Msg {
		a := timelineAnswer{to: t, asked: asked}
		a.found, a.err = gather(t.env.reader.Records(ctx, q), j)
		slices.Reverse(a.found)
		return a
	})
	t.job = j
	return cmd
}

func (t *timeline) take(a timelineAnswer) {
	if a.asked != t.asked {
		return
	}
	t.job, t.err, t.read = nil, a.err, true
	if a.err != nil {
		return
	}
	want := t.want
	if r := t.current(); r != nil && want == "" {
		want = r.ID
	}
	t.found, t.prior, t.want = a.found, itemHistory(a.found), ""
	t.resize(t.w, t.h)
	if i := slices.IndexFunc(t.found, func(r fleet.Record) bool { return r.ID == want }); i >= 0 {
		t.at.set(i)
	}
	t.lay()
}

func (t *timeline) current() *fleet.Record {
	if t.at.cursor >= len(t.found) {
		return nil
	}
	return &t.found[t.at.cursor]
}

func (t *timeline) press(msg tea.KeyPressMsg) tea.Cmd {
	k := t.keymap
	switch {
	case t.inside && t.detail.press(msg, t.env.move):
		return nil
	case t.inside && key.Matches(msg, k.back):
		t.inside = false
		return nil
	case t.at.press(msg, t.env.move):
		t.detail = pane{}
		t.lay()
		return nil
	}
	r := t.current()
	if r == nil {
		return nil
	}
	switch {
	case key.Matches(msg, k.open):
		t.inside = true
		return t.ask(r)
	case key.Matches(msg, k.request):
		if r.Keys.Request == "" {
			return say(openMsg{id: r.ID, record: r.ID})
		}
		return say(openMsg{id: r.Keys.Request, record: r.ID})
	case key.Matches(msg, k.calls):
		return say(pushMsg{newCalls(t.env, callsOf{title: "around the change", around: r.Time})})
	case key.Matches(msg, k.copyID):
		return say(copyMsg{r.ID})
	}
	return nil
}

// ask reads who made a change and what came of it, once.
func (t *timeline) ask(r *fleet.Record) tea.Cmd {
	if a := t.about[r.ID]; a != nil && a.err == nil || t.pushed != nil && t.forID == r.ID {
		t.lay()
		return nil
	}
	id, change := r.ID, *r
	until := time.Time{}
	if t.at.cursor > 0 {
		until = t.found[t.at.cursor-1].Time // the next one, since the newest is first
	}
	t.forID = id
	j, cmd := t.env.begin(t.pushed, func(ctx context.Context, j *job) tea.Msg {
		return aftermathAnswer{t, id, readAftermath(ctx, t.env.reader, &change, until, j)}
	})
	t.pushed = j
	t.lay()
	return cmd
}

type aftermathAnswer struct {
	to    *timeline
	id    string
	about *aftermath
}

func (a aftermathAnswer) deliver() {
	t := a.to
	t.about[a.id] = a.about
	if t.forID == a.id {
		t.pushed, t.forID = nil, ""
	}
	t.lay()
}

func (t *timeline) resize(w, h int) {
	t.w, t.h = w, h
	n := h - 2
	if w < wideDossier {
		n = max(min(len(t.found), h/3), 1)
	}
	t.at.resize(len(t.found), n)
	t.lay()
}

// lay lays out what is known of the change under the cursor.
func (t *timeline) lay() {
	r := t.current()
	if r == nil || t.w == 0 {
		return
	}
	w, h := t.w, t.h-t.at.height-4
	if t.w >= wideDossier {
		_, w = halvesOf(t.w)
		h = t.h - 2
	}
	s := &sheet{w: w}
	s.aftermath(t.about[r.ID], t.pushed != nil && t.forID == r.ID)
	s.section("what differs")
	if d := diffItems(t.prior[r.ID], r); len(d) > 0 {
		s.diff(d)
	} else {
		s.block(faint, whatChanged(r, nil, t.prior[r.ID]))
	}
	s.section("the item")
	s.changeFields(r, t.prior[r.ID])
	if s.lines[0] == nil {
		s.lines = s.lines[1:]
	}
	t.detail.lines = s.lines
	t.detail.resize(max(h, 2))
}

func (t *timeline) loading() bool { return t.job != nil || t.pushed != nil }

func (t *timeline) escape() bool {
	switch {
	case t.pushed != nil:
		t.pushed.end()
	case t.inside:
		t.inside = false
	case t.job != nil && !t.read:
		t.job.end()
	default:
		return false
	}
	return true
}

func (t *timeline) title() string { return squeeze(clean(resourceName(t.resource)), 32) }

func (t *timeline) status() string {
	var parts []string
	if t.err != nil && len(t.found) > 0 {
		parts = append(parts, "could not read again: "+t.err.Error())
	}
	if len(t.found) > 0 {
		parts = append(parts, ordinal(t.at.cursor+1, len(t.found))+" changes of "+resourceName(t.resource))
	}
	if t.pushed != nil {
		parts = append(parts, t.pushed.progress(t.env.now(), "records")+"; esc stops")
	}
	return strings.Join(parts, " · ")
}

func (t *timeline) view(w, h int) []line {
	switch {
	case t.err != nil && len(t.found) == 0:
		return trouble("The changes of the resource could not be read.", t.err, w, h)
	case !t.read:
		return waiting(t.job, t.env.now(), "the resource's changes", w, h)
	case len(t.found) == 0:
		return centred([]line{text(strong, "No change of it is known."), nil, foreign(plain, t.resource).line()}, w, h)
	}
	title := line{own(plain, " "), foreign(strong, resourceName(t.resource)), own(faint, "  "+plural(len(t.found), "change", "changes"))}
	sheetTitle := line{own(faint, " THE CHANGE  ↵ who, and what came of it")}
	if t.inside {
		sheetTitle = line{own(brand, " THE CHANGE "), own(faint, "  ↑↓ scroll, esc leaves")}
	}
	body := append([]line{sheetTitle}, t.detail.view()...)
	if w >= wideDossier {
		left, right := halvesOf(w)
		return append([]line{title.fit(w)}, beside(t.table(left), body, left, right, h-1)...)
	}
	out := append([]line{title.fit(w)}, t.table(w)...)
	out = append(out, text(faint, strings.Repeat("─", w)))
	return fill(append(out, body...), h)
}

func (t *timeline) table(w int) []line {
	what := max(w-1-clockWidth-1-2-10, 1)
	out := []line{text(faint, fit(" "+fit("TIME UTC", clockWidth)+"   "+fit("WHAT", what-1)+" BY", w))}
	from, to := t.at.shown()
	for i := from; i < to; i++ {
		r := &t.found[i]
		before := t.prior[r.ID]
		how := plain
		if r.Error != "" {
			how = bad
		}
		l := line{
			mark(i == t.at.cursor), own(faint, fit(clock(r.Time, t.env.now()), clockWidth)), own(plain, " "),
			sign(r.Kind), own(plain, " "), cell(how, whatChanged(r, diffItems(before, r), before), what-1), own(plain, " "),
			joinedRequest(r),
		}.fit(w)
		if i == t.at.cursor {
			l = l.as(chosen)
		}
		out = append(out, l)
	}
	return out
}

// aftermath is who made a change and what came of it.
type aftermath struct {
	call          *fleet.Record // nil when it is not known
	chain         []string      // the principals that led to it, the first one first
	before, after fleet.Window
	worse         []worsened
	requests      int // traces looked at
	err           error
}

func (s *sheet) aftermath(a *aftermath, reading bool) {
	switch {
	case reading:
		s.section("who, and what came of it")
		s.block(faint, "reading…")
		return
	case a == nil:
		return
	case a.err != nil:
		s.section("who, and what came of it")
		s.block(bad, "could not be read: "+a.err.Error())
		return
	}
	s.section("who")
	if a.call == nil {
		s.block(faint, "no API call is known that made it: none shares its request, or CloudTrail was not collected")
	} else {
		r := a.call
		s.field("principal", plain, r.Principal)
		for i, p := range a.chain {
			s.field([]string{"obtained by", ""}[min(i, 1)], plain, p)
		}
		s.field("call", plain, r.Name)
		s.field("at", plain, instant(r.Time))
		s.field("from", plain, r.Attributes.Get(fleet.AttrSourceIP))
		s.field("with", plain, r.Attributes.Get(fleet.AttrUserAgent))
		s.field("request", plain, r.Keys.Request)
		s.field("trace", plain, fleet.FormatTraceID(r.Keys.Trace), linkPieces(r.Keys.TraceLink)...)
	}
	s.section("what got worse afterwards")
	s.block(faint, fmt.Sprintf("%s before, %s after, %s", took(a.before.End.Sub(a.before.Start)), took(a.after.End.Sub(a.after.Start)), plural(a.requests, "request", "requests")))
	if len(a.worse) == 0 {
		s.block(plain, "nothing that chance would not explain")
	}
	for i := range a.worse {
		s.lines = append(s.lines, a.worse[i].lines(s.w)...)
	}
}

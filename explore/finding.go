package explore

import (
	"context"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// finding is the screen of one finding: what it says, and its evidence to
// choose from.
type finding struct {
	env    *env
	keymap findingKeys
	found  fleet.Finding

	asked    int
	busy     bool
	err      error
	evidence map[string]fleet.Record // what is known of the evidence
	at       scroll                  // over the evidence
	text     pane
}

type findingKeys struct{ open, dossier, copyID key.Binding }

func newFinding(e *env, f fleet.Finding) *finding {
	return &finding{env: e, found: f, keymap: findingKeys{
		open:    bind("↵", "evidence in its dossier", "enter", "l", "right"),
		dossier: bind("d", "dossier", "d"),
		copyID:  bind("y", "copy evidence id", "y"),
	}}
}

func (f *finding) keys() []group {
	k := f.keymap
	return []group{{"finding", []key.Binding{k.open, k.dossier, k.copyID}}, f.env.move.group()}
}

type evidenceAnswer struct {
	to    *finding
	asked int
	recs  map[string]fleet.Record
	err   error
}

func (a evidenceAnswer) deliver() {
	if a.asked == a.to.asked {
		a.to.busy, a.to.evidence, a.to.err = false, a.recs, a.err
	}
}

// load reads the records that are the evidence, to say what each is.
func (f *finding) load() tea.Cmd {
	f.asked++
	if len(f.found.Evidence) == 0 {
		return nil
	}
	f.busy = true
	asked, q := f.asked, fleet.Query{IDs: f.found.Evidence}
	return f.env.run(func(ctx context.Context) tea.Msg {
		a := evidenceAnswer{to: f, asked: asked, recs: map[string]fleet.Record{}}
		for r, err := range f.env.reader.Records(ctx, q) {
			if err != nil {
				a.err = err
				return a
			}
			a.recs[r.ID] = r
		}
		return a
	})
}

func (f *finding) press(msg tea.KeyPressMsg) tea.Cmd {
	k := f.keymap
	if f.at.press(msg, f.env.move) {
		return nil
	}
	id := ""
	if f.at.cursor < len(f.found.Evidence) {
		id = f.found.Evidence[f.at.cursor]
	}
	switch {
	case key.Matches(msg, k.dossier), key.Matches(msg, k.open) && id == "":
		return openDossier(&f.found)
	case key.Matches(msg, k.open):
		return say(openMsg{id: id, record: id})
	case key.Matches(msg, k.copyID) && id != "":
		return say(copyMsg{id})
	}
	return nil
}

// evidenceLines is how many lines of evidence are shown at once at least, when
// there are as many; the text above gives way.
const evidenceLines = 4

func (f *finding) resize(w, h int) {
	f.text.lines = findingSheet(&f.found, w)
	n := len(f.found.Evidence)
	f.at.resize(n, max(h-len(f.text.lines)-2, min(n, evidenceLines)))
}

func (f *finding) loading() bool  { return f.busy }
func (f *finding) escape() bool   { return false }
func (f *finding) title() string  { return "finding " + f.found.Policy }
func (f *finding) status() string { return strings.ToLower(string(f.found.Status)) }

func (f *finding) view(w, h int) []line {
	n := f.at.height
	out := f.text.lines
	if over := len(out) + 2 + min(n, len(f.found.Evidence)) - h; over > 0 {
		out = append(fill(out, len(out)-over-1), text(faint, "  …"))
	}
	title := line{own(strong, " evidence"), own(faint, "  "+plural(len(f.found.Evidence), "record", "records"))}
	if f.err != nil {
		title = append(title, foreign(bad, "  could not be read: "+f.err.Error()))
	}
	out = append(slices.Clip(out), nil, title)
	from, to := f.at.shown()
	for i := from; i < to; i++ {
		out = append(out, f.row(f.found.Evidence[i], w, i == f.at.cursor))
	}
	return fill(out, h)
}

// row is a piece of evidence: what is known of it, and its id.
func (f *finding) row(id string, w int, on bool) line {
	l := line{mark(on), own(plain, " ")}
	if r, ok := f.evidence[id]; ok {
		l = append(l, sign(r.Kind), own(faint, " "+fit(clock(r.Time, f.env.now()), clockWidth)+" "))
		if r.Error != "" {
			l = append(l, own(bad, "✗ "))
		}
		l = append(l, what(&r, w)...)
	}
	// The id takes a third at most, once the record itself can be shown.
	room := w / 3
	if len(l) == 2 {
		room = w - 3
	}
	l = l.spread(line{own(plain, " "), own(faint, squeeze(clean(id), room)), own(plain, " ")}, w)
	if on {
		return l.as(chosen)
	}
	return l
}

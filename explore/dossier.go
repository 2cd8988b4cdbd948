package explore

import (
	"context"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// dossier is the screen of one trace or journey.
type dossier struct {
	env    *env
	keymap dossierKeys
	id     string // as it was asked for
	want   string // the record to select when the answer is there

	asked int
	busy  bool
	job   *job // the last reading
	err   error
	trace *fleet.Trace // nil until there is an answer
	trees *forest

	folded map[string]bool
	hidden map[fleet.Kind]bool
	look   string // what was searched for
	only   string // the text of the lines to show; "" is all
	root   string // the record of which only what is below is shown; "" is all
	slow   int    // the rank of the slowest that was gone to last
	jumps  jumpKeys
	step   int // the part of the critical path that was gone to last
	rows   []row
	at     scroll
	detail pane
	inside bool   // the keys move in the detail
	shows  string // the width and row that the detail is laid out for
	stale  bool   // the row may say something else now
	w, h   int
	heads  headMemo
}

type dossierKeys struct {
	open, fold, unfold, foldAll, unfoldAll, look, again key.Binding
	kinds, before, after, journey, request              key.Binding
	copyID, copyTrace, along, back, mark, compare       key.Binding
}

func newDossier(e *env, id, record string) *dossier {
	return &dossier{
		env: e, id: id, want: record,
		folded: map[string]bool{}, hidden: map[fleet.Kind]bool{}, jumps: newJumpKeys(),
		keymap: dossierKeys{
			open:      bind("↵", "details", "enter"),
			fold:      bind("← →", "fold", "left", "h"),
			unfold:    bind("space", "fold or unfold", "space", "right", "l"),
			foldAll:   bind("-", "fold all", "-"),
			unfoldAll: bind("+", "unfold all", "+", "="),
			kinds:     bind("1-5", "kinds", "1", "2", "3", "4", "5"),
			look:      bind("/", "search", "/"),
			again:     bind("n", "next match", "n"),
			before:    bind("[ ]", "other traces", "["),
			after:     bind("", "", "]"),
			journey:   bind("J", "journey", "J"),
			request:   bind("R", "request", "R"),
			copyID:    bind("y", "copy id", "y"),
			copyTrace: bind("Y", "copy trace id", "Y"),
			along:     bind("c C", "critical path", "c"),
			back:      bind("", "", "C"),
			mark:      bind("m", "mark", "m"),
			compare:   bind("M", "compare", "M"),
		},
	}
}

func (d *dossier) keys() []group {
	k := d.keymap
	return []group{
		{"dossier", []key.Binding{
			k.open, k.fold, k.along, k.kinds, k.look, k.before, k.journey, k.request, k.copyID, k.again,
			k.mark, k.compare, k.unfold, k.foldAll, k.unfoldAll, k.copyTrace,
		}},
		{"in the dossier", d.jumps.bindings()},
		d.env.move.group(),
	}
}

type dossierAnswer struct {
	to    *dossier
	asked int
	trace fleet.Trace
	trees *forest
	err   error
}

func (a dossierAnswer) deliver() { a.to.take(a) }

func (d *dossier) load() tea.Cmd {
	d.asked++
	d.busy = true
	asked := d.asked
	id, reader := d.id, d.env.reader // sibling puts others in their place while this is read
	j, cmd := d.env.begin(d.job, func(ctx context.Context, _ *job) tea.Msg {
		a := dossierAnswer{to: d, asked: asked}
		if a.trace, a.err = reader.Trace(ctx, id); a.err == nil {
			a.trees = plant(&a.trace) // here, since it takes a while for a large trace
			var prior map[string]*fleet.Record
			prior, a.err = priors(ctx, reader, a.trace.Records)
			a.trees.compare(prior)
		}
		return a
	})
	d.job = j
	return cmd
}

// take shows an answer; the cursor stays on its row, and what was folded stays
// folded.
func (d *dossier) take(a dossierAnswer) {
	if a.asked != d.asked {
		return
	}
	d.busy, d.err = false, a.err
	if a.err != nil {
		return
	}
	d.trace, d.trees = &a.trace, a.trees
	d.stale = true
	d.outline()
	if d.want != "" && d.reveal(d.want) {
		d.want = ""
	}
	d.layDetail()
}

// outline lays the rows out anew around the row under the cursor.
func (d *dossier) outline() {
	var was string
	if r := d.current(); r != nil {
		was = r.key()
	}
	d.rows = d.shownRows()
	d.resize(d.w, d.h)
	d.selectKey(was)
}

// selectKey puts the cursor on the row with a key, if there is one.
func (d *dossier) selectKey(k string) bool {
	i := slices.IndexFunc(d.rows, func(r row) bool { return r.key() == k })
	if i >= 0 {
		d.at.set(i)
	}
	return i >= 0
}

// reveal unfolds whatever hides a record and selects it.
func (d *dossier) reveal(id string) bool {
	way := trail(d.trees.roots, id)
	if way == nil {
		return false
	}
	for _, n := range way {
		delete(d.folded, n.key)
	}
	delete(d.hidden, way[len(way)-1].rec.Kind)
	d.only, d.root = "", ""
	d.outline()
	return d.selectKey(id)
}

// current is the row under the cursor, or nil.
func (d *dossier) current() *row {
	if d.at.cursor >= len(d.rows) {
		return nil
	}
	return &d.rows[d.at.cursor]
}

func (d *dossier) resize(w, h int) {
	d.w, d.h = w, h
	d.at.resize(len(d.rows), h-len(d.head(w))-1)
	d.layDetail()
}

func (d *dossier) loading() bool { return d.busy }

// escape stops a first reading, which leaves the dossier too; else it leaves the
// details, or the part that is shown.
func (d *dossier) escape() bool {
	if d.busy && d.trace == nil {
		d.job.end()
		return false
	}
	if !d.inside {
		return d.leavePart()
	}
	d.inside = false
	return true
}

func (d *dossier) title() string {
	if d.trace != nil && d.trace.ID != "" && !d.isJourney() {
		return "trace " + squeeze(clean(fleet.FormatTraceID(d.trace.ID)), 20)
	}
	if d.isJourney() {
		return "journey " + squeeze(clean(d.trace.Correlation), 20)
	}
	return squeeze(clean(d.id), 20)
}

// isJourney reports whether more than one trace is shown.
func (d *dossier) isJourney() bool { return d.trees != nil && d.trees.traces > 1 }

func (d *dossier) status() string {
	var parts []string
	if d.err != nil && d.trace != nil {
		parts = append(parts, "could not read again: "+d.err.Error())
	}
	if len(d.rows) > 0 {
		parts = append(parts, "line "+ordinal(d.at.cursor+1, len(d.rows)))
	}
	if d.look != "" {
		parts = append(parts, "search: "+d.look)
	}
	parts = append(parts, d.partStatus()...)
	return strings.Join(parts, " · ")
}

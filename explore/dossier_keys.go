package explore

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

func (d *dossier) press(msg tea.KeyPressMsg) tea.Cmd {
	if d.trace == nil {
		return nil
	}
	cmd := d.act(msg)
	d.layDetail()
	return cmd
}

func (d *dossier) act(msg tea.KeyPressMsg) tea.Cmd {
	k := d.keymap
	switch {
	case d.inside && d.detail.press(msg, d.env.move):
		return nil
	case d.inside && key.Matches(msg, k.open, k.fold):
		d.inside = false
	case d.at.press(msg, d.env.move):
	case key.Matches(msg, k.open):
		return d.open()
	case key.Matches(msg, k.fold, k.unfold, k.foldAll, k.unfoldAll):
		d.fold(msg)
	case key.Matches(msg, k.kinds):
		d.toggle(msg.String())
	case key.Matches(msg, k.look):
		return say(askMsg{label: "search", value: d.look, then: func(s string) tea.Cmd {
			d.look = s
			cmd := d.search()
			d.layDetail()
			return cmd
		}})
	case key.Matches(msg, k.again):
		return d.search()
	case key.Matches(msg, k.along):
		return d.along(1)
	case key.Matches(msg, k.back):
		return d.along(-1)
	default:
		if cmd, did := d.jump(msg); did {
			return cmd
		}
		return d.leave(msg)
	}
	return nil
}

// open shows the details of the row: a finding on its own screen, a trace's
// heading as its dossier, a record in the pane.
func (d *dossier) open() tea.Cmd {
	r := d.current()
	switch {
	case r == nil:
		return nil
	case r.finding != nil:
		return say(pushMsg{newFinding(d.env, *r.finding)})
	case r.node.rec != nil:
		d.inside = true
	case r.node.trace != "":
		return say(openMsg{id: r.node.trace})
	}
	return nil
}

// fold folds and unfolds; to the left of a folded row is the one above it.
func (d *dossier) fold(msg tea.KeyPressMsg) {
	r := d.current()
	if r == nil {
		return
	}
	k := d.keymap
	switch {
	case key.Matches(msg, k.foldAll):
		for _, id := range foldable(d.trees.roots) {
			d.folded[id] = true
		}
	case key.Matches(msg, k.unfoldAll):
		clear(d.folded)
	case r.node == nil:
		return
	case key.Matches(msg, k.unfold):
		// Space folds as well as it unfolds; the arrow only unfolds.
		if !r.folded && msg.String() == "space" {
			d.folded[r.key()] = true
		} else {
			delete(d.folded, r.key())
		}
	case !r.folded && len(r.node.kids) > 0:
		d.folded[r.key()] = true
	default:
		d.toParent()
		return
	}
	d.outline()
}

// toParent moves to the nearest row above that is less deep.
func (d *dossier) toParent() {
	depth := d.rows[d.at.cursor].depth
	for i := d.at.cursor - 1; i >= 0; i-- {
		if d.rows[i].node != nil && d.rows[i].depth < depth {
			d.at.set(i)
			return
		}
	}
}

// toggle hides or shows the kind with a number.
func (d *dossier) toggle(digit string) {
	kinds := fleet.Kinds()
	i := int(digit[0] - '1')
	if i < 0 || i >= len(kinds) {
		return
	}
	d.hidden[kinds[i]] = !d.hidden[kinds[i]]
	d.outline()
}

// search goes to the next row after the cursor that shows the text looked for.
func (d *dossier) search() tea.Cmd {
	if d.look == "" {
		return nil
	}
	want := strings.ToLower(d.look)
	for i := 1; i <= len(d.rows); i++ {
		at := (d.at.cursor + i) % len(d.rows)
		if strings.Contains(strings.ToLower(d.rows[at].plainText()), want) {
			d.at.set(at)
			return nil
		}
	}
	return say(flashMsg{"no line shows " + d.look})
}

// plainText is what a row says, for searching.
func (r *row) plainText() string {
	switch {
	case r.finding != nil:
		return r.finding.Title + " " + r.finding.Message
	case r.node.rec != nil:
		rec := r.node.rec
		return strings.Join([]string{
			rec.ID, rec.Service, rec.Name, rec.Error, rec.Message, rec.Keys.Request, strings.Join(rec.Resources, " "),
		}, " ")
	}
	return r.node.heading
}

// leave handles the keys that lead elsewhere or copy.
func (d *dossier) leave(msg tea.KeyPressMsg) tea.Cmd {
	k := d.keymap
	switch {
	case key.Matches(msg, k.before):
		return d.sibling(-1)
	case key.Matches(msg, k.after):
		return d.sibling(1)
	case key.Matches(msg, k.journey):
		if d.trace.Correlation == "" {
			return say(flashMsg{"this belongs to no journey"})
		}
		return say(openMsg{id: d.trace.Correlation})
	case key.Matches(msg, k.request):
		if r := d.current(); r != nil && r.record() != nil && r.record().Keys.Request != "" {
			return say(openMsg{id: r.record().Keys.Request, record: r.record().ID})
		}
		return say(flashMsg{"this line shows no request id"})
	case key.Matches(msg, k.copyTrace) && d.trace.ID != "":
		return say(copyMsg{fleet.FormatTraceID(d.trace.ID)})
	case key.Matches(msg, k.mark):
		return d.env.mark(d.trace.ID)
	case key.Matches(msg, k.compare):
		return d.env.compare(d.trace.ID)
	case key.Matches(msg, k.copyID):
		return d.copyID()
	}
	return nil
}

func (d *dossier) copyID() tea.Cmd {
	r := d.current()
	switch {
	case r == nil:
		return nil
	case r.finding != nil:
		return say(copyMsg{r.finding.Fingerprint})
	case r.node.rec != nil:
		return say(copyMsg{r.node.rec.ID})
	}
	return say(copyMsg{fleet.FormatTraceID(r.node.trace)})
}

// journeyTraces are all traces of the journey. X-Ray's ids begin with the time,
// so their order is nearly that of time, and the same from every one of them.
func journeyTraces(t *fleet.Trace) []string {
	all := append([]string{t.ID}, t.Related...)
	slices.Sort(all)
	return slices.Compact(all)
}

// sibling opens the journey's trace that is step further on, in place of this
// one: the way back leads to where this one came from.
func (d *dossier) sibling(step int) tea.Cmd {
	all := journeyTraces(d.trace)
	if d.trace.ID == "" || len(all) < 2 {
		return say(flashMsg{"no other trace in this journey"})
	}
	i := slices.Index(all, d.trace.ID)
	next := newDossier(d.env, all[(i+step+len(all))%len(all)], "")
	next.asked, next.w, next.h = d.asked, d.w, d.h
	*d = *next
	return d.load()
}

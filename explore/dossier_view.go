package explore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// From wideDossier cells on the details stand beside the waterfall, on two
// fifths of the width but not more than mostDetail: lines longer than that are
// hard to read, and the bars need the room.
const wideDossier, mostDetail = 120, 72

func (d *dossier) view(w, h int) []line {
	switch {
	case d.err != nil && d.trace == nil:
		return trouble("There is no dossier of "+squeeze(clean(d.id), 40)+".", d.err, w, h)
	case d.trace == nil:
		return waiting(d.job, d.env.now(), "the dossier", w, h)
	}
	head := d.head(w)
	body := h - len(head)
	switch {
	case w >= wideDossier:
		left, right := halvesOf(w)
		head = append(head, beside(d.water(left, body), d.sheet(), left, right, body)...)
	case d.inside:
		head = append(head, fill(d.sheet(), body)...)
	default:
		head = append(head, fill(d.water(w, body), body)...)
	}
	return head
}

// water is the waterfall with its titles.
func (d *dossier) water(w, h int) []line {
	if len(d.rows) == 0 {
		return centred([]line{text(faint, "nothing to show: every kind is hidden")}, w, h)
	}
	out := []line{waterHead(d.trees, w)}
	from, to := d.at.shown()
	for i := from; i < to; i++ {
		out = append(out, waterRow(d.trees, &d.rows[i], w, i == d.at.cursor))
	}
	return out
}

// sheet is the pane with the details of the row under the cursor.
func (d *dossier) sheet() []line {
	if d.current() == nil {
		return nil
	}
	title := line{own(faint, " DETAILS")}
	if d.inside {
		title = line{own(brand, " DETAILS "), own(faint, "  ↑↓ scroll, esc leaves")}
	}
	return append([]line{title}, d.detail.view()...)
}

// layDetail lays out the details of the row under the cursor where they show.
// They stay where they were scrolled to as long as they are of the same row.
func (d *dossier) layDetail() {
	r := d.current()
	if r == nil || !d.inside && d.w < wideDossier {
		d.shows = ""
		return
	}
	w := d.w
	if w >= wideDossier {
		_, w = halvesOf(w)
	}
	if shows := fmt.Sprint(w, " ", r.key()); shows != d.shows {
		d.shows, d.detail = shows, pane{}
		d.stale = true
	}
	if d.stale {
		d.stale, d.detail.lines = false, d.rowSheet(r, w)
	}
	d.detail.resize(d.h - len(d.head(d.w)) - 1)
}

// halvesOf divides a wide screen: a list and its details beside it.
func halvesOf(w int) (left, right int) {
	right = min(mostDetail, w*2/5)
	return w - right - 1, right
}

func (d *dossier) rowSheet(r *row, w int) []line {
	switch {
	case r.finding != nil:
		return append(findingSheet(r.finding, w), nil, text(faint, "  ↵ shows its evidence"))
	case r.node.rec != nil:
		return recordSheet(r.node, w)
	}
	return []line{foreign(strong, " "+r.node.heading).line()}
}

// headMemo is the head as it was laid out last, since that looks at every record
// and a key must not: the trace, width and hidden kinds that it is of, and it.
type headMemo struct {
	of     *fleet.Trace
	w      int
	hidden string
	lines  []line
}

// head is dossierHead, laid out anew only when it is another one. Appending to it
// writes into no other's.
func (d *dossier) head(w int) []line {
	var hidden strings.Builder
	for _, k := range fleet.Kinds() {
		if d.hidden[k] {
			hidden.WriteString(string(k) + " ")
		}
	}
	if m := &d.heads; m.of != d.trace || m.w != w || m.hidden != hidden.String() {
		*m = headMemo{d.trace, w, hidden.String(), slices.Clip(dossierHead(d, w))}
	}
	return d.heads.lines
}

// dossierHead is what is above the waterfall: which trace, how it went, what it
// waited for, how it was joined, and what there is.
func dossierHead(d *dossier, w int) []line {
	if d.trace == nil {
		return nil
	}
	t := d.trace
	root := rootOf(t)
	out := []line{
		headName(t, root, d.isJourney(), w).spread(headResult(t, root, d.trees), w),
		headJourney(t, d.isJourney(), w),
		headPath(d.trees, w),
		headJoins(t, d.trees.from, w),
		append(line{own(faint, " evidence ")}, headKinds(t.Records, d.hidden)...),
	}
	for i := range out {
		out[i] = out[i].fit(w)
	}
	return out
}

// rootOf is the record that stands for the dossier: the first span without a
// parent, or the first span, or the first record.
func rootOf(t *fleet.Trace) *fleet.Record {
	var first *fleet.Record
	for i := range t.Records {
		r := &t.Records[i]
		if r.Kind == fleet.KindSpan && r.Keys.Parent == "" {
			return r
		}
		if first == nil || first.Kind != fleet.KindSpan && r.Kind == fleet.KindSpan {
			first = r
		}
	}
	return first
}

func headName(t *fleet.Trace, root *fleet.Record, journey bool, w int) line {
	l := line{own(plain, " ")}
	switch {
	case journey:
		l = append(l, own(strong, "journey "), foreign(strong, t.Correlation))
	case t.ID != "":
		l = append(l, foreign(strong, fleet.FormatTraceID(t.ID)))
	default:
		l = append(l, own(strong, "in no trace"))
	}
	if root != nil {
		l = append(append(l, own(plain, "  ")), operationOf(root, plain, w)...)
	}
	return l
}

// headResult says how it ended and how long it took.
func headResult(t *fleet.Trace, root *fleet.Record, f *forest) line {
	errs := 0
	for i := range t.Records {
		if t.Records[i].Error != "" {
			errs++
		}
	}
	l := line{own(plain, " ")}
	switch {
	case root != nil && root.Error != "":
		l = append(l, foreign(bad, "✗ "+root.Error), own(plain, "  "))
	case errs > 0:
		l = append(l, own(caution, "✗ "+plural(errs, "error", "errors")+" inside"), own(plain, "  "))
	default:
		l = append(l, own(good, "✓ ok"), own(plain, "  "))
	}
	if all := f.to.Sub(f.from); all > 0 {
		l = append(l, own(strong, took(all)), own(plain, " "))
	}
	return l
}

// headJourney is the line of the journey, the services and the start.
func headJourney(t *fleet.Trace, journey bool, w int) line {
	l := line{own(faint, " journey  ")}
	switch {
	case t.Correlation == "":
		l = append(l, own(faint, "none"))
	case journey:
		l = append(l, own(plain, plural(tracesIn(t.Records), "trace", "traces")))
	default:
		l = append(l, foreign(plain, squeeze(clean(t.Correlation), max(w/3, 16))))
	}
	if all := journeyTraces(t); len(all) > 1 && t.ID != "" && !journey {
		at := 1
		for at <= len(all) && all[at-1] != t.ID {
			at++
		}
		l = append(l, own(plain, "  trace "+ordinal(at, len(all))), own(faint, " [ ]"))
	}
	l = append(l, own(plain, "  "), foreign(service, strings.Join(servicesIn(t.Records), " ")))
	return l
}

// headJoins says how the records were joined, and when it all began as far as
// there is room for that.
func headJoins(t *fleet.Trace, from time.Time, w int) line {
	l := append(line{own(faint, " joined   ")}, joinCounts(t.Records)...)
	for _, format := range []string{"  Jan 02 15:04:05.000 UTC ", "  Jan 02 15:04:05 ", "  15:04:05 "} {
		if start := text(faint, from.UTC().Format(format)); l.width()+start.width() <= w {
			return l.spread(start, w)
		}
	}
	return l
}

// tracesIn counts the traces of records.
func tracesIn(rs []fleet.Record) int {
	seen := map[string]bool{}
	for i := range rs {
		if t := rs[i].Keys.Trace; t != "" {
			seen[t] = true
		}
	}
	return len(seen)
}

// servicesIn are the logical services of spans and log lines, in the order in
// which they come in.
func servicesIn(rs []fleet.Record) []string {
	seen := map[string]bool{"": true}
	var out []string
	for i := range rs {
		r := &rs[i]
		own := r.Kind == fleet.KindLog || r.Kind == fleet.KindSpan && r.Attributes.Get(fleet.AttrNamespace) == ""
		if own && !seen[r.Service] {
			seen[r.Service] = true
			out = append(out, r.Service)
		}
	}
	return out
}

// headKinds counts the evidence by kind, each with the number that hides it.
func headKinds(rs []fleet.Record, hidden map[fleet.Kind]bool) line {
	counts := map[fleet.Kind]int{}
	for i := range rs {
		counts[rs[i].Kind]++
	}
	var l line
	for i, k := range fleet.Kinds() {
		if counts[k] == 0 {
			continue
		}
		if len(l) > 0 {
			l = append(l, own(plain, "   "))
		}
		l = append(l, own(faint, fmt.Sprint(i+1)), sign(k))
		if hidden[k] {
			l = append(l, own(faint, " ("+kindName(k, counts[k])+" hidden)"))
		} else {
			l = append(l, own(plain, " "+kindName(k, counts[k])))
		}
	}
	return l
}

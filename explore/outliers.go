package explore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/compare"
	"muster/fleet"
	"muster/outliers"
)

// outlying is the screen of what selected traces have that the rest does not.
type outlying struct {
	env    *env
	keymap outlyingKeys
	query  fleet.Query
	route  string // the route to keep to; "" is all
	wide   bool   // all routes, though there is one to keep to
	sel    selection

	asked int
	job   *job
	err   error
	read  bool
	all   []observed
	kept  []*observed
	items []outliers.Item
	found []outliers.Difference
	at    scroll
	w, h  int
}

type outlyingKeys struct{ open, failed, slow, those, route, copyID key.Binding }

func newOutlying(e *env, q fleet.Query, route string) *outlying {
	return &outlying{env: e, query: q, route: route, sel: selection{kind: selectFailed}, keymap: outlyingKeys{
		open:   bind("↵", "a trace with it", "enter", "l", "right"),
		failed: bind("E", "the failed", "E"),
		slow:   bind("s", "the slowest tenth", "s"),
		those:  bind("/", "those with", "/"),
		route:  bind("t", "this route or all", "t"),
		copyID: bind("y", "copy value", "y"),
	}}
}

func (o *outlying) keys() []group {
	k := o.keymap
	return []group{{"outliers", []key.Binding{k.open, k.failed, k.slow, k.those, k.route, k.copyID}}, o.env.move.group()}
}

type outlyingAnswer struct {
	to    *outlying
	asked int
	found []observed
	err   error
}

func (a outlyingAnswer) deliver() {
	o := a.to
	if a.asked != o.asked {
		return
	}
	o.job, o.read, o.err = nil, true, a.err
	if a.err == nil {
		o.all = a.found
		o.judge()
		// Where nothing failed, what is slow is the next question.
		if n, _ := o.sizes(); n == 0 && o.sel.kind == selectFailed {
			o.sel.kind = selectSlow
			o.judge()
		}
	}
}

// load reads once; r after an error reads again.
func (o *outlying) load() tea.Cmd {
	if o.read && o.err == nil {
		return nil
	}
	o.asked++
	asked, q := o.asked, o.query
	j, cmd := o.env.begin(o.job, func(ctx context.Context, j *job) tea.Msg {
		found, err := readObserved(ctx, o.env.reader, q, j)
		return outlyingAnswer{o, asked, found, err}
	})
	o.job = j
	return cmd
}

// judge compares the selected with the rest.
func (o *outlying) judge() {
	o.kept = nil
	for i := range o.all {
		if o.wide || o.route == "" || o.all[i].route == o.route {
			o.kept = append(o.kept, &o.all[i])
		}
	}
	o.items = o.sel.choose(o.kept)
	o.found = outliers.Of(o.items)
	o.at = scroll{height: o.at.height}
	o.resize(o.w, o.h)
}

// sizes are how many are selected, and the rest.
func (o *outlying) sizes() (selected, rest int) {
	for i := range o.items {
		if o.items[i].Selected {
			selected++
		}
	}
	return selected, len(o.items) - selected
}

func (o *outlying) press(msg tea.KeyPressMsg) tea.Cmd {
	k := o.keymap
	switch {
	case !o.read:
	case o.at.press(msg, o.env.move):
	case key.Matches(msg, k.failed):
		o.sel = selection{kind: selectFailed}
		o.judge()
	case key.Matches(msg, k.slow):
		o.sel = selection{kind: selectSlow}
		o.judge()
	case key.Matches(msg, k.route):
		o.wide = !o.wide
		o.judge()
	case key.Matches(msg, k.those):
		return say(askMsg{label: "explain the traces with", value: o.sel.text, then: o.choose})
	case o.at.cursor >= len(o.found):
	case key.Matches(msg, k.open):
		return o.open(&o.found[o.at.cursor])
	case key.Matches(msg, k.copyID):
		return say(copyMsg{o.found[o.at.cursor].Value})
	}
	return nil
}

// choose selects the traces that a person described: by a filter expression
// where it is one, else by a text.
func (o *outlying) choose(s string) tea.Cmd {
	if s == "" {
		return nil
	}
	o.sel = selection{kind: selectThose, text: s, meet: withText(s)}
	o.judge()
	return nil
}

// open shows a selected trace with the value; of a number, the one with most.
func (o *outlying) open(d *outliers.Difference) tea.Cmd {
	best, most := "", 0.0
	for i, t := range o.kept {
		for _, v := range t.values[d.Attribute] {
			x, _ := strconv.ParseFloat(v, 64)
			switch {
			// What is rarer among the selected is shown where it is.
			case o.items[i].Selected != (d.Effect > 0):
			case d.Number() && (best == "" || x > most):
				best, most = t.id, x
			case v == d.Value && !d.Number():
				best = t.id
			}
		}
	}
	if best == "" {
		return nil
	}
	return say(openMsg{id: best})
}

func (o *outlying) resize(w, h int) {
	o.w, o.h = w, h
	o.at.resize(len(o.found), h-3)
}

func (o *outlying) loading() bool { return o.job != nil }

// escape stops the reading.
func (o *outlying) escape() bool {
	if o.job == nil {
		return false
	}
	o.job.end()
	return true
}

func (o *outlying) title() string { return "outliers" }

func (o *outlying) status() string {
	if len(o.found) == 0 {
		return ""
	}
	return ordinal(o.at.cursor+1, len(o.found)) + " differences, of which no more than one in twenty are chance"
}

func (o *outlying) view(w, h int) []line {
	switch {
	case o.err != nil:
		return trouble("The traces could not be read.", o.err, w, h)
	case !o.read:
		return waiting(o.job, o.env.now(), "spans to compare", w, h)
	}
	selected, rest := o.sizes()
	what := "all routes"
	if o.route != "" && !o.wide {
		what = o.route
	}
	head := line{
		own(plain, " "), foreign(strong, o.sel.String()), own(strong, " ("+thousands(selected)+")"), own(faint, " against "),
		own(plain, thousands(rest)+" others"), own(faint, " of "), foreign(service, what),
	}
	if len(o.all) > 0 {
		first, last := o.extent()
		head = append(head, own(faint, first.UTC().Format("  Jan 02 15:04")+last.UTC().Format(" to Jan 02 15:04")))
	}
	out := []line{head.fit(w), nil}
	switch {
	case selected == 0 || rest == 0:
		return append(out, centred([]line{
			text(strong, "There is nothing to compare: all of them are "+map[bool]string{true: "selected.", false: "others."}[rest == 0]), nil,
			text(faint, "e the failed   s the slowest tenth   / those with a text   t all routes"),
		}, w, h-2)...)
	case len(o.found) == 0:
		return append(out, centred([]line{text(strong, "They differ in nothing that chance would not explain.")}, w, h-2)...)
	}
	out[1] = outlyingTitles(w)
	from, to := o.at.shown()
	for i := from; i < to; i++ {
		out = append(out, outlyingLine(&o.found[i], w, i == o.at.cursor))
	}
	return fill(out, h)
}

// extent is the time of the traces.
func (o *outlying) extent() (first, last time.Time) {
	for i := range o.all {
		t := o.all[i].spans[0].Time
		if first.IsZero() || t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	return first, last
}

// Columns of the differences: two shares with their bars; what is left is the
// attribute's and its value's.
const shareWidth, effectWidth = 12, 6

func outlyingWidths(w int) (name, value int) {
	left := max(w-2-2*(shareWidth+1)-effectWidth-10, 2)
	name = left * 3 / 5
	return name, left - name
}

func outlyingTitles(w int) line {
	name, value := outlyingWidths(w)
	return text(faint, fit("  "+fit("ATTRIBUTE", name)+" "+fit("VALUE", value)+fitRight("SELECTED", shareWidth+1)+fitRight("OTHERS", shareWidth+1)+
		fitRight("BY", effectWidth+1)+fitRight("CHANCE", 8), w))
}

func outlyingLine(d *outliers.Difference, w int, on bool) line {
	name, value := outlyingWidths(w)
	v, a, b := d.Value, shareOf(d.Selected, d.SelectedOf), shareOf(d.Rest, d.RestOf)
	if d.Number() {
		v, a, b = "median", amount(d.Middle), amount(d.RestMiddle)
	}
	how, arrow := bad, "▲"
	if d.Effect < 0 {
		how, arrow = good, "▼"
	}
	l := line{
		mark(on), own(how, arrow), cell(service, d.Attribute, name), own(plain, " "), cell(plain, v, value),
		own(strong, fitRight(a, shareWidth+1)), own(plain, fitRight(b, shareWidth+1)),
		own(how, fitRight(fmt.Sprintf("%+.2f", d.Effect), effectWidth+1)), own(faint, fitRight(chance(d.Q), 8)),
	}
	if on {
		l = l.as(chosen)
	}
	return l.fit(w)
}

func shareOf(n, of int) string { return fmt.Sprintf("%d%% %d/%d", 100*n/max(of, 1), n, of) }

func amount(x float64) string { return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") }

// chance is a probability in a few cells.
func chance(q float64) string {
	if q < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", q)
}

// routeOf is the route of a trace in the list.
func routeOf(s *fleet.Summary) string { return s.Service + " " + compare.Route(s.Name) }

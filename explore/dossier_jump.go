package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// jumpKeys lead through a dossier, and show a part of it.
type jumpKeys struct {
	failed, failedBack, service, serviceBack, slowest key.Binding
	only, root, statistics, foldServices              key.Binding
}

func newJumpKeys() jumpKeys {
	return jumpKeys{
		failed:       bind("x X", "next error", "x"),
		failedBack:   bind("", "", "X"),
		service:      bind("v V", "next service", "v"),
		serviceBack:  bind("", "", "V"),
		slowest:      bind("s", "the slowest, the 2nd…", "s"),
		only:         bind("f", "only lines with", "f"),
		root:         bind("z", "only what is below", "z"),
		statistics:   bind("t", "statistics", "t"),
		foldServices: bind("_", "fold services", "_"),
	}
}

func (k jumpKeys) bindings() []key.Binding {
	return []key.Binding{k.failed, k.slowest, k.service, k.only, k.root, k.statistics, k.foldServices}
}

// jump handles the keys that lead through the dossier, and reports whether it
// was one.
func (d *dossier) jump(msg tea.KeyPressMsg) (tea.Cmd, bool) {
	k := d.jumps
	switch {
	case key.Matches(msg, k.failed):
		return d.step1(1, isFailed, "nothing went wrong here"), true
	case key.Matches(msg, k.failedBack):
		return d.step1(-1, isFailed, "nothing went wrong here"), true
	case key.Matches(msg, k.service):
		return d.toService(1), true
	case key.Matches(msg, k.serviceBack):
		return d.toService(-1), true
	case key.Matches(msg, k.slowest):
		return d.toSlowest(), true
	case key.Matches(msg, k.only):
		return say(askMsg{label: "only lines with", value: d.only, then: func(s string) tea.Cmd {
			d.only = s
			d.outline()
			d.layDetail()
			return nil
		}}), true
	case key.Matches(msg, k.root):
		d.reroot()
	case key.Matches(msg, k.statistics):
		return say(pushMsg{newStatistics(d.env, d.trees, d.trace)}), true
	case key.Matches(msg, k.foldServices):
		d.foldServices()
	default:
		return nil, false
	}
	return nil, true
}

func isFailed(r *row) bool { return r.record() != nil && r.record().Error != "" }

// step1 goes to the next row of some kind, or says that there is none.
func (d *dossier) step1(by int, is func(*row) bool, none string) tea.Cmd {
	n := len(d.rows)
	for i := 1; i <= n; i++ {
		if at := ((d.at.cursor+by*i)%n + n) % n; is(&d.rows[at]) {
			d.at.set(at)
			return nil
		}
	}
	return say(flashMsg{none})
}

// toService goes to the next row at which another service begins.
func (d *dossier) toService(by int) tea.Cmd {
	here := ""
	if r := d.current(); r != nil && r.record() != nil {
		here = r.record().Service
	}
	return d.step1(by, func(r *row) bool {
		rec := r.record()
		return rec != nil && rec.Kind == fleet.KindSpan && rec.Service != here
	}, "there is no other service here")
}

// toSlowest goes to the span that was busy with itself for longest, then to the
// second, and so on.
func (d *dossier) toSlowest() tea.Cmd {
	var spans []*row
	for i := range d.rows {
		if r := &d.rows[i]; r.record() != nil && r.record().Kind == fleet.KindSpan {
			spans = append(spans, r)
		}
	}
	if len(spans) == 0 {
		return say(flashMsg{"there is no span here"})
	}
	slices.SortStableFunc(spans, func(a, b *row) int { return cmp.Compare(b.node.self, a.node.self) })
	at := 0
	if here := d.current(); here != nil && d.slow < len(spans) && spans[d.slow].key() == here.key() {
		at = (d.slow + 1) % len(spans)
	}
	d.slow = at
	r := spans[at]
	d.selectKey(r.key())
	return say(flashMsg{fmt.Sprintf("slowest by own time, %s: %s", ordinal(at+1, len(spans)), took(r.node.self))})
}

// reroot leaves only what is below the row, or shows all again.
func (d *dossier) reroot() {
	r := d.current()
	if d.root != "" || r == nil || r.record() == nil {
		d.root = ""
	} else {
		d.root = r.record().ID
	}
	d.outline()
}

// foldServices folds every span below which there is nothing but its own service,
// so that the services and their calls remain.
func (d *dossier) foldServices() {
	var fold func(n *node) bool // whether all below is of the node's own service
	fold = func(n *node) bool {
		alone := true
		for _, k := range n.kids {
			below := fold(k)
			alone = alone && below && k.rec != nil && n.rec != nil && (k.rec.Service == n.rec.Service || k.rec.Kind == fleet.KindAPICall)
		}
		if n.rec != nil && len(n.kids) > 0 && alone {
			d.folded[n.key] = true
		}
		return alone
	}
	for _, n := range d.trees.roots {
		fold(n)
	}
	d.outline()
}

// shownRows are the rows of the dossier, or of the part of it that was chosen.
func (d *dossier) shownRows() []row {
	trees, findings := d.trees, d.trace.Findings
	if d.root != "" {
		if way := trail(trees.roots, d.root); way != nil {
			part := *trees
			part.roots = way[len(way)-1:]
			trees, findings = &part, nil
		} else {
			d.root = "" // gone since
		}
	}
	if d.only == "" {
		return outline(trees, findings, d.folded, d.hidden)
	}
	return linesWith(outline(trees, findings, nil, d.hidden), d.only)
}

// linesWith leaves the rows that show a text, and those that lead to them.
func linesWith(rows []row, text string) []row {
	want := strings.ToLower(text)
	keep := make([]bool, len(rows))
	least := -1 // the depth from which a row above leads to a kept one; -1 is none
	for i := len(rows) - 1; i >= 0; i-- {
		r := &rows[i]
		leads := r.finding == nil && least >= 0 && r.depth < least
		keep[i] = leads || strings.Contains(strings.ToLower(r.plainText()), want)
		switch {
		case keep[i] && r.finding == nil:
			least = r.depth
		case r.depth == 0:
			least = -1
		}
	}
	var out []row
	for i := range rows {
		if keep[i] {
			out = append(out, rows[i])
		}
	}
	return out
}

// partStatus says which part of the dossier is shown.
func (d *dossier) partStatus() []string {
	var parts []string
	if d.root != "" {
		parts = append(parts, "only what is below one line (esc: all)")
	}
	if d.only != "" {
		parts = append(parts, "only lines with: "+d.only+" (esc: all)")
	}
	return parts
}

// leavePart shows all again, and reports whether there was only a part.
func (d *dossier) leavePart() bool {
	if d.only == "" && d.root == "" {
		return false
	}
	if d.only != "" {
		d.only = ""
	} else {
		d.root = ""
	}
	d.outline()
	return true
}

// operationStats is what an operation did in a dossier.
type operationStats struct {
	service, name string
	calls, errors int
	total, longest,
	self, waited time.Duration
	record string // the longest
}

// statisticsOf sums up the spans of a forest by operation; those that were waited
// for longest come first.
func statisticsOf(f *forest) []operationStats {
	at := map[operationKey]int{}
	var out []operationStats
	var walk func(ns []*node)
	walk = func(ns []*node) {
		for _, n := range ns {
			if n.rec != nil && n.rec.Kind == fleet.KindSpan {
				k := operationKey{n.rec.Service, n.rec.Name}
				i, had := at[k]
				if !had {
					i = len(out)
					at[k] = i
					out = append(out, operationStats{service: k.service, name: k.name})
				}
				out[i].add(n)
			}
			walk(n.kids)
		}
	}
	walk(f.roots)
	slices.SortStableFunc(out, func(a, b operationStats) int {
		return cmp.Or(cmp.Compare(b.waited, a.waited), cmp.Compare(b.self, a.self))
	})
	return out
}

func (s *operationStats) add(n *node) {
	s.calls++
	if n.rec.Error != "" {
		s.errors++
	}
	s.total += n.rec.Duration
	s.self += n.self
	s.waited += n.waited
	if s.record == "" || n.rec.Duration > s.longest {
		s.longest, s.record = n.rec.Duration, n.rec.ID
	}
}

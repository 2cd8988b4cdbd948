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

// mostFindings bounds what is read: who has more than this many open findings
// needs a filter, not a longer list.
const mostFindings = 2000

// findings is the list of findings.
type findings struct {
	env    *env
	keymap findingsKeys
	text   string // of the filter
	all    bool   // also what is waived or resolved

	asked int
	busy  bool
	job   *job // the last reading
	read  bool
	err   error
	found []fleet.Finding
	at    scroll
	w, h  int
}

type findingsKeys struct{ open, filter, all, dossier, copyID key.Binding }

func newFindings(e *env) *findings {
	return &findings{env: e, keymap: findingsKeys{
		open:    bind("↵", "open", "enter", "l", "right"),
		filter:  bind("/", "filter", "/"),
		all:     bind("a", "open or all", "a"),
		dossier: bind("d", "dossier", "d"),
		copyID:  bind("y", "copy fingerprint", "y"),
	}}
}

func (f *findings) keys() []group {
	k := f.keymap
	return []group{
		{"findings", []key.Binding{k.open, k.dossier, k.filter, k.all, k.copyID}},
		f.env.move.group(),
	}
}

type findingsAnswer struct {
	to    *findings
	asked int
	found []fleet.Finding
	err   error
}

func (a findingsAnswer) deliver() { a.to.take(a) }

func (f *findings) load() tea.Cmd {
	f.asked++
	f.busy = true
	asked := f.asked
	q := fleet.Query{Text: f.text, Limit: mostFindings}
	if !f.all {
		q.Status = []fleet.Status{fleet.StatusNew, fleet.StatusOpen, fleet.StatusReopened}
	}
	j, cmd := f.env.begin(f.job, func(ctx context.Context, j *job) tea.Msg {
		a := findingsAnswer{to: f, asked: asked}
		a.found, a.err = gather(f.env.reader.Findings(ctx, q), j)
		return a
	})
	f.job = j
	return cmd
}

// take shows an answer; the cursor stays on its finding.
func (f *findings) take(a findingsAnswer) {
	if a.asked != f.asked {
		return
	}
	f.busy, f.read, f.err = false, true, unlessStopped(a.err, len(f.found) > 0)
	if a.err != nil {
		return
	}
	was := ""
	if f.at.cursor < len(f.found) {
		was = f.found[f.at.cursor].Fingerprint
	}
	f.found = a.found
	f.resize(f.w, f.h)
	if i := slices.IndexFunc(f.found, func(x fleet.Finding) bool { return x.Fingerprint == was }); i >= 0 {
		f.at.set(i)
	}
}

func (f *findings) press(msg tea.KeyPressMsg) tea.Cmd {
	k := f.keymap
	switch {
	case f.at.press(msg, f.env.move):
	case key.Matches(msg, k.filter):
		return say(askMsg{label: "filter findings", value: f.text, then: func(s string) tea.Cmd {
			f.text = s
			return f.anew()
		}})
	case key.Matches(msg, k.all):
		f.all = !f.all
		return f.anew()
	case f.at.cursor >= len(f.found):
		return nil
	case key.Matches(msg, k.open):
		return say(pushMsg{newFinding(f.env, f.found[f.at.cursor])})
	case key.Matches(msg, k.dossier):
		return openDossier(&f.found[f.at.cursor])
	case key.Matches(msg, k.copyID):
		return say(copyMsg{f.found[f.at.cursor].Fingerprint})
	}
	return nil
}

// anew reads with another filter.
func (f *findings) anew() tea.Cmd {
	f.found, f.read, f.err = nil, false, nil
	f.resize(f.w, f.h)
	return f.load()
}

// openDossier opens the dossier that a finding is about.
func openDossier(f *fleet.Finding) tea.Cmd {
	first := ""
	if len(f.Evidence) > 0 {
		first = f.Evidence[0]
	}
	for _, id := range []string{f.Trace, first, f.Resource} {
		if id != "" {
			return say(openMsg{id: id, record: first})
		}
	}
	return say(flashMsg{"this finding names no evidence"})
}

// resize divides the screen: where there is no room for the preview beside the
// list, it has half of the height below it.
func (f *findings) resize(w, h int) {
	f.w, f.h = w, h
	n := h - 1
	if w < wideDossier {
		n = min(len(f.found), h/2-1)
	}
	f.at.resize(len(f.found), n)
}
func (f *findings) loading() bool { return f.busy }
func (f *findings) title() string { return "findings" }

// escape stops a first reading.
func (f *findings) escape() bool {
	return f.job.stopFirst(f.read)
}

func (f *findings) status() string {
	var parts []string
	if f.err != nil && len(f.found) > 0 {
		parts = append(parts, "could not read again: "+f.err.Error())
	}
	if len(f.found) > 0 {
		parts = append(parts, ordinal(f.at.cursor+1, len(f.found))+" findings")
	}
	if len(f.found) >= mostFindings {
		parts = append(parts, fmt.Sprintf("only the worst %d are shown", mostFindings))
	}
	if f.all {
		parts = append(parts, "with waived and resolved")
	}
	if f.text != "" {
		parts = append(parts, "filter: "+f.text)
	}
	return strings.Join(parts, " · ")
}

func (f *findings) view(w, h int) []line {
	switch {
	case f.err != nil && len(f.found) == 0:
		return trouble("The findings could not be read.", f.err, w, h)
	case !f.read:
		return waiting(f.job, f.env.now(), "findings", w, h)
	case len(f.found) == 0 && f.text != "":
		return centred([]line{text(strong, "No finding matches."), nil, foreign(plain, "filter: "+f.text).line()}, w, h)
	case len(f.found) == 0:
		return centred([]line{
			text(strong, "No open finding."), nil,
			text(plain, "muster audit      judges what has been collected"),
			text(faint, "a shows those that are waived or resolved too"),
		}, w, h)
	}
	found := &f.found[f.at.cursor]
	if w < wideDossier {
		out := append(f.table(w, f.at.height+1), text(faint, strings.Repeat("─", w)))
		return fill(append(out, findingPreview(found, w)...), h)
	}
	left, right := halvesOf(w)
	sheet := append([]line{text(faint, " DETAILS")}, findingPreview(found, right)...)
	return beside(f.table(left, h), sheet, left, right, h)
}

func (f *findings) table(w, h int) []line {
	out := []line{findingHead(w)}
	from, to := f.at.shown()
	for i := from; i < to; i++ {
		out = append(out, findingRow(&f.found[i], f.env.now(), w, i == f.at.cursor))
	}
	return fill(out, h)
}

// The fixed columns of the findings; what is left is the title's.
const severityWidth, policyWidth, countWidth = 8, 20, 5

func titleWidth(w int) int { return max(w-severityWidth-policyWidth-countWidth-clockWidth-6, 1) }

func findingHead(w int) line {
	return text(faint, " "+fit("SEVERITY", severityWidth)+" "+fit("POLICY", policyWidth)+" "+
		fit("WHAT", titleWidth(w))+" "+fitRight("COUNT", countWidth)+" "+fit("LAST SEEN", clockWidth))
}

func findingRow(x *fleet.Finding, now time.Time, w int, on bool) line {
	what := x.Title
	if x.Message != "" {
		what += ": " + x.Message
	}
	l := line{
		mark(on),
		cell(severityRole(x.Severity), shout(x.Severity), severityWidth), own(plain, " "),
		cell(plain, x.Policy, policyWidth), own(plain, " "),
		cell(strong, what, titleWidth(w)), own(plain, " "),
		own(plain, fitRight(tally(x.Count), countWidth)), own(plain, " "),
		own(faint, fit(clock(x.LastSeen, now), clockWidth)),
	}
	if on {
		return l.as(chosen)
	}
	return l
}

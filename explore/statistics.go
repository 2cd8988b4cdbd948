package explore

import (
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// statistics is the screen of what a dossier's services and operations did.
type statistics struct {
	env       *env
	keymap    statisticsKeys
	id        string
	rows      []operationStats // a service's sum has no name
	all       []operationStats
	byService bool
	at        scroll
}

type statisticsKeys struct{ open, group key.Binding }

func newStatistics(e *env, f *forest, t *fleet.Trace) *statistics {
	s := &statistics{env: e, id: firstOf(t.ID, t.Correlation), all: statisticsOf(f), keymap: statisticsKeys{
		open:  bind("↵", "the longest, in the dossier", "enter", "l", "right"),
		group: bind("t", "by service or operation", "t"),
	}}
	s.lay()
	return s
}

// lay lists the operations, or the services' sums.
func (s *statistics) lay() {
	s.rows = s.all
	if s.byService {
		at := map[string]int{}
		s.rows = nil
		for _, o := range s.all {
			i, had := at[o.service]
			if !had {
				i = len(s.rows)
				at[o.service] = i
				s.rows = append(s.rows, operationStats{service: o.service, record: o.record})
			}
			x := &s.rows[i]
			x.calls, x.errors, x.total, x.self, x.waited = x.calls+o.calls, x.errors+o.errors, x.total+o.total, x.self+o.self, x.waited+o.waited
			if o.longest > x.longest {
				x.longest, x.record = o.longest, o.record
			}
		}
		slices.SortStableFunc(s.rows, func(a, b operationStats) int { return int(b.waited - a.waited) })
	}
	s.at.resize(len(s.rows), s.at.height)
}

func (s *statistics) keys() []group {
	return []group{{"statistics", []key.Binding{s.keymap.open, s.keymap.group}}, s.env.move.group()}
}

func (s *statistics) press(msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case s.at.press(msg, s.env.move):
	case key.Matches(msg, s.keymap.group):
		s.byService = !s.byService
		s.lay()
	case s.at.cursor < len(s.rows) && key.Matches(msg, s.keymap.open):
		return say(openMsg{id: firstOf(s.id, s.rows[s.at.cursor].record), record: s.rows[s.at.cursor].record})
	}
	return nil
}

func (s *statistics) load() tea.Cmd   { return nil }
func (s *statistics) loading() bool   { return false }
func (s *statistics) escape() bool    { return false }
func (s *statistics) title() string   { return "statistics" }
func (s *statistics) resize(_, h int) { s.at.resize(len(s.rows), h-1) }

func (s *statistics) status() string {
	if len(s.rows) == 0 {
		return ""
	}
	return ordinal(s.at.cursor+1, len(s.rows)) + map[bool]string{true: " services", false: " operations"}[s.byService]
}

func (s *statistics) view(w, h int) []line {
	if len(s.rows) == 0 {
		return centred([]line{text(faint, "there is no span here")}, w, h)
	}
	name := max(w-1-2*6-4*9, 1)
	out := []line{text(faint, fit(" "+fit("OPERATION", name)+fitRight("SPANS", 6)+fitRight("✗", 6)+
		fitRight("TOTAL", 9)+fitRight("LONGEST", 9)+fitRight("SELF", 9)+fitRight("WAITED", 9), w))}
	from, to := s.at.shown()
	for i := from; i < to; i++ {
		o := &s.rows[i]
		how := faint
		if o.errors > 0 {
			how = bad
		}
		label := line{foreign(service, o.service), own(plain, " "), foreignTo(plain, o.name, w)}
		l := append(line{mark(i == s.at.cursor)}, label.fit(name)...)
		l = append(l,
			own(plain, fitRight(tally(o.calls), 6)), own(how, fitRight(tally(o.errors), 6)),
			own(faint, fitRight(took(o.total), 9)), own(faint, fitRight(took(o.longest), 9)),
			own(plain, fitRight(took(o.self), 9)), own(strong, fitRight(took(o.waited), 9)))
		if i == s.at.cursor {
			l = l.as(chosen)
		}
		out = append(out, l.fit(w))
	}
	return fill(out, h)
}

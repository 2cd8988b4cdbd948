package explore

import (
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// tabNames are how the tabs are called, in the state and after ":".
var tabNames = [tabs]string{"traces", "findings", "changes", "calls", "logs"}

// State is what an explorer is left in, and begins in the next time. The zero
// value is that of the first time.
type State struct {
	View     string            `json:"view,omitempty"`     // "traces", "findings" or "services"
	Filter   string            `json:"filter,omitempty"`   // of the traces, as it is typed
	Findings string            `json:"findings,omitempty"` // the filter of the findings
	All      bool              `json:"all,omitempty"`      // also waived and resolved findings
	History  []string          `json:"history,omitempty"`  // of commands, the newest last
	Filters  []string          `json:"filters,omitempty"`  // that the traces were filtered by, the newest last
	Saved    map[string]string `json:"saved,omitempty"`    // filters of the traces that were given a name
	Columns  []string          `json:"columns,omitempty"`  // of the list of traces; none for as many as there is room for
	Sort     string            `json:"sort,omitempty"`     // of the list of traces, a name of sortNames
	Group    string            `json:"group,omitempty"`    // what the traces are shown grouped by; "" for the list
	Logs     string            `json:"logs,omitempty"`     // the filters of the other views, as they are typed
	Changes  string            `json:"changes,omitempty"`
	Calls    string            `json:"calls,omitempty"`
}

// mostHistory is how many commands are kept: a few screens of them.
const mostHistory = 100

// left is what the explorer is left in.
func (m *model) left() State {
	s := State{View: tabNames[m.tab], Findings: m.findings.text, All: m.findings.all, History: m.history, Saved: m.saved}
	s.History = s.History[max(len(s.History)-mostHistory, 0):]
	if l, is := m.stacks[tabTraces][0].(*list); is {
		s.Filter, s.Filters = l.filter.String(), l.history[max(len(l.history)-mostHistory, 0):]
		s.Columns, s.Sort = l.columns, sortNames[l.order]
	}
	for _, on := range m.stacks[tabTraces] {
		if g, is := on.(*grouped); is {
			s.Group = g.by
		}
	}
	if l, is := m.stacks[tabLogs][0].(*logs); is {
		s.Logs = l.filter.String()
	}
	if c, is := m.stacks[tabChanges][0].(*changes); is {
		s.Changes = c.text
	}
	if p, is := m.stacks[tabCalls][0].(*principals); is {
		s.Calls = p.text
	}
	if _, is := m.top().(*services); is {
		s.View = "services"
	}
	return s
}

// restore begins in a state. It is called before anything is read.
func (m *model) restore(s State) {
	m.findings.text, m.findings.all, m.history, m.saved = s.Findings, s.All, s.History, s.Saved
	if l, is := m.stacks[tabTraces][0].(*list); is {
		l.filter, l.history = parseFilter(s.Filter), s.Filters
		l.columns = slices.DeleteFunc(s.Columns, func(c string) bool { return !slices.Contains(columnNames(), c) })
		l.order = max(slices.Index(sortNames[:], s.Sort), byNewest)
		if q, err := l.query(0); err == nil && s.Group != "" {
			m.stacks[tabTraces] = append(m.stacks[tabTraces], newGrouped(m.env, ofTraces(q), s.Group))
		}
	}
	if l, is := m.stacks[tabLogs][0].(*logs); is {
		l.filter = parseLogFilter(s.Logs)
	}
	if c, is := m.stacks[tabChanges][0].(*changes); is {
		c.text = s.Changes
	}
	if p, is := m.stacks[tabCalls][0].(*principals); is {
		p.text = s.Calls
	}
	m.tab = max(slices.Index(tabNames[:], s.View), 0)
	if s.View == "services" {
		m.push(newServices(m.env))
	}
}

func (m *model) savedNames() []string { return slices.Sorted(maps.Keys(m.saved)) }

// saveFilter keeps the filter of the traces under a name; an empty one is
// forgotten.
func (m *model) saveFilter(name string) tea.Cmd {
	l, is := m.stacks[tabTraces][0].(*list)
	switch {
	case !is:
		return nil
	case name == "":
		return say(flashMsg{"give the filter a name: save NAME"})
	case l.filter == filter{}:
		if _, known := m.saved[name]; !known {
			return say(flashMsg{"there is no filter to save: / filters the traces"})
		}
		m.saved = maps.Clone(m.saved)
		delete(m.saved, name)
		return say(flashMsg{"forgot " + name})
	}
	kept := maps.Clone(m.saved)
	if kept == nil {
		kept = map[string]string{}
	}
	kept[name] = l.filter.String()
	m.saved = kept
	return say(flashMsg{"saved " + kept[name] + " as " + name})
}

// useFilter shows the traces by a filter that was saved.
func (m *model) useFilter(name string) tea.Cmd {
	saved, known := m.saved[name]
	l, is := m.stacks[tabTraces][0].(*list)
	if !is {
		return nil
	}
	if !known {
		return say(flashMsg{"there is no filter " + name + ": save NAME keeps the one of the traces"})
	}
	m.tab = tabTraces
	m.stacks[tabTraces] = m.stacks[tabTraces][:1]
	m.fit()
	return l.refilter(parseFilter(saved))
}

// chooseColumns sets the columns of the list of traces; none are those that
// there is room for.
func (m *model) chooseColumns(names string) tea.Cmd {
	l, is := m.stacks[tabTraces][0].(*list)
	if !is {
		return nil
	}
	chosen := strings.Fields(names)
	for _, c := range chosen {
		if !slices.Contains(columnNames(), c) {
			return say(flashMsg{"there is no column " + c + ": " + strings.Join(columnNames(), " ")})
		}
	}
	l.columns = chosen
	return nil
}

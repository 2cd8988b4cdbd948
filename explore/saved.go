package explore

import "slices"

// tabNames are how the tabs are called, in the state and after ":".
var tabNames = [tabs]string{"traces", "findings", "changes", "calls", "logs"}

// State is what an explorer is left in, and begins in the next time. The zero
// value is that of the first time.
type State struct {
	View     string   `json:"view,omitempty"`     // "traces", "findings" or "services"
	Filter   string   `json:"filter,omitempty"`   // of the traces, as it is typed
	Findings string   `json:"findings,omitempty"` // the filter of the findings
	All      bool     `json:"all,omitempty"`      // also waived and resolved findings
	History  []string `json:"history,omitempty"`  // of commands, the newest last
	Filters  []string `json:"filters,omitempty"`  // that the traces were filtered by, the newest last
}

// mostHistory is how many commands are kept: a few screens of them.
const mostHistory = 100

// left is what the explorer is left in.
func (m *model) left() State {
	s := State{View: tabNames[m.tab], Findings: m.findings.text, All: m.findings.all, History: m.history}
	s.History = s.History[max(len(s.History)-mostHistory, 0):]
	if l, is := m.stacks[tabTraces][0].(*list); is {
		s.Filter, s.Filters = l.filter.String(), l.history[max(len(l.history)-mostHistory, 0):]
	}
	if _, is := m.top().(*services); is {
		s.View = "services"
	}
	return s
}

// restore begins in a state. It is called before anything is read.
func (m *model) restore(s State) {
	m.findings.text, m.findings.all, m.history = s.Findings, s.All, s.History
	if l, is := m.stacks[tabTraces][0].(*list); is {
		l.filter, l.history = parseFilter(s.Filter), s.Filters
	}
	m.tab = max(slices.Index(tabNames[:], s.View), 0)
	if s.View == "services" {
		m.push(newServices(m.env))
	}
}

package explore

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// command is what can be typed after ":".
type command struct {
	name, takes, does string
	words             func(m *model) []string // what its argument may be, nil for anything
	run               func(m *model, arg string) tea.Cmd
}

// commands are all of them, in the order in which help lists them.
func commands() []command {
	return []command{
		{"open", "ID", "the dossier of any id", (*model).shownIDs, func(_ *model, arg string) tea.Cmd { return openTyped(arg) }},
		{"traces", "", "the list of traces", nil, func(m *model, _ string) tea.Cmd { return m.toTab(tabTraces) }},
		{"findings", "", "the findings", nil, func(m *model, _ string) tea.Cmd { return m.toTab(tabFindings) }},
		{"changes", "", "what was configured anew", nil, func(m *model, _ string) tea.Cmd { return m.toTab(tabChanges) }},
		{"calls", "", "principals and their API calls", nil, func(m *model, _ string) tea.Cmd { return m.toTab(tabCalls) }},
		{"logs", "", "the tail of the logs", nil, func(m *model, _ string) tea.Cmd { return m.toTab(tabLogs) }},
		{"services", "", "the service map", nil, func(m *model, _ string) tea.Cmd { return m.openServices() }},
		{"save", "NAME", "keep the filter of the traces", (*model).savedNames, (*model).saveFilter},
		{"filter", "NAME", "traces by a kept filter", (*model).savedNames, (*model).useFilter},
		{"columns", "[NAME …]", "of the list of traces", func(*model) []string { return columnNames() }, (*model).chooseColumns},
		{"sql", "[QUERY]", "a console on the lake", nil, func(m *model, arg string) tea.Cmd { return m.openConsole(arg) }},
		{"export", "[FILE]", "the dossier, to a file", nil, func(m *model, arg string) tea.Cmd { return m.askExport(m.pointedAt(), arg) }},
		{"waive", "", "the finding under the cursor", nil, func(m *model, _ string) tea.Cmd { return m.askWaive(m.pointedAt()) }},
		{"browse", "", "in the AWS console or Dashboards", nil, func(m *model, _ string) tea.Cmd { return m.browse(m.pointedAt()) }},
		{"theme", "dark|light", "colours for the ground", func(*model) []string { return []string{"dark", "light"} }, (*model).setTheme},
		{"reload", "", "read again", nil, func(m *model, _ string) tea.Cmd { return tea.Batch(m.top().load(), m.askStatus()) }},
		{"help", "", "every key", nil, func(m *model, _ string) tea.Cmd { m.help = &pane{}; m.fit(); return nil }},
		{"quit", "", "", nil, func(*model, string) tea.Cmd { return tea.Quit }},
	}
}

// askCommand asks for a command; what is none is an id to open.
func (m *model) askCommand() tea.Cmd {
	return say(askMsg{label: "command or id", history: m.history, complete: m.completeCommand, then: m.obey})
}

// obey does what was typed.
func (m *model) obey(typed string) tea.Cmd {
	if typed == "" {
		return nil
	}
	m.history = append(m.history, typed)
	name, arg, _ := strings.Cut(typed, " ")
	for _, c := range commands() {
		if c.name == name {
			return c.run(m, strings.TrimSpace(arg))
		}
	}
	return openTyped(typed)
}

// completeCommand offers the lines that begin as s does.
func (m *model) completeCommand(s string) []string {
	var out []string
	name, arg, hasArg := strings.Cut(s, " ")
	for _, c := range commands() {
		switch {
		case !hasArg && strings.HasPrefix(c.name, s):
			line := c.name
			if c.takes != "" {
				line += " "
			}
			out = append(out, line)
		case hasArg && c.name == name && c.words != nil:
			begun := strings.LastIndexByte(arg, ' ') + 1
			for _, w := range c.words(m) {
				if strings.HasPrefix(w, arg[begun:]) {
					out = append(out, name+" "+arg[:begun]+w)
				}
			}
		}
	}
	return out
}

// shownIDs are the ids of the list of traces around the cursor.
func (m *model) shownIDs() []string {
	l, is := m.stacks[tabTraces][0].(*list)
	if !is {
		return nil
	}
	var out []string
	from, to := l.at.shown()
	for i := from; i < min(to, len(l.rows)); i++ {
		if id := summaryID(&l.rows[i]); id != "" {
			out = append(out, id)
		}
	}
	return out
}

// pointedAt is what the shown screen's cursor is on.
func (m *model) pointedAt() subject {
	if p, is := m.top().(pointing); is {
		return p.subject()
	}
	return subject{}
}

func (m *model) toTab(tab int) tea.Cmd {
	m.tab = tab
	m.stacks[tab] = m.stacks[tab][:1]
	m.fit()
	return m.top().load()
}

// openConsole shows the SQL console, once.
func (m *model) openConsole(query string) tea.Cmd {
	if c, already := m.top().(*console); already {
		if query == "" {
			return c.edit()
		}
		return c.run(query)
	}
	return say(pushMsg{newConsole(m.env, m.actions, query)})
}

func (m *model) setTheme(ground string) tea.Cmd {
	if ground != "dark" && ground != "light" {
		return say(flashMsg{"there is no theme " + ground + ": dark or light"})
	}
	m.theme = newTheme(ground == "dark")
	return nil
}

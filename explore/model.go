package explore

import (
	"context"
	"slices"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// mostBack is how many screens the way back holds; older ones are forgotten,
// so that a day of jumping around stays small.
const mostBack = 100

// The tabs.
const (
	tabTraces = iota
	tabFindings
	tabChanges
	tabCalls
	tabLogs
	tabs
)

// model is the whole explorer. It owns the size, the two tabs, each with its
// way back, and what lies over them; everything else is a screen's.
type model struct {
	env     *env
	keys    globalKeys
	theme   *theme
	store   string
	refresh time.Duration
	ask     func() string // Options.Status
	start   string
	actions Actions
	history []string          // of commands, the newest last
	saved   map[string]string // filters of the traces, by the names they were given

	width, height int
	tab           int
	stacks        [tabs][]screen // the last is shown, the first is the tab's own
	findings      *findings      // the first of its tab
	help          *pane          // nil unless help is shown
	prompt        *prompt        // nil unless a line is asked for
	flash         string
	fresh         string // the last answer of ask
	due           bool   // the wait for the next refresh has passed
}

func newModel(r fleet.Reader, o Options, run runner) *model {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	e := &env{reader: r, run: run, now: now, move: newMoveKeys(), expressions: o.Expressions}
	found := newFindings(e)
	m := &model{
		env: e, keys: newGlobalKeys(), theme: newTheme(true),
		store: o.Store, refresh: o.Refresh, ask: o.Status, start: o.Start, actions: o.Actions,
		stacks: [tabs][]screen{{newList(e)}, {found}, {newChanges(e)}, {newPrincipals(e)}, {newLogs(e)}}, findings: found,
	}
	m.restore(o.State)
	return m
}

// Messages of the model to itself.
type (
	dueMsg    struct{}
	statusMsg struct{ text string }
)

// Init starts the first readings.
func (m *model) Init() tea.Cmd {
	cmds := []tea.Cmd{
		tea.RequestBackgroundColor,
		m.stacks[tabTraces][0].load(), m.stacks[tabFindings][0].load(), m.askStatus(), m.wait(),
	}
	if m.top() != m.stacks[m.tab][0] {
		cmds = append(cmds, m.top().load())
	}
	if m.start != "" {
		cmds = append(cmds, say(openMsg{id: m.start}))
	}
	return tea.Batch(cmds...)
}

// top is the screen that is shown.
func (m *model) top() screen {
	s := m.stacks[m.tab]
	return s[len(s)-1]
}

// Update routes a message to who it is for.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.fit()
	case tea.BackgroundColorMsg:
		m.theme = newTheme(msg.IsDark())
	case tea.KeyPressMsg:
		return m, m.press(msg)
	case tea.PasteMsg:
		if m.prompt != nil {
			m.prompt.insert(msg.Content)
		}
	case tea.MouseWheelMsg:
		return m, m.wheel(msg)
	case tea.MouseClickMsg:
		return m, m.click(msg)
	case answer:
		msg.deliver()
		return m, m.next()
	case dueMsg:
		m.due = true
		return m, m.next()
	case tickMsg:
		if !msg.of.over() {
			return m, msg.of.tick()
		}
	case statusMsg:
		m.fresh = msg.text
	case openMsg:
		d := newDossier(m.env, msg.id, msg.record)
		m.push(d)
		return m, d.load()
	case pushMsg:
		m.push(msg.on)
		return m, msg.on.load()
	case flashMsg:
		m.flash = msg.text
	case noBrowserMsg:
		m.flash = "no browser here; copied " + msg.address
		return m, tea.SetClipboard(msg.address)
	case copyMsg:
		m.flash = "copied " + msg.text
		return m, tea.SetClipboard(msg.text)
	case askMsg:
		m.prompt = newPrompt(msg)
	}
	return m, nil
}

// push shows a screen and keeps the one below for the way back.
func (m *model) push(s screen) {
	st := m.stacks[m.tab]
	if len(st) == mostBack {
		st = slices.Delete(st, 1, 2) // the oldest but for the tab's own
	}
	m.stacks[m.tab] = append(st, s)
	m.fit()
}

// press handles a key: what lies on top takes it first.
func (m *model) press(msg tea.KeyPressMsg) tea.Cmd {
	m.flash = ""
	switch {
	case m.prompt != nil:
		return m.answerPrompt(msg)
	case m.help != nil:
		if !m.help.press(msg, m.env.move) {
			m.help = nil
		}
		return nil
	case key.Matches(msg, m.keys.quit):
		return tea.Quit
	case key.Matches(msg, m.keys.suspend):
		return tea.Suspend
	case key.Matches(msg, m.keys.help):
		m.help = &pane{}
		m.fit()
	case key.Matches(msg, m.keys.tab):
		m.tab = (m.tab + 1) % tabs
		if msg.String() == "shift+tab" {
			m.tab = (m.tab + tabs - 2) % tabs
		}
		m.fit()
		return m.top().load()
	case key.Matches(msg, m.keys.command):
		return m.askCommand()
	case key.Matches(msg, m.keys.console):
		return m.openConsole("")
	case key.Matches(msg, m.keys.open):
		return say(askMsg{label: "open id", then: openTyped})
	case key.Matches(msg, m.keys.services):
		return m.openServices()
	case key.Matches(msg, m.keys.reload):
		return tea.Batch(m.top().load(), m.askStatus())
	case key.Matches(msg, m.keys.back):
		m.back()
	default:
		if cmd, did := m.actOn(msg); did {
			return cmd
		}
		return m.top().press(msg)
	}
	return nil
}

// openServices shows the service map, once.
func (m *model) openServices() tea.Cmd {
	if _, already := m.top().(*services); already {
		return nil
	}
	return say(pushMsg{newServices(m.env)})
}

// openTyped opens the id that a person typed, if any.
func openTyped(id string) tea.Cmd {
	if id == "" {
		return nil
	}
	return say(openMsg{id: id})
}

// back closes the innermost thing that is open.
func (m *model) back() {
	if m.top().escape() {
		return
	}
	if st := m.stacks[m.tab]; len(st) > 1 {
		m.stacks[m.tab] = st[:len(st)-1]
		m.fit()
	}
}

// answerPrompt hands a key to the line being asked for.
func (m *model) answerPrompt(msg tea.KeyPressMsg) tea.Cmd {
	p := m.prompt
	switch {
	case key.Matches(msg, m.keys.back), msg.String() == "ctrl+c":
		m.prompt = nil
	case msg.Code == tea.KeyEnter:
		m.prompt = nil
		return p.done()
	default:
		p.press(msg)
	}
	return nil
}

// wheelLines is how far one notch of the wheel goes, as in most programs.
const wheelLines = 3

// wheel turns the mouse wheel into the keys that move.
func (m *model) wheel(msg tea.MouseWheelMsg) tea.Cmd {
	var code rune
	switch msg.Button {
	case tea.MouseWheelUp:
		code = tea.KeyUp
	case tea.MouseWheelDown:
		code = tea.KeyDown
	default:
		return nil
	}
	if m.prompt != nil {
		return nil
	}
	var cmds []tea.Cmd
	for range wheelLines {
		cmds = append(cmds, m.press(tea.KeyPressMsg{Code: code}))
	}
	return tea.Batch(cmds...)
}

// wait starts the wait for the next refresh.
func (m *model) wait() tea.Cmd {
	if m.refresh <= 0 {
		return nil
	}
	return m.env.run.wait(m.refresh, dueMsg{})
}

// next refreshes when the wait has passed and nothing is being read, so that a
// slow store is never asked twice at once.
func (m *model) next() tea.Cmd {
	if !m.due || m.top().loading() {
		return nil
	}
	m.due = false
	cmds := []tea.Cmd{m.top().load(), m.askStatus(), m.wait()}
	if m.top() != screen(m.findings) && !m.findings.loading() {
		cmds = append(cmds, m.findings.load()) // for their number in the top line
	}
	return tea.Batch(cmds...)
}

// askStatus asks how fresh the store is.
func (m *model) askStatus() tea.Cmd {
	if m.ask == nil {
		return nil
	}
	ask := m.ask
	return m.env.run(func(context.Context) tea.Msg { return statusMsg{ask()} })
}

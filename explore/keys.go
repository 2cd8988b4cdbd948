package explore

import "charm.land/bubbles/v2/key"

// group is a titled part of a key map: the help overlay lists all of it, the
// footer shows the bindings that fit.
type group struct {
	title string
	keys  []key.Binding
}

func bind(show, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(show, does))
}

// moveKeys move a cursor or scroll text.
type moveKeys struct {
	up, down, pageUp, pageDown, home, end key.Binding
}

func newMoveKeys() moveKeys {
	return moveKeys{
		up:       bind("↑ k", "up", "up", "k"),
		down:     bind("↓ j", "down", "down", "j"),
		pageUp:   bind("pgup", "a page up", "pgup", "ctrl+b"),
		pageDown: bind("pgdn", "a page down", "pgdown", "ctrl+f"),
		home:     bind("home", "to the first", "home"),
		end:      bind("end G", "to the last", "end", "G"),
	}
}

func (k moveKeys) group() group {
	return group{"moving", []key.Binding{k.up, k.down, k.pageUp, k.pageDown, k.home, k.end}}
}

// globalKeys work on every screen.
type globalKeys struct {
	tab, command, open, services, console, back, reload, help, quit, suspend key.Binding
}

func newGlobalKeys() globalKeys {
	return globalKeys{
		tab:      bind("tab", "next view", "tab", "shift+tab"),
		command:  bind(":", "commands", ":"),
		open:     bind("g", "open any id", "g"),
		services: bind("S", "service map", "S"),
		console:  bind("Q", "SQL", "Q"),
		back:     bind("esc", "back", "esc"),
		reload:   bind("r", "read again", "r", "ctrl+l"),
		help:     bind("?", "help", "?"),
		quit:     bind("q", "quit", "q", "ctrl+c"),
		suspend:  bind("ctrl+z", "to the shell", "ctrl+z"),
	}
}

func (k globalKeys) group() group {
	return group{"everywhere", []key.Binding{k.tab, k.open, k.services, k.command, k.console, k.back, k.reload, k.help, k.quit, k.suspend}}
}

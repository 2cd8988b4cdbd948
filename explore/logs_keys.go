package explore

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

type logsKeys struct{ open, dossier, unfold, patterns, follow, filter, errors, copyID, back key.Binding }

func newLogsKeys() logsKeys {
	return logsKeys{
		open:     bind("↵", "details", "enter", "l", "right"),
		dossier:  bind("d", "its trace", "d"),
		unfold:   bind("space", "unfold", "space"),
		patterns: bind("p", "patterns", "p"),
		follow:   bind("f", "follow", "f"),
		filter:   bind("/", "search", "/"),
		errors:   bind("E", "errors only", "E"),
		copyID:   bind("y", "copy id", "y"),
		back:     bind("", "", "left", "h"),
	}
}

func (l *logs) keys() []group {
	k := l.keymap
	return []group{
		{"logs", []key.Binding{k.open, k.dossier, k.filter, k.patterns, k.errors, k.unfold, k.follow, k.copyID}},
		l.env.move.group(),
	}
}

func (l *logs) press(msg tea.KeyPressMsg) tea.Cmd {
	cmd := l.act(msg)
	l.lay()
	return cmd
}

func (l *logs) act(msg tea.KeyPressMsg) tea.Cmd {
	k := l.keymap
	switch {
	case l.inside && l.detail.press(msg, l.env.move):
	case l.inside && key.Matches(msg, k.back, k.open):
		l.inside = false
	case l.at.press(msg, l.env.move):
		l.detail = pane{}
		l.follow = l.follow && l.at.cursor == l.at.size-1 || key.Matches(msg, l.env.move.end)
		if l.at.top == 0 && l.more && l.job == nil && l.patterns == nil {
			l.limit *= 2
			return l.load()
		}
	case key.Matches(msg, k.filter):
		return say(askMsg{label: "search (text, service: group: level: errors)", value: l.filter.String(), then: func(s string) tea.Cmd {
			return l.refilter(parseLogFilter(s))
		}})
	case key.Matches(msg, k.errors):
		f := l.filter
		f.errors = !f.errors
		return l.refilter(f)
	case key.Matches(msg, k.follow):
		if l.follow = !l.follow; l.follow {
			l.at.set(l.at.size - 1)
		}
	case key.Matches(msg, k.patterns):
		l.group()
	default:
		return l.open(msg)
	}
	return nil
}

// open handles the keys about the line under the cursor.
func (l *logs) open(msg tea.KeyPressMsg) tea.Cmd {
	k, r := l.keymap, l.current()
	switch {
	case r == nil:
	case key.Matches(msg, k.open) && l.patterns != nil:
		l.filter.pattern = l.patterns[l.at.cursor].text
		l.patterns = nil
		l.sift()
		l.at.set(l.at.size - 1)
	case key.Matches(msg, k.open):
		l.inside = true
	case key.Matches(msg, k.unfold) && l.patterns == nil:
		l.unfolded[r.ID] = !l.unfolded[r.ID]
		l.follow = false
		l.sift()
	case key.Matches(msg, k.dossier):
		return say(openMsg{id: r.ID, record: r.ID})
	case key.Matches(msg, k.copyID):
		return say(copyMsg{r.ID})
	}
	return nil
}

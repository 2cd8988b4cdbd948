package explore

import (
	"image/color"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// event is what the person does next.
func (r *robot) event() tea.Msg {
	switch n := r.rnd.IntN(100); {
	case n < 80:
		return r.key()
	case n < 90:
		return r.mouse()
	case n < 96:
		return r.size()
	case n < 98:
		return tea.PasteMsg{Content: evil + r.sea.anID(r.rnd)}
	}
	return tea.BackgroundColorMsg{Color: color.Gray{Y: uint8(r.rnd.IntN(256))}}
}

// typed are words that mean something in a prompt.
var typed = strings.Fields(`errors service:orders POST root 1-67432b5e- ord-7f3a-1042 fault duration>1 数量 ` +
	`service("orders") { error } select count(*) from spans help quit sql`)

// key is mostly one that the shown screen knows, else any.
func (r *robot) key() tea.Msg {
	any := []string{
		"enter", "esc", "tab", "shift+tab", "up", "down", "left", "right", "pgup", "pgdown", "home", "end", "backspace", "delete",
		"space", "ctrl+a", "ctrl+e", "ctrl+k", "ctrl+u", "ctrl+w", "ctrl+l", "f1",
	}
	if r.m.prompt != nil {
		switch n := r.rnd.IntN(10); {
		case n < 4:
			return tea.PasteMsg{Content: typed[r.rnd.IntN(len(typed))]}
		case n < 6:
			return keyPress("enter")
		}
	}
	switch n := r.rnd.IntN(10); {
	case n < 6:
		var known []string
		for _, g := range r.m.groups() {
			for _, b := range g.keys {
				known = append(known, b.Keys()...)
			}
		}
		return keyPress(known[r.rnd.IntN(len(known))])
	case n < 8:
		return keyPress(any[r.rnd.IntN(len(any))])
	}
	runes := []rune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:?-+=[]{}<>|.,;!#~数\u202e\u0301")
	return keyPress(string(runes[r.rnd.IntN(len(runes))]))
}

func (r *robot) mouse() tea.Msg {
	at := tea.Mouse{X: r.rnd.IntN(r.w+20) - 10, Y: r.rnd.IntN(r.h+20) - 10, Button: tea.MouseButton(r.rnd.IntN(12))}
	switch r.rnd.IntN(4) {
	case 0:
		return tea.MouseClickMsg(at)
	case 1:
		return tea.MouseReleaseMsg(at)
	case 2:
		return tea.MouseMotionMsg(at)
	}
	at.Button = tea.MouseWheelUp + tea.MouseButton(r.rnd.IntN(4))
	return tea.MouseWheelMsg(at)
}

// size is mostly one that people have.
func (r *robot) size() tea.Msg {
	switch r.rnd.IntN(8) {
	case 0:
		return tea.WindowSizeMsg{Width: r.rnd.IntN(70), Height: r.rnd.IntN(20)}
	case 1:
		return tea.WindowSizeMsg{Width: 60 + r.rnd.IntN(200), Height: 12 + r.rnd.IntN(60)}
	case 2:
		return tea.WindowSizeMsg{Width: 120, Height: 40}
	}
	return tea.WindowSizeMsg{Width: 60 + r.rnd.IntN(60), Height: 12 + r.rnd.IntN(18)}
}

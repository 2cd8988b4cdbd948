package explore

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// mostMapSpans is how many of the newest spans the view's map is made from: some
// seconds of reading from a folder, and enough for quantiles.
const mostMapSpans = 200_000

// mapRest is how long a map is shown at least before all those spans are read
// again: it is of minutes and hours, and reading may take seconds.
const mapRest = 10 * time.Second

// services is the screen of the service map.
type services struct {
	env    *env
	keymap servicesKeys

	asked int
	busy  bool
	job   *job // the last reading
	err   error
	since time.Time   // when all was asked for
	all   *ServiceMap // nil until there is an answer
	shown *ServiceMap // all, or what is around focus
	focus string
	look  string
	rows  []mapRow
	at    scroll
	w, h  int
	names int // cells of the names in rows
}

type servicesKeys struct{ focus, look, again key.Binding }

func newServices(e *env) *services {
	return &services{env: e, keymap: servicesKeys{
		focus: bind("↵", "only what is around it", "enter"),
		look:  bind("/", "search", "/"),
		again: bind("n", "next match", "n"),
	}}
}

func (s *services) keys() []group {
	k := s.keymap
	return []group{{"service map", []key.Binding{k.focus, k.look, k.again}}, s.env.move.group()}
}

type servicesAnswer struct {
	to    *services
	asked int
	found *ServiceMap
	err   error
}

func (a servicesAnswer) deliver() { a.to.take(a) }

func (s *services) load() tea.Cmd {
	if s.all != nil && s.err == nil && s.env.now().Sub(s.since) < mapRest {
		return nil
	}
	s.since = s.env.now()
	s.asked++
	s.busy = true
	asked := s.asked
	j, cmd := s.env.begin(s.job, func(ctx context.Context, _ *job) tea.Msg {
		m, err := Services(ctx, s.env.reader, fleet.Query{Limit: mostMapSpans})
		return servicesAnswer{s, asked, m, err}
	})
	s.job = j
	return cmd
}

func (s *services) take(a servicesAnswer) {
	if a.asked != s.asked {
		return
	}
	s.busy, s.err = false, unlessStopped(a.err, s.all != nil)
	if a.err != nil {
		return
	}
	s.all = a.found
	s.lay()
}

// lay lays out the rows anew around the row under the cursor.
func (s *services) lay() {
	was := ""
	if s.at.cursor < len(s.rows) {
		was = s.rows[s.at.cursor].key()
	}
	s.shown = s.all
	if s.focus != "" {
		if s.shown = s.all.Around(s.focus); s.shown == nil { // gone since
			s.focus, s.shown = "", s.all
		}
	}
	s.rows = mapRows(s.shown, s.w)
	s.names = namesWidth(s.rows, s.w)
	s.at.resize(len(s.rows), s.h-2)
	s.selectKey(was)
}

func (s *services) selectKey(k string) {
	if i := slices.IndexFunc(s.rows, func(r mapRow) bool { return r.key() == k }); i >= 0 {
		s.at.set(i)
	}
}

func (s *services) press(msg tea.KeyPressMsg) tea.Cmd {
	k := s.keymap
	switch {
	case s.all == nil:
	case s.at.press(msg, s.env.move):
	case key.Matches(msg, k.focus):
		if s.at.cursor < len(s.rows) && s.rows[s.at.cursor].says() != "" {
			s.focus = s.rows[s.at.cursor].says()
			s.lay()
			s.selectKey("node/" + s.focus)
		}
	case key.Matches(msg, k.look):
		return say(askMsg{label: "search", value: s.look, then: func(t string) tea.Cmd {
			s.look = t
			return s.search()
		}})
	case key.Matches(msg, k.again):
		return s.search()
	}
	return nil
}

// search goes to the next node after the cursor whose name has the text.
func (s *services) search() tea.Cmd {
	if s.look == "" || s.all == nil {
		return nil
	}
	for i := 1; i <= len(s.rows); i++ {
		at := (s.at.cursor + i) % len(s.rows)
		n := s.rows[at].node
		if n != nil && strings.Contains(strings.ToLower(n.Name), strings.ToLower(s.look)) {
			s.at.set(at)
			return nil
		}
	}
	return say(flashMsg{"no node is named like " + s.look})
}

func (s *services) resize(w, h int) {
	s.w, s.h = w, h
	if s.all != nil {
		s.lay()
	}
}

func (s *services) view(w, h int) []line {
	switch {
	case s.err != nil && s.all == nil:
		return trouble("The service map could not be read.", s.err, w, h)
	case s.all == nil:
		return waiting(s.job, s.env.now(), "spans for the service map", w, h)
	case len(s.rows) == 0:
		return centred([]line{text(faint, "there are no spans yet")}, w, h)
	}
	names := s.names
	out := []line{mapTitle(s.shown, s.focus).fit(w), mapHead(names)}
	from, to := s.at.shown()
	for i := from; i < to; i++ {
		out = append(out, mapLine(s.shown, &s.rows[i], names, w, i == s.at.cursor))
	}
	return out
}

func (s *services) loading() bool { return s.busy }

// escape stops a first reading, or leaves the neighbourhood.
func (s *services) escape() bool {
	if s.busy && s.all == nil {
		s.job.end()
		return true
	}
	if s.focus == "" {
		return false
	}
	s.focus = ""
	s.lay()
	return true
}

func (s *services) title() string { return "service map" }

func (s *services) status() string {
	if s.err != nil && s.all != nil {
		return "could not read again: " + s.err.Error()
	}
	if len(s.rows) == 0 {
		return ""
	}
	return "line " + ordinal(s.at.cursor+1, len(s.rows))
}

// PrintServices writes the service map to a pipe as Print does its screens; focus
// is the node that it is around, if any.
func PrintServices(w io.Writer, m *ServiceMap, width int, focus string) error {
	if width <= 0 {
		width = 80
	}
	rows := mapRows(m, width)
	names := namesWidth(rows, width)
	block := []line{mapTitle(m, focus).fit(width), mapHead(names)}
	for i := range rows {
		block = append(block, mapLine(m, &rows[i], names, width, false))
	}
	return printBlock(w, block, width)
}

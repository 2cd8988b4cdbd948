package explore

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"image/color"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"muster/fleet"
)

// robotEvents is how many events the robot of `make test` sends: the number of
// the issue, and some 20 CPU seconds with the race detector.
const robotEvents = 50_000

var (
	robotSeed = flag.Uint64("robot.seed", 1, "seed of the robot's first run; a failing run prints its own")
	robotRuns = flag.Int("robot.events", robotEvents, "how many events the robot sends")
	robotDraw = flag.Int("robot.draw", 8, "after how many events a frame is drawn; the program draws 60 a second, whatever comes")
)

// runEvents is how many events one run of the robot has: a failing run is
// replayed from its start, which should take seconds.
const runEvents = 5_000

// robotPatience is how long a reading may take until it counts as stuck: far
// longer than on a busy machine.
const robotPatience = 2 * time.Minute

// TestRobot sends random keys, sizes and mouse events while records arrive and
// readings fail, and looks at the frames.
func TestRobot(t *testing.T) {
	// Half of the time would be the garbage collector's, on a heap of a few megabytes.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	for sent, seed := 0, *robotSeed; sent < *robotRuns; seed++ {
		n := min(runEvents, *robotRuns-sent)
		if _, err := newRobot(t.Context(), seed).work(n); err != nil {
			t.Fatalf("%v\nreplay: go test -race ./explore -run '^TestRobot$' -robot.seed %d -robot.events %d -robot.draw %d", err, seed, n, *robotDraw)
		}
		if sent += n; sent%100_000 == 0 {
			t.Logf("seeds %d to %d: %d events", *robotSeed, seed, sent)
		}
	}
	t.Logf("first seed %d: %d events, no panic, no deadlock, every frame as large as its terminal", *robotSeed, *robotRuns)
}

// TestARobotsRunIsReplayedByItsSeed holds that a seed gives the same events and
// frames, where every reading ends before the next event. Where readings and events
// overlap, as in TestRobot, a frame may tell how far a reading is, and a reading that
// is given up may have ended before.
func TestARobotsRunIsReplayedByItsSeed(t *testing.T) {
	var sums [3]uint64
	for i, seed := range []uint64{*robotSeed, *robotSeed, *robotSeed + 1} {
		r := newRobot(t.Context(), seed)
		r.orderly = true
		sum, err := r.work(500)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sum
	}
	if sums[0] != sums[1] {
		t.Error("the same seed shows other frames")
	}
	if sums[0] == sums[2] {
		t.Error("another seed shows the same frames")
	}
}

// A robot is a person who presses anything. Commands run in goroutines of their
// own, as in the program, and their answers are taken in an order that the seed
// says: the race detector sees what it would see there, and a run can be had again.
type robot struct {
	ctx     context.Context
	rnd     *rand.Rand
	sea     *sea
	m       *model
	w, h    int
	pending []chan tea.Msg
	orderly bool // every command ends before anything else happens
	now     time.Time
	last    []string // the latest events, for the report
}

func newRobot(ctx context.Context, seed uint64) *robot {
	return &robot{ctx: ctx, rnd: rand.New(rand.NewPCG(seed, 0)), sea: newSea(), now: noon}
}

// begin starts the explorer, for the first time or after it was left.
func (r *robot) begin() {
	r.pending = nil // what was under way answers nobody
	run := func(f func(context.Context) tea.Msg) tea.Cmd {
		ctx := r.sea.at(r.ctx)
		return func() tea.Msg { return f(ctx) }
	}
	r.now = r.now.Add(time.Minute)
	now := r.now
	o := Options{
		Now:     func() time.Time { return now },
		Store:   evil,
		Refresh: 1, // at once: when it is taken is the seed's
		Status:  func() string { return evil },
		Actions: robotActions(),
	}
	if r.m != nil {
		o.State = r.m.left() // as the next start finds it
	}
	if r.rnd.IntN(2) == 0 {
		o.Start = r.sea.anID(r.rnd)
	}
	r.m = newModel(r.sea, o, run)
	r.start(r.m.Init())
	r.send(tea.WindowSizeMsg{Width: 80, Height: 24})
}

// robotActions do nothing outside of the process.
func robotActions() Actions {
	a := sampleActions()
	a.Export = func(context.Context, string, fleet.Trace) error { return errDown }
	a.SaveTable = func(context.Context, string, Table) error { return nil }
	a.Dashboards = evil
	return a
}

// work sends n events. It returns a sum of the frames that were shown.
func (r *robot) work(n int) (sum uint64, err error) {
	i := 0
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("event %d: panic: %v\nlast events:\n  %s\n%s", i, p, strings.Join(r.last, "\n  "), debug.Stack())
		}
	}()
	h := fnv.New64a()
	r.begin()
	for ; i < n; i++ {
		r.sea.rise(r.rnd)
		for range r.rnd.IntN(2) {
			if err := r.take(r.rnd.IntN(max(len(r.pending), 1))); err != nil {
				return 0, fmt.Errorf("event %d: %w; last events:\n  %s", i, err, strings.Join(r.last, "\n  "))
			}
		}
		e := r.event()
		r.send(e)
		if _, resized := e.(tea.WindowSizeMsg); !resized && i%*robotDraw > 0 {
			continue
		}
		frame := r.m.View().Content
		if wrong := misfit(frame, r.w, r.h); wrong != "" {
			return 0, fmt.Errorf("event %d: %s; last events:\n  %s", i, wrong, strings.Join(r.last, "\n  "))
		}
		_, _ = h.Write([]byte(frame)) // never fails
	}
	return h.Sum64(), nil
}

// mostPending is how many answers may be waited for; a person's terminal is
// never that far behind.
const mostPending = 16

// start starts a command in a goroutine of its own.
func (r *robot) start(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	c := make(chan tea.Msg, 1)
	if r.orderly {
		c <- cmd()
	} else {
		go func() { c <- cmd() }()
	}
	r.pending = append(r.pending, c)
}

// take waits for the i-th answer, and takes older ones while there are too many.
func (r *robot) take(i int) error {
	for ; i < len(r.pending); i = 0 {
		c := r.pending[i]
		r.pending = slices.Delete(r.pending, i, i+1)
		late := time.NewTimer(robotPatience)
		select {
		case msg := <-c:
			late.Stop()
			r.give(msg)
		case <-late.C:
			return fmt.Errorf("deadlock: a command has not ended after %s", robotPatience)
		}
		if len(r.pending) <= mostPending {
			break
		}
	}
	return nil
}

// sequence is the type of the message of tea.Sequence, which has no name outside.
var sequence = reflect.TypeOf(tea.Sequence(tea.Quit, tea.Quit)())

// give hands a command's answer over as the program does.
func (r *robot) give(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
	case tea.QuitMsg:
		r.begin()
	case tea.SuspendMsg:
		r.send(tea.ResumeMsg{})
	case tea.BatchMsg:
		for _, cmd := range msg {
			r.start(cmd)
		}
	default:
		if v := reflect.ValueOf(msg); v.Type() == sequence {
			for i := range v.Len() { // in order: each runs when it is reached
				r.give(v.Index(i).Interface().(tea.Cmd)())
			}
			return
		}
		r.send(msg)
	}
}

func (r *robot) send(msg tea.Msg) {
	if r.last = append(r.last, fmt.Sprintf("%T %+.200v", msg, eventText(msg))); len(r.last) > 12 {
		r.last = r.last[1:]
	}
	if s, is := msg.(tea.WindowSizeMsg); is {
		r.w, r.h = s.Width, s.Height
	}
	_, cmd := r.m.Update(msg)
	r.start(cmd)
}

// eventText leaves out what an answer brings, which is long.
func eventText(msg tea.Msg) any {
	switch msg.(type) {
	case answer, askMsg, pushMsg:
		return ""
	}
	return msg
}

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

// keyPress is the message of a key by its name in a key map.
func keyPress(name string) tea.KeyPressMsg {
	var k tea.KeyPressMsg
	for prefix, mod := range map[string]tea.KeyMod{"ctrl+": tea.ModCtrl, "shift+": tea.ModShift, "alt+": tea.ModAlt} {
		if rest, has := strings.CutPrefix(name, prefix); has && rest != "" {
			name, k.Mod = rest, k.Mod|mod
		}
	}
	switch code, special := named[name]; {
	case special:
		k.Code = code
	case name == "space":
		k.Code, k.Text = tea.KeySpace, " "
	case name == "delete":
		k.Code = tea.KeyDelete
	case name == "f1":
		k.Code = tea.KeyF1
	default:
		k.Code = []rune(name)[0]
		if k.Mod == 0 {
			k.Text = name
		}
	}
	return k
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

// misfit says what is wrong with a frame for a terminal of w by h cells: it is
// not exactly as large, or sends more than text and colours.
func misfit(frame string, w, h int) string {
	if w <= 0 || h <= 0 {
		if frame != "" {
			return fmt.Sprintf("a terminal of %d×%d gets %q", w, h, frame)
		}
		return ""
	}
	n := 0
	for l := range strings.SplitSeq(frame, "\n") {
		n++
		bare := withoutColours(l)
		if got := cellWidth(bare); got != w {
			return fmt.Sprintf("line %d is %d cells wide in a terminal of %d×%d: %q", n, got, w, h, l)
		}
		for i := range len(bare) {
			if bare[i] < ' ' || bare[i] == 0x7f {
				return fmt.Sprintf("line %d sends %q to the terminal: %q", n, bare[i], l)
			}
		}
	}
	if n != h {
		return fmt.Sprintf("the frame has %d lines in a terminal of %d×%d", n, w, h)
	}
	return ""
}

func TestMisfitsAreSeen(t *testing.T) {
	tests := []struct {
		name, frame string
		fits        bool
	}{
		{"fits", "ab\n\x1b[1mcd\x1b[m", true},
		{"wide", "ab\n数数", false},
		{"narrow", "ab\nc", false},
		{"high", "ab\ncd\nef", false},
		{"low", "ab", false},
		{"control", "ab\n\x1b[2Jcd", false},
		{"bell", "ab\nc\a", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if wrong := misfit(tt.frame, 2, 2); (wrong == "") != tt.fits {
				t.Errorf("of %q it says %q", tt.frame, wrong)
			}
			if got := ansi.StringWidth("\x1b[1mcd\x1b[m"); got != 2 {
				t.Errorf("colours take %d cells", got-2)
			}
		})
	}
}

// TestADossierIsLeftWhileItIsRead holds what the robot found: a sibling takes a
// dossier's place while that is still being read.
func TestADossierIsLeftWhileItIsRead(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{Start: refusedTrace})
	d := s.m.top().(*dossier)
	read := d.load()
	done := make(chan tea.Msg)
	go func() { done <- read() }()
	next := d.sibling(1)
	s.send(<-done) // too late
	s.do(next)
	if d.trace.ID == refusedTrace {
		t.Error("the sibling does not show")
	}
}

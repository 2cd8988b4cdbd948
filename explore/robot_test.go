package explore

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

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
	eye := eye{}
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
		if wrong := eye.misfit(frame, r.w, r.h); wrong != "" {
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

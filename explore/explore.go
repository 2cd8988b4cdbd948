// Package explore is muster's terminal explorer: the list of traces, the
// dossier of one trace or journey, and the findings. It knows nothing but
// fleet.Reader. Reading happens in commands only; layout is plain lines of
// roles, and the theme alone knows colours.
package explore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// Options say how an explorer runs. The zero value explores on the process's
// own terminal, without refreshing by itself.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Input and Output are the terminal; nil means the process's own.
	Input  io.Reader
	Output io.Writer
	// Store names what is explored, for the status line.
	Store string
	// Refresh is how long an answer is shown before it is read again; zero
	// means only when asked. The wait begins when the last answer arrived.
	Refresh time.Duration
	// Status is asked at every refresh for a word on how fresh the store is; nil
	// means none. It is called from a goroutine of its own.
	Status func() string
	// Actions are what can be done beside reading.
	Actions Actions
	// State is what the explorer was left in the last time; Save is told what it is
	// left in now, nil for nobody.
	State State
	Save  func(State)
	// Start is an id to open at once; "" opens the list.
	Start string
	// Expressions are what the filter bar takes beside its own words.
	Expressions Expressions
}

// framesPerSecond is how often the screen may change. At 60, the usual, a key may
// wait 16 ms for the next frame, whatever is done about it; 120 is the library's most.
const framesPerSecond = 120

// Run explores r until the person quits, which is no error, or ctx ends, whose
// error it returns. Every reading it started has ended when it returns.
func Run(ctx context.Context, r fleet.Reader, o Options) error {
	inside, cancel := context.WithCancel(ctx)
	var reads readings
	defer reads.end()
	defer cancel()

	run := func(f func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg {
			if !reads.start() {
				return nil
			}
			defer reads.under.Done()
			return f(inside)
		}
	}
	opts := []tea.ProgramOption{tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond)}
	if o.Input != nil {
		opts = append(opts, tea.WithInput(o.Input))
	}
	if o.Output != nil {
		opts = append(opts, tea.WithOutput(o.Output))
	}
	m := newModel(r, o, run)
	if o.Save != nil {
		defer func() { o.Save(m.left()) }()
	}
	p := tea.NewProgram(m, opts...)
	// Not tea.WithContext: that kills the program, which then leaves the
	// goroutine that reads the terminal behind.
	defer context.AfterFunc(ctx, p.Quit)()
	_, err := p.Run()
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("run the explorer: %w", err)
	}
	return nil
}

// readings counts what is under way, since the program does not wait for its
// commands when it ends.
type readings struct {
	mu    sync.Mutex
	ended bool
	under sync.WaitGroup
}

// start reports whether one more may begin.
func (r *readings) start() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.under.Add(1)
	}
	return !r.ended
}

// end lets none begin and waits for those under way.
func (r *readings) end() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.under.Wait()
}

// runner turns a reading into a command, and gives it the context of the run.
type runner func(func(context.Context) tea.Msg) tea.Cmd

// wait is a command that answers with msg after d, or with nothing when the
// explorer ends before.
func (run runner) wait(d time.Duration, msg tea.Msg) tea.Cmd {
	return run(func(ctx context.Context) tea.Msg {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return msg
		case <-ctx.Done():
			return nil
		}
	})
}

// env is what every screen may use.
type env struct {
	reader      fleet.Reader
	run         runner
	now         func() time.Time
	move        moveKeys
	expressions Expressions
	marked      string // the trace to compare others with; "" is none
}

// A screen is one view with its own state. The model routes to it; a screen
// acts only through the commands it returns.
type screen interface {
	// press handles a key that is nobody else's.
	press(msg tea.KeyPressMsg) tea.Cmd
	// resize is called before the first view and whenever the size changes.
	resize(w, h int)
	// view is at most h lines of at most w cells.
	view(w, h int) []line
	// load starts to read what the screen shows; the answer names the screen.
	load() tea.Cmd
	// loading reports whether an answer is under way.
	loading() bool
	// escape gives up the innermost thing that is open, and reports whether
	// there was one.
	escape() bool
	// title is the screen's name for the top line, status a word for the bottom.
	title() string
	status() string
	keys() []group
}

// Messages from screens to the model.
type (
	// openMsg opens the dossier of any id, with one of its records selected
	// when record is not empty.
	openMsg struct{ id, record string }
	// pushMsg shows a screen on top.
	pushMsg struct{ on screen }
	// flashMsg says something in the bottom line until the next key.
	flashMsg struct{ text string }
	// askMsg asks the person for a line; then says what to do with it.
	askMsg struct {
		label, value string
		then         func(string) tea.Cmd
		// history are earlier lines, the newest last; complete offers whole lines for
		// the text before the cursor. Both may be nil.
		history  []string
		complete func(string) []string
	}
	// copyMsg puts an id on the clipboard.
	copyMsg struct{ text string }
)

// answer is what a reading brings back to the screen that asked for it.
type answer interface{ deliver() }

// say is a command that sends one message.
func say(m tea.Msg) tea.Cmd { return func() tea.Msg { return m } }

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// defaultProgressEvery is the time between lines of progress where nobody looks at
// a terminal: often enough for a log to show that something happens.
const defaultProgressEvery = 10 * time.Second

// progressFlag adds the flag for how often progress is told.
func (a *app) progressFlag(fs *pflag.FlagSet) {
	atLeast(fs, &a.progressEvery, "progress-every", 0, defaultProgressEvery, "time between lines of progress where the output is no terminal; 0s for none")
}

// progress tells how far a command has come: by a line that is rewritten on a
// terminal, elsewhere by a line now and then, with the time that has passed.
type progress struct {
	out    io.Writer
	screen bool
	began  time.Time

	mu   sync.Mutex
	text string
	stop chan struct{}
	gone chan struct{}
}

// progressOf begins to tell a command's progress; end it.
func (a *app) progressOf(verb string) *progress {
	p := &progress{
		out: a.stderr, screen: isTerminal(a.stderr), began: time.Now(), text: verb + ": nothing yet",
		stop: make(chan struct{}), gone: make(chan struct{}),
	}
	if p.screen || a.progressEvery <= 0 {
		close(p.gone)
		return p
	}
	go p.lines(a.progressEvery)
	return p
}

func (p *progress) lines(every time.Duration) {
	defer close(p.gone)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		text := p.text
		p.mu.Unlock()
		fmt.Fprintf(p.out, "%s (after %s)\n", text, time.Since(p.began).Round(time.Second/10))
	}
}

// tell says how far the command has come: bar is for terminals alone.
func (p *progress) tell(bar, text string) {
	if p.screen {
		fmt.Fprint(p.out, "\r\x1b[K"+bar+text)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// end leaves a terminal's line empty. It may be called again.
func (p *progress) end() {
	if p.screen {
		fmt.Fprint(p.out, "\r\x1b[K")
		return
	}
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	<-p.gone
}

// isTerminal reports whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

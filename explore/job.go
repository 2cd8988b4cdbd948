package explore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
)

// tickEvery is how often the progress of a reading is drawn anew: as often as
// somebody who waits can tell the difference.
const tickEvery = 250 * time.Millisecond

// job is a reading that a person may have to wait for: it counts what has been
// read, and can be stopped. A screen has at most one at a time.
type job struct {
	read  atomic.Int64 // records, or what else is read
	stop  context.CancelFunc
	done  chan struct{}
	since time.Time
	env   *env
}

// tickMsg draws the screen anew while a job lasts.
type tickMsg struct{ of *job }

// begin starts a reading in place of the one before, which is stopped: its
// answer comes, and is for the screen to drop.
func (e *env) begin(before *job, f func(context.Context, *job) tea.Msg) (*job, tea.Cmd) {
	before.end()
	stopped, stop := context.WithCancel(context.Background())
	j := &job{stop: stop, done: make(chan struct{}), since: e.now(), env: e}
	over := sync.OnceFunc(func() { close(j.done) })
	read := e.run(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stopped, cancel)()
		defer stop() // releases what stopped holds
		defer over()
		return f(ctx, j)
	})
	return j, tea.Batch(read, j.tick())
}

// tick waits for the next moment to draw, or for the end of the reading.
func (j *job) tick() tea.Cmd {
	return j.env.run(func(ctx context.Context) tea.Msg {
		t := time.NewTimer(tickEvery)
		defer t.Stop()
		select {
		case <-t.C:
			return tickMsg{j}
		case <-j.done:
		case <-ctx.Done():
		}
		return nil
	})
}

// end stops a reading; nil is none.
func (j *job) end() {
	if j != nil {
		j.stop()
	}
}

// stopFirst stops a screen's first reading, if that is under way: read says that
// there has been an answer.
func (j *job) stopFirst(read bool) bool {
	if j == nil || read || j.over() {
		return false
	}
	j.end()
	return true
}

// gather reads to the end or to the first error, and counts.
func gather[T any](seq iter.Seq2[T, error], j *job) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		j.read.Add(1)
		out = append(out, v)
	}
	return out, nil
}

// over reports whether the reading has ended.
func (j *job) over() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// progress says how far a reading is, such as "12,345 records, 3s".
func (j *job) progress(now time.Time, what string) string {
	if j == nil {
		return ""
	}
	lasted := took(now.Sub(j.since).Truncate(time.Second))
	if j.read.Load() == 0 { // or it does not count
		return lasted
	}
	return fmt.Sprintf("%s %s, %s", thousands(int(j.read.Load())), what, lasted)
}

// unlessStopped is why a reading failed, which is nothing to say when a person
// stopped it and what was read before is shown.
func unlessStopped(err error, shown bool) error {
	if shown && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// thousands spells a number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// waiting is a screen while its first reading lasts.
func waiting(j *job, now time.Time, what string, w, h int) []line {
	return centred([]line{
		text(plain, "reading "+what+"…"), nil,
		text(faint, j.progress(now, "read")),
		text(faint, "esc stops"),
	}, w, h)
}

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"

	"muster/explore"
	"muster/fleet"
)

const (
	manyTraces = 1_000_000
	manySpans  = 100_000
	// keysPressed give a 99th percentile that three slow ones do not decide.
	keysPressed = 400
)

// crowd is a store of a million traces, each of a hundred thousand spans. It costs
// nothing to read, so that what is measured is the explorer.
type crowd struct{ trace fleet.Trace }

var crowdStart = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newCrowd() *crowd {
	c := &crowd{trace: fleet.Trace{ID: "6744000000000000000000000000f00d", Correlation: "order-4711"}}
	for i := range manySpans {
		r := fleet.Record{
			ID: strconv.Itoa(i), Kind: fleet.KindSpan, Time: crowdStart.Add(time.Duration(i) * time.Microsecond),
			Duration: time.Duration(manySpans-i/2) * time.Microsecond, Service: "service-" + strconv.Itoa(i%40),
			Name: "GET /items/" + strconv.Itoa(i%97), Raw: []byte(`{"name":"items","http":{"request":{"method":"GET"}}}`),
			Attributes: fleet.AttributesOf(fleet.AttrHTTPMethod, "GET", fleet.AttrHTTPStatus, "200"),
		}
		r.Keys.Trace, r.Keys.Span = c.trace.ID, fmt.Sprintf("%016x", i+1)
		if i > 0 {
			r.Keys.Parent = fmt.Sprintf("%016x", (i-1)/8+1) // eight children each
		}
		c.trace.Records = append(c.trace.Records, r)
	}
	return c
}

func (c *crowd) Traces(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	services := []string{"gateway", "orders", "payments"}
	return func(yield func(fleet.Summary, error) bool) {
		n := manyTraces
		if q.Limit > 0 {
			n = min(n, q.Limit)
		}
		for i := range n {
			s := fleet.Summary{
				Trace: fmt.Sprintf("%032x", i+1), Start: crowdStart.Add(-time.Duration(i) * time.Second), Duration: 812 * time.Millisecond,
				Service: services[i%3], Name: "POST /checkout/" + strconv.Itoa(i%89), Spans: 12, Logs: 9, Services: services,
			}
			if ctx.Err() != nil || !yield(s, nil) {
				return
			}
		}
	}
}

func (c *crowd) Trace(context.Context, string) (fleet.Trace, error) { return c.trace, nil }

func (c *crowd) Records(context.Context, fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(func(fleet.Record, error) bool) {}
}

func (c *crowd) Findings(context.Context, fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(func(fleet.Finding, error) bool) {}
}

// screen is a pseudo-terminal with an explorer in it.
type screen struct {
	keys   *os.File
	chunks chan chunk
	ended  chan error
}

type chunk struct {
	at   time.Time
	text string
}

// screenPatience bounds every wait for the screen.
const screenPatience = 2 * time.Minute

// runExplorer measures what a person at the explorer waits for: from the key that
// is written to the terminal to the first byte of what changes on it.
func runExplorer(ctx context.Context, out io.Writer) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	master, tty, err := pty.Open()
	if err != nil {
		return fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	defer func() { err = errors.Join(err, tty.Close(), master.Close()) }()
	if err := pty.Setsize(master, &pty.Winsize{Cols: 200, Rows: 60}); err != nil {
		return err
	}
	s := &screen{keys: master, chunks: make(chan chunk, 4096), ended: make(chan error, 1)}
	go s.watch(master)
	go func() {
		s.ended <- explore.Run(ctx, newCrowd(), explore.Options{Input: tty, Output: tty, Store: "bench", Now: func() time.Time { return crowdStart }})
	}()
	if err := s.measure(out); err != nil {
		return err
	}
	if err := s.press("q"); err != nil {
		return err
	}
	return <-s.ended
}

func (s *screen) watch(master io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := master.Read(buf)
		if err != nil {
			return
		}
		s.chunks <- chunk{time.Now(), string(buf[:n])}
	}
}

func (s *screen) measure(out io.Writer) error {
	if _, err := s.until("", "POST"); err != nil {
		return err
	}
	// Down to the last of a million: every page doubles what is read.
	began := time.Now()
	for pages := 0; ; pages++ {
		if pages == 40 {
			return fmt.Errorf("the end of %d traces is not reached after %d pages", manyTraces, pages)
		}
		text, err := s.settle("G")
		if err != nil {
			return err
		}
		if text == "" { // nothing is further down
			break
		}
	}
	fmt.Fprintf(out, "to the last of %d traces, all pages: %.2f s\n", manyTraces, time.Since(began).Seconds())
	for _, view := range []struct{ name, keys string }{
		{"a list of 1,000,000 traces", "kjkkjkjj\x02\x06"}, // from the last on: up, down, a page up and down
		{"a trace of 100,000 spans", "jjjkjkjj\x06\x02"},
	} {
		if view.name[0] == 'a' && strings.Contains(view.name, "spans") {
			took, err := s.until("\r", "JOINED")
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "a trace of %d spans opens in %d ms\n", manySpans, took.Milliseconds())
		}
		times, err := s.latencies(view.keys)
		if err != nil {
			return err
		}
		at := func(q float64) float64 {
			return float64(times[min(int(q*float64(len(times))), len(times)-1)].Microseconds()) / 1000
		}
		fmt.Fprintf(out, "keys in %s: median %.1f ms, 99 %% %.1f ms, longest %.1f ms (%d keys)\n", view.name, at(.5), at(.99), at(1), len(times))
	}
	return nil
}

// latencies are how long each of many keys took to change the screen, sorted.
func (s *screen) latencies(keys string) ([]time.Duration, error) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var out []time.Duration
	for i := range keysPressed {
		if err := s.quiet(); err != nil {
			return nil, err
		}
		// Not in step with the frames.
		pause := time.NewTimer(time.Duration(rnd.IntN(12_000)) * time.Microsecond)
		<-pause.C
		began := time.Now()
		if err := s.press(keys[i%len(keys) : i%len(keys)+1]); err != nil {
			return nil, err
		}
		c, err := s.next(screenPatience)
		if err != nil {
			return nil, err
		}
		out = append(out, c.at.Sub(began))
	}
	slices.Sort(out)
	return out, nil
}

func (s *screen) press(keys string) error {
	_, err := io.WriteString(s.keys, keys)
	return err
}

var errQuiet = errors.New("the screen does not change")

// next is what the screen sends next.
func (s *screen) next(patience time.Duration) (chunk, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case c := <-s.chunks:
		return c, nil
	case err := <-s.ended:
		return chunk{}, fmt.Errorf("the explorer ended: %w", err)
	case <-late.C:
		return chunk{}, errQuiet
	}
}

// quietTime without output is the end of an answer: three frames.
const quietTime = 30 * time.Millisecond

func (s *screen) quiet() error {
	for {
		if _, err := s.next(quietTime); errors.Is(err, errQuiet) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// until presses keys and waits for a text; it returns how long that took.
func (s *screen) until(keys, want string) (time.Duration, error) {
	began := time.Now()
	if err := s.press(keys); err != nil {
		return 0, err
	}
	var all strings.Builder
	for {
		c, err := s.next(screenPatience)
		if err != nil {
			return 0, fmt.Errorf("wait for %q: %w", want, err)
		}
		all.WriteString(c.text)
		if strings.Contains(ansi.Strip(all.String()), want) {
			return c.at.Sub(began), nil
		}
	}
}

// settle presses keys and returns what the screen sends until it is quiet for long
// enough that nothing is being read.
func (s *screen) settle(keys string) (string, error) {
	if err := s.press(keys); err != nil {
		return "", err
	}
	var all strings.Builder
	for {
		c, err := s.next(3 * time.Second)
		if errors.Is(err, errQuiet) {
			return ansi.Strip(all.String()), nil
		}
		if err != nil {
			return "", err
		}
		all.WriteString(c.text)
	}
}

//go:build unix

package explore

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"go.uber.org/goleak"

	"muster/fleet"
)

// patience is how long a test waits for the screen: far longer than it takes
// on a busy machine.
const patience = 30 * time.Second

// leftScreen gives the terminal its own screen back.
const leftScreen = "\x1b[?1049l"

// terminal is a pseudo-terminal with an explorer in it.
type terminal struct {
	t       *testing.T
	keys    *os.File
	chunks  chan string
	all     strings.Builder // everything sent so far
	read    int             // how much of its text has been waited for
	ended   chan error
	drained chan struct{}
}

// open runs an explorer in a terminal of w by h cells.
func open(ctx context.Context, t *testing.T, r fleet.Reader, w, h uint16, o Options) *terminal {
	t.Helper()
	t.Setenv("TERM", "xterm-256color")
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Cols: w, Rows: h}); err != nil {
		t.Fatal(err)
	}
	o.Input, o.Output, o.Now = tty, tty, func() time.Time { return noon }
	s := &terminal{t: t, keys: master, chunks: make(chan string, 1024), ended: make(chan error, 1), drained: make(chan struct{})}
	go func() {
		defer close(s.drained)
		buf := make([]byte, 64<<10)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			s.chunks <- string(buf[:n])
		}
	}()
	go func() { s.ended <- Run(ctx, r, o) }()
	t.Cleanup(func() {
		if err := errors.Join(tty.Close(), master.Close()); err != nil {
			t.Error(err)
		}
		<-s.drained
	})
	return s
}

// until waits for words to be sent, in any order, after those waited for before.
// Only single words are safe to wait for: the renderer jumps over blanks, and
// over whatever stands where it should.
func (s *terminal) until(words ...string) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		got := ansi.Strip(s.all.String())[s.read:]
		read := 0
		missing := slices.DeleteFunc(slices.Clone(words), func(w string) bool {
			i := strings.Index(got, w)
			read = max(read, i+len(w))
			return i >= 0
		})
		if len(missing) == 0 {
			s.read += read
			return
		}
		select {
		case c := <-s.chunks:
			s.all.WriteString(c)
		case err := <-s.ended:
			s.t.Fatalf("the explorer ended before it showed %q: %v", missing, err)
		case <-late.C:
			s.t.Fatalf("no %q on the screen, but %q", missing, got)
		}
	}
}

func (s *terminal) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for Run to return, and for what it wrote until then.
func (s *terminal) end() error {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case c := <-s.chunks:
			s.all.WriteString(c)
		case err := <-s.ended:
			for ok := true; ok && !strings.Contains(s.all.String(), leftScreen); {
				select {
				case c := <-s.chunks:
					s.all.WriteString(c)
				case <-late.C:
					ok = false
				}
			}
			return err
		case <-late.C:
			s.t.Fatal("the explorer does not end")
		}
	}
}

func TestRunInATerminal(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("program", func(t *testing.T) {
		s := open(t.Context(), t, sample(), 80, 24, Options{
			Store: "a-store", Refresh: time.Hour, Status: func() string { return "fresh-to-noon" },
		})
		s.until("/checkout", "fresh-to-noon")
		s.press("jjjj\r")
		s.until("refused")
		s.press("\t")
		s.until("SEVERITY")
		s.press("jjj\r")
		s.until("payment-compensa")
		s.press("?")
		s.until("closes help")
		if err := pty.Setsize(s.keys, &pty.Winsize{Cols: 40, Rows: 10}); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		s.until("60×12")
		s.press("x") // closes help
		s.press("q")
		if err := s.end(); err != nil {
			t.Errorf("quitting is an error: %v", err)
		}
		if got := s.all.String(); !strings.Contains(got, "\x1b[?1049h") || !strings.Contains(got, leftScreen) {
			t.Error("the terminal's own screen is not kept and given back")
		}
	})
}

// stuck is a Reader that never answers unless its context ends.
type stuck struct{ fake }

func (stuck) Traces(ctx context.Context, _ fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) {
		<-ctx.Done()
		yield(fleet.Summary{}, ctx.Err())
	}
}

func TestRunEndsWithItsContextAndItsReadings(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("program", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := open(ctx, t, &stuck{}, 80, 24, Options{Refresh: time.Hour})
		s.until("reading")
		cancel()
		if err := s.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returns %v, want the context's error", err)
		}
	})
}

// coloured finds the colours among the sequences that set a text's looks.
var coloured = regexp.MustCompile(`\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|10\d)(?:;\d+)*m`)

func TestNoColorTakesTheColoursButNotTheSigns(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, tt := range []struct {
		name, value string
		want        bool
	}{{"colours", "", true}, {"none", "1", false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tt.value)
			s := open(t.Context(), t, sample(), 80, 24, Options{Start: refusedTrace})
			s.until("refused")
			s.press("q")
			if err := s.end(); err != nil {
				t.Error(err)
			}
			if got := coloured.MatchString(s.all.String()); got != tt.want {
				t.Errorf("there are colours: %v", got)
			}
		})
	}
}

package pipeline

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"muster/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPassGoesOnFromItsCheckpoint(t *testing.T) {
	m := newMemory()
	s := &stream{name: "logs/a"}
	mustPass(t, newLine(m), PassOptions{Since: at(0), Until: at(25)}, s)
	totals := mustPass(t, newLine(m), PassOptions{Since: at(0), Until: at(40)}, s)
	want := []fleet.Window{{Start: at(0), End: at(25)}, {Start: at(25), End: at(40)}}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
	if totals.Stored != 15 || len(m.live) != 40 || !m.marks["logs/a"].Equal(at(40)) {
		t.Errorf("stored %d, live %d, checkpoint %v", totals.Stored, len(m.live), m.marks["logs/a"])
	}
}

func TestPassKeepsTheCheckpointBeforeAnError(t *testing.T) {
	m := newMemory()
	bad, good := &stream{name: "logs/bad", failAt: at(17)}, &stream{name: "logs/good"}
	_, err := newLine(m).Pass(t.Context(), []fleet.Collector{bad, good}, PassOptions{Since: at(0), Until: at(30)})
	var s *StreamError
	if !errors.As(err, &s) || s.Stream != "logs/bad" || !errors.Is(err, errStream) {
		t.Errorf("got %v, want the stream's own error", err)
	}
	if !m.marks["logs/bad"].Equal(at(10)) || !m.marks["logs/good"].Equal(at(30)) {
		t.Errorf("checkpoints %v", m.marks)
	}
	if len(m.ledger) != 1 || m.ledger[0].Coverage != fleet.Partial || m.ledger[0].Stream != "logs/bad" {
		t.Errorf("ledger %v, want the window that was not read", m.ledger)
	}
	bad.failAt = time.Time{}
	mustPass(t, newLine(m), PassOptions{Since: at(0), Until: at(30)}, bad, good)
	if len(m.live) != 60 {
		t.Errorf("%d records after the retry, want 60", len(m.live))
	}
}

func TestPassEndsWithTheLakesError(t *testing.T) {
	m := newMemory()
	m.fail = errors.New("disk full")
	_, err := newLine(m).Pass(t.Context(), []fleet.Collector{&stream{name: "logs/a"}},
		PassOptions{Since: at(0), Until: at(5000), CommitRecords: 10})
	if !errors.Is(err, m.fail) || len(m.marks) != 0 {
		t.Errorf("got %v with checkpoints %v", err, m.marks)
	}
}

func TestPassStopsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newLine(newMemory()).Pass(ctx, []fleet.Collector{&stream{name: "logs/a"}}, PassOptions{Since: at(0), Until: at(5000)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPassBackfillsWithoutAHole(t *testing.T) {
	m := newMemory()
	s := &stream{name: "logs/a"}
	mustPass(t, newLine(m), PassOptions{Since: at(100), Until: at(120)}, s)
	s.asked = nil
	mustPass(t, newLine(m), PassOptions{Since: at(50), Until: at(130)}, s)
	want := []fleet.Window{{Start: at(50), End: at(100)}, {Start: at(120), End: at(130)}}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
	if len(m.live) != 80 {
		t.Errorf("%d records, want 80", len(m.live))
	}
	if diff := cmp.Diff(map[string]time.Time{"logs/a": at(130)}, Watermarks(m.marks)); diff != "" {
		t.Error(diff)
	}
	s.asked = nil
	mustPass(t, newLine(m), PassOptions{Since: at(50), Until: at(130)}, s)
	if len(s.asked) != 0 {
		t.Errorf("asked again for %v", s.asked)
	}
}

func TestPlanOfABackfillThatEndsBeforeTheCoverage(t *testing.T) {
	marks := map[string]time.Time{"s": at(120), startMark + "s": at(100)}
	ss := plan("s", marks, at(10), at(20), DefaultSweepAfter)
	if len(ss) != 1 || ss[0].window != (fleet.Window{Start: at(10), End: at(20)}) || ss[0].done != nil {
		t.Errorf("got %v, want the window and no mark: 20 to 100 is still a hole", ss)
	}
}

func TestFollowEndsWithoutErrorWhenTold(t *testing.T) {
	m := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	passes := 0
	down := &stream{name: "logs/down", failAt: at(0)}
	err := newLine(m).Follow(ctx, func(context.Context) ([]fleet.Collector, error) {
		return []fleet.Collector{down, &stream{name: "logs/a"}}, nil
	}, FollowOptions{
		Pass: PassOptions{Since: at(0)}, Every: time.Millisecond,
		After: func(context.Context, Totals) error {
			if passes++; passes == 3 {
				cancel()
			}
			return nil
		},
	})
	if err != nil || passes != 3 {
		t.Errorf("got %v after %d passes: a stream that is down must not end the following", err, passes)
	}
}

func TestFollowEndsWithTheLakesError(t *testing.T) {
	m := newMemory()
	m.fail = errors.New("disk full")
	err := newLine(m).Follow(t.Context(), func(context.Context) ([]fleet.Collector, error) {
		return []fleet.Collector{&stream{name: "logs/a"}}, nil
	}, FollowOptions{Pass: PassOptions{Since: at(0)}, Every: time.Millisecond})
	if !errors.Is(err, m.fail) {
		t.Errorf("got %v", err)
	}
}

func TestFollowIsPatientWithListingOnceItWorked(t *testing.T) {
	m := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked, passes := 0, 0
	err := newLine(m).Follow(ctx, func(context.Context) ([]fleet.Collector, error) {
		if asked++; asked == 2 {
			return nil, errStream
		}
		return []fleet.Collector{&stream{name: "logs/a"}}, nil
	}, FollowOptions{
		Pass: PassOptions{Since: at(0)}, Every: time.Millisecond,
		After: func(context.Context, Totals) error {
			if passes++; passes == 2 {
				cancel()
			}
			return nil
		},
	})
	if err != nil || passes != 2 {
		t.Errorf("got %v after %d passes", err, passes)
	}
	err = newLine(m).Follow(t.Context(), func(context.Context) ([]fleet.Collector, error) {
		return nil, errStream
	}, FollowOptions{Pass: PassOptions{Since: at(0)}, Every: time.Millisecond})
	if !errors.Is(err, errStream) {
		t.Errorf("got %v, want the error of the first listing", err)
	}
}

// eager hands over a record from after the window too, as files of a trail do.
type eager struct{ stream }

func (e *eager) Collect(_ context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		var rs []fleet.Record
		for _, t := range []time.Time{w.End.Add(-time.Second), w.End.Add(time.Second)} {
			rs = append(rs, fleet.Record{ID: t.String(), Kind: fleet.KindAPICall, Time: t})
		}
		yield(fleet.Batch{Records: rs, Through: w.End}, nil)
	}
}

func TestPassLeavesOutWhatHappenedFromUntilOn(t *testing.T) {
	m := newMemory()
	mustPass(t, newLine(m), PassOptions{Since: at(0), Until: at(60)}, &eager{stream{name: "trail/a"}})
	if len(m.live) != 1 {
		t.Errorf("%d records, want the one before the end", len(m.live))
	}
	mustPass(t, newLine(m), PassOptions{Since: at(0)}, &eager{stream{name: "trail/a"}})
	if len(m.live) != 3 {
		t.Errorf("%d records; a pass to now leaves nothing out, clocks may differ", len(m.live))
	}
}

// refused ends without an error and without having read anything, as a stream
// whose permission is missing does.
type refused struct{ stream }

func (r *refused) Collect(context.Context, fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		yield(fleet.Batch{Ledger: []fleet.LedgerEntry{{Coverage: fleet.Partial, Reason: "denied"}}}, nil)
	}
}

func TestPassDoesNotMarkARefusedBackfillAsRead(t *testing.T) {
	m := newMemory()
	mustPass(t, newLine(m), PassOptions{Since: at(100), Until: at(120)}, &stream{name: "logs/a"})
	mustPass(t, newLine(m), PassOptions{Since: at(50), Until: at(120)}, &refused{stream{name: "logs/a"}})
	if got := m.marks[startMark+"logs/a"]; !got.Equal(at(100)) {
		t.Errorf("the coverage begins at %v, though nothing before 100 was read", got)
	}
	if len(m.ledger) != 1 || m.ledger[0].Stream != "logs/a" {
		t.Errorf("ledger %v", m.ledger)
	}
}

// A lake that fails stops the streams; they are not to blame for it.
func TestPassBlamesNoStreamForTheLake(t *testing.T) {
	m := newMemory()
	m.fail = errors.New("disk full")
	var streams []fleet.Collector
	for _, name := range []string{"logs/a", "logs/b", "logs/c"} {
		streams = append(streams, &stream{name: name})
	}
	totals, err := newLine(m).Pass(t.Context(), streams, PassOptions{Since: at(0), Until: at(50_000), CommitRecords: 10})
	var s *StreamError
	if !errors.Is(err, m.fail) || errors.As(err, &s) || totals.Failed != 0 {
		t.Errorf("got %v and %d failed streams, want the lake's error alone", err, totals.Failed)
	}
}

// gapped is a stream of which nothing may be read.
type gapped struct{ stream }

func (g *gapped) Collect(_ context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		yield(fleet.Batch{Ledger: []fleet.LedgerEntry{
			{Window: w, Coverage: fleet.Partial, Reason: "denied", Detail: "allow logs:FilterLogEvents"},
			{Window: w, Coverage: fleet.Partial, Reason: "sampled"},
			{Window: w, Coverage: fleet.Complete},
		}}, nil)
	}
}

func TestPassSaysOnceWhatItMayNotRead(t *testing.T) {
	l := newLine(newMemory())
	var log bytes.Buffer
	l.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		mustPass(t, l, PassOptions{Since: at(0), Until: at(30)}, &gapped{stream{name: "logs/a"}})
	}
	if n := strings.Count(log.String(), "allow logs:FilterLogEvents"); n != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("said %d times, want once and nothing else:\n%s", n, log.String())
	}
}

func TestPassCountsStreamsThatFailed(t *testing.T) {
	totals, err := newLine(newMemory()).Pass(t.Context(), []fleet.Collector{
		&stream{name: "logs/bad", failAt: at(3)}, &stream{name: "logs/good"},
	}, PassOptions{Since: at(0), Until: at(30)})
	if err == nil || totals.Failed != 1 {
		t.Errorf("%d failed, want 1 (%v)", totals.Failed, err)
	}
}

func TestTakeReportsWhatIsFromTheFuture(t *testing.T) {
	l := newLine(newMemory()) // its clock stands at 1000 s
	totals, err := l.Take(t.Context(), Step{Records: []fleet.Record{
		{ID: "now", Kind: fleet.KindLog, Time: at(1000)},
		{ID: "skewed", Kind: fleet.KindLog, Time: at(1000 + 600)},
		{ID: "ahead", Kind: fleet.KindLog, Time: at(1000 + 601)},
	}})
	if err != nil || totals.Stored != 3 || totals.Ahead != 1 || !strings.Contains(totals.String(), "1 from the future") {
		t.Errorf("got %+v (%s), want all kept and one reported: %v", totals, totals, err)
	}
	if strings.Contains(Totals{}.String(), "future") {
		t.Error("speaks of the future though nothing is from there")
	}
}

// handing is a stream that hands over what its source keeps until it is told that
// it may forget it.
type handing struct {
	stream
	lake   *memory
	forgot []int // how many records were live when it was told, by batch
}

func (h *handing) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		for b, err := range h.stream.Collect(ctx, w) {
			b.Done = func(context.Context) {
				h.lake.mu.Lock()
				defer h.lake.mu.Unlock()
				h.forgot = append(h.forgot, len(h.lake.live))
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// TestSourcesForgetWhatIsStored: a source is told that it may forget what it handed
// over once that is durable, and never when it is not, or was left to a later pass.
func TestSourcesForgetWhatIsStored(t *testing.T) {
	m := newMemory()
	h := &handing{stream: stream{name: "trail/q"}, lake: m}
	mustPass(t, newLine(m), PassOptions{Since: at(0)}, h)
	if len(h.forgot) == 0 || h.forgot[0] != len(m.live) && h.forgot[0] < 10 {
		t.Errorf("it was told %v, of %d records", h.forgot, len(m.live))
	}
	h.forgot = nil
	mustPass(t, newLine(m), PassOptions{Since: at(0), Until: at(2000)}, h)
	if len(h.forgot) != 0 {
		t.Errorf("it forgot %v though records behind the end were left out", h.forgot)
	}
	m.fail = errors.New("disk full")
	if _, err := newLine(m).Pass(t.Context(), []fleet.Collector{&handing{stream: stream{name: "trail/p"}, lake: m}, h}, PassOptions{Since: at(0)}); !errors.Is(err, m.fail) || len(h.forgot) != 0 {
		t.Errorf("%v: it forgot %v", err, h.forgot)
	}
}

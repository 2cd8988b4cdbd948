package pipeline

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/fleet"
	"muster/internal/metrics"
)

var epoch = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// memory is a Lake with the commit protocol and nothing else. interfere runs
// before a Commit looks at its base, as another writer would.
type memory struct {
	mu        sync.Mutex
	live      map[string]fleet.Record
	marks     map[string]time.Time
	ledger    []fleet.LedgerEntry
	head      fleet.Snapshot
	interfere func(m *memory)
	fail      error
}

func newMemory() *memory {
	return &memory{live: map[string]fleet.Record{}, marks: map[string]time.Time{}}
}

func (m *memory) Checkpoints(context.Context) (map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.marks), nil
}

func (m *memory) Fresh(_ context.Context, rs []fleet.Record) (fleet.Fresh, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := fleet.Fresh{Base: m.head}
	taken := map[string]bool{}
	for _, r := range rs {
		old, known := m.live[r.ID]
		switch {
		case taken[r.ID] || known && old.Revision >= r.Revision:
			f.Dropped++
		case known:
			f.Revised = append(f.Revised, r)
		default:
			f.Records = append(f.Records, r)
		}
		taken[r.ID] = true
	}
	return f, nil
}

func (m *memory) Commit(_ context.Context, c fleet.Commit) (fleet.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	if m.interfere != nil {
		f := m.interfere
		m.interfere = nil
		f(m)
	}
	if c.Base != m.head {
		return 0, fleet.ErrConflict
	}
	m.put(c.Records...)
	m.put(c.Revised...)
	for _, a := range c.Amendments {
		r := m.live[a.Ref.ID]
		r.Keys.Amend(&a.Keys)
		m.live[a.Ref.ID] = r
	}
	maps.Copy(m.marks, c.Checkpoints)
	m.ledger = append(m.ledger, c.Ledger...)
	m.head++
	return m.head, nil
}

func (m *memory) put(rs ...fleet.Record) {
	for _, r := range rs {
		m.live[r.ID] = r
	}
}

func (m *memory) Records(_ context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.live))
	m.mu.Unlock()
	fleet.Sort(all)
	return func(yield func(fleet.Record, error) bool) {
		for _, r := range all {
			if q.Window.Contains(r.Time) && !yield(r, nil) {
				return
			}
		}
	}
}

func newLine(m *memory) *Line {
	return &Line{
		Lake: m, Now: func() time.Time { return at(1000) }, Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.NewLine(prometheus.NewRegistry()),
	}
}

// stream hands over one record a second of its window, ten a batch, and fails
// at a moment if it is told to.
type stream struct {
	name   string
	failAt time.Time
	asked  []fleet.Window
}

var errStream = errors.New("the source is down")

func (s *stream) Stream() string { return s.name }

func (s *stream) Collect(_ context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	s.asked = append(s.asked, w)
	return func(yield func(fleet.Batch, error) bool) {
		var b fleet.Batch
		for t := w.Start; t.Before(w.End); t = t.Add(time.Second) {
			if t.Equal(s.failAt) {
				yield(fleet.Batch{}, errStream)
				return
			}
			b.Records = append(b.Records, fleet.Record{ID: s.name + t.Format(time.TimeOnly), Kind: fleet.KindLog, Time: t})
			b.Through = t.Add(time.Second)
			if len(b.Records) == 10 {
				if !yield(b, nil) {
					return
				}
				b = fleet.Batch{}
			}
		}
		b.Through = w.End
		yield(b, nil)
	}
}

func mustPass(t *testing.T, l *Line, o PassOptions, cs ...fleet.Collector) Totals {
	t.Helper()
	totals, err := l.Pass(t.Context(), cs, o)
	if err != nil {
		t.Fatal(err)
	}
	return totals
}

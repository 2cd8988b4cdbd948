// Package pipeline is the one line of muster: collectors hand over batches, the
// resolver joins them, the lake commits them with the checkpoints of the
// streams they came from, and the audit judges what is there. One way, no way
// back.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/correlate"
	"muster/fleet"
	"muster/internal/metrics"
)

// DefaultHorizon is how far around a record's time the resolver looks for what
// it joins: a day holds every request, its late evidence (CloudTrail promises
// nothing but usually needs minutes), and journeys that wait in queues overnight.
const DefaultHorizon = 24 * time.Hour

// DefaultMaxBytes bounds the resolver's memory: about six million records at 90
// bytes each, and with all else that an import needs less than 1.5 GB.
const DefaultMaxBytes = 512 << 20

// conflictAttempts bounds how often a commit is tried again when another writer
// was faster. Each try needs a whole re-read, so losing this often means that
// something else is wrong.
const conflictAttempts = 20

// clockSkew is how far clocks may differ before a record counts as one from the
// future; what synchronises them keeps them within seconds.
const clockSkew = 10 * time.Minute

// A Lake keeps resolved records. Fresh and Commit together are a compare and
// swap: a Commit based on a snapshot that is no longer the newest changes
// nothing and returns fleet.ErrConflict. Commit returns the snapshot that it
// made, and only when all of it is durable. Used by one goroutine at a time.
type Lake interface {
	Checkpoints(ctx context.Context) (map[string]time.Time, error)
	Fresh(ctx context.Context, rs []fleet.Record) (fleet.Fresh, error)
	Commit(ctx context.Context, c fleet.Commit) (fleet.Snapshot, error)
	Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error]
}

// Line takes batches to the lake. Not concurrent: one Line has one writer.
type Line struct {
	Lake    Lake
	Horizon time.Duration // zero means DefaultHorizon
	// MaxEntries and MaxBytes bound what the resolver remembers, in records and
	// in memory. Both zero means DefaultMaxBytes. Beyond them it looks less far
	// around a record, forgets the oldest, and says so in the ledger.
	MaxEntries int
	MaxBytes   int

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *metrics.Line

	resolver   *correlate.Resolver
	narrowed   time.Duration        // the horizon where less than all of it can be remembered; else zero
	narrowedAt time.Time            // the time of the evidence of which there was too much
	losses     []correlate.Loss     // of the last resolving
	base       fleet.Snapshot       // the state of the lake that the resolver knows
	known      fleet.Window         // the part of the lake that the resolver has read
	marks      map[string]time.Time // as last read or moved by this line

	warned map[string]bool // of what is missing, by stream and reason
}

// Step is what one commit is made of: records as collected, and the marks and
// ledger entries that become true with them.
type Step struct {
	Records     []fleet.Record
	Checkpoints map[string]time.Time
	Ledger      []fleet.LedgerEntry

	arrivals map[string]arrival // of records of streams that are followed, by id
	readAt   time.Time          // when they were read
	done     []func(context.Context)
}

// empty reports whether there is nothing to commit.
func (s *Step) empty() bool {
	return len(s.Records) == 0 && len(s.Checkpoints) == 0 && len(s.Ledger) == 0
}

// Totals counts what a commit, a pass or an import did.
type Totals struct {
	Read    int // records handed over
	Stored  int // new records
	Revised int // records replaced by a newer revision
	Amended int // earlier records whose joins changed
	Dropped int // records that were there already
	Ahead   int // of Stored, records from the future: kept, and reported
	Streams int // of a pass
	Failed  int // of Streams, those that could not be read to their end
	Denied  int // of Streams, those of which nothing may be read
	Commits int
	ByKind  map[fleet.Kind]int // of Stored
	// Lateness of new records by source, of streams that are being followed.
	Lateness map[string]*Lateness
}

func (t *Totals) add(o Totals) {
	t.Read += o.Read
	t.Stored += o.Stored
	t.Revised += o.Revised
	t.Amended += o.Amended
	t.Dropped += o.Dropped
	t.Ahead += o.Ahead
	t.Streams += o.Streams
	t.Failed += o.Failed
	t.Denied += o.Denied
	t.Commits += o.Commits
	for k, n := range o.ByKind {
		if t.ByKind == nil {
			t.ByKind = map[fleet.Kind]int{}
		}
		t.ByKind[k] += n
	}
	for source, l := range o.Lateness {
		t.lateness(source).add(*l)
	}
}

// String says the totals in one line for people.
func (t Totals) String() string {
	var kinds []string
	for _, k := range fleet.Kinds() {
		if n := t.ByKind[k]; n > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %d", k, n))
		}
	}
	s := fmt.Sprintf("%d records read, %d new", t.Read, t.Stored)
	if len(kinds) > 0 {
		s += " (" + strings.Join(kinds, ", ") + ")"
	}
	s += fmt.Sprintf(", %d revised, %d joins amended, %d known already", t.Revised, t.Amended, t.Dropped)
	if t.Ahead > 0 {
		s += fmt.Sprintf(", %d from the future: is a clock wrong?", t.Ahead)
	}
	return s
}

// Take is the line itself: it drops what is live, resolves the rest, and
// commits it with its checkpoints. When another writer was faster it reads the
// lake again and starts over, so nothing is lost and nothing doubled.
func (l *Line) Take(ctx context.Context, s Step) (Totals, error) {
	started := l.Now()
	for range conflictAttempts {
		t, err := l.try(ctx, s)
		if errors.Is(err, fleet.ErrConflict) {
			l.forget()
			l.Metrics.Conflicts.Inc()
			continue
		}
		if err != nil {
			l.forget()
			return Totals{}, err
		}
		for source, late := range t.Lateness {
			late.observe(l.Metrics.Lateness.WithLabelValues(source))
		}
		l.Metrics.Committed(t.ByKind, t.Revised, t.Amended, t.Dropped, l.Now().Sub(started))
		s.settle(ctx)
		return t, nil
	}
	return Totals{}, fmt.Errorf("commit %d records: another writer was faster %d times in a row: %w",
		len(s.Records), conflictAttempts, fleet.ErrConflict)
}

// doneAtOnce is how many sources are told at once that their records are durable.
const doneAtOnce = 8

// settle tells what handed the records over that they are durable.
func (s *Step) settle(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(doneAtOnce)
	for _, done := range s.done {
		g.Go(func() error {
			done(ctx)
			return nil
		})
	}
	_ = g.Wait() // none of them fails
}

func (l *Line) try(ctx context.Context, s Step) (Totals, error) {
	fresh, err := l.Lake.Fresh(ctx, s.Records)
	if err != nil {
		return Totals{}, fmt.Errorf("ask the lake what it holds: %w", err)
	}
	if l.resolver == nil || fresh.Base != l.base {
		l.forget() // somebody else has written: what the resolver knows is not all
	}
	n := len(fresh.Records)
	all := fresh.Records
	if len(fresh.Revised) > 0 {
		all = slices.Concat(fresh.Records, fresh.Revised)
	}
	marks := s.Checkpoints
	if len(marks) > 0 && fresh.Base != l.base {
		if marks, err = l.ours(ctx, marks); err != nil {
			return Totals{}, err
		}
	}
	amendments, gaps, err := l.resolve(ctx, fresh.Base, all)
	if err != nil {
		return Totals{}, err
	}
	t := Totals{
		Read: len(s.Records), Stored: n, Revised: len(all) - n, Amended: len(amendments), Dropped: fresh.Dropped,
		ByKind: countKinds(all[:n]), Ahead: l.ahead(all[:n]),
	}
	late := s.arrived(all[:n], &t)
	c := fleet.Commit{
		Base:    fresh.Base,
		Records: all[:n], Revised: all[n:], Amendments: amendments,
		Checkpoints: marks, Ledger: slices.Concat(s.Ledger, gaps, late),
	}
	if c.Empty() {
		return t, nil
	}
	if l.base, err = l.Lake.Commit(ctx, c); err != nil {
		return Totals{}, fmt.Errorf("commit %d records: %w", len(all), err)
	}
	t.Commits = 1
	l.warn(ctx, gaps)
	l.warn(ctx, late)
	l.moved(marks)
	return t, nil
}

// ahead counts the records that cannot have happened yet.
func (l *Line) ahead(rs []fleet.Record) int {
	latest, n := l.Now().Add(clockSkew), 0
	for i := range rs {
		if rs[i].Time.After(latest) {
			n++
		}
	}
	return n
}

func countKinds(rs []fleet.Record) map[fleet.Kind]int {
	by := map[fleet.Kind]int{}
	for i := range rs {
		by[rs[i].Kind]++
	}
	return by
}

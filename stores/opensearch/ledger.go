package opensearch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/fleet"
)

// ledgerIndex says how completely the sources were read.
const ledgerIndex = "muster-ledger"

// ledgerDocument sums up one UTC day of a stream, apart for each coverage and
// reason. The lake joins the windows of its ledger as it goes; a day of a stream
// stays, so that no document is ever left over.
type ledgerDocument struct {
	Timestamp string         `json:"@timestamp"` // the end of what was read of the day
	Stream    string         `json:"stream"`
	Source    string         `json:"source"` // what a stream's name begins with: "logs"
	Coverage  fleet.Coverage `json:"coverage"`
	Reason    string         `json:"reason,omitempty"`
	Detail    string         `json:"detail,omitempty"` // of the newest window
	Records   int            `json:"records"`          // of the windows that end on the day
	Seconds   float64        `json:"covered_seconds"`  // of the day
	Start     string         `json:"window_start"`
	End       string         `json:"window_end"`
}

// ledgerKey is what a ledgerDocument is about.
type ledgerKey struct {
	stream   string
	coverage fleet.Coverage
	reason   string
	on       time.Time // the day, at its start
}

// id is the same for the same day of the same lake's stream.
func (k ledgerKey) id(lake string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{lake, k.stream, string(k.coverage), k.reason, k.on.Format(time.DateOnly)}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// longestWindow bounds, in days, what is told of a window: the ledger of years
// in one window is one of a source that keeps nothing that long.
const longestWindow = 400

// ledgerDays are the documents of a ledger, by what they are about. A window
// with an open side is told of by the day of the side that it has.
func ledgerDays(entries []fleet.LedgerEntry) map[ledgerKey]*ledgerDocument {
	out := map[ledgerKey]*ledgerDocument{}
	for _, e := range entries {
		w := e.Window
		w.Start, w.End = cmp.Or(w.Start, w.End), cmp.Or(w.End, w.Start)
		if w.Start.IsZero() {
			continue // of no time at all
		}
		first := w.Start.UTC().Truncate(day)
		last := w.End.Add(-time.Nanosecond).UTC().Truncate(day)
		if last.Before(first) {
			last = first
		}
		if last.Sub(first) > longestWindow*day {
			first = last.Add(-longestWindow * day)
		}
		for d := first; !d.After(last); d = d.Add(day) {
			k := ledgerKey{e.Stream, e.Coverage, e.Reason, d}
			if out[k] == nil {
				out[k] = newLedgerDocument(k)
			}
			out[k].add(&e, w, d, d.Equal(last))
		}
	}
	return out
}

func newLedgerDocument(k ledgerKey) *ledgerDocument {
	source, _, _ := strings.Cut(k.stream, "/")
	return &ledgerDocument{Stream: k.stream, Source: source, Coverage: k.coverage, Reason: k.reason}
}

// add takes in the part of a window that lies on a day.
func (d *ledgerDocument) add(e *fleet.LedgerEntry, w fleet.Window, on time.Time, last bool) {
	start, end := w.Start.UTC(), w.End.UTC()
	if start.Before(on) {
		start = on
	}
	if next := on.Add(day); end.After(next) {
		end = next
	}
	d.Seconds += end.Sub(start).Seconds()
	if last {
		d.Records += e.Records
	}
	if s := dateNanos(start); d.Start == "" || s < d.Start {
		d.Start = s
	}
	if s := dateNanos(end); s >= d.End {
		d.End, d.Timestamp, d.Detail = s, s, e.Detail
	}
}

// takeLedger writes the ledger as it was at a mark of the lake's.
func (s *Store) takeLedger(ctx context.Context, lake string, entries []fleet.LedgerEntry, through int64) (Written, error) {
	w := s.startSending(ctx)
	c := &chunk{}
	for k, d := range ledgerDays(entries) {
		body, err := json.Marshal(d)
		if err != nil {
			_, _ = w.wait() // says less
			return Written{}, fmt.Errorf("write the ledger of %s: %w", k.stream, err)
		}
		c.add(ledgerIndex, k.id(lake), through, func(b []byte) []byte { return append(b, body...) })
		if c.full() {
			if w.send(c) != nil {
				break // wait says why
			}
			c = &chunk{}
		}
	}
	_ = w.send(c) // as above
	return w.wait()
}

// ledger writes what has changed of the lake's ledger.
func (f *following) ledger(ctx context.Context) error {
	entries, through, err := f.lake.ChangedLedger(ctx, f.mark.Ledger)
	if err != nil || through == f.mark.Ledger {
		return err
	}
	w, err := f.takeLedger(ctx, f.id, entries, through)
	f.total.add(w)
	if blocked, ok := errors.AsType[*BlockedError](err); ok { // its mark stays where it is
		f.behind.add(blocked.Reasons)
		return nil
	}
	if err != nil {
		return err
	}
	f.mark.Ledger = through
	return f.saveMark(ctx, f.id, f.mark)
}

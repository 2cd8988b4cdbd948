package fleet

import (
	"context"
	"iter"
	"time"
)

// Window is a span of time, start included, end excluded. A zero Start or End
// leaves that side open.
type Window struct {
	Start, End time.Time
}

// Contains reports whether t lies in the window.
func (w Window) Contains(t time.Time) bool {
	return (w.Start.IsZero() || !t.Before(w.Start)) && (w.End.IsZero() || t.Before(w.End))
}

// Batch is what a Collector hands over at a time.
type Batch struct {
	Records []Record
	// Through is the time up to which the stream is complete with this batch;
	// zero when it says nothing yet. It becomes the stream's checkpoint.
	Through time.Time
	// Ledger says how complete the windows read are. Entries without a Stream
	// are given the collector's.
	Ledger []LedgerEntry
	// Done, when set, is called once this batch and all before it of the stream
	// are durable: what handed them over may forget them. It is not called when
	// they are not, or when a part of them was left to a later pass.
	Done func(ctx context.Context)
}

// A Collector reads one stream: one source, account, region, and group or bucket.
type Collector interface {
	// Stream is the checkpoint key; it never changes between releases.
	Stream() string
	// Collect yields the window's records. It re-reads its source's overlap
	// before the window by itself: stable ids make that free. An error ends the
	// sequence, and the batches before it stand. Throttling is waited out
	// inside. Not concurrent.
	Collect(ctx context.Context, w Window) iter.Seq2[Batch, error]
}

// Glance is a look that is asked for at what is new in a stream, before its turn.
// It reads from a time on and moves no checkpoint.
type Glance struct {
	Stream Collector
	From   time.Time
}

// Coverage says how much of a window was seen. "No finding" and "no data" are
// different answers.
type Coverage string

// The degrees of coverage. Unknown is what a window without an entry has.
const (
	Complete Coverage = "complete"
	Partial  Coverage = "partial"
	Unknown  Coverage = "unknown"
)

// LedgerEntry says how completely one window of one stream was read.
type LedgerEntry struct {
	Stream   string
	Window   Window
	Coverage Coverage
	// Reason says why a window is not complete: "throttled", "denied",
	// "sampled", "retention", "unreadable", "late".
	Reason  string
	Detail  string
	Records int
}

// JoinStream is the stream of the ledger's entries on joins: where they are not
// complete, and where they were made complete later. What has no entry was joined.
const JoinStream = "join"

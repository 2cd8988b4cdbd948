package fleet

import (
	"errors"
	"time"
)

// ErrConflict is returned by a store when another writer committed since the
// snapshot that a Commit is based on. Read again what is live, resolve again,
// and try again; nothing was written.
var ErrConflict = errors.New("the lake has changed since it was read")

// Commit is one atomic step of a store: its records and the checkpoints of the
// streams that they came from become visible together or not at all.
type Commit struct {
	// Base is the snapshot that Records was filtered and resolved against.
	Base Snapshot
	// Records are new, resolved, and not live in the store.
	Records []Record
	// Revised are newer revisions of records that are live, resolved.
	Revised []Record
	// Amendments give live records other resolved keys.
	Amendments []Amendment
	// Checkpoints are the new marks of the streams read.
	Checkpoints map[string]time.Time
	Ledger      []LedgerEntry
}

// Empty reports whether a commit would change nothing.
func (c *Commit) Empty() bool {
	return len(c.Records) == 0 && len(c.Revised) == 0 && len(c.Amendments) == 0 &&
		len(c.Checkpoints) == 0 && len(c.Ledger) == 0
}

// Amendment gives a live record the keys that later evidence led to.
type Amendment struct {
	Ref Ref
	// Keys has what resolving gives; what Keys.Amend leaves alone may be missing.
	Keys Keys
}

// Ref names a record and where in a store to look for it.
type Ref struct {
	ID   string
	Kind Kind
	Time time.Time
}

// Snapshot names one state of a store; zero is the empty store.
type Snapshot int64

// Fresh is what is left of a batch once everything that is live is dropped.
type Fresh struct {
	Base    Snapshot
	Records []Record // not live
	Revised []Record // live at a lower revision
	Dropped int
}

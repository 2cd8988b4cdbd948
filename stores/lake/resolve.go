package lake

import (
	"time"

	"muster/fleet"
)

// Recompute says which joins to compute anew.
type Recompute struct {
	// Window holds the records whose joins are looked at. Records within the
	// horizon around it take part, but are left as they are.
	Window  fleet.Window
	Horizon time.Duration
	// DryRun writes nothing.
	DryRun bool
	// Each, when set, is told every difference, once it is written.
	Each func(Difference) error
}

// Difference is a record whose joins, computed anew, are not those it has.
type Difference struct {
	Ref      fleet.Ref
	Was, Now fleet.Keys // only what resolving gives
}

// Recomputed counts what a Recompute did.
type Recomputed struct {
	Looked int // records of the window
	Differ int // of them, joined differently when computed anew
	// Beyond are records with a join that nothing within the horizon of the
	// window accounts for, and that therefore stay as they are. They are not in
	// Differ. Without a window there are none.
	Beyond int
	// Amended are those of Differ that were written.
	Amended int
}

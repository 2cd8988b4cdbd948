package fleet

// Change is one state in which a lake wrote a record. Of two states of one
// record the one with the greater Revision, and among equals the greater
// Amendment, is the newer.
type Change struct {
	Record    Record
	Amendment int64 // 0 for a state that replaced none
}

// Changes is a batch of what a lake wrote after a mark. A mark counts a lake's
// commits; 0 is before the first.
type Changes struct {
	Changes []Change
	// Through is the mark up to which everything has been handed over with this
	// batch; 0 while a commit's changes are not all there.
	Through int64
}

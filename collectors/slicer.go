package collectors

import (
	"time"

	"muster/fleet"
)

// slicer cuts a window into slices, each of which becomes a checkpoint when it
// is read: short where there is much, long where there is little.
type slicer struct {
	rest     fleet.Window
	width    time.Duration
	min, max time.Duration
}

// newSlicer starts with slices of the smallest width.
func newSlicer(w fleet.Window, least, most time.Duration) *slicer {
	return &slicer{rest: w, width: least, min: least, max: most}
}

// more reports whether anything is left.
func (s *slicer) more() bool { return s.rest.Start.Before(s.rest.End) }

// slice is the next slice; it stays the next until done.
func (s *slicer) slice() fleet.Window {
	end := s.rest.Start.Add(s.width)
	if end.After(s.rest.End) {
		end = s.rest.End
	}
	return fleet.Window{Start: s.rest.Start, End: end}
}

// done goes on behind the slice, which took so many pages.
func (s *slicer) done(pages int) {
	// The last page of a slice is half full on average: of forty that is little, and
	// a hundred and twenty are read in a minute or two at AWS's slowest quota, which
	// is what a crash reads again.
	const few, many = 40, 120
	s.rest.Start = s.slice().End
	switch {
	case pages < few:
		s.width = min(2*s.width, s.max)
	case pages > many:
		s.width = max(s.width/2, s.min)
	}
}

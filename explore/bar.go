package explore

import (
	"strings"
	"time"

	"muster/fleet"
)

// bar draws a record in time on w cells that stand for from to to. A span is a
// line with ends to half a cell, never shorter than that; anything else is its
// sign at the moment, or an arrow at the edge when that is out of sight.
func bar(n *node, from, to time.Time, w int) line {
	if w <= 0 {
		return nil
	}
	if n.rec.Kind != fleet.KindSpan {
		return point(n.rec, n.moment(), from, to, w)
	}
	return spanBar(n, from, to, w)
}

// halves is a moment in half cells from the left edge, within 0 and 2*w.
func halves(t, from, to time.Time, w int) int {
	all := to.Sub(from)
	if all <= 0 {
		return 0
	}
	return max(0, min(2*w, int(float64(t.Sub(from))/float64(all)*float64(2*w))))
}

func point(r *fleet.Record, t, from, to time.Time, w int) line {
	s := sign(r.Kind)
	if r.Error != "" {
		s.role = bad
	}
	at := min(halves(t, from, to, w)/2, w-1)
	switch {
	case t.Before(from):
		s, at = own(faint, "‹"), 0
	case t.After(to):
		s, at = own(faint, "›"), w-1
	}
	return line{own(plain, blanks(at)), s}.fit(w)
}

// axis labels the time that the bars show.
func axis(from, to time.Time, w int) line {
	if !to.After(from) {
		return text(faint, blanks(w))
	}
	end := took(to.Sub(from))
	if w < len("0")+cellWidth(end)+1 {
		return text(faint, fitRight(end, w))
	}
	return text(faint, "0"+strings.Repeat("┄", w-1-cellWidth(end))+end)
}

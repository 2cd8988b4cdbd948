package explore

import (
	"fmt"
	"strings"

	"muster/fleet"
)

// membership is the link by which a record belongs to its dossier: to the
// trace, or else to the journey, or else to the request.
func membership(r *fleet.Record) fleet.Link {
	for _, l := range []fleet.Link{r.Keys.TraceLink, r.Keys.CorrelationLink, r.Keys.RequestLink} {
		if l != (fleet.Link{}) {
			return l
		}
	}
	return fleet.Link{}
}

// rungName is what a rung is called; a request that was itself borrowed by
// touch is told apart, since that is the weak step.
func rungName(r *fleet.Record, l fleet.Link) string {
	if l.Via == fleet.RungRequest && r.Keys.RequestLink.Via == fleet.RungTouch {
		return string(fleet.RungTouch)
	}
	return string(l.Via)
}

// joined says how a record was joined, such as "request, exact"; in short form
// "request =".
func joined(r *fleet.Record, short bool) piece {
	l := membership(r)
	how, name := faint, rungName(r, l)
	if l.Sure == fleet.Inferred {
		how = caution
	}
	switch {
	case l == fleet.Link{}:
		return own(faint, "alone")
	case l.Via == fleet.RungSeen && l.Sure == fleet.Exact:
		return own(faint, "seen")
	case short:
		return foreign(how, name+" "+sureSign(l.Sure))
	}
	return foreign(how, name+", "+string(l.Sure))
}

// sureSign is "=" for what is exact and "≈" for what is inferred.
func sureSign(c fleet.Certainty) string {
	if c == fleet.Inferred {
		return "≈"
	}
	return "="
}

// joinCounts says how many records were joined by which rung, and how surely.
func joinCounts(rs []fleet.Record) line {
	by, inferred, alone := map[string]int{}, 0, 0
	for i := range rs {
		l := membership(&rs[i])
		switch {
		case l == fleet.Link{}:
			alone++
			continue
		case l.Sure == fleet.Inferred:
			inferred++
		}
		by[rungName(&rs[i], l)]++
	}
	var parts []string
	for _, rung := range fleet.Rungs() {
		if n := by[string(rung)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, rung))
		}
	}
	if alone > 0 {
		parts = append(parts, fmt.Sprintf("%d alone", alone))
	}
	out := line{own(plain, strings.Join(parts, " + "))}
	if exact := len(rs) - alone - inferred; exact > 0 {
		out = append(out, own(faint, fmt.Sprintf("   = %d exact", exact)))
	}
	if inferred > 0 {
		out = append(out, own(caution, fmt.Sprintf("   ≈ %d inferred", inferred)))
	}
	return out
}

package explore

import (
	"fmt"
	"strings"

	"muster/fleet"
)

// columns are the widths of the waterfall's columns.
type columns struct {
	label, note, self, bar, join int
	short                        bool // the join in short form
}

// waterColumns divides w cells: a fifth for the bars, as much for the joins
// and the notes as they need, the rest for the tree.
func waterColumns(w int) columns {
	c := columns{note: 8, self: 7, join: 9, short: true}
	// "request, inferred" has 17 cells; from 90 on there is room for it.
	if w >= 90 {
		c.join, c.short = 17, false
	}
	c.bar = max(10, min(60, w/5))
	c.label = max(w-1-c.note-c.self-c.bar-c.join-5, 1)
	return c
}

// waterHead is the line of titles above the waterfall.
func waterHead(f *forest, w int) line {
	c := waterColumns(w)
	l := line{own(faint, fit(" EVENT", c.label+1)), own(faint, " "+fitRight("TOOK", c.note)+" "+fitRight("SELF", c.self)+" ")}
	l = append(l, axis(f.from, f.to, c.bar)...)
	return append(l, own(faint, " JOINED"))
}

// waterRow is one line of the waterfall in w cells.
func waterRow(f *forest, r *row, w int, on bool) line {
	var l line
	c := waterColumns(w)
	switch {
	case r.finding != nil:
		l = append(line{mark(on)}, findingLine(r.finding, w)...)
	case r.node.rec == nil:
		l = line{mark(on), fold(r), foreign(strong, r.node.heading), own(faint, beneath(r))}
	default:
		rec := r.node.rec
		l = line{mark(on)}
		l = append(l, label(r, c.label).fit(c.label)...)
		l = append(l, own(plain, " "), note(rec, c.note), own(plain, " "), selfNote(r.node, c.self), own(plain, " "))
		l = append(l, bar(r.node, f.from, f.to, c.bar)...)
		l = append(l, own(plain, " "), joined(rec, c.short))
	}
	if on {
		return l.fit(w).as(chosen)
	}
	return l
}

// findingLine is a finding among the rows.
func findingLine(f *fleet.Finding, w int) line {
	return line{
		foreign(severityRole(f.Severity), "! "+shout(f.Severity)), own(plain, "  "),
		foreign(strong, f.Title), own(plain, "  "), foreignTo(faint, f.Message, w),
	}
}

// label is the tree and what happened, "├─● orders POST /orders". The tree gives
// way on its left where it would take more than half of the w cells, and the service
// where that is the same as above it and not all fits.
func label(r *row, w int) line {
	rec := r.node.rec
	guide := r.guide
	if over := cellWidth(guide) - w/2; over > 0 {
		guide = cutLeft(guide, over+1)
	}
	l := line{own(faint, guide)}
	if r.depth > deepest {
		l = append(l, own(faint, fmt.Sprintf("%d ", r.depth)))
	}
	l = append(l, fold(r), sign(rec.Kind), own(plain, " "))
	if rec.Error != "" {
		l = append(l, own(bad, "✗ "))
	}
	says, folded := what(rec, w), own(faint, beneath(r))
	if b := r.node.before; b != nil {
		says = append(says, own(plain, " "), foreign(plain, clip(whatChanged(rec, diffItems(b, rec), b), w)))
	}
	if l.width()+says.width()+folded.cells > w && r.within && len(says) > 2 && (rec.Kind == fleet.KindSpan || rec.Kind == fleet.KindLog) {
		says = says[2:] // its service is said above it; there is room for what it did
	}
	return append(append(l, says...), folded)
}

// fold is the sign of a row that is folded.
func fold(r *row) piece {
	if r.folded {
		return own(strong, "▸")
	}
	return own(plain, "")
}

func beneath(r *row) string {
	if !r.folded {
		return ""
	}
	return " +" + tally(r.beneath)
}

// what says in a few words what a record is about, of which w cells show.
func what(r *fleet.Record, w int) line {
	name, how := r.Name, plain
	if r.Error != "" {
		how = bad
	}
	switch r.Kind {
	case fleet.KindLog:
		return line{foreign(service, r.Service), own(plain, " "), foreignTo(how, r.Message, w)}
	case fleet.KindAPICall:
		// The name begins with the service already.
		if strings.HasPrefix(name, r.Service+":") {
			l := line{foreign(service, r.Service), foreign(how, name[len(r.Service):])}
			return append(l, touched(r)...)
		}
	case fleet.KindChange, fleet.KindVerdict:
		l := line{foreign(how, name), own(plain, " ")}
		if res := r.CanonicalResources(); len(res) > 0 {
			l = append(l, foreign(faint, strings.TrimPrefix(res[0], "AWS::")))
		}
		return l
	}
	l := operationOf(r, how, w)
	if r.Kind == fleet.KindAPICall {
		l = append(l, touched(r)...)
	}
	return l
}

// operationOf is a record's service and what it was asked to do; a segment without a
// request is named as its service is, which is said once.
func operationOf(r *fleet.Record, how role, w int) line {
	if r.Name == r.Service {
		if how == plain {
			how = service
		}
		return line{foreignTo(how, r.Name, w)}
	}
	return line{foreign(service, r.Service), own(plain, " "), foreignTo(how, r.Name, w)}
}

// touched names the first resource of an API call, without its type.
func touched(r *fleet.Record) line {
	res := r.CanonicalResources()
	if len(res) == 0 {
		return nil
	}
	_, name, _ := strings.Cut(res[0], "/")
	return line{own(plain, " "), foreign(faint, name)}
}

// note is the column beside the label: how long a span took, the level of a log
// line, what went wrong with a call.
func note(r *fleet.Record, w int) piece {
	how := faint
	if r.Error != "" {
		how = bad
	}
	switch r.Kind {
	case fleet.KindSpan:
		if r.Attributes.Get(fleet.AttrInProgress) == "true" {
			return own(caution, fitRight("running", w))
		}
		if how == faint {
			how = plain
		}
		return own(how, fitRight(took(r.Duration), w))
	case fleet.KindLog:
		return cellRight(levelRole(r), r.Name, w)
	case fleet.KindAPICall:
		if r.Error == "" {
			return own(faint, fitRight("ok", w))
		}
	}
	return cellRight(how, r.Error, w)
}

// levelRole is how bad the level of a log line looks.
func levelRole(r *fleet.Record) role {
	switch strings.ToUpper(r.Name) {
	case "ERROR", "FATAL", "CRITICAL":
		return bad
	case "WARN", "WARNING":
		return caution
	}
	return faint
}

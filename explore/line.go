package explore

import "strings"

// role says what a piece of text is; the theme says how that looks. Layout
// knows roles only, so that it can be tested as plain text.
type role uint8

const (
	plain role = iota
	faint
	strong
	brand   // the program's name and open tab
	column  // a column's title
	service // a service's name
	good
	caution
	bad
	logKind
	callKind
	changeKind
	critical // what the end of a request waited for
	chosen   // the line under the cursor
	roles    // how many there are
)

// piece is cleaned text in one role, and how many cells it takes.
type piece struct {
	text  string
	role  role
	cells int
}

// line is one line of a screen.
type line []piece

// own is text that muster wrote itself; it is not cleaned.
func own(r role, s string) piece { return piece{s, r, cellWidth(s)} }

// foreign is text from outside, cleaned.
func foreign(r role, s string) piece { return own(r, clean(s)) }

// foreignTo is text from outside of which at most w cells show.
func foreignTo(r role, s string, w int) piece {
	s, n := cutCells(cleaned(s, w), w)
	return piece{s, r, n}
}

// cell is text from outside in exactly w cells.
func cell(r role, s string, w int) piece {
	return piece{fit(cleaned(s, w), w), r, max(w, 0)}
}

// cellRight is cell at the right edge.
func cellRight(r role, s string, w int) piece {
	return piece{fitRight(cleaned(s, w), w), r, max(w, 0)}
}

// text builds a line of one piece that muster wrote itself.
func text(r role, s string) line { return line{own(r, s)} }

func (l line) width() int {
	n := 0
	for _, p := range l {
		n += p.cells
	}
	return n
}

// fit makes the line exactly w cells wide.
func (l line) fit(w int) line {
	out, left := make(line, 0, len(l)+1), w
	for _, p := range l {
		if p.cells > left {
			if left > 0 {
				out = append(out, piece{fit(p.text, left), p.role, left})
			}
			return out
		}
		out, left = append(out, p), left-p.cells
	}
	if left > 0 {
		out = append(out, piece{blanks(left), plain, left})
	}
	return out
}

// spread puts right at the right edge of w cells; left gives way.
func (l line) spread(right line, w int) line {
	n := min(right.width(), w)
	return append(l.fit(w-n), right.fit(n)...)
}

// as gives the whole line one role.
func (l line) as(r role) line {
	out := make(line, len(l))
	for i, p := range l {
		out[i] = piece{p.text, r, p.cells}
	}
	return out
}

// String is the line's text alone.
func (l line) String() string {
	var b strings.Builder
	for _, p := range l {
		b.WriteString(p.text)
	}
	return b.String()
}

// fill makes a block exactly h lines high. Appending to what it returns never
// writes into b.
func fill(b []line, h int) []line {
	h = max(h, 0)
	if len(b) >= h {
		return b[:h:h]
	}
	out := make([]line, h)
	copy(out, b)
	return out
}

// beside joins two blocks with a rule between them: the left one lw cells wide,
// the right one rw, both h lines high.
func beside(left, right []line, lw, rw, h int) []line {
	left, right = fill(left, h), fill(right, h)
	out := make([]line, h)
	for i := range out {
		l := append(left[i].fit(lw), own(faint, "│"))
		out[i] = append(l, right[i].fit(rw)...)
	}
	return out
}

// centred puts a few lines into the middle of a block of w by h.
func centred(lines []line, w, h int) []line {
	out := make([]line, max((h-len(lines))/2, 0), h)
	for _, l := range lines {
		out = append(out, append(text(plain, blanks((w-l.width())/2)), l...))
	}
	return fill(out, h)
}

// mark is what stands before the line under the cursor, so that it shows
// without colours too.
func mark(on bool) piece {
	if on {
		return own(strong, "›")
	}
	return own(plain, " ")
}

// line is a line of this piece alone.
func (p piece) line() line { return line{p} }

package explore

import "muster/fleet"

// helpKeyWidth is the width of the column of keys: "ctrl+z" fits.
const helpKeyWidth = 8

// From helpTwoColumns cells on the help overlay has two columns.
const helpTwoColumns = 76

// helpLines is the help overlay: all of the key maps, and what the signs mean.
func helpLines(groups []group, w int) []line {
	blocks := make([][]line, 0, len(groups)+1)
	for _, g := range groups {
		b := []line{nil, text(strong, " "+g.title)}
		for _, k := range g.keys {
			if h := k.Help(); h.Key != "" {
				b = append(b, line{own(plain, "   "), own(service, fit(h.Key, helpKeyWidth)), own(plain, h.Desc)})
			}
		}
		blocks = append(blocks, b)
	}
	blocks = append(blocks, commandLines(), signLines())
	if w < helpTwoColumns {
		var out []line
		for _, b := range blocks {
			out = append(out, b...)
		}
		return out
	}
	var left, right []line
	for _, b := range blocks {
		if len(left) <= len(right) {
			left = append(left, b...)
		} else {
			right = append(right, b...)
		}
	}
	half := w / 2
	n := max(len(left), len(right))
	left, right = fill(left, n), fill(right, n)
	for i := range left {
		left[i] = append(left[i].fit(half), right[i]...)
	}
	return left
}

// commandLines are what can be typed after ":".
func commandLines() []line {
	out := []line{nil, text(strong, " commands, after :")}
	for _, c := range commands() {
		out = append(out, line{own(plain, "   "), own(service, fit(c.name+" "+c.takes, 18)), own(plain, c.does)})
	}
	return out
}

// signLines are the legend.
func signLines() []line {
	out := []line{nil, text(strong, " signs")}
	for _, k := range fleet.Kinds() {
		out = append(out, line{own(plain, "   "), sign(k), own(plain, "   "+kindName(k, 2)[len("2 "):])})
	}
	for _, s := range [][2]string{
		{"✗", "went wrong"},
		{"=", "joined exactly, by a shared id"},
		{"≈", "joined by inference, not proven"},
		{"‹ ›", "outside the time of the bars"},
		{"┅", "a span that has not finished"},
		{"▄ ─", "the end waited for it, or not"},
		{"▲ ▼", "slower, faster than before"},
		{"+ -", "new, gone"},
		{"~", "called by another step than before"},
	} {
		out = append(out, line{own(plain, "   "), own(plain, fit(s[0], 4)), own(plain, s[1])})
	}
	return out
}

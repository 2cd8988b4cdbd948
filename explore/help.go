package explore

import "muster/fleet"

// helpKeyWidth is the width of the column of keys: "pgdn" and "[ ]" fit.
const helpKeyWidth = 9

// helpLines is the help overlay: all of the key maps, and what the signs mean.
func helpLines(groups []group) []line {
	var out []line
	for _, g := range groups {
		out = append(out, nil, text(strong, " "+g.title))
		for _, b := range g.keys {
			h := b.Help()
			out = append(out, line{own(plain, "   "), own(service, fit(h.Key, helpKeyWidth)), own(plain, h.Desc)})
		}
	}
	out = append(out, nil, text(strong, " signs"))
	for _, k := range fleet.Kinds() {
		out = append(out, line{own(plain, "   "), sign(k), own(plain, "  "+kindName(k, 2)[2:])})
	}
	for _, s := range [][2]string{
		{"✗", "went wrong"},
		{"=", "joined exactly: both sides show the same id"},
		{"≈", "joined by inference: a likely answer, not a proof"},
		{"‹ ›", "happened before or after the time that the bars show"},
		{"┅", "a span that has not finished"},
	} {
		out = append(out, line{own(plain, "   "), own(plain, fit(s[0], 3)), own(plain, s[1])})
	}
	return out
}

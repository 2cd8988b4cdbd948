package report

import (
	"strings"
	"unicode"
)

// wide are the characters that take two cells on a terminal: the scripts of
// East Asia, full-width forms, and pictures.
var wide = []*unicode.RangeTable{
	unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana,
	{
		R16: []unicode.Range16{
			{Lo: 0x3000, Hi: 0x303e, Stride: 1}, // East Asian punctuation
			{Lo: 0xff01, Hi: 0xff60, Stride: 1}, // full-width forms
			{Lo: 0xffe0, Hi: 0xffe6, Stride: 1}, // full-width signs
		},
		R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1faff, Stride: 1}}, // pictures
	},
}

// cells is how many cells a printable text takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	switch {
	case r < unicode.MaxASCII:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0 // stands on the character before it
	case unicode.In(r, wide...):
		return 2
	}
	return 1
}

// cut shortens a text to so many cells, the last of them an ellipsis.
func cut(s string, most int) string {
	if cells(s) <= most {
		return s
	}
	var b strings.Builder
	left := most - 1
	for _, r := range s {
		if left -= runeCells(r); left < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

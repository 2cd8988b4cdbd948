package explore

import (
	"math"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// cellWidth is how many cells a text takes.
func cellWidth(s string) int {
	_, n := reach(s, math.MaxInt)
	return n
}

// reach is how much of a text, in bytes and in cells, fits into w cells without
// breaking what is drawn as one character. What lies beyond is not looked at.
func reach(s string, w int) (bytes, cells int) {
	alone := 0 // cells of the rune at bytes, when it is one that stands alone
	for i := bytes; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if n := runeCells(r); n > 0 { // so the rune before it is whole
			if cells+alone > w {
				return bytes, cells
			}
			cells, alone = cells+alone, n
			bytes, i = i, i+size
			continue
		}
		cluster, n := ansi.FirstGraphemeCluster(s[bytes:], ansi.GraphemeWidth)
		if cells+n > w {
			return bytes, cells
		}
		cells, alone = cells+n, 0
		bytes += len(cluster)
		i = bytes
	}
	if cells+alone > w {
		return bytes, cells
	}
	return len(s), cells + alone
}

// runeCells is how many cells a rune takes that never joins another of its kind:
// letters, ideographs, and the punctuation, arrows and lines that muster draws
// with. It is 0 for all others, which have to be looked at in their place.
func runeCells(r rune) int {
	switch {
	case r < 0x7f:
		return 1
	case r < 0x300: // to the first combining mark, without controls and the soft hyphen
		if r >= 0xa1 && r != 0xad {
			return 1
		}
	case r < 0x2010:
		if r >= 0x391 && r <= 0x3c9 && r != 0x3a2 || r >= 0x400 && r <= 0x482 || r >= 0x48a && r <= 0x52f || // Greek, Cyrillic
			r >= 0x5d0 && r <= 0x5ea || r >= 0x620 && r <= 0x64a { // Hebrew, Arabic
			return 1
		}
	case r <= 0x2027, r >= 0x2190 && r <= 0x22ff: // dashes and dots; arrows and signs of mathematics
		return 1
	case r >= 0x2500 && r <= 0x25fc: // lines, blocks and shapes, to the first emoji
		return 1
	case r == 0x2717, r == 0x203a, r == 0x2039: // ✗ › ‹
		return 1
	case r >= 0x3400 && r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, // ideographs
		r >= 0x3041 && r <= 0x3096, r >= 0x30a1 && r <= 0x30fa, // Japanese
		r >= 0xac00 && r <= 0xd7a3, r >= 0xff01 && r <= 0xff60: // Korean, and full width
		return 2
	}
	return 0
}

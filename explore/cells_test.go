package explore

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// tricky are texts whose bytes, runes and cells differ.
var tricky = []string{
	"a", "-", "/", ",", " ", "  ", "é", "e\u0301", "数", "量", "한", "👩", "🇩🇪", "ש", "\x1b[1m", "\t", "\u202e", "\xff",
	"0123456789", "word", "…", "❤\ufe0f", "\u0301",
}

// jumble is a cleaned text of random tricky ones.
func jumble(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(30) {
		b.WriteString(tricky[r.IntN(len(tricky))])
	}
	return clean(b.String())
}

func TestTextsAreAsWideAsTheyAreMadeToBe(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		s, w := jumble(r), r.IntN(40)
		if got := cellWidth(fit(s, w)); got != w {
			t.Fatalf("fit(%q, %d) is %d cells wide", s, w, got)
		}
		if got := cellWidth(fitRight(s, w)); got != w {
			t.Fatalf("fitRight(%q, %d) is %d cells wide", s, w, got)
		}
		if got := cellWidth(squeeze(s, w)); got > w {
			t.Fatalf("squeeze(%q, %d) = %q is %d cells wide", s, w, squeeze(s, w), got)
		}
		l := line{own(plain, s), own(bad, s), own(plain, "x")}
		if got := l.fit(w).width(); got != w {
			t.Fatalf("line %q fit to %d is %d cells wide", s, w, got)
		}
	}
}

func TestWrapKeepsEveryWordWithinTheWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
	for range 10_000 {
		s, w := strings.Repeat(" ", r.IntN(8))+jumble(r), 4+r.IntN(40)
		lines := wrap(s, w)
		for _, l := range lines {
			if got := cellWidth(l); got > w {
				t.Fatalf("wrap(%q, %d) has the line %q of %d cells", s, w, l, got)
			}
		}
		if got := bare(strings.Join(lines, "")); got != bare(s) {
			t.Fatalf("wrap(%q, %d) says %q", s, w, got)
		}
	}
}

func TestSqueezeKeepsBothEnds(t *testing.T) {
	if got, want := squeeze("1-67432b5e-9f3a41d7c05be0a1862f44d1", 17), "1-67432b…862f44d1"; got != want {
		t.Errorf("squeeze = %q, want %q", got, want)
	}
}

func TestClipCutsBetweenRunes(t *testing.T) {
	long := strings.Repeat("数", 100_000)
	got := clip(long, 10)
	if len(got) > 10*bytesPerCell || !strings.HasPrefix(long, got) || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("clip gives %d bytes: %q", len(got), got)
	}
	if cellWidth(fit(clean(got), 10)) != 10 || !strings.HasSuffix(cut(clean(got), 10), "…") {
		t.Errorf("what is clipped does not fill ten cells: %q", cut(clean(got), 10))
	}
}

// TestNarrowTextIsMeasuredAsATerminalDoes holds the quick way to the thorough one.
func TestNarrowTextIsMeasuredAsATerminalDoes(t *testing.T) {
	for r := rune(0x20); r < 0x3000; r++ {
		s := "a" + string(r) + "b"
		if n, ok := narrow(s); ok && n != ansi.StringWidth(s) {
			t.Errorf("%U takes %d cells, counted as %d", r, ansi.StringWidth(s)-2, n-2)
		}
	}
	for _, s := range []string{"数量", "e\u0301", "❤\ufe0f", "👩\u200d🚀", "a\u200bb", "שלום"} {
		if _, ok := narrow(s); ok {
			t.Errorf("%q counts as narrow", s)
		}
	}
}

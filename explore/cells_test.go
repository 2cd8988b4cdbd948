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

// TestRunesAreMeasuredAsATerminalDoes holds the quick way to the thorough one, for
// every rune that is measured quickly, alone and beside what joins it.
func TestRunesAreMeasuredAsATerminalDoes(t *testing.T) {
	beside := []string{"", "a", "數", "\u0301", "\u0600", "\u11a8", "🇩", "👩", "ש", "↔", "한"}
	for r := rune(0x20); r < 0x20000; r++ {
		if runeCells(r) == 0 {
			continue
		}
		for _, x := range beside {
			for _, s := range []string{string(r) + x, x + string(r)} {
				if got, want := cellWidth(s), ansi.StringWidth(s); got != want {
					t.Fatalf("%U: %q takes %d cells, counted as %d", r, s, want, got)
				}
			}
		}
	}
	for _, r := range "\u0301\u200d\ufe0f👩\u0600\u11a8\u00ad\u20e3" {
		if n := runeCells(r); n != 0 {
			t.Errorf("%U counts as %d cells wherever it stands", r, n)
		}
	}
}

func TestTextsAreMeasuredAndCutAsATerminalDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		s, w := jumble(r), 1+r.IntN(40)
		if got, want := cellWidth(s), ansi.StringWidth(s); got != want {
			t.Fatalf("%q takes %d cells, counted as %d", s, want, got)
		}
		if got, want := cut(s, w), ansi.Truncate(s, w, "…"); got != want {
			t.Fatalf("cut(%q, %d) = %q, want %q", s, w, got, want)
		}
	}
}

// TestOnlyWhatShowsIsCleaned holds that a text looks the same in w cells, however
// little of it was cleaned.
func TestOnlyWhatShowsIsCleaned(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(200) {
			b.WriteString(tricky[r.IntN(len(tricky))])
		}
		s, w := b.String(), 1+r.IntN(40)
		if got, want := fit(cleaned(s, w), w), fit(clean(s), w); got != want && len(s) < w*bytesPerCell {
			t.Fatalf("%q in %d cells is %q, want %q", s, w, got, want)
		}
	}
}

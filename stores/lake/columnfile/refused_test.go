package columnfile

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLayoutRefusesWhatItCannotWrite(t *testing.T) {
	check := func(err error, column string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), column) {
			t.Errorf("column %s: %v", column, err)
		}
	}
	_, err := NewLayout[struct {
		Ratio float64 `parquet:"ratio"`
	}](Options{})
	check(err, "ratio")
	_, err = NewLayout[struct {
		Maybe *string `parquet:"maybe,optional"`
	}](Options{})
	check(err, "maybe")
	_, err = NewLayout[struct {
		Codes []int64 `parquet:"codes,list"`
	}](Options{})
	check(err, "codes")
}

// failing takes so many bytes.
type failing struct{ left int }

var errFull = errors.New("no room")

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterSaysWhatItCannotWrite(t *testing.T) {
	l, err := NewLayout[sample](sampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	rs := samples(rand.New(rand.NewPCG(5, 6)), 100)
	_, whole := write(t, rs)
	for room := 0; room < len(whole); room += 97 {
		g, err := NewGroup(l)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, g, rs)
		w := NewWriter(&failing{room}, l)
		if err := w.WriteGroup(g); err == nil {
			err = w.Close()
			if !errors.Is(err, errFull) {
				t.Fatalf("room for %d of %d bytes: %v", room, len(whole), err)
			}
		} else if !errors.Is(err, errFull) {
			t.Fatalf("room for %d of %d bytes: %v", room, len(whole), err)
		}
	}
}

func TestPageThatIsTooLargeIsNamed(t *testing.T) {
	defer func(n int) { mostPageBytes = n }(mostPageBytes)
	mostPageBytes = 10_000
	l, err := NewLayout[sample](sampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGroup(l)
	if err != nil {
		t.Fatal(err)
	}
	g.Column(2).Text(strings.Repeat("x", mostPageBytes))
	if err := g.EndRows(1); err == nil || !strings.Contains(err.Error(), "column hidden has 100") {
		t.Errorf("got %v", err)
	}
}

func FuzzBounds(f *testing.F) {
	for _, s := range []string{"", "short", "sixteen letters!", "seventeen letters", "0123456789abcdeé", "~~~~~~~~~~~~~~~~~~~", strings.Repeat("é", 20), "\xff\xff", strings.Repeat("\U0010FFFF", 5)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		low, high := string(lowBound(s)), string(highBound(s))
		if low > s || high < s || len(low) > boundBytes {
			t.Errorf("%q is not from %q to %q", s, low, high)
		}
		if utf8.ValidString(s) && (!utf8.ValidString(low) || !utf8.ValidString(high)) {
			t.Errorf("%q and %q of %q are no text", low, high, s)
		}
	})
}

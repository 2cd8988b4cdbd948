package explore

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestPlayWritesAFrameForEachOfThePresses(t *testing.T) {
	var out bytes.Buffer
	err := Play(t.Context(), &out, sample(), Options{Refresh: 1}, 80, 24, []string{"", "/ service:orders space errors enter", "tab", "q", "tab"})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 4*24 { // after q nobody presses any more
		t.Fatalf("%d lines, want four frames of 24", len(lines))
	}
	for i, want := range []string{"1 of 43 traces", "filter: service:orders errors", "1 of 6 findings", "1 of 6 findings"} {
		frame := lines[24*i : 24*(i+1)]
		if !strings.Contains(frame[22], want) {
			t.Errorf("frame %d says %q, want %q", i, frame[22], want)
		}
		for _, l := range frame {
			if got := cellWidth(l); got != 80 {
				t.Errorf("frame %d has a line of %d cells: %q", i, got, l)
			}
		}
	}
	if err := Play(t.Context(), &out, sample(), Options{}, 59, 24, []string{""}); err == nil || !strings.Contains(err.Error(), "60x12") {
		t.Errorf("too small a screen: %v", err)
	}
	if err := Play(t.Context(), &out, sample(), Options{}, 30000, 30000, []string{""}); err == nil || !strings.Contains(err.Error(), "2000x2000") {
		t.Errorf("too large a screen: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Play(ended, &out, sample(), Options{}, 80, 24, []string{""}); err == nil {
		t.Error("a context that ended is no error")
	}
}

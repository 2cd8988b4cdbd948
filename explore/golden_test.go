package explore

import (
	"fmt"
	"testing"

	"muster/fleet"
)

// TestFrames drives every view by keys and compares what the terminal shows, at
// the smallest common size and at a wide one.
func TestFrames(t *testing.T) {
	const refused = "67432b5e9f3a41d7c05be0a1862f44d1"
	tests := []struct {
		name   string
		reader fleet.Reader
		start  string
		keys   string
	}{
		{"list", sample(), "", "down down"},
		{"list-end", sample(), "", "end"},
		{"list-filtering", sample(), "", "/ service:orders errors"},
		{"list-filtered", sample(), "", "/ service:orders enter E"},
		{"list-no-match", sample(), "", "/ nonesuch enter"},
		{"list-empty", &fake{}, "", ""},
		{"list-error", &fake{err: errDown}, "", ""},
		{"dossier", sample(), refused, ""},
		{"dossier-call", sample(), refused, "down down down down down down"},
		{"dossier-detail", sample(), refused, "down down down down enter pgdown"},
		{"dossier-folded", sample(), refused, "down down down down left -"},
		{"dossier-kinds", sample(), refused, "2 3"},
		{"dossier-inferred", sample(), "67432b1100aa55bb66cc77dd88ee99ff", "end"},
		{"dossier-sibling", sample(), refused, "]"},
		{"dossier-lost", sample(), "no-such-id", ""},
		{"dossier-alone", sample(), rootLogin().ID, ""},
		{"journey", sample(), "ord-7f3a-1042", ""},
		{"findings", sample(), "", "tab down"},
		{"findings-empty", &fake{}, "", "tab"},
		{"finding", sample(), "", "tab down enter"},
		{"finding-evidence", sample(), "", "tab down down down enter down enter"},
		{"help", sample(), "", "?"},
		{"prompt", sample(), "", ": 1-67432b5e"},
		{"copied", sample(), refused, "Y"},
	}
	for _, tt := range tests {
		for _, size := range [][2]int{{80, 24}, {160, 45}} {
			name := fmt.Sprintf("%s-%dx%d", tt.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				s := newStage(t, tt.reader, size[0], size[1], Options{Start: tt.start})
				s.press(tt.keys)
				s.golden(name)
			})
		}
	}
}

package explore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"muster/fleet"
)

func TestPrintWritesTheScreensToAPipe(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		width    int
		lines    int
		has      []string
	}{
		{"list", "", 0, 44, []string{"TIME UTC", "11-24 11:59:56", "ord-0900"}},
		{"wide list", "", 160, 44, []string{"1-67432b5e-9f3a41d7c05be0a1862f44d1", "ord-7f3a-1042"}},
		{"dossier", refusedTrace, 100, 27, []string{"waited   payments dynamodb:GetItem 612ms 75%", "SELF", "✗ fault", "outside every span", "request, exact"}},
		{"journey", "ord-7f3a-1042", 80, 33, []string{"trace 1-67432b5e", "trace 1-67432b5f"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Print(t.Context(), &b, sample(), tt.width, tt.id); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			width := max(tt.width, 80)
			if tt.width > 0 {
				width = tt.width
			}
			checkFrame(t, strings.Join(lines, "\n"), width, tt.lines)
			for _, want := range tt.has {
				if !strings.Contains(b.String(), want) {
					t.Errorf("no %q in\n%s", want, b.String())
				}
			}
			if strings.Contains(b.String(), "\x1b") {
				t.Error("there are escape sequences in a pipe")
			}
		})
	}
}

func TestPrintColoursWhenAsked(t *testing.T) {
	t.Setenv("CLICOLOR_FORCE", "1")
	t.Setenv("TERM", "xterm-256color")
	var b bytes.Buffer
	if err := Print(t.Context(), &b, sample(), 80, refusedTrace); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[") {
		t.Error("there are no colours")
	}
}

func TestPrintSaysWhatCouldNotBeRead(t *testing.T) {
	var b bytes.Buffer
	if err := Print(t.Context(), &b, sample(), 80, "no-such-id"); !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("the error is %v, want fleet.ErrNotFound", err)
	}
	if err := Print(t.Context(), &b, &fake{err: errDown}, 80, ""); !errors.Is(err, errDown) || b.Len() > 0 {
		t.Errorf("the error is %v, and %d bytes are written", err, b.Len())
	}
}

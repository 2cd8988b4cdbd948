package explore

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanSpellsOutWhatATerminalWouldObey(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain text", "GET /orders/{id}", "GET /orders/{id}"},
		{"letters of the world", "größe 数量 שלום", "größe 数量 שלום"},
		{"escape sequence", "\x1b[2Jgone", `\x1b[2Jgone`},
		{"clipboard", "\x1b]52;c;cm0gLXJm\x07", `\x1b]52;c;cm0gLXJm\x07`},
		{"control of the upper half", "a\u009bb", `a\u009bb`},
		{"line ends and tabs", "a\r\n\tb", "a   b"},
		{"bidi override", "a\u202egnp.exe", `a\u202egnp.exe`},
		{"not UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"half a rune", "a\xe6\x95", `a\xe6\x95`},
		{"zero width", "ad\u200bmin", `ad\u200bmin`},
		{"wide space", "a\u3000b", `a\u3000b`},
		{"hangul filler", "a\u3164b", `a\u3164b`},
		{"variation selector", "❤\ufe0f", `❤\ufe0f`},
		{"mark without a base", "\u0301a", "◌\u0301a"},
		{"heap of marks", "a\u0301\u0302\u0303\u0304\u0305\u0306", "a\u0301\u0302\u0303\u0304" + `\u0305\u0306`},
		{"private use", "\ue000", `\ue000`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.in); got != tt.want {
				t.Errorf("clean(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\u0301\u0301", "a\xff", "\u202e", "한국\u3164", "e\u0301\ufe0f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("clean(%q) = %q is not UTF-8", s, got)
		}
		for _, r := range got {
			if !unicode.IsGraphic(r) || unicode.Is(unicode.Variation_Selector, r) {
				t.Errorf("clean(%q) = %q shows %U", s, got, r)
			}
		}
		if again := clean(got); again != got {
			t.Errorf("clean(%q) = %q, and cleaned again %q", s, got, again)
		}
		// Put after anything else, it takes the room that it is measured to take.
		if w := cellWidth("x" + got); w != 1+cellWidth(got) {
			t.Errorf("%q takes %d cells after another, %d alone", got, w-1, cellWidth(got))
		}
	})
}

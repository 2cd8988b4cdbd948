package filter

import (
	"slices"
	"strings"

	"muster/fleet"
)

// Words lists what an expression can begin a part with, for completion.
func Words() []string {
	words := make([]string, 0, len(fleet.Keywords())+2)
	for _, k := range fleet.Keywords() {
		if k == fleet.KeyAnnotation {
			k = "annotation."
		}
		words = append(words, string(k))
	}
	return append(words, `service("`, `edge("`)
}

// Complete are the expressions that begin as text does and go on with a keyword
// or an operator where the last word ends.
func Complete(text string) []string {
	at := strings.LastIndexAny(text, " \t({!") + 1
	before, word := text[:at], text[at:]
	if strings.Count(before, `"`)%2 == 1 || strings.Contains(word, `"`) {
		return nil // within a text
	}
	joints := []string{"AND", "OR", "NOT", "CONTAINS", "BEGINSWITH", "ENDSWITH"}
	var out []string
	for _, w := range slices.Concat(Words(), joints) {
		if len(w) >= len(word) && strings.EqualFold(w[:len(word)], word) {
			out = append(out, before+w)
		}
	}
	return out
}

// nearest is a hint at the keyword that is spelled most alike, "" for none.
func nearest(name string) string {
	const far = 3 // more letters wrong is another word
	best, least := "", far
	for _, k := range append(fleet.Keywords(), "service", "edge") {
		if d := distance(name, string(k)); d < least && d < len(k) {
			best, least = string(k), d
		}
	}
	if best == "" {
		return ": there are " + strings.Join(plain(), ", ") + ", service() and edge()"
	}
	return ": did you mean " + best + "?"
}

func plain() []string {
	words := make([]string, 0, len(fleet.Keywords()))
	for _, k := range fleet.Keywords() {
		words = append(words, string(k))
	}
	return words
}

// distance is how many letters must be put in, left out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

package localaws

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLogTerms(t *testing.T) {
	for pattern, want := range map[string][]string{
		"":                         nil,
		"   ":                      nil,
		"ERROR":                    {"ERROR"},
		" ERROR  payment_refused ": {"ERROR", "payment_refused"},
		`"two words" three`:        {"two words", "three"},
		`"a \"quoted\" \\ word"`:   {`a "quoted" \ word`},
		"überfällig":               {"überfällig"},
	} {
		got, err := parseLogTerms(pattern)
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", pattern, diff)
		}
	}
}

func TestParseLogTermsRefusesWhatItDoesNotEvaluate(t *testing.T) {
	for _, pattern := range []string{
		`{ $.level = "error" }`, "[ip, user, ...]", "%regex.*%", "-excluded", "?optional", "a=b",
		`"not closed`, `""`, strings.Repeat("a", maxFilterPattern+1),
	} {
		if terms, err := parseLogTerms(pattern); asAPIError(err).Code != "InvalidParameterException" {
			t.Errorf("%q: got %q, %v", pattern, terms, err)
		}
	}
}

func FuzzParseLogTerms(f *testing.F) {
	f.Add(`ERROR "two words"`)
	f.Add(`"a \"b\" \\"`)
	f.Add(`{ $.a = 1 }`)
	f.Fuzz(func(t *testing.T, pattern string) {
		terms, err := parseLogTerms(pattern)
		if err != nil {
			return
		}
		// What was accepted can be spelled again, all of it quoted.
		quoted := make([]string, len(terms))
		for i, term := range terms {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(term) + `"`
		}
		text := strings.Join(quoted, " ")
		if len(text) > maxFilterPattern {
			return
		}
		again, err := parseLogTerms(text)
		if err != nil {
			t.Fatalf("%q from %q: %v", text, pattern, err)
		}
		if diff := cmp.Diff(terms, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

package audit

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/fleet"
)

// pantherTest is a test case of a rule of Panther's.
type pantherTest struct {
	ID, Test         string
	Expected, Mocked bool
	Input            json.RawMessage
}

// pantherTests are the test cases on single events that need nothing mocked, by
// rule.
func pantherTests(t *testing.T) map[string][]pantherTest {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus(t, "panther"), "rules.tests.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	out := map[string][]pantherTest{}
	for lines.Scan() {
		var one pantherTest
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		if !one.Mocked && strings.HasPrefix(string(one.Input), "{") {
			out[one.ID] = append(out[one.ID], one)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// rulesBeside are the shipped policies on API calls and the Sigma rules of the
// corpus, by id.
func rulesBeside(t *testing.T) map[string]Policy {
	t.Helper()
	sigma, err := Load(os.DirFS(corpus(t, "sigma-aws")))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Policy{}
	for _, p := range append(catalogue(t), sigma...) {
		if p.On == OnAPICall {
			out[p.ID] = p
		}
	}
	return out
}

// mapped is a row of the table in docs/panther.md: a rule, a policy, the number
// of test cases.
var mapped = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\| ([0-9]+) \\|")

// leastMapped is how many test cases the table must cover.
const leastMapped = 50

func TestPoliciesGiveTheVerdictsOfPanthersTests(t *testing.T) {
	tests, policies := pantherTests(t), rulesBeside(t)
	doc, err := os.ReadFile(filepath.Join("..", "docs", "panther.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, row := range mapped.FindAllStringSubmatch(string(doc), -1) {
		p, known := policies[row[2]]
		if !known {
			t.Errorf("%s: there is no policy %s", row[1], row[2])
			continue
		}
		fires := 0
		for _, one := range tests[row[1]] {
			ran++
			got := found(t, []Policy{p}, []fleet.Record{trailRecord(t, one.Input)})[p.ID] > 0
			if got != one.Expected {
				t.Errorf("%s: %s: %s gives %v, want %v", row[1], one.Test, p.ID, got, one.Expected)
			}
			if got {
				fires++
			}
		}
		if fires == 0 {
			t.Errorf("%s: no test case that %s fires on", row[1], p.ID)
		}
	}
	if ran < leastMapped {
		t.Errorf("the table covers %d test cases, want %d", ran, leastMapped)
	}
}

// Each recorded technique raises a finding of a policy that refers to it.
func TestEachRecordedTechniqueHasAFinding(t *testing.T) {
	ps := written(t)
	for name, rs := range trailFiles(t, corpus(t, "cloudtrail-stratus")) {
		technique := strings.TrimSuffix(name, ".json")
		var of []Policy
		for _, p := range ps {
			if slices.ContainsFunc(p.References, func(s string) bool { return strings.HasSuffix(s, "/"+technique+"/") }) {
				of = append(of, p)
			}
		}
		if got := found(t, of, rs); len(got) == 0 {
			t.Errorf("%s: none of %d policies found it", technique, len(of))
		}
	}
}

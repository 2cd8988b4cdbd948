package audit

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named is a row of the table in docs/named-policies.md: what was asked for, the
// policy, what kind of thing it catches and which, and the test that shows it.
var named = regexp.MustCompile("(?m)^\\| ([^|`]+) \\| `([a-z0-9-]+)` \\| (fault|incident|recorded) `([^`]+)` \\| `(Test[A-Za-z0-9]+)` \\|$")

// leastNamed is how many rows the table has at least: one for each name.
const leastNamed = 33

func TestNamedPoliciesAreWhatTheTableSays(t *testing.T) {
	table, fleetDoc := docPage(t, "named-policies.md"), docPage(t, "fleet.md")
	tests := testNames(t, ".", filepath.Join("..", "cmd", "muster"), "sigma")
	byID := map[string]Policy{}
	for _, p := range catalogue(t) {
		byID[p.ID] = p
	}
	rows := named.FindAllStringSubmatch(table, -1)
	if len(rows) < leastNamed || len(rows) != strings.Count(table, "| `Test") {
		t.Errorf("%d rows, want at least %d, and no other of the kind", len(rows), leastNamed)
	}
	for _, row := range rows {
		name, id, kind, what, test := row[1], row[2], row[3], row[4], row[5]
		if _, ships := byID[id]; !ships {
			t.Errorf("%s: no policy %s ships", name, id)
		}
		if !slices.Contains(tests, test) {
			t.Errorf("%s: there is no test %s", name, test)
		}
		switch kind {
		case "fault", "incident":
			if !strings.Contains(fleetDoc, "\n| `"+what+"` | ") {
				t.Errorf("%s: the fleet has no %s %s", name, kind, what)
			}
		case "recorded":
			if _, err := os.Stat(filepath.Join(corpus(t, "."), what)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Every policy says why, what to do, what to read, and is of a part of the field.
func TestEveryPolicyHasReferences(t *testing.T) {
	for _, p := range catalogue(t) {
		if len(p.References) == 0 || p.Rationale == "" || p.Remedy == "" {
			t.Errorf("%s: %d references, rationale %q, remedy %q", p.ID, len(p.References), p.Rationale, p.Remedy)
		}
		for _, r := range p.References {
			if !strings.HasPrefix(r, "https://") {
				t.Errorf("%s: %q is no address", p.ID, r)
			}
		}
	}
}

func docPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testNames are the names of the tests in the files of some folders.
func testNames(t *testing.T, folders ...string) []string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	var out []string
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range function.FindAllStringSubmatch(string(text), -1) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

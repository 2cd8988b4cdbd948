package sigma

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/document"
	"muster/internal/pattern"
)

// corpus is a folder of real data beside the project. Without it the test is
// skipped, and says so.
func corpus(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir := filepath.Join(root, folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no real data at %s (set MUSTER_CORPUS)", dir)
	}
	return dir
}

// event is one of the corpus: the data set, the file, and the position in it.
type event struct {
	dataset, file string
	index         int
	raw           string
}

func (e event) String() string { return fmt.Sprintf("%s/%s#%d", e.dataset, e.file, e.index) }

// trails reads the CloudTrail files of a folder: native ones, and arrays.
func trails(t testing.TB, dataset string) []event {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(corpus(t, "cloudtrail-"+dataset), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []event
	for _, name := range names {
		if filepath.Base(name) == "expected_facts.json" {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Records []json.RawMessage }
		if json.Unmarshal(raw, &file.Records) != nil && json.Unmarshal(raw, &file) != nil {
			t.Fatalf("%s is no CloudTrail file", name)
		}
		for i, doc := range file.Records {
			out = append(out, event{dataset, filepath.Base(name), i, compact(t, doc)})
		}
	}
	return out
}

func compact(t testing.TB, doc []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// panther reads the inputs of another project's tests that are CloudTrail's.
func panther(t testing.TB) []event {
	t.Helper()
	const name = "rules.tests.ndjson"
	f, err := os.Open(filepath.Join(corpus(t, "panther"), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var out []event
	for i := 0; lines.Scan(); i++ {
		var test struct {
			LogTypes []string `json:"log_types"`
			Input    json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &test); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(test.LogTypes, "AWS.CloudTrail") {
			out = append(out, event{"panther", name, i, compact(t, test.Input)})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func recorded(t testing.TB) []event {
	t.Helper()
	return slices.Concat(trails(t, "invictus"), trails(t, "stratus"), panther(t))
}

// published reads SigmaHQ's rules, in the order of their files' names.
func published(t testing.TB) []*Rule {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(corpus(t, "sigma-aws"), "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*Rule
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rules, err := Parse(filepath.Base(name), data, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rules...)
	}
	return out
}

func conditions(rules []*Rule) []document.Condition {
	var out []document.Condition
	for _, r := range rules {
		out = append(out, r.Condition)
	}
	return out
}

// hits are the events that each condition is true of, asked twice: through the
// index, and plainly.
func hits(t *testing.T, cs []document.Condition, events []event) [][]string {
	t.Helper()
	set := document.NewSet("eventSource", "eventName", cs)
	out := make([][]string, len(cs))
	var d document.Document
	for _, e := range events {
		if err := d.Parse(e.raw); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		found := map[int]bool{}
		set.Match(&d, func(i int) { found[i] = true })
		for i, c := range cs {
			if plain := c.Holds(&d); plain != found[i] {
				t.Errorf("%s: condition %d is %v, through the index %v", e, i, plain, found[i])
			}
			if found[i] {
				out[i] = append(out[i], e.String())
			}
		}
	}
	for i := range out {
		slices.Sort(out[i])
	}
	return out
}

func TestPublishedRulesHitWhatOtherEnginesHit(t *testing.T) {
	var expected struct {
		Scanned map[string]int `json:"events_scanned"`
		Rules   []struct {
			Rule, ID, Title, Level string
			Hits                   []struct {
				Dataset, File string
				Index         int
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join(corpus(t, "sigma-aws"), "expected_hits.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	events := recorded(t)
	scanned := map[string]int{}
	for _, e := range events {
		scanned["data/"+e.dataset]++
	}
	if diff := cmp.Diff(expected.Scanned, scanned); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	rules := published(t)
	got := hits(t, conditions(rules), events)
	if len(rules) != len(expected.Rules) {
		t.Fatalf("%d rules, want %d", len(rules), len(expected.Rules))
	}
	for i, want := range expected.Rules {
		var wanted []string
		for _, h := range want.Hits {
			wanted = append(wanted, event{dataset: h.Dataset, file: h.File, index: h.Index}.String())
		}
		slices.Sort(wanted)
		r := rules[i]
		if r.File != want.Rule || r.ID != want.ID || r.Title != want.Title || r.Level != want.Level || r.Unjudged() != "" {
			t.Errorf("%s is %+v", want.Rule, r)
		}
		if diff := cmp.Diff(wanted, got[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Rule, diff)
		}
	}
}

func TestCISPatternsThroughTheIndex(t *testing.T) {
	var expected struct {
		Patterns []struct {
			CIS     string `json:"cis_v1_5"`
			Pattern string
			Hits    []struct {
				File  string
				Index int
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join(corpus(t, "cis-metric-filters"), "expected_hits.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	var cs []document.Condition
	for _, e := range expected.Patterns {
		p, err := pattern.Parse(e.Pattern)
		if err != nil {
			t.Fatalf("CIS %s: %v", e.CIS, err)
		}
		cs = append(cs, p.Condition())
	}
	got := hits(t, cs, slices.Concat(trails(t, "invictus"), trails(t, "stratus")))
	for i, e := range expected.Patterns {
		var want []string
		for _, h := range e.Hits {
			want = append(want, fmt.Sprintf("%s#%d", h.File[len("cloudtrail-"):], h.Index))
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("CIS %s (-want +got):\n%s", e.CIS, diff)
		}
	}
}

// Every published rule without one of its lines, or cut off behind it: it is a
// rule still, or it says where it is broken.
func TestBrokenRulesSayWhere(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(corpus(t, "sigma-aws"), "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(data), "\n")
		for i := range lines {
			for _, text := range []string{
				strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""),
				strings.Join(lines[:i], ""),
				strings.Join(lines[:i], "") + strings.Replace(lines[i], ":", " ", 1) + strings.Join(lines[i+1:], ""),
			} {
				_, err := Parse("x.yml", []byte(text), nil)
				if err == nil {
					continue
				}
				broken++
				var e *Error
				if !errors.As(err, &e) || e.Line < 1 || e.Problem == "" {
					t.Errorf("%s, line %d: no place in %v", filepath.Base(name), i+1, err)
				}
			}
		}
	}
	if broken < 500 {
		t.Errorf("%d broken rules only", broken)
	}
}

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

	"github.com/google/go-cmp/cmp"

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

// Each shipped control hits the recorded events that another reading of its
// expression hits, event by event. Two are not in that list: the test beside each
// policy is all there is for them.
func TestShippedControlsHitWhatIsExpectedOfThem(t *testing.T) {
	var expected struct {
		Patterns []struct {
			CIS  string `json:"cis_v1_5"`
			Hits []struct{ File, EventID string }
		}
	}
	raw, err := os.ReadFile(filepath.Join(corpus(t, "cis-metric-filters"), "expected_hits.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, p := range expected.Patterns {
		want[p.CIS] = nil
		for _, h := range p.Hits {
			want[p.CIS] = append(want[p.CIS], h.File+" "+h.EventID)
		}
	}
	var controls []*judgement
	got := map[string][]string{}
	ps := catalogue(t)
	for i := range ps {
		if ps[i].Language != FilterPattern {
			continue
		}
		if _, asked := want[number(&ps[i])]; asked {
			controls = append(controls, newJudgement(&ps[i], nil, nil))
			got[number(&ps[i])] = nil
		}
	}
	events := newWatch(controls, fleet.Window{})
	for _, folder := range []string{"cloudtrail-invictus", "cloudtrail-stratus"} {
		for file, rs := range trailFiles(t, corpus(t, folder)) {
			for i := range rs {
				events.take(&rs[i], view(&rs[i]))
				for _, j := range controls {
					if len(j.seen) > 0 {
						got[number(j.policy)] = append(got[number(j.policy)], folder+"/"+file+" "+rs[i].ID)
					}
					clear(j.seen)
					clear(j.spots)
				}
			}
		}
	}
	for _, list := range []map[string][]string{want, got} {
		for _, hits := range list {
			slices.Sort(hits)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hits by control (-want +got):\n%s", diff)
	}
}

// number is that of a control of the benchmark that a policy covers.
func number(p *Policy) string {
	_, n, _ := strings.Cut(p.Controls[0], "1.5.0 ")
	return n
}

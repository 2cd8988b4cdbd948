package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
)

// TestMalformedPoliciesSayWhereAndWhy breaks a hundred shipped policies, each in
// a way that changes it, and no two alike: each gives errors with file, line and cause, and none a panic.
func TestMalformedPoliciesSayWhereAndWhy(t *testing.T) {
	const broken = 100
	random := rand.New(rand.NewPCG(7, 7))
	files, err := fs.Glob(Shipped(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ways := []func(string) string{
		func(s string) string { return strings.Replace(s, "\nseverity:", "\nseverety:", 1) },
		func(s string) string { return strings.Replace(s, "severity: ", "severity: very ", 1) },
		func(s string) string { return strings.Replace(s, "\non: ", "\non: x", 1) },
		func(s string) string { return strings.Replace(s, "\nid: ", "\nid: A B", 1) + "id: A B\n" },
		func(s string) string { return strings.Replace(s, "\nmessage: ", "\nmessage: \"{it\"\n# ", 1) },
		func(s string) string { return strings.Replace(s, "\nwhen: ", "\nwhen: (r.tyme + \n# ", 1) },
		func(s string) string { return strings.Replace(s, "\nwhen: ", "\nwhen: \"'text'\"\n# ", 1) },
		func(s string) string { return strings.Replace(s, "\ntitle: ", "\ntitle: [", 1) },
		func(s string) string { return strings.Replace(s, "\ntests:", "\n\ttests:", 1) },
		func(s string) string { return strings.Replace(s, "finds: ", "finds: many", 1) },
		func(s string) string { return s + "\nabsence: [nowhere]\nwait: soon\n" },
		func(s string) string { return s[:len(s)/3] + "\x00" + s[len(s)/3:] },
		func(s string) string { return s + "when: {a: b}\nwhen: again\n" },
	}
	seen := map[string]bool{}
	for n := range broken {
		way := n % len(ways)
		var name, text string
		for text == "" {
			name = files[random.IntN(len(files))]
			raw, err := fs.ReadFile(Shipped(), name)
			if err != nil {
				t.Fatal(err)
			}
			// The first line has no line break before it that the ways could find.
			whole := "\n" + string(raw)
			if key := fmt.Sprint(way, name); !seen[key] && ways[way](whole) != whole {
				seen[key], text = true, ways[way](whole)
			}
		}
		t.Run(fmt.Sprintf("%d %s", n, name), func(t *testing.T) {
			_, err := Load(fstest.MapFS{name: {Data: []byte(text)}})
			if err == nil {
				t.Fatalf("no error for:\n%s", text)
			}
			for _, e := range unjoined(err) {
				l, ok := errors.AsType[*LoadError](e)
				switch {
				case !ok || l.File != name || l.Problem == "":
					t.Errorf("%v: says not where and why", e)
				case l.Line < 1 || l.Line > 1+strings.Count(text, "\n"):
					t.Errorf("%v: says not on which line", e)
				}
			}
		})
	}
	if len(seen) != broken {
		t.Errorf("%d policies were broken, want %d", len(seen), broken)
	}
}

func unjoined(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, unjoined(e)...)
	}
	return out
}

// TestACostlyConditionIsEnded counts all triples of a large story's records.
func TestACostlyConditionIsEnded(t *testing.T) {
	p := load(t, `on: trace
when: t.records.filter(a, t.records.exists(b, t.records.exists(c, a.id + b.id == c.id + "x"))).size() > 1
evidence: t.records.map(r, r.id)
`)
	result := judge(t, p, Input{Reader: &memory{records: healthy(1)}})
	for n := range 12 {
		m := &memory{}
		for i := range 1 << n {
			m.records = append(m.records, line(fmt.Sprintf("%05d", i), "t", at(float64(i)), "x"))
		}
		if result = judge(t, p, Input{Reader: m}); len(result.Run.NotJudged) > 0 {
			break
		}
	}
	if why := result.Run.NotJudged["p"]; !strings.Contains(why, "cost limit exceeded") {
		t.Errorf("not judged: %q, want the cost limit", why)
	}
}

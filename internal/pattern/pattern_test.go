package pattern

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMatch holds the examples of AWS's page "Filter pattern syntax", and what
// follows from its rules.
func TestMatch(t *testing.T) {
	const (
		update = `{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],"objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","ThisFlag":true,"user":{"id":1,"email":"John.Stiles@example.com"}}`
		access = `127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`
	)
	for _, tt := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{" ", "anything", true},
		{"[]", "anything", true},

		{"ERROR", "[ERROR 400] BAD REQUEST", true},
		{"ERROR", "[error 400] BAD REQUEST", false},
		{"ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true},
		{"ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED", false},
		{"?ERROR ?ARGUMENTS", "[ERROR 401] UNAUTHORIZED", true},
		{"?ERROR ?ARGUMENTS", "[INFO] none", false},
		{`"INTERNAL SERVER ERROR"`, "[ERROR 500] INTERNAL SERVER ERROR", true},
		{`"INTERNAL SERVER ERROR"`, "INTERNAL ERROR SERVER", false},
		{`"a \"b\" \\c"`, `x a "b" \c`, true},
		{"ERROR -ARGUMENTS", "[ERROR 401] UNAUTHORIZED", true},
		{"ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", false},
		{`-"missing arguments"`, "[ERROR] missing arguments", false},
		{"?ERROR ?400 REQUEST", "INFO REQUEST", true}, // the optional ones have no effect
		{"?ERROR ?400 REQUEST", "ERROR 400", false},
		{"%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true},
		{"%^AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", false},
		{"%colou?r%", "the color", true},
		{`%10\.10\.0\.1%`, "from 10.10.0.1", true},
		{`%10\.10\.0\.1%`, "from 10.10a0.1", false},
		{`%1\%%`, "1%", true},
		{"%[0-9]{3}% -debug", "took 123 ms", true},

		{`{ $.eventType = "UpdateTrail" }`, update, true},
		{`{ $.eventType = UpdateTrail }`, update, true},
		{`{$.eventType="UpdateTrail"}`, update, true},
		{`{ $.eventType != "UpdateTrail" }`, update, false},
		{`{ $.eventType = "updatetrail" }`, update, false},
		{`{ $.sourceIPAddress != 123.123.* }`, update, true},
		{`{ $.sourceIPAddress = 111.111.* }`, update, true},
		{`{ $.sourceIPAddress = *.111 }`, update, true},
		{`{ $.arrayKey[0] = "value" }`, update, true},
		{`{ $.arrayKey[1] = "value" }`, update, false},
		{`{ $.arrayKey = "value" }`, update, false},
		{`{ $.objectList[1].id = 2 }`, update, true},
		{`{ $.objectList[*].id = 2 }`, update, true},
		{`{ $.objectList[*].id = 3 }`, update, false},
		{`{ $.SomeObject IS NULL }`, update, true},
		{`{ $.SomeOtherObject NOT EXISTS }`, update, true},
		{`{ $.SomeOtherObject EXISTS }`, update, false},
		{`{ $.SomeOtherObject IS NULL }`, update, false},
		{`{ $.SomeOtherObject != "x" }`, update, false}, // what is not there fits no operator
		{`{ $.ThisFlag IS TRUE }`, update, true},
		{`{ $.ThisFlag IS FALSE }`, update, false},
		{`{ $.['cluster.name'] = "c" }`, update, true},
		{`{ $['cluster.name'] = "c" }`, update, true},
		{`{ ($.user.id = 1) && ($.user.email = "John.Stiles@*") }`, update, true},
		{`{ $.user.id = 2 || $.eventType = "*Trail" && $.user.id = 1 }`, update, true},
		{`{ ($.user.id = 2 || $.eventType = "*Trail") && $.user.id = 3 }`, update, false},
		{`{ $.user.id >= 1 && $.user.id < 1.5e0 }`, update, true},
		{`{ $.user.id > 1 }`, update, false},
		{`{ $.eventType = %Trail$% }`, update, true},
		{`{ $.eventType = %^Trail% }`, update, false},
		{`{ $.eventType = "UpdateTrail" }`, "UpdateTrail", false},
		{`{ $.code = 40* }`, `{"code":404}`, true},
		{`{ $.code = 404 }`, `{"code":"404"}`, true},
		{`{ $.code > 400 }`, `{"code":"404"}`, true},

		{"[ip, user, username, timestamp, request, status_code, bytes]", access, true},
		{"[ip, user, username, timestamp, request, status_code]", access, false},
		{"[..., status_code = 4*, bytes]", access, true},
		{"[ip, user, ..., status_code = 404, bytes]", access, true},
		{"[ip, user, ..., status_code = 410, bytes]", access, false},
		{`[ip, ..., request = *html*, status_code = 404 || status_code = 410, bytes > 1000]`, access, true},
		{`[ip, ..., request, status_code, bytes <= 1000]`, access, false},
		{`[ip = %127\.0\.0\.[1-9]%, ..., timestamp = "10/Oct*", request, status_code, bytes]`, access, true},
		{"[w1=ERROR, w2]", "ERROR now", true},
		{"[w1!=ERROR && w1!=WARN, w2]", "WARN now", false},
		{"[w1!=ERROR && w1!=WARN, w2]", "INFO now", true},
		{"[w1, w2]", "one two three", false},
	} {
		p, err := Parse(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := p.Match(tt.message); got != tt.want {
			t.Errorf("%s of %s is %v", tt.pattern, tt.message, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"foo-bar", "a:b", `"open`, "-", "?", "%open", "%%", "%a!b%", "%(a)%", "%[%", "%é%",
		"{", "{}", "{ $ = 1 }", "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ $.a = 1 } x", "{ $.a < b }", "{ ($.a = 1 }", "{ $.a = Failed authentication }",
		"{ $.a[x] = 1 }", "{ $.a[-1] = 1 }", "{ $.a[ = 1 }", "{ $. = 1 }", "{ a = 1 }", "{ $.a = %a% || $.b = %b% || $.c = %c% }",
		"[", "[a", "[a,]", "[..., a, ...]", "[a < b]", "[a] x", "[=1]",
		strings.Repeat("a", maxLength+1), "{" + strings.Repeat("(", maxDepth+1) + "$.a = 1" + strings.Repeat(")", maxDepth+1) + "}",
	} {
		var syntax *SyntaxError
		if _, err := Parse(text); !errors.As(err, &syntax) {
			t.Errorf("%.60s was taken: %v", text, err)
		}
	}
}

// shared is the folder of recorded data, or skips the test.
func shared(t *testing.T) string {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skipf("NOT TESTED: no recorded data in %s (set MUSTER_CORPUS): %v", root, err)
	}
	return root
}

func read(t *testing.T, v any, path ...string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatal(err)
	}
}

// TestCISPatternsHitWhatTheyShould runs the CIS benchmark's patterns over
// recorded CloudTrail events, with hits that were found by hand.
func TestCISPatternsHitWhatTheyShould(t *testing.T) {
	root := shared(t)
	var expected struct {
		Patterns []struct {
			CIS     string `json:"cis_v1_5"`
			Pattern string
			Hits    []struct{ File, EventID string }
		}
	}
	read(t, &expected, root, "cis-metric-filters", "expected_hits.json")
	files, err := filepath.Glob(filepath.Join(root, "cloudtrail-invictus", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d trail files, %v", len(files), err)
	}
	type message struct{ id, text string }
	var messages []message
	for _, file := range files {
		var trail struct{ Records []json.RawMessage }
		read(t, &trail, file)
		for _, r := range trail.Records {
			var ev struct{ EventID string }
			if err := json.Unmarshal(r, &ev); err != nil {
				t.Fatal(err)
			}
			messages = append(messages, message{ev.EventID, string(r)})
		}
	}
	for _, e := range expected.Patterns {
		p, err := Parse(e.Pattern)
		if err != nil {
			t.Errorf("CIS %s: %v", e.CIS, err)
			continue
		}
		var want, got []string
		for _, h := range e.Hits {
			if strings.HasPrefix(h.File, "cloudtrail-invictus/") {
				want = append(want, h.EventID)
			}
		}
		for _, m := range messages {
			if p.Match(m.text) {
				got = append(got, m.id)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("CIS %s (-want +got):\n%s", e.CIS, d)
		}
	}
}

// TestPublishedVariantsAreRead: all but those that were written to be wrong.
func TestPublishedVariantsAreRead(t *testing.T) {
	var variants []struct{ Pattern string }
	read(t, &variants, shared(t), "cis-metric-filters", "variants.json")
	for _, v := range variants {
		wrong := strings.Contains(v.Pattern, "= Failed authentication") || v.Pattern == "test-pattern" // which needs quotes
		if _, err := Parse(v.Pattern); (err != nil) != wrong {
			t.Errorf("%s: %v", v.Pattern, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`?a -"b" %c%`, `{ ($.a[*].b = "x*" || $['c'] IS NULL) && $.d >= 1e3 && $.e NOT EXISTS }`, `[a, b = %x% && b != y, ..., c > 1]`,
	} {
		f.Add(seed, `{"a":[{"b":"xy"}],"c":null,"d":1e4}`)
		f.Add(seed, `x "y z" [1] 2`)
	}
	f.Fuzz(func(_ *testing.T, text, message string) {
		if p, err := Parse(text); err == nil {
			p.Match(message)
		}
	})
}

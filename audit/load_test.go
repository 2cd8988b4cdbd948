package audit

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoadNamesPlaceProblemAndRemedy(t *testing.T) {
	for _, tt := range []struct {
		name string
		yaml string
		want []string
	}{
		{"unknown field", policy("id: p\nseverty: high\n"), []string{`x.yaml:2: `, `unknown field "severty"`, "known here: id, title, severity"}},
		{"unknown field of a test", policy("tests:\n  - {name: n, record: []}\n"), []string{"x.yaml:2: ", `unknown field "record"`, "records"}},
		{"unknown field of a record", policy("tests:\n  - records:\n      - {servce: a}\n"), []string{"x.yaml:3: ", `"servce"`, "service"}},
		{"no id", "title: t\n", []string{"x.yaml", "id is missing"}},
		{"nothing but an id", "id: p\n", []string{"x.yaml:1: policy p: title is missing; fill it in", "when is missing", "message is missing"}},
		{"id", policy("id: No Good\n"), []string{`id "No Good" cannot be used`, "lower-case"}},
		{"severity", policy("id: p\nseverity: worst\n"), []string{"x.yaml:2: policy p: ", `unknown severity "worst"`, "info, low, medium, high, critical"}},
		{"subject", policy("on: everything\n"), []string{`policies cannot be on "everything"`, "api_call, change, trace, journey"}},
		{"absence", policy("absence: [xrays]\n"), []string{`absence: unknown source "xrays"`, "xray, logs"}},
		{"topic", policy("id: p\nremediate: close-port\n"), []string{`x.yaml:2: policy p: remediate "close-port" is no topic`, "arn:aws:sns:"}},
		{"wait", policy("absence: [xray]\nwait: soon\n"), []string{"x.yaml:2: ", `wait "soon" is no duration`, `"90s"`}},
		{"wait without absence", policy("wait: 5m\n"), []string{"wait is of no use", "absence"}},
		{"select on a trace", policy("on: trace\nevidence: '[t.id]'\nselect:\n  event_name: [X]\n"), []string{"x.yaml:4: ", "select works on API calls only"}},
		{"empty selection", policy("select:\n  event_name: ['']\n"), []string{"x.yaml:2: ", "select: an empty value"}},
		{"field", policy("id: p\nwhen: r.servce == 'a'\n"), []string{"x.yaml:2: policy p: when: undefined field 'servce'", `did you mean "service"?`}},
		{"field like no other", policy("when: r.zzzzzzzzzz == 'a'\n"), []string{"undefined field", "known fields: id, kind, time"}},
		{"variable", policy("when: t.id == 'a'\n"), []string{"undeclared reference to 't'", "known variables: r"}},
		{"type", policy("when: r.id == 1\n"), []string{"when: found no matching overload"}},
		{"no condition", policy("when: r.id\n"), []string{"when gives string where true or false is wanted"}},
		{"no list", policy("each: r.id\n"), []string{"each gives string where a list is wanted"}},
		{"no ids", policy("evidence: '[1]'\n"), []string{"evidence gives list(int) where a list of strings is wanted"}},
		{"syntax", policy("when: r.id ==\n"), []string{"when: Syntax error"}},
		{"line of a block", policy("id: p\nwhen: |\n  r.id == 'a' &&\n  r.nme == 'b'\n"), []string{"x.yaml:4: policy p: when: undefined field 'nme'"}},
		{"no evidence", policy("on: trace\n"), []string{"a policy on a trace must say what its evidence is", "add evidence"}},
		{"template", policy("message: it is {r.servce}\n"), []string{"message {r.servce}: undefined field"}},
		{"open brace", policy("message: it is {r.id\n"), []string{"message: an opening brace is never closed", `"{{"`}},
		{"definition", policy("define:\n  a: r.foo_bar_baz\n"), []string{"x.yaml:2: ", "define a: undefined field"}},
		{"name of a definition", policy("define:\n  r: 1 + 1\n"), []string{"x.yaml:2: ", `the name "r" cannot be used`}},
		{"it is not for definitions", policy("define:\n  it: 1 + 1\n"), []string{"x.yaml:2: ", `the name "it" cannot be used`}},
		{"definition before its time", policy("define:\n  a: b\n  b: 1 + 1\n"), []string{"define a: undeclared reference to 'b'"}},
		{"definitions in a list", policy("define: [a]\n"), []string{"define must be a mapping"}},
		{"list for text", policy("title: [a]\n"), []string{"x.yaml:1: ", "a single text is wanted here"}},
		{"no YAML", "id: [\n", []string{"x.yaml:", "did not find"}},
		{"empty", "# nothing\n", []string{"x.yaml: the file holds no policy"}},
		{"two documents, the second wrong", policy("id: a\n") + "---\n" + policy("id: b\nwhen: r.foo_bar\n"), []string{"policy b: when: undefined field"}},
		{"two with one id", policy("id: a\n") + "---\n" + policy("id: a\n"), []string{"policy a: this id is taken by x.yaml"}},
		{"too large", "#" + strings.Repeat(" ", maxFileBytes), []string{"x.yaml: larger than"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ps, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(tt.yaml)}})
			if err == nil || ps != nil {
				t.Fatalf("loaded: %v", ps)
			}
			var e *LoadError
			if !errors.As(err, &e) || e.File != "x.yaml" {
				t.Errorf("no *LoadError with the file in %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in:\n%v", want, err)
				}
			}
		})
	}
}

func TestLoadReportsAllFilesAtOnce(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"a.yaml":     {Data: []byte(policy("id: a\nwhen: r.foo_bar\n"))},
		"b.yml":      {Data: []byte(policy("id: b\n"))},
		"sub/c.yaml": {Data: []byte(policy("id: b\n"))},
		"README.md":  {Data: []byte("no policy")},
	})
	for _, want := range []string{"a.yaml:2: policy a", "sub/c.yaml:1: policy b: this id is taken by b.yml; give one of the two another id"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestLoadRefusesAFolderWithoutPolicies(t *testing.T) {
	if _, err := Load(fstest.MapFS{"README.md": {}}); err == nil || !strings.Contains(err.Error(), "no policy found") {
		t.Error(err)
	}
}

func TestLoadReadsInOrderOfPaths(t *testing.T) {
	ps, err := Load(fstest.MapFS{
		"b.yaml":   {Data: []byte(policy("id: b\n"))},
		"a/z.yaml": {Data: []byte(policy("id: z\n") + "---\n" + policy("id: y\n"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ps {
		got = append(got, p.File+" "+p.ID)
	}
	if s := strings.Join(got, ", "); s != "a/z.yaml z, a/z.yaml y, b.yaml b" {
		t.Error(s)
	}
}

// FuzzLoad holds that no file makes the loader panic, and that what it takes
// can be judged: its own test cases run to an answer.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		"", "id: p", "---\n---\n", policy(""), policy("on: trace\nevidence: t.errors.map(e, e.id)\n"),
		policy("define: {a: r.resources}\neach: a\nwhen: it != ''\nmessage: '{it} {{x}}'\n"),
		policy("tests:\n  - {name: n, records: [{times: 3, raw: {a: [1, {b: c}]}}], finds: 1}\n"),
		policy("absence: [xray]\nwait: 5m\nselect: {event_name: [A], event_source: [b]}\n"),
		"a: &a [*a]\n", "? {a: b}\n: c\n", bucketRule, loginRules,
		"pattern: '{ $.a[*].b = 5* || $.c NOT EXISTS }'\n---\n- filterPattern: '?a -b'\n", "detection: &a {s: *a, condition: s}\ntitle: t\n",
		"title: f\nlogsource: {product: aws}\nfilter: {rules: any, s: {a|re: b}, condition: not s}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ps, err := Load(fstest.MapFS{"x.yaml": {Data: data}})
		if (err == nil) != (len(ps) > 0) {
			t.Fatalf("%d policies and error %v", len(ps), err)
		}
		Test(ps)
	})
}

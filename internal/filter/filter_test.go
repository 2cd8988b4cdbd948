package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// test is a comparison.
func test(k fleet.Keyword, op fleet.Operator, value any) fleet.FilterTest {
	return fleet.FilterTest{Keyword: k, Op: op, Value: value}
}

func annotation(key string, op fleet.Operator, value any) fleet.FilterTest {
	return fleet.FilterTest{Keyword: fleet.KeyAnnotation, Key: key, Op: op, Value: value}
}

func set(k fleet.Keyword) fleet.FilterTest { return test(k, fleet.OpSet, nil) }

func not(f fleet.Filter) fleet.FilterNot { return fleet.FilterNot{Of: f} }

// TestParseReadsTheDocumentedExamples has the examples of AWS's documentation
// that evidence can answer, and what each part of the language means.
func TestParseReadsTheDocumentedExamples(t *testing.T) {
	slow := test(fleet.KeyResponseTime, fleet.OpMore, 5.0)
	fault := set(fleet.KeyFault)
	api, backend := fleet.FilterNode{Name: "api.example.com"}, fleet.FilterNode{Name: "backend.example.com"}
	tests := []struct {
		text string
		want fleet.Filter
	}{
		{`responsetime > 5`, slow},
		{`duration >= 5 AND duration <= 8`, fleet.FilterAll{
			test(fleet.KeyDuration, fleet.OpAtLeast, 5.0), test(fleet.KeyDuration, fleet.OpAtMost, 8.0),
		}},
		{`ok`, set(fleet.KeyOK)},
		{`!ok`, not(set(fleet.KeyOK))},
		{`ok = false`, not(set(fleet.KeyOK))},
		{`ok != false`, set(fleet.KeyOK)},
		{`service("data-plane") {root = true and fault = true}`, fleet.FilterService{
			Node: fleet.FilterNode{Name: "data-plane"}, Where: fleet.FilterAll{set(fleet.KeyRoot), fault},
		}},
		{`http.status != 200`, test(fleet.KeyHTTPStatus, fleet.OpNotEqual, 200.0)},
		{`ok !partial duration <3`, fleet.FilterAll{
			set(fleet.KeyOK), not(set(fleet.KeyPartial)), test(fleet.KeyDuration, fleet.OpLess, 3.0),
		}},
		{`http.url CONTAINS "/api/game/"`, test(fleet.KeyHTTPURL, fleet.OpContains, "/api/game/")},
		{`user CONTAINS ""`, test(fleet.KeyUser, fleet.OpContains, "")},
		{`service("api.example.com") { fault }`, fleet.FilterService{Node: api, Where: fault}},
		{`service() { fault }`, fleet.FilterService{Where: fault}},
		{`edge("api.example.com", "backend.example.com") { error }`, fleet.FilterEdge{From: api, To: backend, Where: set(fleet.KeyError)}},
		{`http.url BEGINSWITH "http://api.example.com/" AND http.url CONTAINS "/v2/" AND !service("api.example.com")`, fleet.FilterAll{
			test(fleet.KeyHTTPURL, fleet.OpBeginsWith, "http://api.example.com/"), test(fleet.KeyHTTPURL, fleet.OpContains, "/v2/"),
			not(fleet.FilterService{Node: api}),
		}},
		{`http.url AND responseTime > 2`, fleet.FilterAll{set(fleet.KeyHTTPURL), test(fleet.KeyResponseTime, fleet.OpMore, 2.0)}},
		{`annotation.gameid = "817DL6VO"`, annotation("gameid", fleet.OpEqual, "817DL6VO")},
		{`annotation.age`, annotation("age", fleet.OpSet, nil)},
		{`!annotation.age`, not(annotation("age", fleet.OpSet, nil))},
		{`annotation.age > 29`, annotation("age", fleet.OpMore, 29.0)},
		{`annotation[age] > 29`, annotation("age", fleet.OpMore, 29.0)},
		{`annotation["the age"] ENDSWITH 'x'`, annotation("the age", fleet.OpEndsWith, "x")},
		{`annotation.Paid = TRUE`, annotation("Paid", fleet.OpEqual, "true")},
		{`service("api.example.com") { fault = true OR responsetime > 2.5 } AND annotation.account = "12345"`, fleet.FilterAll{
			fleet.FilterService{Node: api, Where: fleet.FilterAny{fault, test(fleet.KeyResponseTime, fleet.OpMore, 2.5)}},
			annotation("account", fleet.OpEqual, "12345"),
		}},
		{`service(id(name: "random-name", type: "AWS::Lambda::Function")) { error }`, fleet.FilterService{
			Node: fleet.FilterNode{Name: "random-name", Type: "AWS::Lambda::Function"}, Where: set(fleet.KeyError),
		}},
		{`service(id(type: "AWS::Lambda::Function", account.id: "111122223333")) {}`, fleet.FilterService{
			Node: fleet.FilterNode{Type: "AWS::Lambda::Function", Account: "111122223333"},
		}},
		{`service("frontend") { account.id = "123456789012" }`, fleet.FilterService{
			Node: fleet.FilterNode{Name: "frontend"}, Where: test(fleet.KeyAccount, fleet.OpEqual, "123456789012"),
		}},
		{`ok OR fault AND error`, fleet.FilterAny{set(fleet.KeyOK), fleet.FilterAll{fault, set(fleet.KeyError)}}},
		{`(ok OR fault) error`, fleet.FilterAll{fleet.FilterAny{set(fleet.KeyOK), fault}, set(fleet.KeyError)}},
		{`NOT NOT !ok`, not(not(not(set(fleet.KeyOK))))},
		{`user = "a\"b\\c\nд\u0436'"`, test(fleet.KeyUser, fleet.OpEqual, "a\"b\\c\nдж'")},
		{`user = 'it\'s'`, test(fleet.KeyUser, fleet.OpEqual, "it's")},
		{`responsetime = -0.5e1`, test(fleet.KeyResponseTime, fleet.OpEqual, -5.0)},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	tests := []struct {
		text string
		at   int
		want string
	}{
		{``, 1, "empty"},
		{`responsetme > 2`, 1, "did you mean responsetime?"},
		{`ok AND http.statu = 200`, 8, "did you mean http.status?"},
		{`servce("orders")`, 1, "did you mean service?"},
		{`colour = "red"`, 1, "there are ok, error"},
		{`ok AND`, 7, "keyword is missing before end"},
		{`ok AND OR fault`, 8, "there is no keyword OR"},
		{`(ok`, 4, ") is missing"},
		{`ok)`, 3, "unexpected )"},
		{`ok "x"`, 4, `unexpected "x"`},
		{`ok = 1`, 6, "ok is true or false"},
		{`ok > true`, 6, "ok is true or false"},
		{`http.status = "200"`, 15, "http.status is a number"},
		{`http.status CONTAINS 2`, 22, "http.status is a number"},
		{`user = alice`, 8, "user is text: put alice in quotation marks"},
		{`user > "a"`, 8, "text is compared with"},
		{`annotation.age CONTAINS 2`, 25, "put 2 in quotation marks"},
		{`annotation.age < "x"`, 18, "text is compared with"},
		{`annotation.age = red`, 18, "put red in quotation marks"},
		{`annotation[] = 1`, 12, "the key of the annotation is missing"},
		{`annotation = 1`, 12, "[ is missing after annotation"},
		{`responsetime > 2s`, 16, "2s is no number"},
		{`responsetime > .5`, 16, ".5 is no number"},
		{`responsetime >`, 15, "a value is missing after >"},
		{`user = "alice`, 8, "no closing"},
		{`user = "ü\q"`, 10, "a backslash stands before"},
		{`ok && fault`, 4, "write AND"},
		{`ok || fault`, 4, "write OR"},
		{`http.status == 200`, 13, "write ="},
		{`http.status <> 200`, 13, "write !="},
		{`ok ; fault`, 4, `unexpected ';'`},
		{"ok \xff", 4, "not valid UTF-8"},
		{`root`, 1, "within service() { }"},
		{`service("a") { service("b") }`, 16, "asks one span for another"},
		{`service("a") { fault`, 21, "} is missing"},
		{`service(orders)`, 9, "a name in quotation marks"},
		{`edge("a")`, 9, ", is missing after the service that calls"},
		{`service(id(nam: "x"))`, 12, "id() takes name:, type: and account.id:"},
		{`service(id(name: "x", name: "y"))`, 23, "given twice"},
		{`service(id(name: x))`, 18, "put x in quotation marks"},
		{`group.name = "slow"`, 1, "groups are kept by X-Ray"},
		{`rootcause.fault.service { name = "Auth" }`, 1, "root causes are X-Ray's own"},
		{`rootcause.json = #[{}]`, 1, "root causes are X-Ray's own"},
		{`json`, 1, "X-Ray's root cause objects"},
		{`coverage > 0.7`, 1, "it belongs to rootcause"},
		{`instance.id = "i-1"`, 1, "--text"},
		{strings.Repeat("(", 40) + "ok", 33, "at most 32 deep"},
		{strings.Repeat("! ", 40) + "ok", 65, "at most 32 deep"},
		{strings.Repeat("ok ", 300), 601, "at most 200 comparisons"},
		{`user = "` + strings.Repeat("x", 5000), 4097, "at most 4096 bytes"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text)
		var e *Error
		if !errors.As(err, &e) || got != nil {
			t.Errorf("%.60s: got %v, %v, want an Error", tt.text, got, err)
			continue
		}
		if e.At != tt.at || !strings.Contains(e.Problem, tt.want) {
			t.Errorf("%.60s: got %v, want character %d and %q", tt.text, e, tt.at, tt.want)
		}
	}
}

func TestCompleteGoesOnWithTheLastWord(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{`resp`, []string{"responsetime"}},
		{`ok AND http.u`, []string{"ok AND http.url", "ok AND http.useragent"}},
		{`service("orders") {fau`, []string{`service("orders") {fault`}},
		{`user CON`, []string{"user CONTAINS"}},
		{`user = "err`, nil},
		{`annot`, []string{"annotation."}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Complete(tt.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

// FuzzParse holds that the parser always ends with a filter that can be judged
// or with an error that lies in the text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`service("a") { fault = true OR responsetime > 2.5 } AND annotation["x y"] = "12\"345"`,
		`edge("a", id(name: "b", type: "t")) { !error } ok !partial (duration <3 OR user CONTAINS '')`,
		`annotation.a != -1.5e3 http.status>=500 NOT message ENDSWITH "\u00e9"`, `((((`, `"`, `!`, "\xff", `rootcause.json = #[{`,
	} {
		f.Add(s)
	}
	span := fleet.Record{Kind: fleet.KindSpan, Service: "a", Attributes: fleet.AttributesOf("annotation.a", "12")}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v and %v", got, err)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.At < 1 || e.At > len(text)+1) {
			t.Fatalf("got error %v of %d bytes", err, len(text))
		}
		if err == nil && fleet.MatchTrace(got, []fleet.Record{span}) == fleet.MatchTrace(not(got), []fleet.Record{span}) {
			t.Fatal("a filter and its negation answer the same")
		}
		Complete(text)
	})
}

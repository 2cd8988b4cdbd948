package sigma

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/document"
)

// rule is a rule with these selections and this condition.
func rule(detection string) string {
	return "title: T\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n" + detection
}

func selection(fields string) string { return rule("  s:\n    " + fields + "\n  condition: s\n") }

const trail = `{"eventTime":"2024-02-29T22:07:00Z","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","errorCode":null,
"sourceIPAddress":"10.1.2.3","v6":"2001:db8::1","userAgent":"[S3 Browser/9.5]","count":443,"big":"12","yes":true,"no":false,"empty":"",
"path":"C:\\Temp\\a.exe","stars":"a*b?c","text":"line one\nLine two","unicode":"ÄRGER","encoded":"cwBlAGMAcgBlAHQA","b64":"eHNlY3JldHk=","plainb64":"c2VjcmV0",
"commands":["whoami","curl  -v http://x/"],"slash":"net /user x","name":"s3.amazonaws.com","NAME2":"S3.AMAZONAWS.COM","longer":"https://s3.amazonaws.com/x",
"requestParameters":{"policy":"{\"Effect\":\"Allow\",\"Resource\":\"arn:aws:s3:::<B>/*\"}","items":[{"ip":"0.0.0.0/0","port":22},{"ip":"10.0.0.0/8","port":443}],"none":[]}}`

func TestModifiers(t *testing.T) {
	for _, tt := range []struct {
		fields string
		want   bool
	}{
		{"eventName: PutBucketPolicy", true},
		{"eventName: putbucketpolicy", true}, // without regard to case
		{"eventname: PutBucketPolicy", false},
		{"eventName|cased: putbucketpolicy", false},
		{"eventName|cased: PutBucketPolicy", true},
		{"eventName: [A, PutBucketPolicy]", true},
		{"eventName: [A, B]", false},
		{"eventName: Put*Policy", true},
		{"eventName: Put*Polic", false},
		{"eventName: PutBucketPolic?", true},
		{"eventName: PutBucketPolicy?", false},
		{"eventName: '*b?cket*'", true},
		{"eventName|startswith: putb", true},
		{"eventName|startswith: Bucket", false},
		{"eventName|endswith: POLICY", true},
		{"eventName|endswith: Bucket", false},
		{"eventName|contains: bucket", true},
		{"eventName|contains: buckets", false},
		{"eventName|contains|cased: bucket", false},
		{"eventName|contains|cased: Bucket", true},
		{"eventName|contains|all: [put, bucket]", true},
		{"eventName|contains|all: [put, object]", false},
		{"eventName|contains: [put, object]", true},
		{"eventName|startswith|cased: Put", true},
		{"eventName|endswith|cased: policy", false},

		{"errorCode: null", true},
		{"nothing: null", true},
		{"eventName: null", false},
		{"eventName: [null, PutBucketPolicy]", true},
		{"empty: null", false},
		{"empty: ''", true},
		{"eventName: ''", false},
		{"empty|contains: '*'", true},
		{"errorCode|contains: '*'", false},
		{"nothing|contains: '*'", false},
		{"requestParameters.none|contains: '*'", false},
		{"nothing|exists: false", true},
		{"nothing|exists: true", false},
		{"errorCode|exists: true", true}, // there, and null
		{"requestParameters.none|exists: true", true},
		{"requestParameters.items.ip|exists: true", true},

		{"count: 443", true},
		{"count: '443'", true},
		{"count: 443.0", true},
		{"count: 444", false},
		{"yes: true", true},
		{"yes: 'true'", true},
		{"no: false", true},
		{"no: true", false},
		{"count|gt: 442", true},
		{"count|gt: 443", false},
		{"count|gte: 443", true},
		{"count|lt: 443", false},
		{"count|lte: 443", true},
		{"big|lt: 100", true}, // a text that is a number
		{"eventName|lt: 100", false},
		{"count|contains: 4", true},

		{"eventName|neq: PutBucketPolicy", false},
		{"eventName|neq: Other", true},
		{"nothing|neq: Other", true},
		{"eventName|neq: [A, PutBucketPolicy]", false},
		{"eventName|neq|startswith: Put", false},
		{"count|neq: 443", false},
		{"eventSource|fieldref|neq: name", false},

		{"eventName|re: 'Put.*Policy'", true},
		{"eventName|re: 'put.*policy'", false},
		{"eventName|re|i: 'put.*policy'", true},
		{"eventName|re: '^Bucket'", false},
		{"text|re: '^Line two$'", false},
		{"text|re|m: '^Line two$'", true},
		{"text|re: 'one.Line'", false},
		{"text|re|s: 'one.Line'", true},
		{"text|re|i|m|s: '^LINE ONE.line'", true},
		{"eventName|re: '(Get|Put)Bucket'", true},
		{"eventName|re: 'x?PutBucket'", true},

		{"eventSource|fieldref: name", true},
		{"eventSource|fieldref: NAME2", true},
		{"eventSource|fieldref|cased: NAME2", false},
		{"eventSource|fieldref: eventName", false},
		{"eventSource|fieldref: nothing", false},
		{"longer|fieldref|contains: name", true},
		{"longer|fieldref|startswith: name", false},

		{"sourceIPAddress|cidr: 10.0.0.0/8", true},
		{"sourceIPAddress|cidr: [192.168.0.0/16, 10.1.0.0/16]", true},
		{"sourceIPAddress|cidr: 10.2.0.0/16", false},
		{"v6|cidr: '2001:db8::/32'", true},
		{"eventName|cidr: 0.0.0.0/0", false},

		{"eventTime|hour: 22", true},
		{"eventTime|hour: [1, 2]", false},
		{"eventTime|hour|gte: 20", true},
		{"eventTime|minute: 7", true},
		{"eventTime|day: 29", true},
		{"eventTime|week: 9", true},
		{"eventTime|month: 2", true},
		{"eventTime|year|lt: 2024", false},

		{`path: 'C:\Temp\a.exe'`, true},
		{`path: 'C:\\Temp\\a.exe'`, true},
		{`path|endswith: '\a.exe'`, true},
		{`stars: 'a\*b\?c'`, true},
		{`eventName: 'Put\*Policy'`, false},
		{`path: 'C:\\*'`, true}, // a backslash, and then anything
		{`path: 'C:\*'`, false},
		{"unicode: ärger", true},
		{"unicode|contains: Rge", true},
		{"unicode|cased: ärger", false},
		{"unicode: '?RGER'", true},

		{"plainb64|base64: secret", true},
		{"b64|base64offset|contains: secret", true},
		{"b64|base64|contains: secret", false},
		{"encoded|wide|base64: secret", true},
		{"encoded|utf16le|base64offset|contains: secret", true},
		{"encoded|utf16be|base64: secret", false},
		{"commands|windash|contains: ' /v'", true},
		{"commands|contains: ' /v'", false},
		{"slash|contains|windash: ' -user'", true},
		{"slash|windash|contains|all: [' -user', net]", true},

		// Arrays and objects.
		{"commands: whoami", true},
		{"commands: who", false},
		{"commands|startswith: curl", true},
		{"requestParameters.items.port: 22", true},
		{"requestParameters.items.ip: 10.0.0.0/8", true},
		{"requestParameters|contains: '\"port\":22'", true},
		{`requestParameters|contains|all: ['"Allow"', '"arn:aws:s3:::<B>/*"']`, true}, // JSON in a text of it
		{"requestParameters|contains: Deny", false},
		{"eventName.more: x", false},
	} {
		c := compiled(t, selection(tt.fields))
		var d document.Document
		if err := d.Parse(trail); err != nil {
			t.Fatal(err)
		}
		if got := c.Holds(&d); got != tt.want {
			t.Errorf("%s is %v", tt.fields, got)
		}
	}
}

func compiled(t *testing.T, text string) document.Condition {
	t.Helper()
	rules, err := Parse("x.yml", []byte(text), Placeholders{
		"names": {"GetObject", "put*"}, "kind": {"Bucket", "Object"}, "loop": {"%loop%"},
	})
	if err != nil || len(rules) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return rules[0].Condition
}

func TestConditions(t *testing.T) {
	const selections = `  a1: {eventSource: s3.amazonaws.com}
  a2: {eventName: Other}
  both: {eventSource: s3.amazonaws.com, eventName: PutBucketPolicy}
  list: [{eventName: Other}, {eventSource: s3.amazonaws.com, count: 443}]
  words: [browser, nowhere]
  '_hidden': {eventName: Other}
  allwords: {'|all': [browser, C:\\Temp]}
  mixed: [nowhere, {count: 443}]
  number: [443]
  wild: ['S3*/9.5']
  none: keyword
`
	for _, tt := range []struct {
		condition string
		want      bool
	}{
		{"a1", true},
		{"a2", false},
		{"both", true},
		{"list", true},
		{"words", true},
		{"allwords", true},
		{"mixed", true},
		{"number", true},
		{"wild", true},
		{"none", false},
		{"not a2", true},
		{"not not a1", true},
		{"a1 and a2", false},
		{"a1 or a2", true},
		{"a2 or a1 and both", true},
		{"a1 or both and a2", true}, // and binds first
		{"(a1 or both) and a2", false},
		{"not a2 and a1", true},
		{"not (a2 or a1)", false},
		{"((a1)) and not(a2 or none)", true},
		{"1 of a*", true},
		{"all of a?", false},
		{"any of them", true},
		{"all of them", false},
		{"1 of _*", false},
		{"a1 AND NOT a2", true},
		{"[a2, a1]", true}, // several conditions: one is enough
	} {
		c := compiled(t, rule(selections+"  condition: "+tt.condition+"\n"))
		var d document.Document
		if err := d.Parse(trail); err != nil {
			t.Fatal(err)
		}
		if got := c.Holds(&d); got != tt.want {
			t.Errorf("%s is %v", tt.condition, got)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for _, tt := range []struct {
		fields string
		want   bool
	}{
		{"eventName|expand: '%names%'", true},
		{"eventName|expand: 'Put%kind%Policy'", true},
		{"eventName|expand: 'Get%kind%Policy'", false},
		{"eventName|expand|endswith: ['%kind%Acl', '%kind%Policy']", true},
		{"eventName: '%names%'", false}, // without expand it is a text
		{"eventName|expand: '%loop%'", false},
	} {
		var d document.Document
		if err := d.Parse(trail); err != nil {
			t.Fatal(err)
		}
		if got := compiled(t, selection(tt.fields)).Holds(&d); got != tt.want {
			t.Errorf("%s is %v", tt.fields, got)
		}
	}
}

// The variants that pySigma's tests have.
func TestBase64OfAnyOffset(t *testing.T) {
	if got := strings.Join(base64offset("foobar"), " "); got != "Zm9vYmFy Zvb2Jhc mb29iYX" {
		t.Errorf("%s", got)
	}
}

func TestWideTextsMayHaveWildcards(t *testing.T) {
	c := compiled(t, selection("a|wide: 'f*r'"))
	var d document.Document
	if err := d.Parse(`{"a":"f\u0000oo\u0000r\u0000"}`); err != nil {
		t.Fatal(err)
	}
	if !c.Holds(&d) {
		t.Error("not found")
	}
}

func correlation(inside string) string { return "title: T\ncorrelation: {" + inside + "}\n" }

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("../../../shared/data/sigma-aws/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), trail)
	}
	for _, fields := range []string{
		"a|re|i: x", "a|base64offset|contains: x", "a|cidr: 10.0.0.0/8", "a|fieldref|contains: b", "'|all': [a, '*?-']", "a|windash: ' -a'",
		"a|expand: '%x%'", "eventTime|hour|gte: 5", "a|exists: true",
	} {
		f.Add(selection(fields), trail)
	}
	f.Add(correlation("type: value_count, rules: [a], group-by: [b], timespan: 5m, condition: {field: c, gte: 1, lt: 5}"), "{}")
	f.Fuzz(func(t *testing.T, text, event string) {
		rules, err := Parse("x.yml", []byte(text), Placeholders{"x": {"a", "%x%"}})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 {
				t.Fatalf("no place in %v", err)
			}
		}
		var d document.Document
		if d.Parse(event) != nil {
			return
		}
		for _, r := range rules {
			if r.Condition == nil {
				continue
			}
			found := false
			document.NewSet("eventSource", "eventName", []document.Condition{r.Condition}).Match(&d, func(int) { found = true })
			if found != r.Condition.Holds(&d) {
				t.Fatalf("%s of %s is %v through the index", text, event, found)
			}
		}
	})
}

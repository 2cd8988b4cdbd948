package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

const trailDocument = `{"userIdentity":{"type":"Root"},"requestParameters":{"a":[{"b":"x"},{"b":2.50}],"ok":true,"no":null,"big":12345678901234567890}}`

func TestJSONFindsScalarsByPath(t *testing.T) {
	v := view(&fleet.Record{Raw: []byte(trailDocument)})
	for path, want := range map[string]string{
		"userIdentity.type":         "Root",
		"requestParameters.a.0.b":   "x",
		"requestParameters.a.1.b":   "2.50",
		"requestParameters.ok":      "true",
		"requestParameters.big":     "12345678901234567890",
		"requestParameters.no":      "",
		"requestParameters.a":       "",
		"requestParameters.a.2.b":   "",
		"requestParameters.a.-1.b":  "",
		"requestParameters.a.x.b":   "",
		"requestParameters.a.0.b.c": "",
		"nothing":                   "",
		"":                          "",
	} {
		if got := v.json(path); got != want {
			t.Errorf("json(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestValuesFindsAllBelowAPath(t *testing.T) {
	v := view(&fleet.Record{Raw: []byte(trailDocument)})
	if diff := cmp.Diff([]string{"12345678901234567890", "2.50", "true", "x"}, v.values("requestParameters")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x"}, v.values("requestParameters.a.0.b")); diff != "" {
		t.Error(diff)
	}
}

func TestEvidenceThatIsNoJSONHasNoValues(t *testing.T) {
	for _, raw := range []string{"", "plain text", `{"a":`, "\xff"} {
		v := view(&fleet.Record{Raw: []byte(raw)})
		if got := v.json("a"); got != "" || v.values("a") != nil {
			t.Errorf("%q gives %q", raw, got)
		}
	}
}

func TestExpressionsSeeEveryFieldOfARecord(t *testing.T) {
	r := fleet.Record{
		ID: "id", Kind: fleet.KindAPICall, Time: noon, Duration: 1500 * time.Millisecond, Account: "account", Region: "region",
		Service: "service", Name: "name", Resources: []string{"AWS::S3::Bucket/x"}, Principal: "principal", Error: "error", Message: "message",
		Keys: fleet.Keys{Trace: "trace", Span: "span", Parent: "parent", Request: "request", Correlation: "correlation", Origin: "origin"},
		Attributes: fleet.AttributesOf(
			fleet.AttrEventSource, "source", fleet.AttrEventName, "event", fleet.AttrSourceIP, "ip", fleet.AttrUserAgent, "agent",
			fleet.AttrReadOnly, "true", fleet.AttrHTTPMethod, "GET", fleet.AttrHTTPStatus, "402", fleet.AttrLogGroup, "group", "more", "m",
		),
	}
	const message = `{r.id} {r.kind} {r.time} {r.seconds} {r.account} {r.region} {r.service} {r.name} {r.resources} {r.principal} {r.origin} ` +
		`{r.error} {r.message} {r.trace_id} {r.span_id} {r.parent_id} {r.request_id} {r.correlation_id} {r.event_source} {r.event_name} ` +
		`{r.source_ip} {r.user_agent} {r.read_only} {r.http_method} {r.http_status} {r.log_group} {r.attributes.size()} {r.attr("more")}{r.attr("less")}`
	const want = "id api_call 2026-01-01T12:00:00.000000Z 1.50 account region service name AWS::S3::Bucket/x principal origin " +
		"error message trace span parent request correlation source event ip agent true GET 402 group 9 m"
	ps := load(t, "id: p\nmessage: "+quote(message)+"\n")
	fs := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{r}}}).Findings
	if len(fs) != 1 || fs[0].Message != want {
		t.Errorf("%v\nwant %s", fs, want)
	}
}

// TestAttributesAreAMapToExpressions holds what a map can be asked in CEL.
func TestAttributesAreAMapToExpressions(t *testing.T) {
	r := call("a", at(0), "X")
	r.Attributes = fleet.AttributesOf("more", "m", fleet.AttrEventName, "X")
	const message = `{r.attributes["more"]} {"more" in r.attributes} {"less" in r.attributes} {size(r.attributes)} ` +
		`{r.attributes.all(k, k != "")} {r.attributes.exists(k, v, k == "more" && v == "m")} ` +
		`{r.attributes == {"more": "m", "event_name": "X"}} {type(r.attributes) == map}`
	const want = "m true false 2 true true true true"
	ps := load(t, "id: p\nmessage: "+quote(message)+"\n")
	fs := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{r}}}).Findings
	if len(fs) != 1 || fs[0].Message != want {
		t.Errorf("%v\nwant %s", fs, want)
	}
	missing := load(t, "id: p\nwhen: "+quote(`r.attributes["less"] == ""`)+"\n")
	if fs := judge(t, missing, Input{Reader: &memory{records: []fleet.Record{r}}}).Findings; len(fs) != 0 {
		t.Errorf("a name that is not there gives %v", fs)
	}
}

// quote makes a YAML text of anything on one line.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func TestTemplates(t *testing.T) {
	record := call("a", at(0), "X")
	record.Resources = []string{"one", "two"}
	for _, tt := range []struct{ template, want string }{
		{"plain", "plain"},
		{"{{braces}}", "{braces}"},
		{"{r.id}{r.id}", "aa"},
		{"{ r.resources }", "one, two"},
		{`{{"a": "}"}["a"]}`, `{"a": "}"}["a"]}`}, // a doubled brace is text
		{`{ {"a": "}"}["a"] }`, "}"},              // a map needs a space before it
		{`{'\'}' + "}"}`, "'}}"},
		{"{1 + 1} {1u} {1.0 / 3.0} {true} {duration('90s')} {r}", "2 1 0.33 true 1m30s audit.record"},
		{"{'" + strings.Repeat("é", 999) + "'}", strings.Repeat("é", maxMessage-1) + "…"},
		{"{'" + strings.Repeat("é", maxMessage) + "'}", strings.Repeat("é", maxMessage)},
	} {
		t.Run(tt.template[:min(len(tt.template), 20)], func(t *testing.T) {
			ps := load(t, "id: p\nmessage: "+quote(tt.template)+"\n")
			fs := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{record}}}).Findings
			if len(fs) != 1 || fs[0].Message != tt.want {
				t.Errorf("%v, want %q", fs, tt.want)
			}
		})
	}
}

func TestOnlyTheMessageIsCut(t *testing.T) {
	a, b := call("a", at(0), "X"), call("b", at(0), "X")
	long := strings.Repeat("x", 2*maxMessage)
	a.Name, b.Name = long+"a", long+"b"
	fs := judge(t, load(t, "id: p\nkey: '{r.name}'\n"), Input{Reader: &memory{records: []fleet.Record{a, b}}}).Findings
	if len(fs) != 2 {
		t.Errorf("%d findings, want one for each of two long keys", len(fs))
	}
}

func TestNearestSuggestsOnlyWhatIsClose(t *testing.T) {
	for in, want := range map[string]string{"servce": "service", "event_nam": "event_name", "zzz": "", "": ""} {
		if got := nearest(in, fieldNames()); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

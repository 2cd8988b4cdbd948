package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestShippedPoliciesPassTheirOwnTests(t *testing.T) {
	for _, r := range Test(catalogue(t)) {
		if !r.Passed() {
			t.Errorf("%s:%d: %s: %s: %s", r.File, r.Line, r.Policy, r.Case, r.Problem)
		}
	}
}

func TestShippedPoliciesAreTestedBothWays(t *testing.T) {
	for _, p := range catalogue(t) {
		if p.File != p.ID+".yaml" {
			t.Errorf("policy %s is in %s", p.ID, p.File)
		}
		positive, negative := 0, 0
		for _, c := range p.cases {
			if c.Name.value == "" {
				t.Errorf("%s: a test case without a name", p.ID)
			}
			if c.Finds > 0 {
				positive++
			} else {
				negative++
			}
		}
		if positive == 0 || negative == 0 {
			t.Errorf("%s: %d positive and %d negative test cases, want both", p.ID, positive, negative)
		}
	}
}

func TestFaultsAndIncidentsHavePoliciesOfAtLeastMediumSeverity(t *testing.T) {
	severity := map[string]fleet.Severity{}
	for _, p := range catalogue(t) {
		severity[p.ID] = p.Severity
	}
	for _, id := range []string{
		"slow-dependency", "n-plus-one", "payment-compensated", "root-console-login", "security-group-open", "role-used-outside-fleet",
	} {
		if severity[id].Rank() < fleet.Medium.Rank() {
			t.Errorf("%s: %q", id, severity[id])
		}
	}
}

// A policy that fires where another one was meant would count against it.
func TestOnePolicyForEachIncident(t *testing.T) {
	root := call("root", at(1), "ConsoleLogin")
	root.Principal = "arn:aws:iam::111122223333:root"
	root.Attributes.Set(fleet.AttrEventSource, "signin.amazonaws.com")
	root.Raw = []byte(`{"userIdentity":{"type":"Root"},"additionalEventData":{"MFAUsed":"No"},"responseElements":{"ConsoleLogin":"Success"}}`)

	group := call("group", at(2), "AuthorizeSecurityGroupIngress")
	group.Principal = "arn:aws:iam::111122223333:user/deployer"
	group.Attributes.Set(fleet.AttrEventSource, "ec2.amazonaws.com")
	group.Raw = []byte(`{"requestParameters":{"groupId":"sg-1","ipPermissions":{"items":[{"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}}}`)

	scan := call("scan", at(3), "Scan")
	scan.Principal = "arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task"
	scan.Attributes.Set(fleet.AttrSourceIP, "198.51.100.23")

	got := found(t, written(t), []fleet.Record{root, group, scan})
	if diff := cmp.Diff(map[string]int{"root-console-login": 1, "security-group-open": 1, "role-used-outside-fleet": 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAHealthyFleetHasNoFindings(t *testing.T) {
	got := found(t, catalogue(t), healthy(200))
	if len(got) > 0 {
		t.Error(got)
	}
}

// healthy is a fleet at work: requests with spans, log lines and API calls, and
// the deployer and the collectors around it.
func healthy(requests int) []fleet.Record {
	var out []fleet.Record
	for i := range requests {
		from, trace := float64(i)/10, fmt.Sprintf("%032x", i+1)
		keys := fleet.Keys{Trace: trace, Correlation: fmt.Sprint("journey-", i/2)}
		for _, s := range []*fleet.Record{
			span("g1", "", "gateway", "POST /orders", "", from, 0.09),
			span("g2", "g1", "gateway", "POST orders", "remote", from, 0.08),
			span("o1", "g2", "orders", "POST /orders", "", from+0.01, 0.07),
			span("o2", "o1", "orders", "dynamodb:PutItem", "aws", from+0.02, 0.01),
			span("o3", "o1", "orders", "POST payments", "remote", from+0.03, 0.02),
			span("p1", "o3", "payments", "POST /payments", "", from+0.03, 0.02),
			span("o4", "o1", "orders", "dynamodb:PutItem", "aws", from+0.06, 0.01),
		} {
			s.ID = trace + strings.TrimPrefix(s.ID, "t")
			s.Keys.Trace, s.Keys.Correlation = keys.Trace, keys.Correlation
			out = append(out, *s)
		}
		for _, service := range []string{"gateway", "orders"} {
			said := line(trace+"/"+service, trace, at(from+0.05), "done")
			said.Service, said.Keys = service, keys
			out = append(out, said)
		}
		l := line(trace+"/line", trace, at(from+0.05), "payment taken")
		l.Service = "payments"
		put := call(trace+"/put", at(from+0.02), "PutItem")
		put.Raw = []byte("{}")
		put.Principal, put.Keys = "arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task", keys
		put.Attributes.Set(fleet.AttrSourceIP, "10.0.1.12")
		out = append(out, l, put)
		for n, who := range [][3]string{
			{"arn:aws:iam::111122223333:user/deployer", "10.0.1.10", "AssumeRole"},
			{"arn:aws:iam::111122223333:user/deployer", "127.0.0.1", "LookupEvents"},
			{"arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task", "10.0.1.12", "ReceiveMessage"},
		} {
			c := call(fmt.Sprint(trace, "/call", n), at(from), who[2])
			c.Raw = []byte("{}")
			c.Principal = who[0]
			c.Attributes.Set(fleet.AttrSourceIP, who[1])
			out = append(out, c)
		}
	}
	return out
}

func TestAFailingTestCaseSaysWhy(t *testing.T) {
	for _, tt := range []struct{ name, lines, want string }{
		{"too few", "tests: [{name: n, finds: 1}]", "0 findings, want 1"},
		{"too many", "tests: [{name: n, records: [{id: a}]}]", "1 findings, want 0\n\tm"},
		{"count", "tests: [{name: n, records: [{times: 3}], finds: 1, count: 2}]", "3 occurrences, want 2"},
		{"message", "tests: [{name: n, records: [{}], finds: 1, message: other}]", `the message is "m", want "other" in it`},
		{"failure", "when: r.resources[0] == 'x'\ntests: [{name: n, records: [{}]}]", "not judged: 1 could not be evaluated"},
		{"kind", "tests: [{name: n, records: [{kind: spam}]}]", `record r1: kind "spam": use one of span, log`},
		{"no kind", "on: trace\nevidence: t.trace_ids\ntests: [{name: n, records: [{}]}]", `record r1: kind ""`},
		{"copies", "tests: [{name: n, records: [{times: 1000000000}]}]", "use 1 to 1000"},
		{"passes", "tests: [{name: n, records: [{}], finds: 1}]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rs := Test(load(t, tt.lines+"\n"))
			if len(rs) != 1 || rs[0].Case != "n" || rs[0].Policy != "p" || rs[0].File != "0.yaml" || rs[0].Line == 0 {
				t.Fatalf("%+v", rs)
			}
			if !strings.Contains(rs[0].Problem, tt.want) || rs[0].Passed() != (tt.want == "") {
				t.Errorf("%q, want %q", rs[0].Problem, tt.want)
			}
		})
	}
}

// BenchmarkJudge holds 100,000 API calls, of which one in a hundred is a
// candidate of a policy with a selection, against the shipped policies.
func BenchmarkJudge(b *testing.B) {
	const calls = 100_000
	m := &memory{}
	for i := range calls {
		name, source := "GetItem", "dynamodb.amazonaws.com"
		if i%100 == 0 {
			name, source = "AuthorizeSecurityGroupIngress", "ec2.amazonaws.com"
		}
		c := call(fmt.Sprint(i), at(float64(i)/1000), name)
		c.Principal = "arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task"
		c.Attributes.Set(fleet.AttrEventSource, source)
		c.Attributes.Set(fleet.AttrSourceIP, "10.0.1.12")
		c.Raw = []byte(`{"requestParameters":{"groupId":"sg-1","ipPermissions":{"items":[{"ipRanges":{"items":[{"cidrIp":"10.0.0.0/16"}]}}]}}}`)
		m.records = append(m.records, c)
	}
	benchmark(b, m)
}

// BenchmarkJudgeStories holds 10,000 requests with 12 records each against the
// shipped policies.
func BenchmarkJudgeStories(b *testing.B) {
	benchmark(b, &memory{records: healthy(10_000)})
}

func benchmark(b *testing.B, m *memory) {
	b.Helper()
	ps := catalogue(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Judge(b.Context(), ps, Input{Reader: m}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(m.records)), "ns/record")
}

package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// testCase is one of a policy's own tests: what it must make of some records.
type testCase struct {
	Name    text         `yaml:"name"`
	Records []testRecord `yaml:"records"`
	Finds   int          `yaml:"finds"`   // the number of findings; 0 is a negative test
	Count   int          `yaml:"count"`   // the occurrences in all of them; 0: not looked at
	Message text         `yaml:"message"` // a part of the first finding's message
}

// testRecord is a record in short. Keys are as resolved; what is left out is as
// in the zero record, but for the id, kind, account and region.
type testRecord struct {
	ID         string            `yaml:"id"`      // default: "r1", "r2" and so on
	Kind       string            `yaml:"kind"`    // default: what the policy is on
	At         float64           `yaml:"at"`      // seconds since the case's beginning
	Seconds    float64           `yaml:"seconds"` // the duration
	Times      int               `yaml:"times"`   // so many copies, "-2", "-3" after their ids; at most maxCopies
	Account    string            `yaml:"account"` // default: 111122223333
	Region     string            `yaml:"region"`  // default: us-east-1
	Service    string            `yaml:"service"`
	Name       string            `yaml:"name"`
	Resources  []string          `yaml:"resources"`
	Principal  string            `yaml:"principal"`
	Origin     string            `yaml:"origin"`
	Error      string            `yaml:"error"`
	Message    string            `yaml:"message"`
	Trace      string            `yaml:"trace_id"`
	Span       string            `yaml:"span_id"`
	Parent     string            `yaml:"parent_id"`
	Request    string            `yaml:"request_id"`
	Scope      string            `yaml:"request_scope"` // default, where there is a request: aws
	Messages   []string          `yaml:"message_ids"`
	Journey    string            `yaml:"correlation_id"`
	AccessKey  string            `yaml:"access_key_id"`
	IssuedKey  string            `yaml:"issued_key_id"`
	Source     string            `yaml:"event_source"`
	Event      string            `yaml:"event_name"`
	SourceIP   string            `yaml:"source_ip"`
	UserAgent  string            `yaml:"user_agent"`
	ReadOnly   bool              `yaml:"read_only"`
	HTTPMethod string            `yaml:"http_method"`
	HTTPStatus int               `yaml:"http_status"`
	LogGroup   string            `yaml:"log_group"`
	Attributes map[string]string `yaml:"attributes"`
	Raw        any               `yaml:"raw"` // the evidence; kept as JSON
}

// TestResult is the outcome of one test case of one policy.
type TestResult struct {
	Policy  string
	Case    string
	File    string
	Line    int
	Problem string // "" when it passed
}

// Passed reports whether the policy did what its case says.
func (r TestResult) Passed() bool { return r.Problem == "" }

// Test runs the policies' own test cases, each alone, over sources that were
// read completely and are drained.
func Test(ps []Policy) []TestResult {
	var out []TestResult
	for i := range ps {
		for n := range ps[i].cases {
			c := &ps[i].cases[n]
			out = append(out, TestResult{
				Policy: ps[i].ID, Case: cmp.Or(c.Name.value, "case "+strconv.Itoa(n+1)),
				File: ps[i].File, Line: c.Name.line, Problem: c.run(&ps[i]),
			})
		}
	}
	return out
}

// run says what is wrong; "" for nothing.
func (c *testCase) run(p *Policy) string {
	records, err := c.records(p.On)
	if err != nil {
		return err.Error()
	}
	result, err := Judge(context.Background(), []Policy{*p}, Input{
		Reader: caseRecords(records), Now: caseStart, Closed: true, Ledger: allRead(),
	})
	if err != nil {
		return err.Error()
	}
	if why := result.Run.NotJudged[p.ID]; why != "" {
		return "not judged: " + why
	}
	if got := len(result.Findings); got != c.Finds {
		return fmt.Sprintf("%d findings, want %d%s", got, c.Finds, messages(result.Findings))
	}
	count := 0
	for _, f := range result.Findings {
		count += f.Count
	}
	if c.Count != 0 && count != c.Count {
		return fmt.Sprintf("%d occurrences, want %d", count, c.Count)
	}
	if len(result.Findings) > 0 && !strings.Contains(result.Findings[0].Message, c.Message.value) {
		return fmt.Sprintf("the message is %q, want %q in it", result.Findings[0].Message, c.Message.value)
	}
	return ""
}

func messages(fs []fleet.Finding) string {
	var b strings.Builder
	for _, f := range fs {
		fmt.Fprintf(&b, "\n\t%s", f.Message)
	}
	return b.String()
}

// caseStart is when test cases begin. Any time would do.
var caseStart = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// maxCopies keeps a slip in a test case from filling the memory.
const maxCopies = 1000

func (c *testCase) records(on Subject) ([]fleet.Record, error) {
	var out []fleet.Record
	for i := range c.Records {
		t := &c.Records[i]
		id := cmp.Or(t.ID, "r"+strconv.Itoa(i+1))
		if t.Times < 0 || t.Times > maxCopies {
			return nil, fmt.Errorf("record %s: times %d: use 1 to %d", id, t.Times, maxCopies)
		}
		for n := range max(t.Times, 1) {
			r, err := t.record(on)
			if err != nil {
				return nil, fmt.Errorf("record %s: %w", id, err)
			}
			r.ID = id
			if n > 0 {
				r.ID += "-" + strconv.Itoa(n+1)
			}
			out = append(out, r)
		}
	}
	fleet.Sort(out)
	return out, nil
}

func (t *testRecord) record(on Subject) (fleet.Record, error) {
	kind := fleet.Kind(t.Kind)
	if kind == "" && !on.story() {
		kind = fleet.Kind(on)
	}
	if !slices.Contains(fleet.Kinds(), kind) {
		return fleet.Record{}, fmt.Errorf("kind %q: use one of %s", t.Kind, commas(fleet.Kinds()))
	}
	r := fleet.Record{
		Kind: kind, Time: caseStart.Add(seconds(t.At)), Duration: seconds(t.Seconds),
		Account: cmp.Or(t.Account, "111122223333"), Region: cmp.Or(t.Region, "us-east-1"),
		Service: t.Service, Name: t.Name, Resources: t.Resources, Principal: t.Principal,
		Error: t.Error, Message: t.Message,
		Keys: fleet.Keys{
			Trace: t.Trace, Span: t.Span, Parent: t.Parent, Request: t.Request,
			Messages: t.Messages, Correlation: t.Journey, Origin: t.Origin,
			AccessKey: t.AccessKey, IssuedKey: t.IssuedKey,
		},
		Attributes: t.attributes(),
	}
	if t.Request != "" {
		r.Keys.Scope = cmp.Or(fleet.Scope(t.Scope), fleet.ScopeAWS)
	}
	r.Seen = r.Keys
	if t.Raw == nil {
		return r, nil
	}
	raw, err := json.Marshal(t.Raw)
	if err != nil {
		return r, fmt.Errorf("raw: %w", err)
	}
	r.Raw = raw
	return r, nil
}

func (t *testRecord) attributes() fleet.Attributes {
	out := fleet.AttributesFrom(t.Attributes)
	for k, v := range fleet.AttributesOf(
		fleet.AttrEventSource, t.Source, fleet.AttrEventName, t.Event, fleet.AttrSourceIP, t.SourceIP,
		fleet.AttrUserAgent, t.UserAgent, fleet.AttrHTTPMethod, t.HTTPMethod, fleet.AttrLogGroup, t.LogGroup,
	).All() {
		if v != "" {
			out.Set(k, v)
		}
	}
	if t.ReadOnly {
		out.Set(fleet.AttrReadOnly, "true")
	}
	if t.HTTPStatus != 0 {
		out.Set(fleet.AttrHTTPStatus, strconv.Itoa(t.HTTPStatus))
	}
	return out
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}

// allRead is a ledger that says that every source was read, always.
func allRead() []fleet.LedgerEntry {
	var out []fleet.LedgerEntry
	for _, s := range sources {
		out = append(out, fleet.LedgerEntry{Stream: s + "/case", Coverage: fleet.Complete})
	}
	return out
}

// caseRecords is the Source of a test case: its records, in order, and no
// findings so far.
type caseRecords []fleet.Record

// Records yields the records of the kinds asked for.
func (c caseRecords) Records(_ context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		for _, r := range c {
			if slices.Contains(q.Kinds, r.Kind) && !yield(r, nil) {
				return
			}
		}
	}
}

// Findings yields nothing.
func (caseRecords) Findings(context.Context, fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(func(fleet.Finding, error) bool) {}
}

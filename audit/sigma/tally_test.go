package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/document"
)

var noon = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// parts are rules a, b and c, which see events of their names.
const parts = `title: A
name: a
logsource: {product: aws}
detection: {s: {eventName: a}, condition: s}
---
title: B
name: b
logsource: {product: aws}
detection: {s: {eventName: b}, condition: s}
---
title: C
name: c
logsource: {product: aws}
detection: {s: {eventName: c}, condition: s}
---
`

// steps plays events, each "seconds name user value", to a correlation, and says
// which it found together.
func steps(t *testing.T, inside string, events []string) []string {
	t.Helper()
	rules, err := Parse("x.yml", []byte(parts+correlation(inside)), nil)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := Link(rules)
	if err != nil {
		t.Fatal(err)
	}
	c := alone[len(alone)-1].Correlation
	tally := NewTally(c)
	var out []string
	say := func(ms []Match) {
		for _, m := range ms {
			var ids []string
			for _, r := range m.Records {
				ids = append(ids, r.ID)
			}
			out = append(out, strings.Join(ids, " ")+" "+strings.Join(m.Group, "/"))
		}
	}
	last := noon
	for i, e := range events {
		var (
			seconds           int
			name, user, value string
		)
		if _, err := fmt.Sscan(e, &seconds, &name, &user, &value); err != nil {
			t.Fatal(err)
		}
		last = noon.Add(time.Duration(seconds) * time.Second)
		var d document.Document
		doc := fmt.Sprintf(`{"eventName":%q,"user":%q,"value":%q,"of":{"%s":%q}}`, name, user, value, name, user)
		if err := d.Parse(strings.ReplaceAll(doc, `"user":"-",`, "")); err != nil {
			t.Fatal(err)
		}
		rec := &fleet.Record{ID: fmt.Sprint(i), Time: last}
		for part, r := range c.Parts() {
			if r.Condition.Holds(&d) {
				say(tally.Add(part, Event(rec, &d)))
			}
		}
	}
	say(tally.Close(last.Add(time.Hour)))
	return out
}

func TestCorrelations(t *testing.T) {
	for _, tt := range []struct {
		name, inside string
		events       []string
		want         []string
	}{
		{
			"events are counted", "type: event_count, rules: [a], group-by: [user], timespan: 10s, condition: {gte: 3}",
			[]string{"0 a x 1", "5 a x 1", "9 b x 1", "10 a x 1"},
			[]string{"0 1 3 x"},
		},
		{
			"by their group", "type: event_count, rules: [a], group-by: [user], timespan: 10s, condition: {gte: 2}",
			[]string{"0 a x 1", "1 a y 1", "2 a Y 1"},
			[]string{"1 2 y"},
		},
		{
			"without one, all", "type: event_count, rules: [a, b], timespan: 10s, condition: {gt: 1}",
			[]string{"0 a x 1", "1 b y 1"},
			[]string{"0 1 "},
		},
		{
			"what has no value for the group is left out", "type: event_count, rules: [a], group-by: [user], timespan: 10s, condition: {gte: 2}",
			[]string{"0 a - 1", "1 a - 1"},
			nil,
		},
		{
			"in a window that slides", "type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}",
			[]string{"0 a x 1", "8 a x 1", "11 a x 1", "17 a x 1"},
			[]string{"1 2 3 "},
		},
		{
			"not across its end", "type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}",
			[]string{"0 a x 1", "8 a x 1", "11 a x 1", "19 a x 1"},
			nil,
		},
		{
			"each event once", "type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}",
			[]string{"0 a x 1", "1 a x 1", "2 a x 1", "3 a x 1", "4 a x 1"},
			[]string{"0 1 ", "2 3 "},
		},
		{
			"few events", "type: event_count, rules: [a], timespan: 10s, condition: {lt: 2}",
			[]string{"0 a x 1", "1 a x 1", "20 a x 1", "40 a x 1"},
			[]string{"2 ", "3 "},
		},
		{
			"a range", "type: event_count, rules: [a], group-by: [user], timespan: 10s, condition: {gte: 2, lt: 3}",
			[]string{"0 a x 1", "1 a x 1", "2 a y 1", "3 a y 1", "4 a y 1"},
			[]string{"0 1 x"},
		},
		{
			"values are counted", "type: value_count, rules: [a], group-by: [user], timespan: 10s, condition: {field: value, gte: 3}",
			[]string{"0 a x 1", "1 a x 1", "2 a x 2", "3 a x 2", "4 a x 3"},
			[]string{"1 3 4 x"},
		},
		{
			"the same values are not enough", "type: value_count, rules: [a], timespan: 10s, condition: {field: value, gte: 2}",
			[]string{"0 a x A", "1 a x a", "12 a x 2"},
			nil,
		},
		{
			"close in time", "type: temporal, rules: [a, b, c], group-by: [user], timespan: 10s",
			[]string{"0 c x 1", "1 a x 1", "2 b y 1", "9 b x 1"},
			[]string{"0 1 3 x"},
		},
		{"too far", "type: temporal, rules: [a, b], timespan: 10s", []string{"0 a x 1", "11 b x 1"}, nil},
		{"some of them", "type: temporal, rules: [a, b, c], timespan: 10s, condition: {gte: 2}", []string{"0 a x 1", "1 c x 1"}, []string{"0 1 "}},
		{
			"in order", "type: temporal_ordered, rules: [a, b, c], timespan: 10s",
			[]string{"0 a x 1", "1 b x 1", "2 c x 1"},
			[]string{"0 1 2 "},
		},
		{"out of order", "type: temporal_ordered, rules: [a, b], timespan: 10s", []string{"0 b x 1", "1 a x 1"}, nil},
		{
			"any order in one second", "type: temporal_ordered, rules: [a, b, c], timespan: 10s",
			[]string{"3 c x 1", "3 a x 1", "3 b x 1"},
			[]string{"0 1 2 "},
		},
		{
			"the latest beginning counts", "type: temporal_ordered, rules: [a, b], timespan: 10s",
			[]string{"0 a x 1", "9 a x 1", "15 b x 1"},
			[]string{"1 2 "},
		},
		{
			"too late in order", "type: temporal_ordered, rules: [a, b, c], timespan: 10s",
			[]string{"0 a x 1", "9 b x 1", "11 c x 1"},
			nil,
		},
		{
			"aliases", "type: temporal, rules: [a, b], group-by: [who], timespan: 10s, aliases: {who: {a: of.a, b: of.b}}",
			[]string{"0 a x 1", "1 b y 1", "2 b x 1"},
			[]string{"0 2 x"},
		},
	} {
		if diff := cmp.Diff(tt.want, steps(t, tt.inside, tt.events)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSilentGroupsAreForgotten(t *testing.T) {
	tally := NewTally(&Correlation{
		Type: "event_count", GroupBy: []string{"user"}, Timespan: time.Second,
		bounds: []bound{{"gte", 2}}, of: []part{{group: []string{"user"}}},
	})
	for i := range 100_000 {
		var d document.Document
		if err := d.Parse(fmt.Sprintf(`{"user":"u%d"}`, i)); err != nil {
			t.Fatal(err)
		}
		tally.Add(0, Event(&fleet.Record{Time: noon.Add(time.Duration(i) * 10 * time.Millisecond)}, &d))
	}
	if n := len(tally.groups); n > 2*leastSweep {
		t.Errorf("%d groups are held, of which 100 can still be completed", n)
	}
}

func TestLinking(t *testing.T) {
	link := func(text string) ([]string, error) {
		rules, err := Parse("x.yml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := Link(rules)
		var names []string
		for _, r := range alone {
			names = append(names, r.Title)
		}
		return names, err
	}
	const count = "title: N\nname: n\ncorrelation: {type: event_count, rules: [a], timespan: 1s, condition: {gte: 2}"
	for _, tt := range []struct{ name, text, want string }{
		{"a part is not judged alone", parts + count + "}\n", "B C N"},
		{"unless it is generated", parts + count + ", generate: true}\n", "A B C N"},
		{"or generated at the top", parts + count + "}\ngenerate: true\n", "A B C N"},
	} {
		got, err := link(tt.text)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
	const narrow = "title: F\nlogsource: {product: aws}\nfilter: {rules: [a, b], s: {user: root}, condition: not s}\n"
	if got, err := link(parts + narrow); err != nil || strings.Join(got, " ") != "A B C" {
		t.Errorf("a filter: %v, %v", got, err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a filter of no rule", strings.Replace(parts+narrow, "[a, b]", "[z]", 1), `x.yml:18: rule "F": there is no rule "z"`},
		{"no such rule", strings.Replace(parts+count+"}\n", "[a]", "[z]", 1), `x.yml:18: rule "N": there is no rule "z"`},
		{"a circle", strings.Replace(parts+count+"}\n", "[a]", "[n]", 1), "the correlation looks at itself"},
		{"a name for two", parts + parts, `the name or id "a" is also that of`},
	} {
		if _, err := link(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestFiltersNarrowTheirRules(t *testing.T) {
	for _, tt := range []struct {
		name, rules, logsource string
		want                   string
	}{
		{"by name", "[a]", "{product: aws}", "b c"},
		{"any", "any", "{product: aws}", ""},
		{"any of another log", "any", "{product: aws, service: waf}", "a b c"},
	} {
		rules, err := Parse("x.yml", []byte(parts+"title: F\nlogsource: "+tt.logsource+
			"\nfilter: {rules: "+tt.rules+", s: {user: root}, condition: not s}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := Link(rules)
		if err != nil {
			t.Fatal(err)
		}
		var hit []string
		for _, r := range alone {
			var d document.Document
			if err := d.Parse(fmt.Sprintf(`{"eventName":%q,"user":"root"}`, r.Name)); err != nil {
				t.Fatal(err)
			}
			if r.Condition.Holds(&d) {
				hit = append(hit, r.Name)
			}
		}
		if got := strings.Join(hit, " "); got != tt.want {
			t.Errorf("%s: %s hit, want %s", tt.name, got, tt.want)
		}
	}
}

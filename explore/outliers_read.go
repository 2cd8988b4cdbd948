package explore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compare"
	"muster/fleet"
	"muster/outliers"
)

// mostOutlierSpans is how many of the newest spans are compared: some thousand
// traces, in a few seconds from a folder.
const mostOutlierSpans = 100_000

// observed is a trace as far as outliers are sought in it.
type observed struct {
	id     string
	route  string // service and route of its entry
	took   time.Duration
	failed bool
	spans  []fleet.Record
	values map[string][]string
}

// readObserved reads the traces that a query is about.
func readObserved(ctx context.Context, r fleet.Reader, q fleet.Query, j *job) ([]observed, error) {
	q.Kinds, q.Lean, q.Limit = []fleet.Kind{fleet.KindSpan}, true, mostOutlierSpans
	at := map[string]int{}
	var out []observed
	for x, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		j.read.Add(1)
		id := x.Keys.Trace
		if id == "" {
			continue
		}
		i, had := at[id]
		if !had {
			i = len(out)
			at[id] = i
			out = append(out, observed{id: id})
		}
		out[i].spans = append(out[i].spans, x)
	}
	for i := range out {
		out[i].observe()
	}
	return out, nil
}

// observe says what a trace has of each attribute. Attributes are of a service,
// since a version or a status means nothing without one.
func (o *observed) observe() {
	t := fleet.Trace{Records: o.spans}
	root := rootOf(&t)
	o.route, o.failed, o.took = root.Service+" "+compare.Route(root.Name), root.Error != "", root.Duration
	has := map[string]map[string]bool{}
	add := func(name, value string) {
		if value == "" {
			return
		}
		if has[name] == nil {
			has[name] = map[string]bool{}
		}
		has[name][value] = true
	}
	calls, longest := map[string]int{}, map[string]time.Duration{}
	for i := range o.spans {
		s := &o.spans[i]
		op := s.Service + " " + compare.Route(s.Name)
		add("operation", op)
		add("account", s.Account)
		add("region", s.Region)
		if s.Keys.Span != root.Keys.Span {
			calls[op]++
			longest[op] = max(longest[op], s.Duration)
		}
		for k, v := range s.Attributes.All() {
			if name := observable(k); name != "" {
				add(s.Service+" "+name, v)
			}
		}
	}
	for op, n := range calls {
		add("calls of "+op, strconv.Itoa(n))
		add("ms of "+op, strconv.FormatFloat(float64(longest[op].Microseconds())/1000, 'f', 3, 64))
	}
	o.values = map[string][]string{}
	for k, vs := range has {
		o.values[k] = slices.Sorted(maps.Keys(vs))
	}
}

// observable is what an attribute is called, "" for those that tell nothing of
// their own: what a span is, and addresses that differ for each request.
func observable(k string) string {
	switch k {
	case fleet.AttrSpanType, fleet.AttrNamespace, fleet.AttrSegmentName, fleet.AttrHTTPURL, "aws_operation":
		return ""
	}
	return strings.TrimPrefix(k, fleet.AttrAnnotationPrefix)
}

// selection says which traces are to be explained.
type selection struct {
	kind string // selectFailed, selectSlow, or selectThose
	text string // of selectThose
	meet func(records []fleet.Record) bool
}

// The kinds of selections.
const (
	selectFailed = "failed"
	selectSlow   = "slow"
	selectThose  = "those"
)

// slowShare is the part of the traces that counts as slow, in percent.
const slowShare = 10

func (s selection) String() string {
	switch s.kind {
	case selectFailed:
		return "the failed"
	case selectSlow:
		return fmt.Sprintf("the slowest %d%%", slowShare)
	}
	return "those with " + s.text
}

// choose marks which traces are selected.
func (s selection) choose(ts []*observed) []outliers.Item {
	slowest := map[string]bool{}
	if s.kind == selectSlow {
		by := slices.SortedStableFunc(slices.Values(ts), func(a, b *observed) int { return cmp.Compare(b.took, a.took) })
		for _, t := range by[:(len(by)*slowShare+99)/100] {
			slowest[t.id] = true
		}
	}
	out := make([]outliers.Item, len(ts))
	for i, t := range ts {
		out[i].Values = t.values
		switch s.kind {
		case selectFailed:
			out[i].Selected = t.failed
		case selectSlow:
			out[i].Selected = slowest[t.id]
		default:
			out[i].Selected = s.meet(t.spans)
		}
	}
	return out
}

// withText is a condition on a trace that a person typed without a grammar: one
// of its spans has the text.
func withText(s string) func([]fleet.Record) bool {
	want := strings.ToLower(s)
	return func(rs []fleet.Record) bool {
		return slices.ContainsFunc(rs, func(r fleet.Record) bool {
			for _, t := range []string{r.Service, r.Name, r.Error, r.Message} {
				if strings.Contains(strings.ToLower(t), want) {
					return true
				}
			}
			for k, v := range r.Attributes.All() {
				if strings.Contains(strings.ToLower(observable(k)+"="+v), want) {
					return true
				}
			}
			return false
		})
	}
}

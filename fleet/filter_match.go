package fleet

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MatchTrace reports whether the trace with these records meets a filter. Only
// its spans are looked at; a trace without any meets none. A nil filter holds.
func MatchTrace(f Filter, records []Record) bool {
	if f == nil {
		return true
	}
	var m spanMatcher
	for i := range records {
		if records[i].Kind == KindSpan {
			m.spans = append(m.spans, &records[i])
		}
	}
	if len(m.spans) == 0 {
		return false
	}
	m.entry = slices.MinFunc(m.spans, func(a, b *Record) int {
		return cmp.Or(boolRank(a.Seen.Parent != "")-boolRank(b.Seen.Parent != ""), Compare(a, b))
	})
	return m.trace(f)
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// spanMatcher judges the spans of one trace.
type spanMatcher struct {
	spans []*Record
	entry *Record
}

// trace judges a filter of the whole trace.
func (m *spanMatcher) trace(f Filter) bool {
	switch f := f.(type) {
	case FilterAll:
		return !slices.ContainsFunc(f, func(p Filter) bool { return !m.trace(p) })
	case FilterAny:
		return slices.ContainsFunc(f, m.trace)
	case FilterNot:
		return !m.trace(f.Of)
	case FilterService:
		return slices.ContainsFunc(m.spans, func(s *Record) bool {
			return m.standsForNode(s) && f.Node.names(NodeName(s), s.Attributes.Get(AttrOrigin), s.Account) && m.span(f.Where, s)
		})
	case FilterEdge:
		return slices.ContainsFunc(m.spans, func(s *Record) bool { return m.edge(&f, s) })
	case FilterTest:
		switch {
		case f.Keyword == KeyDuration:
			return inRange(f, m.duration())
		case f.Keyword.OfAnySpan():
			return slices.ContainsFunc(m.spans, func(s *Record) bool { return m.test(f, s) })
		}
		return m.test(f, m.entry)
	}
	return false
}

// duration is from the earliest start of a span to the latest end.
func (m *spanMatcher) duration() int64 {
	start, end := m.spans[0].TimeUS(), int64(0)
	for i, s := range m.spans {
		start = min(start, s.TimeUS())
		if e := s.TimeUS() + s.Duration.Microseconds(); i == 0 || e > end {
			end = e
		}
	}
	return end - start
}

// IsSegment reports whether a span is a service's own account of a request.
func IsSegment(s *Record) bool { return s.Attributes.Get(AttrSpanType) != "subsegment" }

// IsCall reports whether a span is a call to something outside of its service.
func IsCall(s *Record) bool {
	n := s.Attributes.Get(AttrNamespace)
	return !IsSegment(s) && (n == "aws" || n == "remote")
}

// NodeName is the name of the node that a segment or a call leads to.
func NodeName(s *Record) string {
	if IsCall(s) {
		return cmp.Or(s.Attributes.Get(AttrSegmentName), s.Name)
	}
	return s.Service
}

// standsForNode reports whether a span is a node's: a segment, a call to AWS,
// or a call elsewhere that no segment answered.
func (m *spanMatcher) standsForNode(s *Record) bool {
	switch {
	case IsSegment(s):
		return true
	case !IsCall(s):
		return false
	}
	return s.Attributes.Get(AttrNamespace) == "aws" || !slices.ContainsFunc(m.spans, func(o *Record) bool {
		return IsSegment(o) && s.Seen.Span != "" && o.Seen.Parent == s.Seen.Span
	})
}

func (n FilterNode) names(name, kind, account string) bool {
	return (n.Name == "" || n.Name == name) && (n.Type == "" || n.Type == kind) && (n.Account == "" || n.Account == account)
}

// edge judges the calls that a span leads to: to what it names, if it is a call,
// and to the node of each segment that has it as its parent.
func (m *spanMatcher) edge(f *FilterEdge, s *Record) bool {
	if !m.leadsFrom(f.From, s) {
		return false
	}
	if IsCall(s) && f.To.names(NodeName(s), s.Attributes.Get(AttrOrigin), s.Account) && m.span(f.Where, s) {
		return true
	}
	return slices.ContainsFunc(m.spans, func(o *Record) bool {
		answers := IsSegment(o) && s.Seen.Span != "" && o.Seen.Parent == s.Seen.Span
		return answers && f.To.names(o.Service, o.Attributes.Get(AttrOrigin), o.Account) &&
			(m.span(f.Where, o) || IsCall(s) && m.span(f.Where, s))
	})
}

// leadsFrom reports whether a span is of a node. A type is that of one of the
// service's segments in the trace.
func (m *spanMatcher) leadsFrom(n FilterNode, s *Record) bool {
	if !n.names(s.Service, n.Type, s.Account) {
		return false
	}
	return n.Type == "" || slices.ContainsFunc(m.spans, func(o *Record) bool {
		return IsSegment(o) && o.Service == s.Service && o.Attributes.Get(AttrOrigin) == n.Type
	})
}

// span judges a filter of one span. A service or an edge in it never holds.
func (m *spanMatcher) span(f Filter, s *Record) bool {
	switch f := f.(type) {
	case nil:
		return true
	case FilterAll:
		return !slices.ContainsFunc(f, func(p Filter) bool { return !m.span(p, s) })
	case FilterAny:
		return slices.ContainsFunc(f, func(p Filter) bool { return m.span(p, s) })
	case FilterNot:
		return !m.span(f.Of, s)
	case FilterTest:
		return m.test(f, s)
	}
	return false
}

// test judges one comparison of one span.
func (m *spanMatcher) test(t FilterTest, s *Record) bool {
	switch t.Keyword.Values() {
	case ValueFlag:
		return m.flag(t.Keyword, s)
	case ValueNumber:
		n, ok := spanNumber(t.Keyword, s)
		return ok && inRange(t, n)
	}
	if t.Keyword == KeyAnnotation {
		v, ok := s.Attributes.Lookup(AttrAnnotationPrefix + t.Key)
		return ok && annotationMeets(t, v)
	}
	return slices.ContainsFunc(spanTexts(t.Keyword, s), func(v string) bool { return v != "" && textMeets(t, v) })
}

func (m *spanMatcher) flag(k Keyword, s *Record) bool {
	status, open := HTTPStatus(s), s.Attributes.Get(AttrInProgress) == "true"
	switch k {
	case KeyOK:
		return s.Error == "" && !open && (status == 0 || status >= 200 && status <= 299)
	case KeyError:
		return s.Error != "" && s.Error != "fault" || status >= 400 && status <= 499
	case KeyFault:
		return s.Error == "fault" || status >= 500 && status <= 599
	case KeyThrottle:
		return s.Error == "throttle" || status == 429
	case KeyPartial:
		return open
	case KeyInferred:
		return s.Attributes.Get(AttrInferred) == "true"
	case KeyRoot:
		return s == m.entry
	}
	return false
}

// HTTPStatus is a record's status, 0 when it has none that is a plain number.
func HTTPStatus(r *Record) int64 {
	text := r.Attributes.Get(AttrHTTPStatus)
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0
	}
	return n
}

func spanNumber(k Keyword, s *Record) (int64, bool) {
	if k == KeyHTTPStatus {
		n := HTTPStatus(s)
		return n, n != 0
	}
	return s.Duration.Microseconds(), s.Attributes.Get(AttrInProgress) != "true"
}

func inRange(t FilterTest, n int64) bool {
	if t.Op == OpSet {
		return true
	}
	low, high, outside := t.Range()
	return (n >= low && n <= high) != outside
}

// spanTexts are the values of a keyword; "" is none.
func spanTexts(k Keyword, s *Record) []string {
	switch k {
	case KeyHTTPURL:
		return []string{s.Attributes.Get(AttrHTTPURL)}
	case KeyHTTPMethod:
		return []string{s.Attributes.Get(AttrHTTPMethod)}
	case KeyHTTPAgent:
		return []string{s.Attributes.Get(AttrUserAgent)}
	case KeyHTTPClient:
		return []string{s.Attributes.Get(AttrSourceIP)}
	case KeyUser:
		return []string{s.Attributes.Get(AttrUser)}
	case KeyName:
		return []string{NodeName(s)}
	case KeyType:
		return []string{s.Attributes.Get(AttrOrigin)}
	case KeyMessage:
		return []string{s.Message}
	case KeyAccount:
		return []string{s.Account}
	case KeyOperation:
		return []string{s.Name}
	case KeyResource:
		return slices.DeleteFunc(slices.Clone(s.Resources), func(r string) bool { return !strings.HasPrefix(r, "arn:") })
	}
	return nil
}

func textMeets(t FilterTest, v string) bool {
	text, _ := t.Value.(string)
	switch t.Op {
	case OpSet:
		return true
	case OpEqual:
		return v == text
	case OpNotEqual:
		return v != text
	case OpContains:
		return strings.Contains(v, text)
	case OpBeginsWith:
		return strings.HasPrefix(v, text)
	case OpEndsWith:
		return strings.HasSuffix(v, text)
	}
	return false
}

var number = regexp.MustCompile(NumberPattern)

// annotationMeets judges an annotation, whose kind the evidence does not keep:
// against a number it is one if it looks like one.
func annotationMeets(t FilterTest, v string) bool {
	if t.Op == OpSet {
		return v != "false"
	}
	want, numeric := t.Value.(float64)
	if !numeric {
		return textMeets(t, v)
	}
	if !number.MatchString(v) {
		return false
	}
	n, _ := strconv.ParseFloat(v, 64) // the pattern allows none that is too large
	switch t.Op {
	case OpEqual:
		return n == want
	case OpNotEqual:
		return n != want
	case OpLess:
		return n < want
	case OpAtMost:
		return n <= want
	case OpMore:
		return n > want
	case OpAtLeast:
		return n >= want
	}
	return false
}

package fleet

import "math"

// Filter is a condition on a trace: an X-Ray filter expression as a tree, of
// FilterAll, FilterAny, FilterNot, FilterTest, FilterService and FilterEdge.
// docs/filter.md says what each means; MatchTrace is that meaning in Go.
type Filter interface{ condition() }

// FilterAll holds when all its parts do; the empty one always does.
type FilterAll []Filter

// FilterAny holds when one of its parts does; the empty one never does.
type FilterAny []Filter

// FilterNot holds when its part does not.
type FilterNot struct{ Of Filter }

// FilterTest compares what a trace says about a keyword. Within a FilterService
// or FilterEdge it is about one span; outside of them about the trace.
type FilterTest struct {
	Keyword Keyword
	Key     string // of an annotation
	Op      Operator
	// Value is a string or a float64; nil with OpSet. Times are in seconds.
	Value any
}

// FilterService holds when the trace has a node whose span meets Where; nil
// holds for every span.
type FilterService struct {
	Node  FilterNode
	Where Filter
}

// FilterEdge holds when the trace has a call between two nodes whose span meets
// Where; nil holds for every span.
type FilterEdge struct {
	From, To FilterNode
	Where    Filter
}

// FilterNode names a node of the service map. What is empty holds for any.
type FilterNode struct{ Name, Type, Account string }

func (FilterAll) condition()     {}
func (FilterAny) condition()     {}
func (FilterNot) condition()     {}
func (FilterTest) condition()    {}
func (FilterService) condition() {}
func (FilterEdge) condition()    {}

// Operator is how a keyword is compared.
type Operator string

// The operators. OpSet asks whether there is a value; of what is true or false,
// whether it is true. Texts are compared by the case of their letters.
const (
	OpSet        Operator = ""
	OpEqual      Operator = "="
	OpNotEqual   Operator = "!="
	OpLess       Operator = "<"
	OpAtMost     Operator = "<="
	OpMore       Operator = ">"
	OpAtLeast    Operator = ">="
	OpContains   Operator = "CONTAINS"
	OpBeginsWith Operator = "BEGINSWITH"
	OpEndsWith   Operator = "ENDSWITH"
)

// Keyword is what a FilterTest asks about, as X-Ray spells it.
type Keyword string

// The keywords. KeyOperation is muster's own: Record.Name.
const (
	KeyOK           Keyword = "ok"
	KeyError        Keyword = "error"
	KeyFault        Keyword = "fault"
	KeyThrottle     Keyword = "throttle"
	KeyPartial      Keyword = "partial"
	KeyInferred     Keyword = "inferred"
	KeyRoot         Keyword = "root"
	KeyResponseTime Keyword = "responsetime"
	KeyDuration     Keyword = "duration"
	KeyHTTPStatus   Keyword = "http.status"
	KeyHTTPURL      Keyword = "http.url"
	KeyHTTPMethod   Keyword = "http.method"
	KeyHTTPAgent    Keyword = "http.useragent"
	KeyHTTPClient   Keyword = "http.clientip"
	KeyUser         Keyword = "user"
	KeyName         Keyword = "name"
	KeyType         Keyword = "type"
	KeyMessage      Keyword = "message"
	KeyAccount      Keyword = "account.id"
	KeyResource     Keyword = "resource.arn"
	KeyOperation    Keyword = "operation"
	KeyAnnotation   Keyword = "annotation"
)

// ValueKind is the kind of values that a keyword has.
type ValueKind int

// The kinds of values. An annotation's is that of what it is compared with.
const (
	ValueFlag ValueKind = iota
	ValueNumber
	ValueText
	ValueAny
)

// Values is the kind of values that the keyword has.
func (k Keyword) Values() ValueKind {
	switch k {
	case KeyOK, KeyError, KeyFault, KeyThrottle, KeyPartial, KeyInferred, KeyRoot:
		return ValueFlag
	case KeyResponseTime, KeyDuration, KeyHTTPStatus:
		return ValueNumber
	case KeyAnnotation:
		return ValueAny
	}
	return ValueText
}

// OfAnySpan reports whether the keyword, outside of a service or an edge, asks
// for any span of the trace. The others ask for its entry, and KeyDuration for
// the trace as a whole.
func (k Keyword) OfAnySpan() bool {
	switch k {
	case KeyPartial, KeyInferred, KeyUser, KeyMessage, KeyResource, KeyAnnotation:
		return true
	}
	return false
}

// Keywords lists the keywords in the order of the documentation.
func Keywords() []Keyword {
	return []Keyword{
		KeyOK, KeyError, KeyFault, KeyThrottle, KeyPartial, KeyInferred, KeyRoot,
		KeyResponseTime, KeyDuration, KeyHTTPStatus,
		KeyHTTPURL, KeyHTTPMethod, KeyHTTPAgent, KeyHTTPClient, KeyUser, KeyName, KeyType, KeyMessage,
		KeyAccount, KeyResource, KeyOperation, KeyAnnotation,
	}
}

// Attributes that a filter asks for and that have no column of their own.
const (
	AttrHTTPURL          = "http_url"
	AttrUser             = "user"
	AttrOrigin           = "origin"       // X-Ray's type of a segment: "AWS::Lambda::Function"
	AttrSegmentName      = "segment_name" // a segment's own name where Record.Name is another
	AttrInferred         = "inferred"     // "true" on a segment that X-Ray made up from a call
	AttrAnnotationPrefix = "annotation."  // before the key of an annotation
)

// NumberPattern is what an annotation must look like to be compared with a
// number: in the dialect that Go, DuckDB and Trino have in common, and so short
// that all of them read the same number. It has no question mark, which stands
// for an argument in SQL.
const NumberPattern = `^-{0,1}[0-9]{1,15}(\.[0-9]{1,20}){0,1}([eE][+-]{0,1}[0-9]{1,2}){0,1}\z`

// limitless is beyond every number of microseconds and every status.
const limitless = math.MaxInt64 / 4

// Range is the test as a range of whole numbers, of microseconds where the
// keyword is a time: it holds for those from low to high or, if outside is set,
// for all others.
func (t FilterTest) Range() (low, high int64, outside bool) {
	x, _ := t.Value.(float64)
	if t.Keyword != KeyHTTPStatus {
		x = math.Round(x*1e9) / 1e3 // nanoseconds hide that 2.3 is no binary fraction
	}
	x = max(-limitless, min(limitless, x))
	below, above := int64(math.Floor(x)), int64(math.Ceil(x))
	switch t.Op {
	case OpLess:
		return -limitless, above - 1, false
	case OpAtMost:
		return -limitless, below, false
	case OpMore:
		return below + 1, limitless, false
	case OpAtLeast:
		return above, limitless, false
	case OpNotEqual:
		return above, below, true // of a fraction, no number is inside
	}
	return above, below, false
}

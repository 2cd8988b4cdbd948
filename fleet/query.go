package fleet

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrNotFound is returned by Reader.Trace when nothing has that id in the time
// looked at; the error that wraps it says how far back that was.
var ErrNotFound = errors.New("not found")

// Query asks a Reader for records, traces or findings. The zero Query asks for
// everything; every field that is set narrows it.
type Query struct {
	Window      Window
	Kinds       []Kind
	IDs         []string
	Service     string
	Trace       string // as in Keys, resolved
	Correlation string
	Request     string
	Principal   string // exact, or a substring when it does not start with "arn:"
	Resource    string // a canonical name or an ARN
	Text        string // a substring, without case, of name, message, error or raw evidence
	Errors      bool   // only what went wrong
	MinSeverity Severity
	Status      []Status
	// Filter narrows Traces to those that meet it and Records to those of such
	// traces; nil asks for nothing. A trace is judged by its spans within a day
	// of the window, whatever else the query asks of records. Findings are not
	// judged by it.
	Filter Filter
	// Lean leaves Raw out, the larger part of most records. A store that has
	// nothing to gain from it may hand Raw over all the same.
	Lean bool
	// Limit is the greatest number of answers, the newest (of findings, the
	// worst); zero means all.
	Limit int
}

// A Reader answers questions over what a store holds. All methods may be called
// at once from several goroutines. A sequence ends after its first error.
type Reader interface {
	// Traces yields newest first.
	Traces(ctx context.Context, q Query) iter.Seq2[Summary, error]
	// Trace opens the dossier of any id: a trace id in either spelling, a
	// request id, correlation id, message id, record id (a CloudTrail event id,
	// a log event id, a span id, a change id), or resource. ErrNotFound.
	Trace(ctx context.Context, id string) (Trace, error)
	// Records yields in the order of Compare, newest last; a limit keeps the newest.
	Records(ctx context.Context, q Query) iter.Seq2[Record, error]
	// Findings yields worst first, then newest first.
	Findings(ctx context.Context, q Query) iter.Seq2[Finding, error]
}

// Summary is one line of the trace list.
type Summary struct {
	Trace       string
	Correlation string
	Start       time.Time
	Duration    time.Duration
	Service     string // of the root span, or of the earliest record
	Name        string
	Error       string // of the root span, else the first error in it
	Services    []string
	Spans       int
	Logs        int
	APICalls    int
	Changes     int
	Errors      int // records with an error
}

// Trace is a dossier: everything that belongs to one request, or to one journey
// when it was opened by a correlation id.
type Trace struct {
	ID          string // "" when the records belong to no trace
	Correlation string
	Records     []Record // in the order of Compare
	Findings    []Finding
	// Related are the other traces of the same journey, earliest first.
	Related []string
}

// NewTrace is the dossier of the records that a query gave, in the order of
// Compare, without findings and related traces. A trace goes by its own id, a
// journey by its earliest trace; what is opened by a resource has no journey.
func NewTrace(id string, q Query, records []Record) Trace {
	t := Trace{ID: id, Correlation: q.Correlation, Records: records}
	for i := range records {
		k := &records[i].Keys
		if t.ID == "" && q.Correlation != "" {
			t.ID = k.Trace
		}
		if t.Correlation == "" && q.Resource == "" {
			t.Correlation = k.Correlation
		}
	}
	return t
}

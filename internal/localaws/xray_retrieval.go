package localaws

import (
	"slices"
	"time"
)

// Limits of trace retrieval, from X-Ray's model; maxRetrievals is the stand-in's
// own: the oldest is forgotten first and then is unknown.
const (
	maxRetrievedIDs    = 100
	maxRetrievedTraces = 5   // of a page
	maxRetrievedSpans  = 100 // of a trace on a page
	maxRetrievals      = 100
)

// retrievalTime is how long a retrieval is SCHEDULED and then RUNNING; AWS takes
// seconds to minutes. retrievalLife is after how long AWS gives one up.
const (
	retrievalTime = time.Second
	retrievalLife = time.Hour
)

// A retrieval fetches whole traces out of Transaction Search.
type retrieval struct {
	token      string
	ids        []string
	start, end time.Time
	begun      time.Time
	cancelled  bool
}

func (r *retrieval) status(now time.Time) string {
	switch age := now.Sub(r.begun); {
	case r.cancelled:
		return "CANCELLED"
	case age >= retrievalLife:
		return "TIMEOUT"
	case age >= retrievalTime:
		return "COMPLETE"
	case age >= retrievalTime/2:
		return "RUNNING"
	}
	return "SCHEDULED"
}

type startRetrievalInput struct {
	TraceIDs  []string  `json:"TraceIds"`
	StartTime timestamp `json:"StartTime"`
	EndTime   timestamp `json:"EndTime"`
}

type startRetrievalOutput struct {
	RetrievalToken string `json:"RetrievalToken"`
}

// startRetrieval is StartTraceRetrieval.
func (s *traceStore) startRetrieval(c *call, in startRetrievalInput) (startRetrievalOutput, error) {
	switch n := len(in.TraceIDs); {
	case n == 0 || n > maxRetrievedIDs:
		return startRetrievalOutput{}, xrayInvalid("TraceIds must hold 1 to %d ids, not %d.", maxRetrievedIDs, n)
	case in.StartTime.IsZero() || in.EndTime.IsZero() || in.EndTime.Before(in.StartTime.Time):
		return startRetrievalOutput{}, xrayInvalid("StartTime and EndTime are required, and StartTime must be before EndTime.")
	}
	ids := make([]string, len(in.TraceIDs))
	for i, id := range in.TraceIDs {
		var ok bool
		if ids[i], ok = xrayTraceID(id); !ok {
			return startRetrievalOutput{}, xrayInvalid("Invalid trace id: %q.", id)
		}
	}
	slices.Sort(ids)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.destination.search {
		return startRetrievalOutput{}, xrayInvalid("Trace retrieval needs Transaction Search: the trace segment destination is XRay.")
	}
	r := &retrieval{token: newHex(64), ids: slices.Compact(ids), start: in.StartTime.Time, end: in.EndTime.Time, begun: c.Time}
	if len(s.retrievals) >= maxRetrievals {
		s.retrievals = slices.Delete(s.retrievals, 0, 1)
	}
	s.retrievals = append(s.retrievals, r)
	return startRetrievalOutput{r.token}, nil
}

// xrayTraceID is an id of either spelling in X-Ray's.
func xrayTraceID(id string) (string, bool) {
	if len(id) == 32 {
		id = "1-" + id[:8] + "-" + id[8:]
	}
	return id, traceIDForm.MatchString(id)
}

// retrievalOf finds a retrieval. The caller holds the lock.
func (s *traceStore) retrievalOf(token string) (*retrieval, error) {
	for _, r := range s.retrievals {
		if r.token == token {
			return r, nil
		}
	}
	return nil, &apiError{Code: "ResourceNotFoundException", Status: 404, Message: "The retrieval token does not exist or is expired."}
}

type cancelRetrievalInput struct {
	RetrievalToken string `json:"RetrievalToken"`
}

// cancelRetrieval is CancelTraceRetrieval.
func (s *traceStore) cancelRetrieval(_ *call, in cancelRetrievalInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.retrievalOf(in.RetrievalToken)
	if err != nil {
		return nil, err
	}
	r.cancelled = true
	return nil, nil
}

type listRetrievedInput struct {
	RetrievalToken string `json:"RetrievalToken"`
	TraceFormat    string `json:"TraceFormat"`
	NextToken      string `json:"NextToken"`
}

type listRetrievedOutput struct {
	RetrievalStatus string           `json:"RetrievalStatus"`
	TraceFormat     string           `json:"TraceFormat"`
	Traces          []retrievedTrace `json:"Traces"`
	NextToken       string           `json:"NextToken,omitempty"`
}

type retrievedTrace struct {
	ID       string          `json:"Id"`
	Duration float64         `json:"Duration"` // seconds
	Spans    []retrievedSpan `json:"Spans"`
}

type retrievedSpan struct {
	ID       string `json:"Id"`
	Document string `json:"Document"`
}

// A retrievedPosition is where a page begins: with a span of a trace.
type retrievedPosition struct {
	Query       string // fingerprint of the request that the token belongs to
	Trace, Span int    // indices
}

// listRetrieved is ListRetrievedTraces. It has no traces until the retrieval is
// complete. A trace with more spans than a page takes goes on on the next page.
func (s *traceStore) listRetrieved(c *call, in listRetrievedInput) (listRetrievedOutput, error) {
	out := listRetrievedOutput{TraceFormat: in.TraceFormat, Traces: []retrievedTrace{}}
	if out.TraceFormat == "" {
		out.TraceFormat = "XRAY"
	}
	if out.TraceFormat != "XRAY" && out.TraceFormat != "OTEL" {
		return out, xrayInvalid("1 validation error detected: Value '%s' at 'traceFormat' failed to satisfy constraint: Member must satisfy enum value set: [XRAY, OTEL]", in.TraceFormat)
	}
	from := retrievedPosition{Query: fingerprint(in.RetrievalToken, out.TraceFormat)}
	if err := s.resumeXRay(c, in.NextToken, &from, &from.Query); err != nil {
		return out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.retrievalOf(in.RetrievalToken)
	if err != nil {
		return out, err
	}
	if out.RetrievalStatus = r.status(c.Time); out.RetrievalStatus != "COMPLETE" {
		return out, nil
	}
	if s.trouble.emptyPage(c) {
		out.NextToken = s.tokens.seal(c.Time, from)
		return out, nil
	}
	found := s.retrieved(r)
	at := from
	for at.Trace < len(found) && len(out.Traces) < maxRetrievedTraces {
		t := found[at.Trace]
		spans, err := t.retrievedSpans(out.TraceFormat)
		if err != nil {
			return out, err
		}
		end := min(at.Span+maxRetrievedSpans, len(spans))
		out.Traces = append(out.Traces, retrievedTrace{t.id, toSeconds(t.end().Sub(t.start())), spans[min(at.Span, end):end]})
		if at.Span = end; end == len(spans) {
			at.Trace, at.Span = at.Trace+1, 0
		}
	}
	if at.Trace < len(found) {
		out.NextToken = s.tokens.seal(c.Time, at)
	}
	return out, nil
}

// resumeXRay opens a page token into a position whose query must stay the same.
func (s *traceStore) resumeXRay(c *call, token string, position any, query *string) error {
	if token == "" {
		return nil
	}
	of := *query
	if err := s.tokens.open(c.Time, token, position); err != nil || *query != of {
		return xrayInvalid("The NextToken is invalid.")
	}
	return nil
}

// retrieved are a retrieval's traces that Transaction Search has and that have a
// segment in the retrieval's time, by id. The caller holds the lock.
func (s *traceStore) retrieved(r *retrieval) []*trace {
	var found []*trace
	for _, id := range r.ids {
		t := s.traces[id]
		if t == nil || !slices.ContainsFunc(t.segments, func(g *segment) bool {
			return g.search && !g.start().Before(r.start) && !g.start().After(r.end)
		}) {
			continue
		}
		found = append(found, t)
	}
	return found
}

// retrievedSpans are a trace's segments, or its spans in OpenTelemetry's form.
func (t *trace) retrievedSpans(format string) ([]retrievedSpan, error) {
	var out []retrievedSpan
	for _, g := range t.segments {
		if !g.search {
			continue
		}
		if format == "XRAY" {
			out = append(out, retrievedSpan{g.ID, g.document})
			continue
		}
		spans, err := otelSpans(g.document)
		if err != nil {
			return nil, err
		}
		for _, span := range spans {
			text, err := encodeJSON(span)
			if err != nil {
				return nil, err
			}
			out = append(out, retrievedSpan{span.SpanID, string(text)})
		}
	}
	return out, nil
}

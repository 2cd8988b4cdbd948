package localaws

import (
	"time"
)

// operations are those of X-Ray that the stand-in offers.
func (s *traceStore) operations() map[string]operation {
	return map[string]operation{
		"PutTraceSegments":  typed(s.putSegments),
		"GetTraceSummaries": typed(s.summaries),
		"BatchGetTraces":    typed(s.batch),
		"GetServiceGraph":   typed(s.serviceGraph),
		"GetTraceGraph":     typed(s.traceGraph),
		"GetGroups":         typed(groups),

		"GetTraceSegmentDestination":    typed(s.getDestination),
		"UpdateTraceSegmentDestination": typed(s.updateDestination),
		"GetIndexingRules":              typed(s.indexingRules),
		"UpdateIndexingRule":            typed(s.updateIndexing),
		"StartTraceRetrieval":           typed(s.startRetrieval),
		"CancelTraceRetrieval":          typed(s.cancelRetrieval),
		"ListRetrievedTraces":           typed(s.listRetrieved),
		"GetRetrievedTracesGraph":       typed(s.retrievedGraph),

		"GetSamplingRules":              typed(s.samplingRules),
		"GetSamplingTargets":            typed(s.samplingTargets),
		"GetSamplingStatisticSummaries": typed(s.samplingStatistics),
		"CreateSamplingRule":            typed(s.createRule),
		"UpdateSamplingRule":            typed(s.updateRule),
		"DeleteSamplingRule":            typed(s.deleteRule),
	}
}

// xrayInvalid is X-Ray's error for a request that cannot be answered.
func xrayInvalid(format string, args ...any) *apiError {
	return failf("InvalidRequestException", format, args...)
}

type putTraceSegmentsInput struct {
	TraceSegmentDocuments []string `json:"TraceSegmentDocuments"`
}

type putTraceSegmentsOutput struct {
	UnprocessedTraceSegments []unprocessedSegment `json:"UnprocessedTraceSegments"`
}

// putSegments is PutTraceSegments.
func (s *traceStore) putSegments(c *call, in putTraceSegmentsInput) (putTraceSegmentsOutput, error) {
	out := putTraceSegmentsOutput{UnprocessedTraceSegments: []unprocessedSegment{}}
	if len(in.TraceSegmentDocuments) == 0 {
		return out, xrayInvalid("TraceSegmentDocuments must not be empty.")
	}
	for _, document := range in.TraceSegmentDocuments {
		if refused := s.put(c.Time, document); refused != nil {
			out.UnprocessedTraceSegments = append(out.UnprocessedTraceSegments, *refused)
		}
	}
	return out, nil
}

// maxBatchedTraces is how many ids BatchGetTraces takes.
const maxBatchedTraces = 5

// maxTracesPage ends a page of BatchGetTraces, in bytes of documents. AWS
// states no size; this one makes five large traces come in several pages.
const maxTracesPage = 1 << 20

type batchGetTracesInput struct {
	TraceIDs  []string `json:"TraceIds"`
	NextToken string   `json:"NextToken"`
}

type batchGetTracesOutput struct {
	Traces              []batchedTrace `json:"Traces"`
	UnprocessedTraceIDs []string       `json:"UnprocessedTraceIds"`
	NextToken           string         `json:"NextToken,omitempty"`
}

// A batchedTrace holds its segments by start time. Subsegments that were sent
// alone stay documents of their own.
type batchedTrace struct {
	ID            string           `json:"Id"`
	Duration      float64          `json:"Duration"` // seconds
	LimitExceeded bool             `json:"LimitExceeded"`
	Segments      []batchedSegment `json:"Segments"`
}

type batchedSegment struct {
	ID       string `json:"Id"`
	Document string `json:"Document"`
}

// A batchPosition is the index of the id that a page of BatchGetTraces begins with.
type batchPosition struct {
	Query string // fingerprint of the ids
	Next  int
}

// batch is BatchGetTraces. Unknown ids, and those of Transaction Search, come back unprocessed, and so does the
// last one of a page when trouble wants it.
func (s *traceStore) batch(c *call, in batchGetTracesInput) (batchGetTracesOutput, error) {
	out := batchGetTracesOutput{Traces: []batchedTrace{}, UnprocessedTraceIDs: []string{}}
	if n := len(in.TraceIDs); n == 0 || n > maxBatchedTraces {
		return out, xrayInvalid("TraceIds must hold 1 to %d ids, not %d.", maxBatchedTraces, n)
	}
	for _, id := range in.TraceIDs {
		if !traceIDForm.MatchString(id) {
			return out, xrayInvalid("Invalid trace id: %q.", id)
		}
	}
	from := batchPosition{Query: fingerprint(in.TraceIDs)}
	if in.NextToken != "" {
		query := from.Query
		if err := s.tokens.open(c.Time, in.NextToken, &from); err != nil || from.Query != query {
			return out, xrayInvalid("The NextToken is invalid.")
		}
	}
	ids := in.TraceIDs[from.Next:]
	if s.trouble.emptyPage(c) {
		ids = ids[:len(ids)-1]
		out.UnprocessedTraceIDs = append(out.UnprocessedTraceIDs, in.TraceIDs[len(in.TraceIDs)-1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for i, id := range ids {
		t := s.traces[id]
		if t == nil || t.searched() {
			out.UnprocessedTraceIDs = append(out.UnprocessedTraceIDs, id)
			continue
		}
		if size += t.size; size > maxTracesPage && len(out.Traces) > 0 {
			out.NextToken = s.tokens.seal(c.Time, batchPosition{from.Query, from.Next + i})
			break
		}
		out.Traces = append(out.Traces, t.batched())
	}
	return out, nil
}

func (t *trace) batched() batchedTrace {
	b := batchedTrace{
		ID: t.id, Duration: toSeconds(t.end().Sub(t.start())), LimitExceeded: t.full,
		Segments: make([]batchedSegment, len(t.segments)),
	}
	for i, g := range t.segments {
		b.Segments[i] = batchedSegment{ID: g.ID, Document: g.document}
	}
	return b
}

// toSeconds has X-Ray's precision, milliseconds.
func toSeconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

package localaws

import (
	"fmt"
	"hash/fnv"
	"time"
)

// spansGroup is the log group of Transaction Search, and spansStream the one
// stream that X-Ray writes in it.
const (
	spansGroup  = "aws/spans"
	spansStream = "default"
)

// destinationPending is how long a new destination is PENDING; AWS takes up to
// ten minutes. Segments go there at once.
const destinationPending = time.Second

// A segmentDestination is where X-Ray puts segments. The zero value is classic.
type segmentDestination struct {
	search  bool // Transaction Search: CloudWatch Logs
	changed time.Time
}

// sendSpans writes spans into a log group of the place.
type sendSpans func(now time.Time, spans []inputLogEvent) error

// indexedDefault is the share of spans, in percent, that Transaction Search
// indexes as trace summaries unless told otherwise.
const indexedDefault = 1.0

type destinationInput struct {
	Destination string `json:"Destination"`
}

type destinationOutput struct {
	Destination string `json:"Destination"`
	Status      string `json:"Status"`
}

func (s *traceStore) getDestination(c *call, _ struct{}) (destinationOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.destination.output(c.Time), nil
}

func (d segmentDestination) output(now time.Time) destinationOutput {
	out := destinationOutput{"XRay", "ACTIVE"}
	if d.search {
		out.Destination = "CloudWatchLogs"
	}
	if now.Before(d.changed.Add(destinationPending)) {
		out.Status = "PENDING"
	}
	return out
}

// updateDestination is UpdateTraceSegmentDestination. Segments that came before
// stay where they are, as in AWS.
func (s *traceStore) updateDestination(c *call, in destinationInput) (destinationOutput, error) {
	if in.Destination != "XRay" && in.Destination != "CloudWatchLogs" {
		return destinationOutput{}, xrayInvalid("1 validation error detected: Value '%s' at 'destination' failed to satisfy constraint: Member must satisfy enum value set: [XRay, CloudWatchLogs]", in.Destination)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	search := in.Destination == "CloudWatchLogs"
	if search == s.destination.search {
		return destinationOutput{}, xrayInvalid("The destination is already %s.", in.Destination)
	}
	s.destination = segmentDestination{search: search, changed: c.Time}
	return s.destination.output(c.Time), nil
}

// toSearch writes a document's spans into aws/spans.
func (s *traceStore) toSearch(now time.Time, document string) error {
	spans, err := otelSpans(document)
	if err != nil {
		return err
	}
	events := make([]inputLogEvent, len(spans))
	for i, span := range spans {
		text, err := encodeJSON(span)
		if err != nil {
			return fmt.Errorf("encode span %s: %w", span.SpanID, err)
		}
		at := max(span.Start, span.End) / int64(time.Millisecond)
		events[i] = inputLogEvent{Timestamp: &at, Message: string(text)}
	}
	return s.send(now, events)
}

// indexed reports whether the share that is indexed has a trace of Transaction
// Search. Of one trace it is always the same answer.
func (s *traceStore) indexed(id string) bool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	return float64(mix(h.Sum64())%1_000_000)/10_000 < s.indexedPercent
}

type indexingRule struct {
	Name       string       `json:"Name"`
	ModifiedAt timestamp    `json:"ModifiedAt"`
	Rule       indexingKind `json:"Rule"`
}

type indexingKind struct {
	Probabilistic *struct {
		Desired float64 `json:"DesiredSamplingPercentage"`
		Actual  float64 `json:"ActualSamplingPercentage"`
	} `json:"Probabilistic"`
}

type indexingRulesOutput struct {
	IndexingRules []indexingRule `json:"IndexingRules"`
}

func (s *traceStore) indexingRules(*call, struct{}) (indexingRulesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return indexingRulesOutput{[]indexingRule{s.indexingRule()}}, nil
}

func (s *traceStore) indexingRule() indexingRule {
	r := indexingRule{Name: defaultRule, ModifiedAt: timestamp{s.indexedSince}}
	if r.ModifiedAt.IsZero() {
		r.ModifiedAt = ruleTime()
	}
	r.Rule.Probabilistic = &struct {
		Desired float64 `json:"DesiredSamplingPercentage"`
		Actual  float64 `json:"ActualSamplingPercentage"`
	}{s.indexedPercent, s.indexedPercent}
	return r
}

type updateIndexingInput struct {
	Name string       `json:"Name"`
	Rule indexingKind `json:"Rule"`
}

type updateIndexingOutput struct {
	IndexingRule indexingRule `json:"IndexingRule"`
}

func (s *traceStore) updateIndexing(c *call, in updateIndexingInput) (updateIndexingOutput, error) {
	p := in.Rule.Probabilistic
	switch {
	case in.Name != defaultRule:
		return updateIndexingOutput{}, &apiError{Code: "ResourceNotFoundException", Status: 404, Message: "The indexing rule " + in.Name + " does not exist."}
	case p == nil || !(p.Desired >= 0 && p.Desired <= 100):
		return updateIndexingOutput{}, xrayInvalid("DesiredSamplingPercentage must be from 0 to 100.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexedPercent, s.indexedSince = p.Desired, c.Time
	return updateIndexingOutput{s.indexingRule()}, nil
}

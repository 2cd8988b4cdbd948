package truth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"muster/fleet"
)

// windowMargin is read before the run's start, since CloudTrail cuts times to
// whole seconds and clocks differ a little.
const windowMargin = time.Minute

// Score holds what a reader answers against the truth. An error means that the
// reader failed; whatever is wrong with its answers is in the report.
func Score(ctx context.Context, r fleet.Reader, f *File) (Report, error) {
	s := newScorer(f)
	q := fleet.Query{Window: fleet.Window{Start: f.Started.Add(-windowMargin)}}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return Report{}, fmt.Errorf("score the records: %w", err)
		}
		s.record(&rec)
	}
	for sum, err := range r.Traces(ctx, q) {
		if err != nil {
			return Report{}, fmt.Errorf("score the traces: %w", err)
		}
		s.summaries[sum.Trace] = sum.Correlation
	}
	for found, err := range r.Findings(ctx, fleet.Query{}) {
		if err != nil {
			return Report{}, fmt.Errorf("score the findings: %w", err)
		}
		if !found.LastSeen.Before(q.Window.Start) { // an older run's is not this truth's affair
			s.findings = append(s.findings, found)
		}
	}
	return s.report(), nil
}

// scorer is the truth with indexes, and what was read so far.
type scorer struct {
	file     *File
	journeys map[string]string   // by trace
	also     map[string][]string // by trace
	spans    map[string]Span     // by record id
	lines    map[string]Line
	shown    map[string][]string            // the traces of a message
	calls    map[string]Call                // by request id
	changes  map[string]map[string]struct{} // request ids by resource
	origins  map[string]string              // by access key

	stored    map[fleet.Kind]int
	seen      map[string]place    // every record, by its id
	met       map[string]struct{} // what of the truth was read, by meeting
	lit       map[string]bool     // traces that a log line was found in
	summaries map[string]string   // correlation by trace
	findings  []fleet.Finding
	joins     joins
}

// place is what a finding's evidence is recognised by.
type place struct {
	trace, journey, request string
	resources               []string
}

func newScorer(f *File) *scorer {
	s := &scorer{
		file: f, journeys: make(map[string]string), also: make(map[string][]string), spans: make(map[string]Span), lines: make(map[string]Line),
		calls: make(map[string]Call), shown: make(map[string][]string), changes: make(map[string]map[string]struct{}), origins: make(map[string]string),
		stored: make(map[fleet.Kind]int), seen: make(map[string]place), met: make(map[string]struct{}), lit: make(map[string]bool),
		summaries: make(map[string]string), joins: make(joins),
	}
	for _, t := range f.Traces {
		s.journeys[t.ID], s.also[t.ID] = t.Journey, t.Also
	}
	for _, sp := range f.Spans {
		s.spans[fleet.SpanID(sp.Trace, sp.ID)] = sp
	}
	for _, l := range f.Lines {
		s.lines[l.ID] = l
	}
	for _, m := range f.Messages {
		s.shown[m.ID] = append([]string{m.Producer, m.Consumer}, m.Attempts...)
	}
	for _, c := range f.Calls {
		s.calls[c.Request] = c
	}
	for _, c := range f.Changes {
		if s.changes[c.Resource] == nil {
			s.changes[c.Resource] = make(map[string]struct{})
		}
		s.changes[c.Resource][c.Request] = struct{}{}
	}
	for _, o := range f.Sessions {
		s.origins[o.Key] = o.Origin
	}
	return s
}

// meet notes that a part of the truth was read.
func (s *scorer) meet(k fleet.Kind, id string) { s.met[string(k)+" "+id] = struct{}{} }

func (s *scorer) hasMet(k fleet.Kind, id string) bool {
	_, ok := s.met[string(k)+" "+id]
	return ok
}

// record holds one record against the truth. A record that the truth knows
// nothing of, such as another run's, is counted and otherwise left alone.
func (s *scorer) record(r *fleet.Record) {
	s.stored[r.Kind]++
	s.seen[r.ID] = place{
		trace: r.Keys.Trace, journey: r.Keys.Correlation, request: r.Keys.Request, resources: r.Resources,
	}
	switch r.Kind {
	case fleet.KindSpan:
		if sp, known := s.spans[r.ID]; known {
			s.meet(r.Kind, r.ID)
			s.belongs(r, sp.Trace)
		}
	case fleet.KindLog:
		id := lineID(r)
		if l, known := s.lines[id]; known {
			s.meet(r.Kind, id)
			s.line(r, l)
		}
	case fleet.KindAPICall:
		if c, known := s.calls[r.Seen.Request]; known && r.Seen.Request != "" {
			s.meet(r.Kind, c.Request)
			s.call(r, c)
		}
	case fleet.KindChange, fleet.KindVerdict:
		s.change(r)
	}
}

// belongs holds a record's trace and journey against the trace that it truly
// belongs to; "" for none.
func (s *scorer) belongs(r *fleet.Record, trace string) {
	s.joins.hold(keyTrace, claim{r.Keys.Trace, r.Keys.TraceLink}, trace, s.shows(r.Kind, r.Seen.Trace))
	journey := s.journeys[trace]
	if slices.Contains(s.also[trace], r.Keys.Correlation) {
		journey = r.Keys.Correlation
	}
	s.joins.hold(keyJourney, claim{r.Keys.Correlation, r.Keys.CorrelationLink}, journey,
		s.shows(r.Kind, r.Seen.Correlation))
}

// shows is the class that a join of such a record belongs to.
func (s *scorer) shows(k fleet.Kind, seen string) class {
	switch {
	case seen != "":
		return classSeen
	case k == fleet.KindChange || k == fleet.KindVerdict:
		return classInferred
	default:
		return classExact
	}
}

func (s *scorer) line(r *fleet.Record, l Line) {
	if l.Message != "" && r.Keys.Trace != "" && slices.Contains(s.shown[l.Message], r.Keys.Trace) {
		s.belongs(r, r.Keys.Trace)
		return
	}
	if !l.Hidden || r.Keys.Trace != "" {
		s.belongs(r, l.Trace)
	}
	s.lit[l.Trace] = s.lit[l.Trace] || r.Keys.Trace == l.Trace
}

func (s *scorer) call(r *fleet.Record, c Call) {
	if c.Trace == "" || c.joinable() || r.Keys.Trace != "" {
		s.belongs(r, c.Trace)
	}
	s.joins.hold(keySession, claim{r.Keys.Origin, r.Keys.OriginLink}, s.origins[r.Seen.AccessKey], classExact)
}

// change holds a change against the writes of its resource. Where several
// calls wrote one resource, each of them is a true answer.
func (s *scorer) change(r *fleet.Record) {
	for _, resource := range r.CanonicalResources() {
		writes, known := s.changes[resource]
		if !known || r.Kind == fleet.KindVerdict {
			continue
		}
		s.meet(r.Kind, resource)
		want := r.Keys.Request
		if _, ok := writes[want]; !ok {
			want = anyOf(writes)
		}
		s.joins.hold(keyRequest, claim{r.Keys.Request, r.Keys.RequestLink}, want, s.shows(r.Kind, r.Seen.Request))
		s.belongs(r, s.calls[want].Trace)
		return
	}
}

// anyOf is the smallest, so that two scores of one store are equal.
func anyOf(set map[string]struct{}) string {
	least := ""
	for s := range set {
		if least == "" || s < least {
			least = s
		}
	}
	return least
}

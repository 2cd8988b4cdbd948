package localaws

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxTraceStoreBytes bounds the memory of all segment documents together; what
// was parsed of them takes about as much again. Beyond it segments are refused
// as unprocessed, never silently dropped.
const maxTraceStoreBytes = 256 << 20

// maxTraceBytes is the size of one trace's documents beyond which X-Ray takes
// no more of them and says LimitExceeded (it states 100 to 500 KB).
const maxTraceBytes = 500 << 10

// A traceStore holds what X-Ray received in one place. Safe for concurrent use.
type traceStore struct {
	trouble *trouble
	tokens  *pageTokens
	maxSize int // bytes; see maxTraceStoreBytes

	mu     sync.Mutex
	traces map[string]*trace
	held   *atomic.Int64 // bytes of all documents; of other places too

	destination    segmentDestination
	send           sendSpans // for Transaction Search
	indexedPercent float64   // of its traces
	indexedSince   time.Time // zero: always
	retrievals     []*retrieval
	defaultRule    *samplingRuleRecord   // nil until it is first asked for
	rules          []*samplingRuleRecord // beside the default one
	rulesChanged   time.Time             // zero: never
	sampled        map[string]*samplingStatistic
}

// A trace is the segments with one trace id, by start time; it has at least one.
type trace struct {
	id       string
	segments []*segment
	size     int  // bytes of its documents
	full     bool // a segment did not fit any more
	revision int  // grows with every change
}

func newTraceStore(t *trouble, tokens *pageTokens) *traceStore {
	return &traceStore{
		trouble: t, tokens: tokens, maxSize: maxTraceStoreBytes, held: new(atomic.Int64), traces: map[string]*trace{},
		send: func(time.Time, []inputLogEvent) error { return nil }, indexedPercent: indexedDefault,
		sampled: map[string]*samplingStatistic{},
	}
}

// put takes one segment document, or says why not. A document replaces the
// earlier one with its id, but an in-progress one never a finished one.
func (s *traceStore) put(now time.Time, document string) *unprocessedSegment {
	d, refused := parseSegment(document)
	if refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(s.held.Load())+len(document) > s.maxSize {
		return &unprocessedSegment{
			ID: d.ID, ErrorCode: "LimitExceeded",
			Message: fmt.Sprintf("The stand-in keeps at most %d bytes of segments.", s.maxSize),
		}
	}
	t := s.traces[d.TraceID]
	if t == nil {
		t = &trace{id: d.TraceID}
		s.traces[d.TraceID] = t
	}
	search := s.destination.search
	s.held.Add(int64(t.put(&segment{segmentDocument: d, document: document, received: now, search: search})))
	if !search {
		return nil
	}
	if err := s.toSearch(now, document); err != nil {
		return &unprocessedSegment{ID: d.ID, ErrorCode: "InternalFailure", Message: err.Error()}
	}
	return nil
}

// put upserts a segment and returns by how many bytes the trace grew.
func (t *trace) put(g *segment) int {
	grown := len(g.document)
	at := slices.IndexFunc(t.segments, func(o *segment) bool { return o.ID == g.ID })
	if at >= 0 {
		old := t.segments[at]
		if g.InProgress && !old.InProgress {
			return 0
		}
		grown -= len(old.document)
	}
	t.revision++
	if t.size+grown > maxTraceBytes {
		t.full = true
		return 0
	}
	if at >= 0 {
		t.segments = slices.Delete(t.segments, at, at+1)
	}
	at, _ = slices.BinarySearchFunc(t.segments, g, func(a, b *segment) int { return a.start().Compare(b.start()) })
	t.segments = slices.Insert(t.segments, at, g)
	t.size += grown
	return grown
}

// start is when the earliest segment started.
func (t *trace) start() time.Time { return t.segments[0].start() }

// end is when the last finished segment ended; the trace's start if none did.
func (t *trace) end() time.Time {
	end := t.start()
	for _, g := range t.segments {
		if e := g.end(); e.After(end) {
			end = e
		}
	}
	return end
}

// searched reports whether the trace is in Transaction Search only.
func (t *trace) searched() bool {
	return !slices.ContainsFunc(t.segments, func(g *segment) bool { return !g.search })
}

// summarised reports whether X-Ray has a summary of a trace: of every classic
// one, and of those of Transaction Search that are indexed.
func (s *traceStore) summarised(t *trace) bool { return !t.searched() || s.indexed(t.id) }

// root is the segment that no other one called, or the earliest where that one
// has not come.
func (t *trace) root() *segment {
	for _, g := range t.segments {
		if g.ParentID == "" {
			return g
		}
	}
	return t.segments[0]
}

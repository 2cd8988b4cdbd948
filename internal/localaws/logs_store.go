package localaws

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// maxLogBytes bounds the memory of all log groups together, counted as
// CloudWatch Logs counts (message bytes plus 26 an event); Go's own overhead
// adds about 150 bytes an event. Beyond it PutLogEvents answers
// ServiceUnavailableException: evidence is refused, never silently dropped.
const maxLogBytes = 512 << 20

// eventOverheadBytes is what PutLogEvents counts for an event beside its message.
const eventOverheadBytes = 26

// A logStore holds the log groups of one place. Safe for concurrent use.
type logStore struct {
	delay   time.Duration // from being accepted to being visible
	trouble *trouble
	tokens  *pageTokens
	maxSize int64 // bytes; see maxLogBytes
	now     func() time.Time
	account string
	// linked are the stores of the source accounts that a monitoring account sees.
	linked func() []*logStore

	mu      sync.Mutex
	groups  map[string]*logGroup
	pending []pendingEvent // by visible time, then sequence
	tails   map[*liveTail]struct{}
	queries []*logsQuery // of Insights, oldest first

	subscriber subscriber
	sequence   uint64        // of the last accepted event
	held       *atomic.Int64 // bytes of all accepted events; of other places too
}

// A logGroup is a named set of streams. Its events are ordered as
// FilterLogEvents answers them: by timestamp, then by arrival.
type logGroup struct {
	name        string
	created     int64 // Unix milliseconds
	storedBytes int64
	retention   int    // days; zero: for ever
	class       string // "STANDARD", ...
	tags        map[string]string
	streams     map[string]*logStream
	events      []logEvent

	subscriptions []*logSubscription
}

// A logStream is one source of events in a group. Times are Unix
// milliseconds; first, last and ingested are zero until the first event.
type logStream struct {
	name                           string
	created, first, last, ingested int64
	accepted                       uint64 // events
}

// A logEvent is one accepted line. Times are Unix milliseconds.
type logEvent struct {
	timestamp, ingested int64
	sequence            uint64 // arrival in the store, from 1; breaks ties of timestamp
	stream, message, id string
}

// A pendingEvent was accepted and is not visible yet.
type pendingEvent struct {
	visible time.Time
	group   *logGroup
	event   logEvent
}

// newLogStore returns an empty store whose events take delay to be visible,
// and more when trouble makes them late.
func newLogStore(delay time.Duration, t *trouble, tokens *pageTokens) *logStore {
	return &logStore{
		delay: delay, trouble: t, tokens: tokens, maxSize: maxLogBytes, now: time.Now, held: new(atomic.Int64), tails: map[*liveTail]struct{}{},
		linked:     func() []*logStore { return nil },
		subscriber: func(string, string, []byte) bool { return false }, groups: map[string]*logGroup{},
	}
}

// drain makes every accepted event visible.
func (s *logStore) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending {
		s.show(p)
	}
	s.pending = nil
}

// settle makes visible what is due. The caller holds the lock.
func (s *logStore) settle(now time.Time) {
	due := sort.Search(len(s.pending), func(i int) bool { return s.pending[i].visible.After(now) })
	for _, p := range s.pending[:due] {
		s.show(p)
	}
	s.pending = slices.Delete(s.pending, 0, due)
}

// show makes an event visible, to those who tail its group too. The caller holds
// the lock.
func (s *logStore) show(p pendingEvent) {
	p.group.insert(p.event)
	for tail := range s.tails {
		tail.offer(p.group, p.event)
	}
}

// accept takes one event into a stream. The caller holds the lock.
func (s *logStore) accept(now time.Time, g *logGroup, st *logStream, timestamp int64, message string) logEvent {
	s.sequence++
	e := logEvent{
		timestamp: timestamp, ingested: now.UnixMilli(), sequence: s.sequence,
		stream: st.name, message: message,
	}
	st.accepted++
	e.id = logEventID(g.name, st.name, timestamp, st.accepted)
	if st.first == 0 || timestamp < st.first {
		st.first = timestamp
	}
	st.last, st.ingested = max(st.last, timestamp), e.ingested
	size := int64(len(message) + eventOverheadBytes)
	g.storedBytes += size
	s.held.Add(size)

	p := pendingEvent{visible: now.Add(s.trouble.delay("logs", s.delay)), group: g, event: e}
	at := sort.Search(len(s.pending), func(i int) bool { return s.pending[i].visible.After(p.visible) })
	s.pending = slices.Insert(s.pending, at, p)
	return e
}

// insert puts e at its place; events mostly arrive in order, so that this is
// an append in all but the late cases.
func (g *logGroup) insert(e logEvent) {
	g.events = slices.Insert(g.events, g.after(e.timestamp, e.sequence), e)
}

// after is the index of the first event behind (timestamp, sequence).
func (g *logGroup) after(timestamp int64, sequence uint64) int {
	return sort.Search(len(g.events), func(i int) bool {
		e := g.events[i]
		return cmp.Or(cmp.Compare(e.timestamp, timestamp), cmp.Compare(e.sequence, sequence)) > 0
	})
}

// logEventID makes an id in the form of CloudWatch Logs: 56 decimal digits
// that grow with the timestamp. It is a pure function of where the event
// stands (number is its place among the stream's accepted events), so that
// every reading of an event gives the same id.
func logEventID(group, stream string, timestamp int64, number uint64) string {
	place := binary.BigEndian.AppendUint64([]byte(group+"\x00"+stream+"\x00"), number)
	hash := sha256.Sum256(place)
	// 144 bits of hash below a timestamp of 41 bits come to 56 digits.
	id := new(big.Int).Lsh(big.NewInt(timestamp), 144)
	id.Or(id, new(big.Int).SetBytes(hash[:18]))
	return fmt.Sprintf("%056d", id)
}

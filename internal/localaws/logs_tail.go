package localaws

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"muster/internal/pattern"
)

// Limits of StartLiveTail.
const (
	maxTailedGroups  = 10
	maxTailedStreams = 100
	maxLiveTails     = 15  // sessions at a time in an account and region
	maxTailedEvents  = 500 // of an update, and so of a second; more are sampled
)

const (
	// tailInterval is the time between two updates.
	tailInterval = time.Second
	// tailLife is after how long a session ends.
	tailLife = 3 * time.Hour
)

type liveTailInput struct {
	LogGroupIdentifiers   []string `json:"logGroupIdentifiers"`
	LogStreamNames        []string `json:"logStreamNames"`
	LogStreamNamePrefixes []string `json:"logStreamNamePrefixes"`
	LogEventFilterPattern string   `json:"logEventFilterPattern"`
}

// A liveTail is a running session. The store's lock guards it.
type liveTail struct {
	in      liveTailInput
	pattern *pattern.Pattern
	groups  map[*logGroup]string // to the identifier that updates show
	events  []tailedEvent        // since the last update
	sampled bool
}

type tailedEvent struct {
	LogStreamName      string `json:"logStreamName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"` // account:group
	Message            string `json:"message"`
	Timestamp          int64  `json:"timestamp"`
	IngestionTime      int64  `json:"ingestionTime"`
}

// offer takes an event that has become visible, if the session wants it.
func (t *liveTail) offer(g *logGroup, e logEvent) {
	identifier, ok := t.groups[g]
	if !ok || !t.wants(e) {
		return
	}
	if len(t.events) >= maxTailedEvents {
		t.sampled = true
		return
	}
	t.events = append(t.events, tailedEvent{e.stream, identifier, e.message, e.timestamp, e.ingested})
}

func (t *liveTail) wants(e logEvent) bool {
	named := len(t.in.LogStreamNames)+len(t.in.LogStreamNamePrefixes) == 0 ||
		slices.Contains(t.in.LogStreamNames, e.stream) ||
		slices.ContainsFunc(t.in.LogStreamNamePrefixes, func(prefix string) bool { return strings.HasPrefix(e.stream, prefix) })
	return named && t.pattern.Match(e.message)
}

// startLiveTail is StartLiveTail.
func (s *logStore) startLiveTail(ctx context.Context, c *call) (any, error) {
	var in liveTailInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	tail, err := s.openTail(c, in)
	if err != nil {
		return nil, err
	}
	return streamedAnswer(func(w http.ResponseWriter) error {
		defer s.closeTail(tail)
		return s.runTail(ctx, c, tail, w)
	}), nil
}

// openTail checks a request and begins to collect for it.
func (s *logStore) openTail(c *call, in liveTailInput) (*liveTail, error) {
	switch {
	case len(in.LogGroupIdentifiers) < 1 || len(in.LogGroupIdentifiers) > maxTailedGroups:
		return nil, logsInvalid("Value at 'logGroupIdentifiers' failed to satisfy constraint: Member must have length from 1 to %d", maxTailedGroups)
	case len(in.LogStreamNames) > 0 && len(in.LogStreamNamePrefixes) > 0:
		return nil, failf("InvalidParameterException", "LogStreamNames and LogStreamNamePrefixes are mutually exclusive parameters.")
	case len(in.LogStreamNames)+len(in.LogStreamNamePrefixes) > 0 && len(in.LogGroupIdentifiers) > 1:
		return nil, failf("InvalidParameterException", "Log streams can be named for a single log group only.")
	case len(in.LogStreamNames) > maxTailedStreams || len(in.LogStreamNamePrefixes) > maxTailedStreams:
		return nil, logsInvalid("Value at 'logStreamNames' failed to satisfy constraint: Member must have length less than or equal to %d", maxTailedStreams)
	}
	p, err := filterPattern("logEventFilterPattern", in.LogEventFilterPattern)
	if err != nil {
		return nil, err
	}
	t := &liveTail{in: in, pattern: p, groups: map[*logGroup]string{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, identifier := range in.LogGroupIdentifiers {
		if !strings.HasPrefix(identifier, "arn:") {
			return nil, failf("InvalidParameterException", "The log group identifier %s is not an ARN.", identifier)
		}
		g, err := s.group("", identifier)
		if err != nil {
			return nil, err
		}
		if err := g.readable(); err != nil {
			return nil, err
		}
		t.groups[g] = c.Account + ":" + g.name
	}
	if len(s.tails) >= maxLiveTails {
		return nil, failf("LimitExceededException", "You have reached the maximum of %d concurrent Live Tail sessions.", maxLiveTails)
	}
	s.settle(c.Time) // what is visible before the session is not of it
	s.tails[t] = struct{}{}
	return t, nil
}

func (s *logStore) closeTail(t *liveTail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tails, t)
}

type tailStart struct {
	RequestID             string   `json:"requestId"`
	SessionID             string   `json:"sessionId"`
	LogGroupIdentifiers   []string `json:"logGroupIdentifiers"`
	LogStreamNames        []string `json:"logStreamNames,omitempty"`
	LogStreamNamePrefixes []string `json:"logStreamNamePrefixes,omitempty"`
	LogEventFilterPattern string   `json:"logEventFilterPattern"`
}

type tailUpdate struct {
	Metadata struct {
		Sampled bool `json:"sampled"`
	} `json:"sessionMetadata"`
	Results []tailedEvent `json:"sessionResults"`
}

// runTail sends an update each second, empty or not, until the request or the
// session ends.
func (s *logStore) runTail(ctx context.Context, c *call, t *liveTail, w http.ResponseWriter) error {
	stream, err := newEventStream(w)
	if err != nil {
		return err
	}
	if err := stream.event("sessionStart", tailStart{
		c.RequestID, newUUID(), t.in.LogGroupIdentifiers, t.in.LogStreamNames, t.in.LogStreamNamePrefixes, t.in.LogEventFilterPattern,
	}); err != nil {
		return err
	}
	tick := time.NewTicker(tailInterval)
	defer tick.Stop()
	life := time.NewTimer(tailLife)
	defer life.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-life.C:
			return stream.exception("SessionTimeoutException", "The session has timed out after three hours.")
		case <-tick.C:
		}
		if err := stream.event("sessionUpdate", s.tailed(t)); err != nil {
			return err
		}
	}
}

// tailed takes what a session has collected.
func (s *logStore) tailed(t *liveTail) tailUpdate {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	u := tailUpdate{Results: t.events}
	if u.Results == nil {
		u.Results = []tailedEvent{}
	}
	u.Metadata.Sampled = t.sampled
	t.events, t.sampled = nil, false
	return u
}

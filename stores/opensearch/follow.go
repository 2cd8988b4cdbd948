package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"muster/fleet"
)

// A Lake is what a Store follows.
type Lake interface {
	// Identity names the lake for its whole life.
	Identity(ctx context.Context) (string, error)
	// Changes yields what was written after a mark, in batches. States may come
	// again; none is left out.
	Changes(ctx context.Context, after int64) iter.Seq2[fleet.Changes, error]
	// ChangedFindings are the findings that were saved after a mark, which is
	// of another count than that of Changes, and the mark to go on from.
	ChangedFindings(ctx context.Context, after int64) ([]fleet.Finding, int64, error)
}

// mark says how far a lake has been followed. It lies in OpenSearch itself, so
// that an OpenSearch that was lost, or set back, gets what it lacks.
type mark struct {
	Evidence int64  `json:"evidence"`
	Findings int64  `json:"findings"`
	Moved    string `json:"moved"` // when, for people
}

// longestRetry bounds the time between two tries to reach an OpenSearch that is away.
const longestRetry = time.Minute

// errNotSetUp comes before the first document, which would else make an index
// with a mapping that OpenSearch guesses.
var errNotSetUp = errors.New("the index templates are not there: run muster opensearch setup first")

// Follow catches up with the lake every so often until ctx ends, and then
// returns nil. An error ends nothing: it is logged, and the next try goes on from
// the mark.
func (s *Store) Follow(ctx context.Context, lake Lake, every time.Duration) error {
	for pause := every; ctx.Err() == nil; {
		pause = s.tryCatchUp(ctx, lake, every, pause)
		_ = wait(ctx, pause) // says no more than ctx does
	}
	return nil
}

// tryCatchUp says what became of a try, and returns the pause until the next:
// every after a good one, and longer after each that went wrong.
func (s *Store) tryCatchUp(ctx context.Context, lake Lake, every, pause time.Duration) time.Duration {
	w, err := s.CatchUp(ctx, lake)
	if w.Refused > 0 {
		s.logger.WarnContext(ctx, "OpenSearch refused documents for good", "documents", w.Refused, "kept", s.refused.path)
	}
	if err == nil || ctx.Err() != nil {
		return every
	}
	pause = min(2*pause, max(every, longestRetry))
	s.logger.ErrorContext(ctx, "OpenSearch is behind the lake", "error", err, "retry", pause)
	return pause
}

// CatchUp writes everything that the lake has and this store lacks. The mark
// moves behind what is durable, so that a crash repeats some of it and loses
// nothing.
func (s *Store) CatchUp(ctx context.Context, lake Lake) (Written, error) {
	total, err := s.catchUp(ctx, lake)
	if err != nil {
		return total, fmt.Errorf("catch up %s with the lake: %w", s.address, err)
	}
	return total, nil
}

func (s *Store) catchUp(ctx context.Context, lake Lake) (total Written, err error) {
	if err := s.ready(ctx); err != nil {
		return total, err
	}
	id, err := lake.Identity(ctx)
	if err != nil {
		return total, err
	}
	m, err := s.readMark(ctx, id)
	if err != nil {
		return total, err
	}
	for c, err := range lake.Changes(ctx, m.Evidence) {
		if err != nil {
			return total, err
		}
		w, err := s.take(ctx, c.Changes)
		total.Sent, total.Refused = total.Sent+w.Sent, total.Refused+w.Refused
		if err != nil {
			return total, err
		}
		if c.Through > 0 {
			m.Evidence = c.Through
			if err := s.saveMark(ctx, id, m); err != nil {
				return total, err
			}
		}
	}
	fs, through, err := lake.ChangedFindings(ctx, m.Findings)
	if err != nil || through == m.Findings {
		return total, err
	}
	w, err := s.takeFindings(ctx, fs, through)
	total.Sent, total.Refused = total.Sent+w.Sent, total.Refused+w.Refused
	if err != nil {
		return total, err
	}
	m.Findings = through
	return total, s.saveMark(ctx, id, m)
}

// take writes a batch of changes and sets the groups of the traces in it.
func (s *Store) take(ctx context.Context, cs []fleet.Change) (Written, error) {
	gs := newGroups(cs)
	items := make([]item, len(cs))
	for i := range cs {
		r := &cs[i].Record
		document, err := newDocument(r, gs.of(r))
		if err != nil {
			return Written{}, fmt.Errorf("write %s: %w", r.ID, err)
		}
		items[i] = item{
			index: indexOf(r.Kind, r.Time), id: documentID(r.Kind, r.ID),
			version: version(r.Revision, cs[i].Amendment), document: document,
		}
	}
	w, err := s.write(ctx, items)
	if err != nil {
		return w, err
	}
	return w, s.settle(ctx, slices.Sorted(maps.Keys(gs)))
}

// ready reports whether setup was run.
func (s *Store) ready(ctx context.Context) error {
	err := s.do(ctx, http.MethodGet, "/_index_template/"+stateTemplate, nil, nil)
	if hasStatus(err, http.StatusNotFound) {
		return errNotSetUp
	}
	return err
}

func markPath(lake string) string {
	return "/" + stateIndex + "/_doc/" + url.PathEscape("follow-"+lake)
}

// readMark is the zero mark for a lake that was never followed.
func (s *Store) readMark(ctx context.Context, lake string) (mark, error) {
	var answer struct {
		Source mark `json:"_source"`
	}
	err := s.do(ctx, http.MethodGet, markPath(lake), nil, &answer)
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return mark{}, fmt.Errorf("read the mark: %w", err)
	}
	return answer.Source, nil
}

func (s *Store) saveMark(ctx context.Context, lake string, m mark) error {
	m.Moved = time.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := s.do(ctx, http.MethodPut, markPath(lake), body, nil); err != nil {
		return fmt.Errorf("save the mark: %w", err)
	}
	return nil
}

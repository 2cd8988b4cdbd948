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
	// ChangedLedger is the whole ledger, if anything was added to it after a mark
	// of its own count, and the mark to go on from.
	ChangedLedger(ctx context.Context, after int64) ([]fleet.LedgerEntry, int64, error)
}

// mark says how far a lake has been followed. It lies in OpenSearch itself, so
// that an OpenSearch that was lost, or set back, gets what it lacks.
type mark struct {
	Evidence int64  `json:"evidence"`
	Findings int64  `json:"findings"`
	Ledger   int64  `json:"ledger"`
	Moved    string `json:"moved"` // when, for people
	// Behind are the indices that could not be written to, each with the mark
	// after which it lacks something: the others are not held up by it.
	Behind map[string]int64 `json:"behind,omitempty"`
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
	if _, some := errors.AsType[*BlockedError](err); some && w.Sent > 0 {
		pause = every // the others go on at their own pace
	} else {
		pause = min(2*pause, max(every, longestRetry))
	}
	s.logger.ErrorContext(ctx, "OpenSearch is behind the lake", "error", err, "retry", pause)
	return pause
}

// CatchUp writes everything that the lake has and this store lacks. The mark
// moves behind what is durable, so that a crash repeats some of it and loses
// nothing. An index that takes nothing holds up no other: the error is then a
// *BlockedError, and the index gets what it lacks when it takes it again.
// CatchUp is not concurrent with itself, and one process follows at a time.
func (s *Store) CatchUp(ctx context.Context, lake Lake) (Written, error) {
	f := following{Store: s, lake: lake}
	err := f.catchUp(ctx)
	if err != nil {
		s.known.forget()
		return f.total, fmt.Errorf("catch up %s with the lake: %w", s.address, err)
	}
	return f.total, nil
}

// following is one run of CatchUp.
type following struct {
	*Store
	lake   Lake
	id     string
	mark   mark
	total  Written
	behind behind
}

func (f *following) catchUp(ctx context.Context) (err error) {
	if err := f.ready(ctx); err != nil {
		return err
	}
	if f.id, err = f.lake.Identity(ctx); err != nil {
		return err
	}
	if f.mark, err = f.readMark(ctx, f.id); err != nil {
		return err
	}
	if err := f.known.learn(ctx, f.Store, f.mark.Evidence); err != nil {
		return err
	}
	if err := f.repeat(ctx); err != nil {
		return err
	}
	if err := f.pass(ctx, f.mark.Evidence, nil); err != nil {
		return err
	}
	if err := errors.Join(f.findings(ctx), f.ledger(ctx)); err != nil {
		return err
	}
	if len(f.behind.reasons) > 0 {
		return &BlockedError{f.behind.reasons}
	}
	return nil
}

// repeat hands the indices that are behind what they lack.
func (f *following) repeat(ctx context.Context) error {
	if len(f.mark.Behind) == 0 {
		return nil
	}
	only := maps.Clone(f.mark.Behind)
	if err := f.pass(ctx, slices.Min(slices.Collect(maps.Values(only))), only); err != nil {
		return err
	}
	for index := range only {
		if !f.behind.has(index) {
			delete(f.mark.Behind, index)
		}
	}
	return f.saveMark(ctx, f.id, f.mark)
}

// findings writes the findings that changed.
func (f *following) findings(ctx context.Context) error {
	fs, through, err := f.lake.ChangedFindings(ctx, f.mark.Findings)
	if err != nil || through == f.mark.Findings {
		return err
	}
	w, err := f.takeFindings(ctx, fs, through)
	f.total.add(w)
	if blocked, ok := errors.AsType[*BlockedError](err); ok { // their mark stays where it is
		f.behind.add(blocked.Reasons)
		return nil
	}
	if err != nil {
		return err
	}
	f.mark.Findings = through
	return f.saveMark(ctx, f.id, f.mark)
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
		return mark{}, fmt.Errorf("read the mark in index %s: %w", stateIndex, err)
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
		return fmt.Errorf("save the mark in index %s: %w", stateIndex, err)
	}
	return nil
}

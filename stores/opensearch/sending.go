package opensearch

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Written counts what became of documents.
type Written struct {
	Sent    int // documents handed over
	Refused int // of them, those in the file of refused ones
}

func (w *Written) add(o Written) { w.Sent, w.Refused = w.Sent+o.Sent, w.Refused+o.Refused }

// BlockedError names the indices that take nothing at present, each with the
// reason and what to do about it. Other indices are not held up.
type BlockedError struct{ Reasons map[string]string }

func (e *BlockedError) Error() string {
	var out []string
	for _, index := range slices.Sorted(maps.Keys(e.Reasons)) {
		out = append(out, "index "+index+": "+e.Reasons[index])
	}
	return strings.Join(out, "; ")
}

// sending is a number of documents on their way.
type sending struct {
	store *Store
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // the group's own, which ends with its first error

	itemwise atomic.Bool // an item went wrong

	mu      sync.Mutex
	written Written
	blocked map[string]string
}

func (s *Store) startSending(ctx context.Context) *sending {
	g, gctx := errgroup.WithContext(ctx)
	return &sending{store: s, group: g, ctx: gctx, blocked: map[string]string{}}
}

// send sends a chunk as soon as the engine's pace allows; its items must not be
// changed any more. One chunk waits for that beside the caller, who makes the next
// one meanwhile. An error has ended the sending, and wait returns why.
func (w *sending) send(c *chunk) error {
	if len(c.items) == 0 {
		return nil
	}
	select {
	case w.store.prepared <- struct{}{}:
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
	w.group.Go(func() error {
		err := w.store.pace.enter(w.ctx)
		<-w.store.prepared
		if err != nil {
			return err
		}
		defer w.store.pace.leave()
		refused, err := w.deliver(c)
		w.mu.Lock()
		w.written.add(Written{len(c.items), refused})
		w.mu.Unlock()
		return err
	})
	return nil
}

// wait returns nil only when each document is durable in the same or a newer
// state, or in the file of refused ones. A *BlockedError leaves out only the
// documents of the indices that it names. After another error, sending all of
// them again changes nothing but what is missing.
func (w *sending) wait() (Written, error) {
	err := w.group.Wait()
	if err == nil && len(w.blocked) > 0 {
		err = &BlockedError{w.blocked}
	}
	return w.written, err
}

// isBlocked reports whether an index has turned out to take nothing.
func (w *sending) isBlocked(index string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blocked[index] != ""
}

func (w *sending) block(index, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked[index] = why
}

// deliver sends a chunk until each of its items has its fate, and returns how
// many were refused.
func (w *sending) deliver(c *chunk) (refused int, err error) {
	pause := w.store.pause
	for try := 1; ; try++ {
		var r result
		if r, err = w.post(c); err != nil {
			return refused, err
		}
		refused += r.refused
		if r.again == nil && r.whole {
			w.store.recycle(c)
		}
		if c = r.again; c == nil {
			return refused, nil
		}
		if try == bulkTries {
			return refused, w.giveUp(c, try, &r)
		}
		if err := wait(w.ctx, pause); err != nil {
			return refused, err
		}
		pause = min(2*pause, longestPause)
	}
}

// giveUp leaves the indices of items to a later time, when it was only those
// that were busy; an engine that does not answer at all is an error.
func (w *sending) giveUp(c *chunk, try int, r *result) error {
	if len(r.busyIndices) == 0 {
		return fmt.Errorf("write %d documents to %s, %d times: %w", len(c.items), w.store.address, try, r.busy)
	}
	for index, why := range r.busyIndices {
		w.block(index, fmt.Sprintf("%s, %d times: see the cluster's health and the shards of the index", why, try))
	}
	return nil
}

// result is what an answer left over.
type result struct {
	again       *chunk            // to send again; nil for none
	busy        error             // why the whole request did not go well
	busyIndices map[string]string // why single items did not
	refused     int
	whole       bool // each item was answered
}

// post sends a chunk once, or twice when what became of each item is to be asked:
// then those that were written are there in the same state.
func (w *sending) post(c *chunk) (result, error) {
	path := bulkPath
	if w.itemwise.Load() {
		path = itemsPath
	}
	var answer bulkAnswer
	sent := time.Now()
	err := w.store.do(w.ctx, http.MethodPost, path, c.body, &answer)
	retry := retryable(w.ctx, err)
	w.store.pace.answered(sent, time.Now(), len(c.body), retry || answer.busy())
	switch {
	case hasStatus(err, http.StatusRequestEntityTooLarge):
		return w.postHalves(c, err)
	case retry:
		return result{again: c, busy: err}, nil
	case err != nil:
		return result{}, fmt.Errorf("write %d documents: %w", len(c.items), err)
	case answer.written(len(c.items)):
		return result{whole: true}, nil
	case answer.tells(len(c.items)):
		return w.sort(c, &answer)
	case path == bulkPath && answer.Errors != nil && *answer.Errors:
		w.itemwise.Store(true) // where one item goes wrong, those behind it often do
		return w.post(c)
	case len(answer.Items) == 0:
		return result{}, fmt.Errorf("write %d documents to %s: the answer is about none", len(c.items), w.store.address)
	default:
		return result{}, fmt.Errorf("write %d documents to %s: the answer is about %d", len(c.items), w.store.address, len(answer.Items))
	}
}

// retryable reports whether a request that failed may go well later: the engine
// is busy, restarting or not there.
func retryable(ctx context.Context, err error) bool {
	if e, ok := asAnswer(err); ok {
		return judge(e.Status, &e.Why) == fateRetry
	}
	return err != nil && ctx.Err() == nil && !untrusted(err)
}

// postHalves sends a request that is too large for the engine in two.
func (w *sending) postHalves(c *chunk, tooLarge error) (result, error) {
	if len(c.items) == 1 {
		err := w.store.refused.add([]refusal{c.refusal(&c.items[0], http.StatusRequestEntityTooLarge, tooLarge.Error())})
		return result{refused: 1}, err
	}
	var all result
	var again []item
	whole := &chunk{}
	for _, half := range [][]item{c.items[:len(c.items)/2], c.items[len(c.items)/2:]} {
		r, err := w.post(c.pick(half))
		if err != nil {
			return all, err
		}
		all.refused += r.refused
		if r.busy != nil {
			all.busy = r.busy
		}
		if all.busyIndices == nil {
			all.busyIndices = r.busyIndices
		} else {
			maps.Copy(all.busyIndices, r.busyIndices)
		}
		if r.again != nil {
			offset := len(whole.body)
			whole.body = append(whole.body, r.again.body...)
			for _, it := range r.again.items {
				again = append(again, item{it.index, it.id, it.start + offset, it.document + offset, it.end + offset})
			}
		}
	}
	if len(again) > 0 {
		whole.items = again
		all.again = whole
	}
	return all, nil
}

package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// bulkBytes and bulkItems bound one bulk request. OpenSearch's speed hardly
	// depends on them; memory on both sides does.
	bulkBytes = 5 << 20
	bulkItems = 2000
	// bulkWorkers requests run at once: one is prepared while the engine works.
	bulkWorkers = 2
	// bulkTries is how often an item is sent. With the pauses between them an
	// engine that is busy or restarts has half a minute.
	bulkTries = 8
)

// item is a document on its way.
type item struct {
	index, id string
	version   int64
	document  []byte
}

// size is what an item adds to a request, in bytes.
func (it *item) size() int { return len(it.document) + len(it.index) + len(it.id) + 80 }

func (it *item) appendTo(b *bytes.Buffer) {
	action := struct {
		Index struct {
			Index   string `json:"_index"`
			ID      string `json:"_id"`
			Version int64  `json:"version"`
			Type    string `json:"version_type"`
		} `json:"index"`
	}{}
	action.Index.Index, action.Index.ID, action.Index.Version, action.Index.Type = it.index, it.id, it.version, "external"
	line, _ := json.Marshal(action) // strings and a number
	b.Write(line)
	b.WriteByte('\n')
	b.Write(it.document)
	b.WriteByte('\n')
}

// itemError is why OpenSearch did not do what an item asked.
type itemError struct {
	Kind   string     `json:"type"`
	Reason string     `json:"reason"`
	Cause  *itemError `json:"caused_by"`
}

// String gives the reason and what is behind it.
func (e *itemError) String() string {
	if e.Cause != nil && e.Cause.Reason != "" {
		return e.Reason + ": " + e.Cause.String()
	}
	return e.Reason
}

// fate is what becomes of an item after an answer.
type fate int

const (
	fateDone    fate = iota // written, or there in the same or a newer state
	fateRetry               // busy: later
	fateRefused             // never
	fateBlocked             // not before somebody does something
)

// judge says what an item's status means. A refusal is about the document
// alone; everything about the index, the cluster or the user blocks, since the
// same document may be taken once that is put right.
func judge(status int, e *itemError) fate {
	switch {
	case status < http.StatusMultipleChoices, status == http.StatusConflict:
		return fateDone
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return fateRetry
	case status == http.StatusRequestEntityTooLarge:
		return fateRefused
	case status == http.StatusBadRequest && e.Kind != "validation_exception": // which is about too many shards
		return fateRefused
	default:
		return fateBlocked
	}
}

// Written counts what became of documents.
type Written struct {
	Sent    int // documents handed over
	Refused int // of them, those in the file of refused ones
}

// write indexes documents. It returns nil only when each of them is durable in
// the same or a newer state, or in the file of refused ones. After an error,
// writing all of them again changes nothing but what is missing.
func (s *Store) write(ctx context.Context, items []item) (Written, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkWorkers)
	var refused atomic.Int64
	for _, chunk := range cut(items) {
		g.Go(func() error {
			n, err := s.send(gctx, chunk)
			refused.Add(int64(n))
			return err
		})
	}
	err := g.Wait()
	return Written{Sent: len(items), Refused: int(refused.Load())}, err
}

// cut splits items into those of one request each.
func cut(items []item) [][]item {
	var out [][]item
	start, size := 0, 0
	for i := range items {
		n := items[i].size()
		if i > start && (i-start >= bulkItems || size+n > bulkBytes) {
			out = append(out, items[start:i])
			start, size = i, 0
		}
		size += n
	}
	if start < len(items) {
		out = append(out, items[start:])
	}
	return out
}

// send sends the items of one request until each has its fate, and returns how
// many were refused.
func (s *Store) send(ctx context.Context, items []item) (refused int, err error) {
	pause := s.pause
	for try := 1; ; try++ {
		var busy error
		var n int
		items, n, busy, err = s.sendOnce(ctx, items)
		refused += n
		if err != nil || len(items) == 0 {
			return refused, err
		}
		if try == bulkTries {
			return refused, fmt.Errorf("write %d documents to %s, %d times: %w", len(items), s.address, try, busy)
		}
		if err := wait(ctx, pause); err != nil {
			return refused, err
		}
		pause = min(2*pause, longestPause)
	}
}

// sendOnce sends items and returns those to send again, with the reason why.
func (s *Store) sendOnce(ctx context.Context, items []item) (again []item, refused int, busy, err error) {
	var b bytes.Buffer
	for i := range items {
		items[i].appendTo(&b)
	}
	var answer bulkAnswer
	err = s.do(ctx, http.MethodPost, "/_bulk?filter_path=errors,items.*.status,items.*.error", b.Bytes(), &answer)
	switch {
	case hasStatus(err, http.StatusRequestEntityTooLarge):
		return s.sendHalves(ctx, items, err)
	case retryable(ctx, err):
		return items, 0, err, nil
	case err != nil:
		return nil, 0, nil, fmt.Errorf("write %d documents: %w", len(items), err)
	case len(answer.Items) != len(items):
		return nil, 0, nil, fmt.Errorf("write %d documents to %s: the answer is about %d", len(items), s.address, len(answer.Items))
	}
	return s.sort(items, &answer)
}

// retryable reports whether a request that failed may go well later: the engine
// is busy, restarting or not there.
func retryable(ctx context.Context, err error) bool {
	if e, ok := errors.AsType[*answerError](err); ok {
		return judge(e.Status, &itemError{}) == fateRetry
	}
	return err != nil && ctx.Err() == nil
}

// sendHalves sends a request that is too large for the engine in two.
func (s *Store) sendHalves(ctx context.Context, items []item, tooLarge error) (again []item, refused int, busy, err error) {
	if len(items) == 1 {
		err := s.refused.add([]refusal{items[0].refusal(http.StatusRequestEntityTooLarge, tooLarge.Error())})
		return nil, 1, nil, err
	}
	for _, half := range [][]item{items[:len(items)/2], items[len(items)/2:]} {
		more, n, why, err := s.sendOnce(ctx, half)
		if err != nil {
			return nil, refused, nil, err
		}
		again, refused = append(again, more...), refused+n
		if why != nil {
			busy = why
		}
	}
	return again, refused, busy, nil
}

// bulkAnswer is what OpenSearch did with each item, in their order.
type bulkAnswer struct {
	Items []struct {
		Index struct {
			Status int       `json:"status"`
			Error  itemError `json:"error"`
		} `json:"index"`
	} `json:"items"`
}

// sort gives each item its fate.
func (s *Store) sort(items []item, answer *bulkAnswer) (again []item, refused int, busy, err error) {
	var letters []refusal
	var blocked error
	for i := range items {
		a := &answer.Items[i].Index
		reason := fmt.Errorf("index %s: %d %s: %s", items[i].index, a.Status, a.Error.Kind, a.Error.String())
		switch judge(a.Status, &a.Error) {
		case fateRetry:
			again, busy = append(again, items[i]), reason
		case fateRefused:
			letters = append(letters, items[i].refusal(a.Status, a.Error.Kind+": "+a.Error.String()))
		case fateBlocked:
			blocked = reason
		case fateDone:
		}
	}
	if err := s.refused.add(letters); err != nil {
		return nil, 0, nil, err
	}
	if blocked != nil {
		return nil, len(letters), nil, fmt.Errorf("write to %s: %w", s.address, blocked)
	}
	return again, len(letters), busy, nil
}

func (it *item) refusal(status int, why string) refusal {
	return refusal{Index: it.index, ID: it.id, Status: status, Error: why, Document: it.document}
}

// Refresh makes everything that was written visible to readers at once, which
// OpenSearch else does every second.
func (s *Store) Refresh(ctx context.Context) error {
	return s.refresh(ctx, append(patterns(nil), findingIndex+"*")...)
}

func keepAlive(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }

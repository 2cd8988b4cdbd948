package opensearch

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// bulkBytes and bulkItems bound one bulk request. OpenSearch's speed hardly
	// depends on them; memory on both sides does.
	bulkBytes = 5 << 20
	bulkItems = 2000
	// bulkTries is how often an item is sent. With the pauses between them an
	// engine that is busy or restarts has half a minute.
	bulkTries = 8
	// bulkPath asks for no more of an answer than whether all went well, which is
	// all there is to read of nearly each, and itemsPath for what became of each
	// item. A shard that is not there is waited for less long than the request.
	bulkPath  = "/_bulk?filter_path=errors,items.*.error&timeout=20s"
	itemsPath = "/_bulk?filter_path=errors,items.*.status,items.*.error&timeout=20s"
)

// chunk is the documents of one bulk request, as they are sent.
type chunk struct {
	body  []byte
	items []item
}

// item is a document in a chunk's body.
type item struct {
	index, id            string
	start, document, end int // of its two lines, and of the second one
}

// add adds a document, which is appended by its own method; version outranks
// the version that is there, or the document changes nothing.
func (c *chunk) add(index, id string, version int64, document func([]byte) []byte) {
	it := item{index: index, id: id, start: len(c.body)}
	b := c.body
	b = append(b, `{"index":{"_index":`...)
	b = append(appendText(b, index), `,"_id":`...)
	b = append(appendText(b, id), `,"version":`...)
	b = append(strconv.AppendInt(b, version, 10), `,"version_type":"external"}}`+"\n"...)
	it.document = len(b)
	c.body = append(document(b), '\n')
	it.end = len(c.body)
	c.items = append(c.items, it)
}

// newChunk is an empty chunk with room for a whole request, perhaps that of an
// earlier one.
func (s *Store) newChunk() *chunk {
	select {
	case room := <-s.rooms:
		return &chunk{body: room[:0], items: make([]item, 0, bulkItems)}
	default:
		return &chunk{body: make([]byte, 0, bulkBytes+bulkBytes/16), items: make([]item, 0, bulkItems)}
	}
}

// recycle keeps the room of a chunk whose every item was answered, so that
// nobody reads it any more.
func (s *Store) recycle(c *chunk) {
	if cap(c.body) < bulkBytes {
		return
	}
	select {
	case s.rooms <- c.body:
	default:
	}
}

// full reports whether a chunk is worth a request.
func (c *chunk) full() bool { return len(c.items) >= bulkItems || len(c.body) >= bulkBytes }

// pick is a chunk of some of the items.
func (c *chunk) pick(items []item) *chunk {
	out := &chunk{}
	for _, it := range items {
		moved := item{index: it.index, id: it.id, start: len(out.body)}
		out.body = append(out.body, c.body[it.start:it.end]...)
		moved.document, moved.end = moved.start+it.document-it.start, len(out.body)
		out.items = append(out.items, moved)
	}
	return out
}

func (c *chunk) refusal(it *item, status int, why string) refusal {
	return refusal{Index: it.index, ID: it.id, Status: status, Error: why, Document: c.body[it.document : it.end-1]}
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
	case e.Kind == kindBlock: // 403, and 429 for a full disk
		return fateBlocked
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return fateRetry
	case status == http.StatusRequestEntityTooLarge:
		return fateRefused
	case status == http.StatusBadRequest && e.Kind != kindLimit:
		return fateRefused
	default:
		return fateBlocked
	}
}

// bulkAnswer is what OpenSearch did with items.
type bulkAnswer struct {
	Errors *bool `json:"errors"` // nil in what is no answer of OpenSearch
	// Items are all of them in their order; perhaps none when each was written; or
	// only those that were not, without a status.
	Items []struct {
		Index struct {
			Status int       `json:"status"`
			Error  itemError `json:"error"`
		} `json:"index"`
	} `json:"items"`
}

// written reports whether an answer says that each of n items was written.
func (a *bulkAnswer) written(n int) bool {
	return a.Errors != nil && !*a.Errors && (len(a.Items) == 0 || len(a.Items) == n)
}

// tells reports whether an answer tells what became of each of n items.
func (a *bulkAnswer) tells(n int) bool {
	return len(a.Items) == n && a.Items[0].Index.Status != 0
}

// busy reports whether an item was turned away because there is too much to do.
func (a *bulkAnswer) busy() bool {
	for i := range a.Items {
		if it := &a.Items[i].Index; it.Status == http.StatusTooManyRequests && it.Error.Kind != kindBlock {
			return true
		}
	}
	return false
}

// sort gives each item its fate.
func (w *sending) sort(c *chunk, answer *bulkAnswer) (r result, err error) {
	var again []item
	var letters []refusal
	for i := range c.items {
		a, it := &answer.Items[i].Index, &c.items[i]
		switch judge(a.Status, &a.Error) {
		case fateRetry:
			if r.busyIndices == nil {
				r.busyIndices = map[string]string{}
			}
			again = append(again, *it)
			r.busyIndices[it.index] = fmt.Sprintf("%d %s: %s", a.Status, a.Error.Kind, a.Error.String())
		case fateRefused:
			letters = append(letters, c.refusal(it, a.Status, a.Error.Kind+": "+a.Error.String()))
		case fateBlocked:
			w.block(it.index, fmt.Sprintf("%d %s: %s%s", a.Status, a.Error.Kind, a.Error.String(), remedy(a.Status, &a.Error)))
		case fateDone:
		}
	}
	if err := w.store.refused.add(letters); err != nil {
		return r, err
	}
	r.refused, r.whole = len(letters), true
	if len(again) > 0 {
		r.again = c.pick(again)
	}
	return r, nil
}

// Refresh makes everything that was written visible to readers at once, which
// OpenSearch else does every second.
func (s *Store) Refresh(ctx context.Context) error {
	return s.refresh(ctx, append(patterns(nil), findingIndex+"*", ledgerIndex+"*", serviceMapIndex)...)
}

func keepAlive(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }

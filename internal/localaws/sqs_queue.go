package localaws

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// maxQueued bounds the messages of one queue, which AWS does not; the
	// in-flight limit of standard queues is of this order.
	maxQueued = 120_000
	// maxMessage is AWS's limit for a message's body and attributes, in bytes.
	maxMessage = 1 << 20
)

// queue holds messages, oldest first. Its times of visibility are real time.
type queue struct {
	name, arn string
	created   time.Time

	others func(arn string) *queue // finds the dead-letter queue

	mu       sync.Mutex
	settings map[string]string
	messages []*message
	// arrived is closed, and replaced, whenever a message comes in.
	arrived chan struct{}
}

// message is one message in a queue.
type message struct {
	id, body   string
	attributes map[string]messageAttribute
	trace      string // AWSTraceHeader; "" without one
	sender     string // principal id
	sent       time.Time

	visible  time.Time // not received before
	receives int
	first    time.Time // of the first receive
}

func newQueue(name, arn string, created time.Time) *queue {
	return &queue{
		name: name, arn: arn, created: created,
		settings: maps.Clone(settableAttributes), arrived: make(chan struct{}),
	}
}

// seconds reads an attribute that set has checked. The caller holds mu.
func (q *queue) seconds(name string) time.Duration {
	n, _ := strconv.Atoi(q.settings[name])
	return time.Duration(n) * time.Second
}

// add queues a message after a delay; negative means the queue's own.
func (q *queue) add(m *message, delay time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) >= maxQueued {
		return &apiError{Code: "OverLimit", Message: "The stand-in's queue is full.", Status: 403}
	}
	if delay < 0 {
		delay = q.seconds("DelaySeconds")
	}
	m.visible = time.Now().Add(delay)
	q.messages = append(q.messages, m)
	close(q.arrived)
	q.arrived = make(chan struct{})
	return nil
}

// take receives up to n messages and hides them for a time; when there is none
// it waits for one. Negative durations mean the queue's own. No message and no
// error: the wait, or the context, has ended.
func (q *queue) take(ctx context.Context, n int, hide, wait time.Duration) []received {
	q.mu.Lock()
	if hide < 0 {
		hide = q.seconds("VisibilityTimeout")
	}
	if wait < 0 {
		wait = q.seconds("ReceiveMessageWaitTimeSeconds")
	}
	q.mu.Unlock()
	deadline := time.Now().Add(wait)
	for {
		now := time.Now()
		got, next, arrived := q.ready(now, n, hide)
		if len(got) > 0 || !now.Before(deadline) || ctx.Err() != nil {
			return got
		}
		if next.IsZero() || next.After(deadline) {
			next = deadline
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-ctx.Done():
		case <-arrived:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// received is a message as one receiver got it.
type received struct {
	message
	handle string
}

// ready receives what is visible now. Without anything, next is when something
// will be (zero: nothing is queued) and arrived is closed when something comes.
func (q *queue) ready(now time.Time, n int, hide time.Duration) (got []received, next time.Time, arrived <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bury(func(m *message) bool { return !m.visible.After(now) })
	for _, m := range q.messages {
		if m.visible.After(now) {
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
			continue
		}
		if m.first.IsZero() {
			m.first = now
		}
		m.receives++
		m.visible = now.Add(hide)
		got = append(got, received{message: *m, handle: receiptHandle{m.id, m.receives}.String()})
		if len(got) == n {
			break
		}
	}
	return got, next, q.arrived
}

// remove deletes a message if the handle is of its latest receive. A stale
// handle does nothing, as in AWS.
func (q *queue) remove(h receiptHandle) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool {
		return m.id == h.message && m.receives == h.receive
	})
}

package opensearch

import (
	"context"
	"sync"
	"time"
)

const (
	// firstRequests run at once in the beginning: one is prepared by the engine
	// while it works on the other.
	firstRequests = 2
	// mostRequests bounds the memory of requests on their way, five megabytes each.
	mostRequests = 8
	// calmLatency and slowLatency compare a request's time for a byte with the
	// best one lately: below the first another request may join, above the
	// second the engine has enough. On two cores a third request at once takes
	// half as long again, so that it stays at about three.
	calmLatency, slowLatency = 1.5, 4
	// growth is how many more requests may run after as many good answers as
	// run now: whoever is turned away must come through before the next is.
	growth = 0.25
	// slowRequest is the least time that counts as slow: a pause of the
	// engine's garbage collector is none.
	slowRequest = 2 * time.Second
	// measuredBytes is the least size of a request that says something about
	// the time for a byte.
	measuredBytes = 256 << 10
	// forget lets the best latency fade by a hundredth with each request, so that
	// an engine that grew slower for good is not held against its past.
	forget = 1.01
)

// pace says how many requests may run at once: more by and by while the engine
// keeps up, half as many at once when it says that it is busy.
type pace struct {
	mu      sync.Mutex
	limit   float64
	running int
	free    chan struct{} // closed and made anew with every release
	best    float64       // nanoseconds for a byte; 0: not measured
	cut     time.Time     // of the last reduction: one for all that ran then
}

func newPace() *pace { return &pace{limit: firstRequests, free: make(chan struct{})} }

// enter waits until one more request may run.
func (p *pace) enter(ctx context.Context) error {
	for {
		p.mu.Lock()
		if p.running < int(p.limit) {
			p.running++
			p.mu.Unlock()
			return nil
		}
		free := p.free
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-free:
		}
	}
}

// leave ends a request.
func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.wake()
}

func (p *pace) wake() {
	close(p.free)
	p.free = make(chan struct{})
}

// answered takes note of an answer to a request of a size, sent at a time.
func (p *pace) answered(sent time.Time, took time.Duration, size int, busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case busy:
		p.reduce(sent, 0.5)
		return
	case size < measuredBytes:
		return
	}
	each := float64(took) / float64(size)
	if p.best == 0 || each < p.best {
		p.best = each
	}
	switch {
	case each <= calmLatency*p.best:
		p.limit = min(mostRequests, p.limit+growth/p.limit)
		p.wake()
	case each > slowLatency*p.best && took > slowRequest:
		p.reduce(sent, 0.75)
	}
	p.best *= forget
}

// reduce lets fewer requests run, unless this one was sent before the last reduction.
func (p *pace) reduce(sent time.Time, by float64) {
	if sent.Before(p.cut) {
		return
	}
	p.cut = time.Now()
	p.limit = max(1, p.limit*by)
}

package opensearch

import (
	"context"
	"sync"
	"time"
)

const (
	// fewestRequests run at once unless the engine is busy. With two, an engine on
	// two cores has nothing to do for a tenth of its time, while one request is on
	// its way or waits for the disk.
	fewestRequests = 4
	// mostRequests bounds the memory of requests on their way, five megabytes each.
	mostRequests = 8
	// measuredBytes is the least size of a request that says something about
	// the engine's speed.
	measuredBytes = 256 << 10
	// roundAnswers is how many answers for each request that runs make a round,
	// whose speed is compared with that of the one before.
	roundAnswers = 4
	// worth is which part of what one request more could bring at best it must
	// bring to stay. Where the engine has a core to spare it brings most of it;
	// where it has none, more requests only take turns, and memory.
	worth = 0.5
	// firstCalm and longestCalm bound how many rounds pass between two trials:
	// twice as many after each that changed nothing.
	firstCalm, longestCalm = 4, 64
)

// pace says how many requests may run at once. It tries one more, or one less,
// every so often, and stays with that if the engine then gets through more, or
// through hardly less; half as many at once when the engine says that it is busy.
type pace struct {
	mu      sync.Mutex
	limit   int
	running int
	waiting int           // in enter
	free    chan struct{} // closed and made anew with every release
	cut     time.Time     // of the last reduction: one for all that ran then

	// The round at hand.
	skip    int       // answers that are left to requests of the limit before
	began   time.Time // zero: with the next answer
	bytes   int
	answers int

	speed float64 // bytes a second in the round before the trial
	trial int     // 1 or -1 while that many more run for trial
	down  bool    // the next trial is of one less
	calm  int     // rounds until the next trial
	pause int     // how many there are after a trial that changes nothing
}

func newPace() *pace {
	return &pace{limit: fewestRequests, free: make(chan struct{}), pause: firstCalm}
}

// enter waits until one more request may run.
func (p *pace) enter(ctx context.Context) error {
	p.mu.Lock()
	p.waiting++
	for p.running >= p.limit {
		free := p.free
		p.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-free:
		}
		p.mu.Lock()
		if err := ctx.Err(); err != nil {
			p.waiting--
			p.mu.Unlock()
			return err
		}
	}
	p.waiting--
	p.running++
	p.mu.Unlock()
	return nil
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

// answered takes note of an answer, which came at a time, to a request of a size
// that was sent at a time.
func (p *pace) answered(sent, now time.Time, size int, busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case busy:
		p.reduce(sent, now)
	case size < measuredBytes:
	case p.waiting == 0: // the engine waits for us: more at once would not help
		p.restart(0)
	case p.skip > 0:
		p.skip--
	case p.began.IsZero():
		p.began = now
	default:
		p.bytes += size
		if p.answers++; p.answers >= roundAnswers*p.limit && now.After(p.began) {
			p.compare(float64(p.bytes) / now.Sub(p.began).Seconds())
		}
	}
}

// compare decides at the end of a round.
func (p *pace) compare(speed float64) {
	skip := 0
	switch {
	case p.trial != 0:
		skip = p.judge(speed)
	case p.calm > 0:
		p.calm--
	default:
		p.speed = speed
		skip = p.try()
	}
	p.restart(skip)
}

// try begins a trial, if there is one to make.
func (p *pace) try() (skip int) {
	step := 1
	if p.limit == mostRequests || p.down && p.limit > fewestRequests {
		step = -1
	}
	p.down = step > 0 // in turns
	p.trial = step
	return p.set(p.limit + step)
}

// judge ends a trial.
func (p *pace) judge(speed float64) (skip int) {
	step, before := p.trial, p.limit-p.trial
	p.trial = 0
	if speed < p.speed*(1+worth*float64(step)/float64(before)) {
		p.calm, p.pause = p.pause, min(2*p.pause, longestCalm)
		return p.set(before)
	}
	p.calm, p.pause = 0, firstCalm
	p.down = step < 0 // on in the same direction
	return 0
}

// set sets the limit, and returns how many requests run that were sent before.
func (p *pace) set(limit int) int {
	p.limit = limit
	p.wake()
	return p.running
}

// restart begins a new round after some more answers.
func (p *pace) restart(skip int) {
	p.skip, p.began, p.bytes, p.answers = skip, time.Time{}, 0, 0
}

// reduce lets half as many requests run, unless this one was sent before the last
// reduction.
func (p *pace) reduce(sent, now time.Time) {
	if sent.Before(p.cut) {
		return
	}
	p.cut = now
	p.limit = max(1, p.limit/2)
	p.trial, p.calm, p.pause = 0, firstCalm, firstCalm
	p.restart(p.running)
}

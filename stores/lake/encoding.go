package lake

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// encoding lets as many row groups of this process be encoded at once as it has
// cores, which bounds the pages in memory that are compressed but not in a file yet.
var encoding = newGate(runtime.GOMAXPROCS(0))

// YieldToEncoding returns once fewer row groups are being encoded in this process
// than it has cores. Who prepares a later commit calls it between small pieces of
// work: a commit whose row groups share their cores with that has them end one after
// the other, and leaves a core idle. Safe for concurrent use.
func YieldToEncoding() { encoding.yield() }

// gate lets so many work at once, and those who yield wait while that many do or are
// about to. Safe for concurrent use.
type gate struct {
	slots chan struct{}
	begun atomic.Int64 // work that is not over
	mu    sync.Mutex
	over  sync.Cond // some work is
}

func newGate(width int) *gate {
	g := &gate{slots: make(chan struct{}, width)}
	g.over.L = &g.mu
	return g
}

func (g *gate) width() int { return cap(g.slots) }

// run runs work in a goroutine of the group once there is room for it. Those who
// yield know of it from now on.
func (g *gate) run(group *errgroup.Group, work func() error) {
	g.begun.Add(1)
	group.Go(func() error {
		g.slots <- struct{}{}
		defer g.end()
		return work()
	})
}

func (g *gate) end() {
	<-g.slots
	g.mu.Lock()
	g.begun.Add(-1)
	g.mu.Unlock()
	g.over.Broadcast()
}

func (g *gate) full() bool { return g.begun.Load() >= int64(g.width()) }

func (g *gate) yield() {
	if !g.full() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.full() {
		g.over.Wait()
	}
}

package lake

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/errgroup"
)

func TestGateLetsOthersYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		var group errgroup.Group
		var running, ended atomic.Int64
		release := make(chan struct{})
		begin := func() {
			g.run(&group, func() error {
				running.Add(1)
				<-release
				running.Add(-1)
				return nil
			})
		}
		g.yield() // nobody works
		begin()
		g.yield() // there is room for another
		begin()
		begin()
		for range 2 {
			go func() {
				g.yield()
				ended.Add(1)
			}()
		}
		for left := 3; left > 0; left-- {
			synctest.Wait()
			if got, want := running.Load(), int64(min(left, 2)); got != want {
				t.Errorf("%d work where %d are left, want %d", got, left, want)
			}
			if got := ended.Load() == 2; got != (left < 2) {
				t.Errorf("those who yield went on: %v, with %d left to work", got, left)
			}
			release <- struct{}{}
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		g.yield()
	})
}

func TestGateIsFreeAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		var group errgroup.Group
		broken := errors.New("broken")
		g.run(&group, func() error { return broken })
		g.yield()
		if err := group.Wait(); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}

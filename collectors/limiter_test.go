package collectors

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"muster/fleet"
	"muster/internal/localaws"
)

// TestPaceAdaptsToThrottling: halved once a second at most, grown back by the
// second, never above its ceiling and never to nothing.
func TestPaceAdaptsToThrottling(t *testing.T) {
	at := time.Unix(1000, 0)
	p := newPace(10)
	rates := func(step func(time.Time), times int, every time.Duration) float64 {
		for range times {
			at = at.Add(every)
			step(at)
		}
		return float64(p.limiter.Limit())
	}
	for _, c := range []struct {
		name  string
		step  func(time.Time)
		times int
		every time.Duration
		want  float64
	}{
		{"one sign of many calls", p.lower, 5, 10 * time.Millisecond, 5},
		{"throttled again", p.lower, 1, 2 * time.Second, 2.5},
		{"a second without", p.raise, 1, time.Second, 3.75},
		{"back where it was", p.raise, 1, time.Second, 5},
		{"beyond that", p.raise, 2, time.Second, 5.5},
		{"a long time", p.raise, 100, time.Second, 10},
		{"refused for ever", p.lower, 100, time.Minute, 1},
	} {
		if got := rates(c.step, c.times, c.every); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: got %v calls a second, want %v", c.name, got, c.want)
		}
	}
}

// TestPaceWithoutAQuotaStartsAtHalfOfWhatWasSent: AWS publishes no rate.
func TestPaceWithoutAQuotaStartsAtHalfOfWhatWasSent(t *testing.T) {
	p := newPace(0)
	at := time.Unix(1000, 0)
	for i := range 40 {
		p.sent(at.Add(time.Duration(i) * 20 * time.Millisecond))
	}
	p.lower(at.Add(900 * time.Millisecond))
	if got := float64(p.limiter.Limit()); got != 20 {
		t.Errorf("got %v calls a second after 40 in the last, want 20", got)
	}
	p.raise(at.Add(3900 * time.Millisecond))
	if got := float64(p.limiter.Limit()); got != 42 {
		t.Errorf("got %v calls a second after three more seconds, want 42", got)
	}
}

// TestPaceKeepsToItsShare counts what a minute lets through.
func TestPaceKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(0.5, nil)
		p := l.pace(paceKey{testAccount, "us-east-1", "logs:FilterLogEvents"})
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		calls := 0
		for p.limiter.Wait(ctx) == nil {
			calls++
		}
		if calls < 740 || calls > 755 { // half of 25 a second, and a quarter of a second's at once
			t.Errorf("got %d calls in a minute, want 750", calls)
		}
	})
}

// calls gathers what a limiter observes.
type calls struct {
	mu   sync.Mutex
	seen []Call
}

func (c *calls) observe(seen Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, seen)
}

func (c *calls) count(action string) (all, throttled int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.seen {
		if s.Action == action {
			all++
		}
		if s.Action == action && s.Throttled {
			throttled++
		}
	}
	return all, throttled
}

// TestLimiterIsSharedByAllClients: the quota of the stand-in is AWS's, and a
// share of it is never refused; whoever does not keep to it is, and slows down.
func TestLimiterIsSharedByAllClients(t *testing.T) {
	for name, c := range map[string]struct {
		share            float64
		atLeast, refused bool
	}{
		"a share": {share: 0.9},
		"none":    {share: 0, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, cfg := standIn(t, localaws.Options{Quotas: true})
			var seen calls
			l := NewLimiter(c.share, seen.observe)
			var wg sync.WaitGroup
			for range 3 {
				client := cloudtrail.NewFromConfig(l.limit(withRetries(cfg), testAccount))
				wg.Go(func() {
					if _, err := client.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{}); err != nil {
						t.Error(err)
					}
					if _, err := client.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			all, throttled := seen.count("cloudtrail:LookupEvents")
			if all < 6 || (throttled > 0) != c.refused {
				t.Errorf("got %d attempts, %d of them throttled", all, throttled)
			}
			slowed := l.pace(paceKey{testAccount, testRegion, "cloudtrail:LookupEvents"}).lowered
			if slowed.IsZero() == c.refused {
				t.Errorf("the pace was lowered at %v", slowed)
			}
		})
	}
}

// TestLimiterStopsWithItsContext: waiting for a turn is no reason to stay.
func TestLimiterStopsWithItsContext(t *testing.T) {
	_, cfg := standIn(t, localaws.Options{})
	l := NewLimiter(1, nil)
	l.pace(paceKey{testAccount, testRegion, "xray:GetTraceSegmentDestination"}).set(0.1)
	client := xray.NewFromConfig(l.limit(cfg, testAccount))
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	for range 2 {
		_, err := client.GetTraceSegmentDestination(ctx, &xray.GetTraceSegmentDestinationInput{})
		if err != nil {
			return
		}
	}
	t.Error("two calls went within 50 ms at a call in ten seconds")
}

// TestCollectingIsObserved: every attempt is told, with what its answer weighed.
func TestCollectingIsObserved(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{Seed: 3, Trouble: localaws.Trouble{Throttle: 0.05}})
	fill(t, s, cfg)
	s.Drain()
	var seen calls
	cs, err := Discover(t.Context(), Options{AWS: cfg, TrailBucket: s.TrailBucket(), Limiter: NewLimiter(0, seen.observe)})
	must(t, err)
	for _, c := range cs {
		if got := collect(t.Context(), c, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)}); got.err != nil {
			t.Errorf("%s: %v", c.Stream(), got.err)
		}
	}
	var throttles int
	var bytes int64
	for _, c := range seen.seen {
		if c.Account != testAccount && c.Action != "sts:GetCallerIdentity" || c.Region != testRegion {
			t.Errorf("got %+v", c)
		}
		bytes += c.Bytes
		if c.Throttled {
			throttles++
		}
	}
	for _, action := range []string{"logs:FilterLogEvents", "xray:BatchGetTraces", "s3:ListBucket", "s3:GetObject", "config:GetResourceConfigHistory"} {
		if all, _ := seen.count(action); all == 0 {
			t.Errorf("no call of %s was told", action)
		}
	}
	if throttles == 0 || bytes < 10_000 {
		t.Errorf("got %d throttles and %d bytes", throttles, bytes)
	}
}

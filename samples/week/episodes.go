package week

import (
	"math/rand/v2"
	"slices"

	"muster/samples/faults"
	"muster/samples/truth"
)

// episode is a stretch of time in which a fault is on.
type episode struct {
	fault      faults.Fault
	start, end int64
	aimed      bool // an order that it is to hit is chosen
	times      int  // that it has hit
	label      truth.Label
}

const (
	// daysPerEpisode is how many days there are to one episode of each fault.
	daysPerEpisode = 3
	// An episode lasts from shortest to longest, at the busy time of a day, and
	// not longer than a third of all.
	shortest, longest = hour, 3 * hour
	firstHour, hours  = 8, 11
	// hitOne is how many of the orders in an episode there are to one that it
	// hits, beyond the first.
	hitOne = 6
	// enoughCalls is from how many calls on the policies on services judge one.
	enoughCalls = 10
)

// always are the faults that hit no single orders: they follow what orders are.
var always = []faults.Fault{
	faults.SlowDependency, faults.NPlusOne, faults.PaymentRefused, faults.LowCacheHitRatio,
	faults.BadDeployment, faults.ServiceWithoutLogs, faults.RegisteredWithoutTraffic,
	faults.UntracedService, faults.TrafficWithoutEntry, faults.CapacityTaken,
}

// hourly are the faults that policies see in whole hours of the clock alone.
var hourly = []faults.Fault{faults.ServiceWithoutLogs, faults.LowCacheHitRatio}

// kinds are all faults of simulated days.
func kinds() []faults.Info { return append(faults.All(), faults.Simulated()...) }

// planEpisodes draws when which fault is on, from chance of its own, so that the
// load does not move it.
func (w *Week) planEpisodes() {
	r := dice{rand.New(rand.NewPCG(w.o.Seed, 1))}
	all := w.to - w.from
	for _, info := range kinds() {
		n := max(1, int(all/(daysPerEpisode*day)))
		for i := range n {
			length := min(shortest+r.upTo(longest-shortest), all/3)
			start := w.from + all*int64(i)/int64(n) + r.upTo(all/int64(n)-length)
			if all >= day { // at the busy time of that day
				midnight := clock(start).Truncate(24 * 3600e9).UnixMicro()
				start = midnight + firstHour*hour + r.upTo(hours*hour)
			}
			start = min(max(start, w.from+5*minute), w.to-length-10*minute)
			if all >= day && slices.Contains(hourly, info.Fault) {
				length += start % hour
				start -= start % hour
				length += hour - 1 - (length-1)%hour
			}
			w.episodes = append(w.episodes, &episode{fault: info.Fault, start: start, end: start + length})
		}
	}
}

// during is the episode of a fault at a time; nil for none. One that has hit
// nothing that a policy would find goes on until it does.
func (w *Week) during(f faults.Fault, at int64) *episode {
	for _, e := range w.episodes {
		if e.fault == f && at >= e.start && (at < e.end || !w.shows(e)) {
			return e
		}
	}
	return nil
}

// shows reports whether what an episode has hit is enough for a policy to find.
func (w *Week) shows(e *episode) bool {
	switch e.fault {
	case faults.LowCacheHitRatio:
		return e.times > 0 && w.stock.poorSince(e.start)
	case faults.UntracedService, faults.TrafficWithoutEntry:
		return e.times >= enoughCalls
	}
	return e.times > 0
}

// on reports whether a fault is on.
func (w *Week) on(f faults.Fault, at int64) bool { return w.during(f, at) != nil }

// due reports whether a fault is on that has hit nothing yet.
func (w *Week) due(f faults.Fault, at int64) bool {
	e := w.during(f, at)
	return e != nil && e.times == 0
}

// strike is the fault that hits an order, if one does: one that is due, or by
// chance one that is on.
func (w *Week) strike(at int64) faults.Fault {
	var now []*episode
	for _, e := range w.episodes {
		if at >= e.start && !slices.Contains(always, e.fault) && (at < e.end || e.times == 0) {
			now = append(now, e)
			if e.times == 0 && !e.aimed {
				e.aimed = true
				return e.fault
			}
		}
	}
	if len(now) == 0 || !w.random.one(hitOne) {
		return ""
	}
	return now[w.random.IntN(len(now))].fault
}

// struck notes that a fault has hit, and where the policies that find it must
// say so.
func (w *Week) struck(f faults.Fault, at int64, l truth.Label) {
	info := faults.Of(f)
	policies := info.Policies
	if f == faults.LowCacheHitRatio {
		policies = nil // it is judged by the hour: see expectMisses
	}
	for _, p := range policies {
		place := truth.Expected{Traces: l.Traces, Requests: l.Requests, Anywhere: len(l.Traces)+len(l.Requests) == 0}
		if p.Journey {
			place.Journeys = l.Journeys
		}
		w.truth.small.Expect(p.ID, place)
	}
	e := w.latest(f, at)
	if e == nil {
		return
	}
	e.times++
	e.end = max(e.end, at)
	e.label = merged(e.label, l)
	e.label.Kind, e.label.Name = truth.LabelFault, string(f)
	e.label.Time, e.label.Until = clock(e.start), clock(e.end)
	e.label.Subject = l.Services[len(l.Services)-1]
}

// latest is the episode that something belongs to which happens at a time or a
// little after it was brought about.
func (w *Week) latest(f faults.Fault, at int64) *episode {
	var last *episode
	for _, e := range w.episodes {
		if e.fault == f && e.start <= at && (last == nil || e.start > last.start) {
			last = e
		}
	}
	return last
}

func merged(a, b truth.Label) truth.Label {
	join := func(a, b []string) []string {
		for _, id := range b {
			if !slices.Contains(a, id) {
				a = append(a, id)
			}
		}
		return a
	}
	a.Services, a.Traces, a.Journeys = join(a.Services, b.Services), join(a.Traces, b.Traces), join(a.Journeys, b.Journeys)
	a.Requests, a.Messages, a.Resources = join(a.Requests, b.Requests), join(a.Messages, b.Messages), join(a.Resources, b.Resources)
	return a
}

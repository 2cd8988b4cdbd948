package audit

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// coverage answers whether the silence of a source can be believed.
type coverage struct {
	closed bool
	marks  map[string]time.Time
	// streams has, by stream, stretches that do not overlap, in order of time.
	streams map[string][]stretch
}

// stretch is a span of time, end excluded, in microseconds, that was read as
// completely as its entry says.
type stretch struct {
	start, end int64
	entry      fleet.LedgerEntry
}

func newCoverage(in Input) *coverage {
	c := &coverage{closed: in.Closed, marks: in.Watermarks, streams: map[string][]stretch{}}
	for stream := range in.Watermarks {
		c.streams[stream] = nil
	}
	var layers [3]map[string][]stretch
	for i := range layers {
		layers[i] = map[string][]stretch{}
	}
	for _, e := range in.Ledger {
		layer := layers[weight(e)]
		layer[e.Stream] = append(layer[e.Stream], stretchOf(e))
	}
	for _, layer := range layers {
		for stream, adds := range layer {
			c.streams[stream] = paint(c.streams[stream], adds)
		}
	}
	return c
}

// weight says which of two entries on the same time counts, the smaller one.
// What was read completely once is in the store, whatever became of other
// readings, so a complete reading outweighs a failed one. But it cannot make up
// for evidence that is not there to be read.
func weight(e fleet.LedgerEntry) int {
	switch {
	case e.Coverage == fleet.Complete:
		return 1
	case e.Stream == fleet.JoinStream:
		return 2 // "muster resolve" makes up for it
	}
	switch e.Reason {
	case "failed", "denied", "throttled", "retention":
		return 2
	}
	return 0 // "sampled", "unreadable", "late", and what is not known here
}

func stretchOf(e fleet.LedgerEntry) stretch {
	s := stretch{math.MinInt64, math.MaxInt64, e}
	if !e.Window.Start.IsZero() {
		s.start = e.Window.Start.UnixMicro()
	}
	if !e.Window.End.IsZero() {
		s.end = e.Window.End.UnixMicro()
	}
	return s
}

// paint adds stretches where nothing is yet; those that it has do not overlap
// and are in order, and so are those that it returns. Complete neighbours become
// one, so that a stream that was read without trouble is one stretch.
func paint(have, adds []stretch) []stretch {
	slices.SortFunc(adds, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
	var out []stretch
	put := func(n stretch) {
		last := len(out) - 1
		if last >= 0 && out[last].end == n.start &&
			out[last].entry.Coverage == fleet.Complete && n.entry.Coverage == fleet.Complete {
			out[last].end = n.end
			return
		}
		out = append(out, n)
	}
	painted := int64(math.MinInt64) // all before is in out
	for _, s := range adds {
		for {
			for len(have) > 0 && have[0].start <= max(s.start, painted) {
				put(have[0])
				painted, have = max(painted, have[0].end), have[1:]
			}
			from, to := max(s.start, painted), s.end
			if from >= to {
				break
			}
			if len(have) > 0 {
				to = min(to, have[0].start)
			}
			put(stretch{from, to, s.entry})
			painted = to
		}
	}
	for _, h := range have {
		put(h)
	}
	return out
}

// of says whether the streams of some sources were read from one time to
// another, end excluded. It reports late when one of them has not come that far, and what is
// missing when one of them never will.
func (c *coverage) of(sources []string, from, to time.Time) (late bool, missing string) {
	known := 0
	for _, stream := range slices.Sorted(maps.Keys(c.streams)) {
		source, _, _ := strings.Cut(stream, "/")
		if !slices.Contains(sources, source) {
			continue
		}
		known++
		mark, marked := c.marks[stream]
		end := to
		if !c.closed && marked && mark.Before(to) {
			late, end = true, mark
		}
		if why := c.gap(stream, from, end); why != "" {
			return false, why
		}
	}
	if known == 0 {
		return false, fmt.Sprintf("nothing says that %s was ever read", strings.Join(sources, " or "))
	}
	return late, ""
}

// joined says whether what was read from one time to another was also joined;
// else what is missing. Nothing in the ledger is a complete join.
func (c *coverage) joined(from, to time.Time) (missing string) {
	for _, s := range c.streams[fleet.JoinStream] {
		if s.entry.Coverage != fleet.Complete && s.start < to.UnixMicro() && s.end > from.UnixMicro() {
			return describe(fleet.JoinStream, s.entry, max(from.UnixMicro(), s.start))
		}
	}
	return ""
}

// describe spells a part that was not read completely.
func describe(stream string, e fleet.LedgerEntry, atUS int64) string {
	return fmt.Sprintf("%s is %s (%s) at %s", stream, e.Coverage,
		cmp.Or(e.Reason, "no reason given"), fleet.FormatTime(time.UnixMicro(atUS)))
}

// gap is the first part of a time that was not read completely; "" for none.
// Of sources that are drained nothing comes after the last entry.
func (c *coverage) gap(stream string, from, to time.Time) string {
	at, end := from.UnixMicro(), to.UnixMicro()
	have := c.streams[stream]
	i, _ := slices.BinarySearchFunc(have, at, func(s stretch, t int64) int {
		if s.end <= t {
			return -1
		}
		return 1
	})
	for ; i < len(have) && at < end; i++ {
		s := have[i]
		if s.start > at {
			break
		}
		if s.entry.Coverage != fleet.Complete {
			return describe(stream, s.entry, max(at, s.start))
		}
		at = s.end
	}
	if at >= end || c.closed && i == len(have) && i > 0 {
		return ""
	}
	return fmt.Sprintf("%s is %s at %s", stream, fleet.Unknown, fleet.FormatTime(time.UnixMicro(at)))
}

package pipeline

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"muster/fleet"
)

// startMark prefixes the checkpoint that says where a stream's coverage begins.
// Together with the stream's own mark it bounds what has been read:
// [start, mark). A backfill extends the coverage to the left, following extends
// it to the right, so neither leaves a hole nor reads the middle again.
const startMark = "start:"

// sweepMark prefixes the checkpoint that says up to where a stream has been read
// at an age at which everything should have arrived. Hours between it and the
// stream's own mark are read once more when they are old enough.
const sweepMark = "sweep:"

// DefaultSweepAfter is how old an hour is when it is read again. CloudTrail and
// AWS Config promise nothing and usually need minutes; agents that were cut off
// deliver within the hour.
const DefaultSweepAfter = 2 * time.Hour

// sweepStep is how much is read again at least: an hour at a time, so that a
// stream costs one more reading an hour.
const sweepStep = time.Hour

// Watermarks are the marks up to which each stream is complete, without the
// marks of where they began.
func Watermarks(checkpoints map[string]time.Time) map[string]time.Time {
	w := make(map[string]time.Time, len(checkpoints))
	for k, t := range checkpoints {
		if streamOf(k) == k {
			w[k] = t
		}
	}
	return w
}

// streamOf is the stream that a checkpoint is about.
func streamOf(checkpoint string) string {
	return strings.TrimPrefix(strings.TrimPrefix(checkpoint, startMark), sweepMark)
}

// Covered is what was read of a stream, and what of that was read at its full age,
// so that nothing of it should still come. Both are zero for a stream that was
// never read.
func Covered(checkpoints map[string]time.Time, stream string) (read, settled fleet.Window) {
	mark, ok := checkpoints[stream]
	if !ok {
		return read, settled
	}
	start := checkpoints[startMark+stream]
	return fleet.Window{Start: start, End: mark},
		fleet.Window{Start: start, End: earlier(mark, sweptTo(stream, checkpoints, mark, DefaultSweepAfter))}
}

// stretch is one window of a stream that is still to be read.
type stretch struct {
	window fleet.Window
	// progress gives the marks that become true with a batch.
	progress func(through time.Time) map[string]time.Time
	// done are the marks that become true at the end, nil for none.
	done map[string]time.Time
	// again says that the stream is being followed, so that a record which is new
	// tells how late it came.
	again bool
	// swept is what was read at its full age before.
	swept fleet.Window
}

// plan says what is missing of [since, until) for a stream, given the marks.
// What is already covered is not read again, but for hours that have come of age
// since (after is that age; 0 means none); a gap between the coverage and since is
// read too, since a mark that jumped over it would lose it.
func plan(stream string, marks map[string]time.Time, since, until time.Time, after time.Duration) []stretch {
	mark, covered := marks[stream]
	sweeps := after > 0 && isSwept(stream)
	aged := until.Add(-after) // what is older was read at its full age
	if !covered {
		if !since.Before(until) {
			return nil
		}
		return []stretch{{
			window: fleet.Window{Start: since, End: until},
			progress: func(through time.Time) map[string]time.Time {
				if through.Before(since) {
					return nil
				}
				set := map[string]time.Time{stream: through, startMark + stream: since}
				if sweeps {
					set[sweepMark+stream] = later(since, earlier(through, aged))
				}
				return set
			},
		}}
	}
	var ss []stretch
	if start, ok := marks[startMark+stream]; ok && !since.IsZero() && since.Before(start) {
		ss = append(ss, stretch{
			window:   fleet.Window{Start: since, End: earlier(start, until)},
			progress: func(time.Time) map[string]time.Time { return nil },
			done:     backfilled(stream, since, start, until),
		})
	}
	var swept fleet.Window
	if after > 0 {
		swept = fleet.Window{Start: marks[startMark+stream], End: sweptTo(stream, marks, mark, after)}
	}
	if mark.Before(until) {
		ss = append(ss, stretch{
			window: fleet.Window{Start: mark, End: until}, again: true, swept: swept,
			progress: func(through time.Time) map[string]time.Time {
				if !through.After(mark) {
					return nil
				}
				return map[string]time.Time{stream: through}
			},
		})
	}
	end := earlier(aged.Truncate(sweepStep), mark)
	// After a pause all that was read is of age, the last part of an hour, too.
	if sweeps && (end.Sub(swept.End) >= sweepStep || end.Equal(mark) && end.After(swept.End)) {
		ss = append(ss, stretch{
			window: fleet.Window{Start: swept.End, End: end}, again: true, swept: swept,
			progress: func(time.Time) map[string]time.Time { return nil },
			done:     map[string]time.Time{sweepMark + stream: end},
		})
	}
	return ss
}

// isSwept reports whether hours of a stream are read again. A trail's bucket, or
// a bucket or data stream that logs are delivered to, is read by when they were
// delivered, however old what is in them: reading it again would fetch everything
// twice and find nothing.
func isSwept(stream string) bool {
	return source(stream) != "trail" && !strings.Contains(stream, "/s3://") && !strings.Contains(stream, "/kinesis://")
}

// sweptTo is up to where a stream was read at its full age. A lake from before
// there were sweeps has no such mark, nor has what is not swept: there it is what
// is no longer recent.
func sweptTo(stream string, marks map[string]time.Time, mark time.Time, after time.Duration) time.Time {
	swept, ok := marks[sweepMark+stream]
	if !ok {
		swept = later(marks[startMark+stream], mark.Add(-after))
	}
	return swept
}

// backfilled moves the start of the coverage to since, if the backfill reached it.
func backfilled(stream string, since, start, until time.Time) map[string]time.Time {
	if until.Before(start) {
		return nil // it ends before the coverage begins: there is still a hole
	}
	return map[string]time.Time{startMark + stream: since}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ours are the marks of a step that may still be set: those of streams that
// nobody else has moved since this line read them. A stream that another worker
// reads too is left to its marks; what this line planned from the old ones
// could claim a gap as read. The records stand either way.
func (l *Line) ours(ctx context.Context, marks map[string]time.Time) (map[string]time.Time, error) {
	current, err := l.Lake.Checkpoints(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints again: %w", err)
	}
	kept := make(map[string]time.Time, len(marks))
	for k, t := range marks {
		stream := streamOf(k)
		if same(current, l.marks, stream) && same(current, l.marks, startMark+stream) && same(current, l.marks, sweepMark+stream) {
			kept[k] = t
		}
	}
	return kept, nil
}

// same reports whether a mark is absent from both or equal in both.
func same(a, b map[string]time.Time, key string) bool {
	x, inA := a[key]
	y, inB := b[key]
	return inA == inB && x.Equal(y)
}

// moved notes the marks that this line has set.
func (l *Line) moved(marks map[string]time.Time) {
	if l.marks == nil {
		l.marks = map[string]time.Time{}
	}
	maps.Copy(l.marks, marks)
}

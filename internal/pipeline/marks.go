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

// Watermarks are the marks up to which each stream is complete, without the
// marks of where they began.
func Watermarks(checkpoints map[string]time.Time) map[string]time.Time {
	w := make(map[string]time.Time, len(checkpoints))
	for k, t := range checkpoints {
		if !strings.HasPrefix(k, startMark) {
			w[k] = t
		}
	}
	return w
}

// stretch is one window of a stream that is still to be read.
type stretch struct {
	window fleet.Window
	// progress gives the marks that become true with a batch.
	progress func(through time.Time) map[string]time.Time
	// done are the marks that become true at the end, nil for none.
	done map[string]time.Time
}

// plan says what is missing of [since, until) for a stream, given the marks.
// What is already covered is not read again; a gap between the coverage and
// since is read too, since a mark that jumped over it would lose it.
func plan(stream string, marks map[string]time.Time, since, until time.Time) []stretch {
	mark, covered := marks[stream]
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
				return map[string]time.Time{stream: through, startMark + stream: since}
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
	if mark.Before(until) {
		ss = append(ss, stretch{
			window: fleet.Window{Start: mark, End: until},
			progress: func(through time.Time) map[string]time.Time {
				if !through.After(mark) {
					return nil
				}
				return map[string]time.Time{stream: through}
			},
		})
	}
	return ss
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
		stream := strings.TrimPrefix(k, startMark)
		if same(current, l.marks, stream) && same(current, l.marks, startMark+stream) {
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

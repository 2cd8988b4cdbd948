package localaws

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// maxLookup bounds the events that LookupEvents can still find: a few hours
	// of the sample fleet. The oldest go first, as AWS's do after 90 days.
	maxLookup = 100_000
	// maxPending is how many events wait before those that are due are written
	// without anybody looking. What is not due yet waits on: the bound of that is
	// the delay.
	maxPending = 5_000
	// eventsPerFile is small, so that short runs have several files.
	eventsPerFile = 50
	// maxFiles bounds the trail's files in the bucket; the oldest go first.
	maxFiles = 20_000
)

// trail keeps what CloudTrail knows: management events for LookupEvents, and
// all selected events for the files in the trail bucket. Files are written when
// somebody looks into the bucket, which cannot be told from a writer that works
// on its own. Safe for concurrent use.
type trail struct {
	s      *Server
	bucket string

	mu         sync.Mutex
	lookup     []*recorded // in order of arrival
	remembered int         // events ever put into lookup
	pending    []recorded
	files      []string // keys, oldest first
	set        trailSettings
	rates      map[insightKey]*callRate // for Insights
	digests    map[place]*digests       // nil: files are not validated
}

func newTrail(s *Server, bucket string) *trail {
	return &trail{s: s, bucket: bucket, rates: map[insightKey]*callRate{}, set: trailSettings{started: s.now()}}
}

func (t *trail) remember(r *recorded) {
	if len(t.lookup) >= maxLookup {
		t.lookup = slices.Delete(t.lookup, 0, maxLookup/10)
	}
	t.remembered++
	r.number = t.remembered
	t.lookup = append(t.lookup, r)
}

func (t *trail) pend(r recorded) {
	t.pending = append(t.pending, r)
	if len(t.pending) >= maxPending {
		t.write(t.s.now())
	}
}

// deliver writes the files that are due.
func (t *trail) deliver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(t.s.now())
	t.digest(t.s.now(), false)
}

// drain makes every event visible and writes all files.
func (t *trail) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.lookup {
		t.lookup[i].visible = t.lookup[i].at
	}
	for i := range t.pending {
		t.pending[i].visible = t.pending[i].at
	}
	t.write(t.s.now())
	t.digest(t.s.now(), true)
}

// write puts the pending events that are due into files, place by place. The
// caller holds mu.
func (t *trail) write(now time.Time) {
	due := make(map[trailFolder][]recorded)
	t.pending = slices.DeleteFunc(t.pending, func(r recorded) bool {
		if r.visible.After(now) {
			return false
		}
		where := trailFolder{place{r.RecipientAccountID, r.Region}, "CloudTrail"}
		if r.EventCategory == "Insight" {
			where.kind = "CloudTrail-Insight"
		}
		due[where] = append(due[where], r)
		if t.s.trouble.repeat("trail") {
			due[where] = append(due[where], r)
		}
		return true
	})
	for where, events := range due {
		for _, file := range deal(events) {
			t.put(where, now, file)
		}
	}
}

// deal spreads events over files as a dealer does cards, since CloudTrail has
// several writers at once and the times in its files overlap.
func deal(events []recorded) [][]recorded {
	hands := min(len(events)/eventsPerFile+2, len(events))
	files := make([][]recorded, hands)
	for i, r := range events {
		files[i%hands] = append(files[i%hands], r)
	}
	return files
}

// A trailFolder is where files of a place are: management and data events in one,
// Insights events in the other.
type trailFolder struct {
	place
	kind string
}

func (t *trail) put(where trailFolder, now time.Time, events []recorded) {
	body, err := trailFile(events)
	if err != nil {
		t.s.log.Error("a trail file cannot be encoded", "err", err)
		return
	}
	key := fmt.Sprintf("AWSLogs/%[6]s%[1]s/%[7]s/%[2]s/%[3]s/%[1]s_%[7]s_%[2]s_%[4]s_%[5]s.json.gz",
		where.account, where.region, now.Format("2006/01/02"), now.Format("20060102T1504Z"), newCode(16), t.s.organizationFolder(), where.kind)
	if err := t.s.objects.put(t.bucket, key, body); err != nil {
		t.s.log.Error("a trail file cannot be written", "key", key, "err", err)
		return
	}
	t.set.delivered = now
	t.digested(where.place, now, key, body, events)
	t.files = append(t.files, key)
	if len(t.files) > maxFiles {
		if err := t.s.objects.remove(t.bucket, t.files[0]); err != nil {
			t.s.log.Error("an old trail file cannot be removed", "key", t.files[0], "err", err)
		}
		t.files = t.files[1:]
	}
}

// trailFile is the content of a file: gzip of {"Records":[…]}.
func trailFile(events []recorded) ([]byte, error) {
	raws := make([]json.RawMessage, len(events))
	for i, r := range events {
		raws[i] = r.raw
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(map[string]any{"Records": raws}); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

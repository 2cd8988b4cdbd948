package explore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/fleet"
)

// sea is a Reader of live data: with every event of the robot records may come,
// and the oldest go. A reading sees what there was when it was asked for,
// however late it runs, so that a run can be had again.
type sea struct {
	tide atomic.Int64 // how far it has risen

	mu     sync.Mutex
	stages []*fake // the parts of it, that come one after the other
	calm   *pool   // what is in sight until the next wave
}

// pool is what one reading sees.
type pool struct {
	fake
	once      sync.Once
	summaries []fleet.Summary
}

// seaWidth is how many stages are in sight at once: as many records as a small
// fleet has in a minute.
const seaWidth = 2

// seaDepth is how many records a stage has at most: with more, the robot would
// wait for the readings rather than for the explorer.
const seaDepth = 150

type tideKey struct{}

func newSea() *sea {
	s := &sea{}
	for i := range 6 {
		f := sample()
		if i%3 == 1 {
			f = hostile()
		}
		if i == 2 {
			f.records = append(f.records, chain(100).Records...)
		}
		f.records = slices.Clone(f.records)
		for j := range f.records {
			f.records[j].Time = f.records[j].Time.Add(time.Duration(i) * time.Minute)
		}
		s.stages = append(s.stages, f)
	}
	return s
}

// rise lets something come now and then.
func (s *sea) rise(rnd *rand.Rand) {
	if rnd.IntN(8) == 0 {
		s.mu.Lock() // as a store takes what comes while it is read
		defer s.mu.Unlock()
		s.calm = nil
		s.tide.Add(1)
		f := s.stages[rnd.IntN(len(s.stages))]
		r := f.records[rnd.IntN(len(f.records))]
		r.ID = fmt.Sprintf("%s#%d", r.ID, s.tide.Load()%50)
		r.Time = r.Time.Add(time.Duration(rnd.IntN(1e9)))
		next := *f
		next.records = append(slices.Clone(f.records[max(len(f.records)-seaDepth, 0):]), r)
		s.stages[slices.Index(s.stages, f)] = &next
	}
}

// at is a context in which a reading sees the data of now.
func (s *sea) at(ctx context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm != nil {
		return context.WithValue(ctx, tideKey{}, s.calm)
	}
	tide := int(s.tide.Load())
	seen := &pool{}
	s.calm = seen
	for i := range seaWidth {
		f := s.stages[(tide/50+i)%len(s.stages)]
		seen.records = append(seen.records, f.records...)
		seen.findings = append(seen.findings, f.findings...)
	}
	switch tide % 23 {
	case 7:
		seen.err = errDown
	case 11:
		seen.err = fmt.Errorf("lost: %s", evil)
	case 13:
		seen.records, seen.findings = nil, nil
	}
	return context.WithValue(ctx, tideKey{}, seen)
}

func (s *sea) seen(ctx context.Context) *pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := ctx.Value(tideKey{}).(*pool); ok {
		return p
	}
	return &pool{fake: fake{err: errors.New("a reading was not started by the runner")}}
}

// anID is one that there is, was, or never will be.
func (s *sea) anID(rnd *rand.Rand) string {
	f := s.stages[rnd.IntN(len(s.stages))]
	r := &f.records[rnd.IntN(len(f.records))]
	return []string{r.ID, r.Keys.Trace, r.Keys.Correlation, r.Keys.Request, "no-such-id", evil}[rnd.IntN(6)]
}

// Traces finds the summaries once for all readings of a pool.
func (s *sea) Traces(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	p := s.seen(ctx)
	return func(yield func(fleet.Summary, error) bool) {
		if p.err != nil {
			yield(fleet.Summary{}, p.err)
			return
		}
		p.once.Do(func() { p.summaries = p.fake.summaries() })
		n := 0
		for _, x := range p.summaries {
			if q.Errors && x.Errors == 0 || !strings.Contains(x.Name, q.Text) {
				continue
			}
			if n++; q.Limit > 0 && n > q.Limit || !yield(x, nil) {
				return
			}
		}
	}
}

func (s *sea) Trace(ctx context.Context, id string) (fleet.Trace, error) {
	return s.seen(ctx).Trace(ctx, id)
}

func (s *sea) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return s.seen(ctx).Records(ctx, q)
}

func (s *sea) Findings(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Finding, error] {
	return s.seen(ctx).Findings(ctx, q)
}

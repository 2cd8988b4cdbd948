package correlate

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// store plays the lake: for each record, its newest revision with its newest keys.
type store struct {
	t       *testing.T
	records map[string]fleet.Record
}

// add gives a batch to the Resolver and takes in what it answers.
func (s *store) add(r *Resolver, batch []fleet.Record) (amendments int) {
	s.t.Helper()
	fresh := slices.Clone(batch)
	amended := r.Add(fresh)
	took := map[string]bool{}
	for _, f := range fresh {
		if known, ok := s.records[f.ID]; !ok || known.Revision < f.Revision {
			s.records[f.ID] = f
			took[f.ID] = true
		}
	}
	for _, a := range amended {
		known, ok := s.records[a.Ref.ID]
		switch {
		case !ok || took[a.Ref.ID]:
			s.t.Errorf("amendment of %s, which was not kept before", a.Ref.ID)
		case same(known.Keys, a.Keys):
			s.t.Errorf("amendment of %s changes nothing", a.Ref.ID)
		case a.Ref != fleet.Ref{ID: known.ID, Kind: known.Kind, Time: known.Time}:
			s.t.Errorf("amendment refers to %+v, kept is %s %s %v", a.Ref, known.Kind, known.ID, known.Time)
		}
		known.Keys.Amend(&a.Keys)
		s.records[a.Ref.ID] = known
	}
	return len(amended)
}

// same reports whether an amendment would change nothing.
func same(k, amended fleet.Keys) bool {
	after := k
	after.Amend(&amended)
	return cmp.Equal(k, after)
}

// all is what is kept, in order of id.
func (s *store) all() []fleet.Record {
	var rs []fleet.Record
	for _, id := range slices.Sorted(maps.Keys(s.records)) {
		rs = append(rs, s.records[id])
	}
	return rs
}

// revised gives a part of the records a second or third revision, with other
// keys and another time.
func (s *sets) revised(rs []fleet.Record) []fleet.Record {
	out := slices.Clone(rs)
	for _, r := range rs {
		for rev := 1; rev < 3 && s.Float64() < 0.2; rev++ {
			n := s.record(r.ID)
			n.Kind, n.Revision = r.Kind, rev
			out = append(out, n)
		}
	}
	return out
}

// batches cuts records into batches of random size in random order, with repeats.
func (s *sets) batches(rs []fleet.Record) [][]fleet.Record {
	for range len(rs) / 10 {
		rs = append(rs, rs[s.IntN(len(rs))])
	}
	s.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	var out [][]fleet.Record
	for len(rs) > 0 {
		n := min(1+s.IntN(1+s.IntN(20)), len(rs))
		out = append(out, rs[:n])
		rs = rs[n:]
	}
	return out
}

func TestResolverAgreesWithResolveInAnyOrder(t *testing.T) {
	amendments := 0
	seeds(t, 1500, func(t *testing.T, s *sets) {
		kept := &store{t, map[string]fleet.Record{}}
		batches := s.batches(s.revised(s.records(5 + s.IntN(100))))
		restart := s.IntN(len(batches))
		r := NewResolver(24*time.Hour, Bound{})
		for i, b := range batches {
			if i == restart {
				r = NewResolver(24*time.Hour, Bound{})
				for _, part := range s.batches(kept.all()) {
					r.Load(part)
				}
			}
			amendments += kept.add(r, b)
		}
		got := kept.all()
		if diff := diffKeys(resolved(got), got); diff != "" {
			t.Errorf("Resolve (-) and Resolver (+) differ:\n%s", diff)
		}
		if r.Len() != len(got) {
			t.Errorf("%d records remembered, want %d", r.Len(), len(got))
		}
	})
	if amendments < 10_000 {
		t.Errorf("%d amendments in all, too few to prove anything", amendments)
	}
}

package lake

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestPlacesAreAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	want := map[idHash]place{}
	var got places
	for n := range 50_000 {
		id := hashID(fmt.Sprint(random.IntN(20_000)))
		p := place{revision: int32(random.IntN(3)), number: random.Int64N(1000), amendment: random.Int64N(2)}
		switch n % 1000 {
		case 1:
			p.number = math.MaxUint32 + 1
		case 2:
			p.amendment = math.MaxInt64
		}
		got.set(id, p)
		want[id] = p
	}
	for id, p := range want {
		if q, ok := got.get(id); !ok || q != p {
			t.Fatalf("got %v, %t, want %v", q, ok, p)
		}
	}
	if _, ok := got.get(hashID("no such")); ok || got.len() != len(want) {
		t.Errorf("%d places, want %d; one that is not there: %t", got.len(), len(want), ok)
	}
	if _, ok := new(places).get(hashID("1")); ok {
		t.Error("an empty table has a place")
	}
}

func TestSortDraftsIsCompareDrafts(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	traces := []string{
		"", "a", "a\x00", "0123456789abcdef", "0123456789abcdef0", "0123456789abcdef1", "0123456789abcdee9",
		strings.Repeat("0", 32), strings.Repeat("9", 32), strings.Repeat("a", 32), "a" + strings.Repeat("9", 31), strings.Repeat("a", 31) + "A", strings.Repeat("F", 32), strings.Repeat("é", 16),
	}
	rows := make([]*row, 2000)
	for i := range rows {
		rows[i] = &row{Trace: traces[random.IntN(len(traces))], TimeUS: random.Int64N(5), ID: fmt.Sprint(random.IntN(9))}
	}
	drafts := draftsOf(rows)
	sortDrafts(drafts)
	if !slices.IsSortedFunc(drafts, compareDrafts) {
		t.Error("the rows are not in order")
	}
}

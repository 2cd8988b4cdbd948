package lake

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIDTableFindsTheFilesOfAnID compares with a map, in memory and after parts
// of it went to the disk.
func TestIDTableFindsTheFilesOfAnID(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	want := map[idHash][]int32{}
	var got idTable
	t.Cleanup(func() { _ = got.close() })
	for n := range 200_000 {
		h := hashID(fmt.Sprint(random.IntN(150_000)))
		file := random.Int32N(mostFiles)
		if random.IntN(3) == 0 && len(want[h]) > 0 {
			file = want[h][0] // again
		}
		got.add(h, file)
		if !slices.Contains(want[h], file) {
			want[h] = append(want[h], file)
		}
		if n%70_000 == 69_999 {
			if err := got.spill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(got.runs) != 2 || got.entries == 0 {
		t.Fatalf("%d runs and %d entries in memory, want 2 and some", len(got.runs), got.entries)
	}
	for h, files := range want {
		found, err := got.files(h, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(found)
		slices.Sort(files)
		if found = slices.Compact(found); !slices.Equal(found, files) { // in a run and in memory again
			t.Fatalf("got files %v, want %v", found, files)
		}
	}
	for n := range 100_000 {
		if found, err := got.files(hashID(fmt.Sprint("new", n)), nil); err != nil || len(found) > 0 {
			t.Fatalf("an id that is not there: got files %v, error %v", found, err)
		}
	}
}

// TestIDTableTakesSoManyBytesAnID holds the figure that maxLiveBytes is counted by.
func TestIDTableTakesSoManyBytesAnID(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var table idTable
	var most, least float64
	for n := range 2_000_000 {
		var h idHash
		for i := range h {
			h[i] = byte(random.Uint32())
		}
		table.add(h, int32(n/20_000))
		if n > 500_000 && n%10_000 == 0 {
			each := float64(table.bytes()) / float64(n)
			most, least = max(most, each), min(cmp.Or(least, each), each)
		}
	}
	if most > 13.5 || least < 8 {
		t.Errorf("got %.1f to %.1f bytes an id, want at most 13.5", least, most)
	}
}

func BenchmarkIDTable(b *testing.B) {
	const ids = 4_000_000
	var table idTable
	hash := func(n int) idHash {
		var h idHash
		random := rand.NewPCG(uint64(n), 0)
		for i := range 2 {
			v := random.Uint64()
			for k := range 8 {
				h[8*i+k] = byte(v >> (8 * k))
			}
		}
		return h
	}
	b.Run("add", func(b *testing.B) {
		for range b.N {
			table = idTable{}
			for n := range ids {
				table.add(hash(n), 1)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ids, "ns/id")
	})
	for _, place := range []string{"memory", "disk"} {
		if place == "disk" {
			if err := table.spill(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("miss in "+place, func(b *testing.B) {
			n := ids
			var files []int32
			for b.Loop() {
				n++
				files, _ = table.files(hash(n), files[:0])
			}
		})
	}
	_ = table.close()
}

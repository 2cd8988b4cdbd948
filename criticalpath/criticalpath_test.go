package criticalpath

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func inProgress(r fleet.Record) fleet.Record {
	r.Attributes = fleet.AttributesOf(fleet.AttrInProgress, "true")
	return r
}

// httpCall makes a span the call of another service.
func httpCall(r fleet.Record) fleet.Record {
	r.Attributes = fleet.AttributesOf(fleet.AttrSpanType, "subsegment", fleet.AttrNamespace, "remote")
	return r
}

func revised(r fleet.Record) fleet.Record {
	r.Revision++
	return r
}

func inTrace(trace string, r fleet.Record) fleet.Record {
	r.Keys.Trace, r.ID = trace, fleet.SpanID(trace, r.Keys.Span)
	return r
}

func TestPath(t *testing.T) {
	entry := spanOf("A", "", "web", 0, 100)
	tests := []struct {
		name    string
		records []fleet.Record
		want    string
		apart   int
	}{
		{"nothing", nil, "", 0},
		{"log lines are no spans", []fleet.Record{{Kind: fleet.KindLog, ID: "l"}, entry}, "A 0-100", 0},
		{"children at once: the one that ends last", []fleet.Record{entry, spanOf("B", "A", "b", 10, 80), spanOf("C", "A", "c", 10, 90)}, "A 0-10, C 10-90, A 90-100", 0},
		{"two that end together: the one that began first", []fleet.Record{entry, spanOf("B", "A", "b", 20, 80), spanOf("C", "A", "c", 10, 80)}, "A 0-10, C 10-80, A 80-100", 0},
		{"left behind in its own service", []fleet.Record{entry, spanOf("B", "A", "web", 10, 110)}, "A 0-100", 0},
		{"left behind in another, the larger part after the end", []fleet.Record{entry, spanOf("B", "A", "b", 60, 500)}, "A 0-100", 0},
		{"a message's consumer begins after the sending", []fleet.Record{entry, spanOf("S", "A", "web", 20, 30), spanOf("C", "S", "queue", 40, 90)}, "A 0-20, S 20-30, A 30-100", 0},
		{"a clock that is slow: before the parent", []fleet.Record{entry, spanOf("B", "A", "b", -30, 40)}, "B 0-40, A 40-100", 0},
		{"a clock that is far too slow", []fleet.Record{entry, spanOf("B", "A", "b", -80, -20)}, "A 0-100", 1},
		{"a parent that is not there", []fleet.Record{entry, spanOf("B", "gone", "b", 10, 40)}, "A 0-100", 1},
		{"no span without a parent", []fleet.Record{spanOf("B", "gone", "b", 10, 40), spanOf("C", "B", "c", 20, 30)}, "B 10-20, C 20-30, B 30-40", 0},
		{"its own ancestor", []fleet.Record{spanOf("A", "B", "a", 0, 100), spanOf("B", "A", "b", 10, 40)}, "A 0-10, B 10-40, A 40-100", 0},
		{"its own parent", []fleet.Record{entry, spanOf("B", "B", "b", 10, 40)}, "A 0-100", 1},
		{"one span told twice", []fleet.Record{entry, inProgress(spanOf("B", "A", "b", 10, 10)), revised(spanOf("B", "A", "b", 10, 40))}, "A 0-10, B 10-40, A 40-100", 0},
		{"told twice at one revision", []fleet.Record{entry, spanOf("B", "A", "b", 10, 40), spanOf("B", "A", "b", 10, 20)}, "A 0-10, B 10-40, A 40-100", 0},
		{"not finished", []fleet.Record{inProgress(spanOf("A", "", "a", 0, 0)), spanOf("B", "A", "b", 10, 40), inProgress(spanOf("C", "A", "c", 50, 50)), spanOf("D", "C", "d", 55, 70)}, "A 0-10, B 10-40, A 40-50, C 50-55, D 55-70", 0},
		{"no time at all", []fleet.Record{spanOf("A", "", "a", 5, 5), spanOf("B", "A", "b", 5, 5)}, "", 0},
		{"a negative duration is none", []fleet.Record{spanOf("A", "", "a", 5, 1)}, "", 0},
		{"the SDK's steps of a call beside its callee", []fleet.Record{entry, httpCall(spanOf("B", "A", "web", 10, 90)), spanOf("req", "B", "web", 11, 14), spanOf("resp", "B", "web", 14, 88), spanOf("C", "B", "orders", 13, 80)}, "A 0-10, B 10-11, req 11-14, C 14-80, resp 80-88, B 88-90, A 90-100", 0},
		{"a step of a call that is over before its callee begins", []fleet.Record{entry, httpCall(spanOf("B", "A", "web", 10, 90)), spanOf("dial", "B", "web", 11, 30), spanOf("C", "B", "orders", 31, 80)}, "A 0-10, B 10-11, dial 11-30, B 30-31, C 31-80, B 80-90, A 90-100", 0},
		{"two traces, of which one links to the other", []fleet.Record{entry, inTrace("u", spanOf("M", "", "mail", 20, 60)), spanOf("B", "A", "b", 90, 100)}, "A 0-90, B 90-100, M 20-60", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Of(tt.records)
			if diff := cmp.Diff(tt.want, spell(tt.records, p)); diff != "" {
				t.Errorf("the path (-want +found):\n%s", diff)
			}
			if p.Apart != tt.apart {
				t.Errorf("%d spans apart, want %d", p.Apart, tt.apart)
			}
		})
	}
}

func TestSelfIsTheTimeThatNoChildCovers(t *testing.T) {
	records := []fleet.Record{
		spanOf("A", "", "web", 0, 100),
		spanOf("B", "A", "b", 10, 50),   // B and C overlap: 10-60 is covered once
		spanOf("C", "A", "c", 40, 60),   //
		spanOf("D", "A", "d", 90, 130),  // covers 90-100 of A
		spanOf("E", "B", "e", -20, 20),  // covers 10-20 of B
		spanOf("F", "B", "f", 200, 210), // covers nothing of B
	}
	want := []time.Duration{40, 30, 20, 40, 40, 10}
	got := Of(records).Self
	for i := range got {
		if got[i] != want[i]*time.Microsecond {
			t.Errorf("%s was busy with itself for %v, want %dµs", records[i].Keys.Span, got[i], want[i])
		}
	}
}

// check holds what is true of every path, whatever the spans.
func check(t *testing.T, records []fleet.Record) {
	t.Helper()
	p := Of(records)
	waited := make([]time.Duration, len(records))
	for i, x := range p.Parts {
		r := &records[x.Span]
		if !x.Start.Before(x.End) || x.Start.Before(r.Time) {
			t.Fatalf("part %d of %s is %v to %v, outside of it", i, r.ID, x.Start, x.End)
		}
		if r.Attributes.Get(fleet.AttrInProgress) == "" && x.End.After(r.End()) {
			t.Fatalf("part %d of %s ends after it", i, r.ID)
		}
		waited[x.Span] += x.End.Sub(x.Start)
		if i > 0 && records[p.Parts[i-1].Span].Keys.Trace == r.Keys.Trace && !p.Parts[i-1].End.Equal(x.Start) {
			t.Fatalf("there is a gap, or an overlap, before part %d of %s", i, r.ID)
		}
	}
	for i := range records {
		if waited[i] != p.Waited[i] {
			t.Fatalf("%s was waited for %v, its parts say %v", records[i].ID, p.Waited[i], waited[i])
		}
		if p.Self[i] < 0 || records[i].Attributes.Get(fleet.AttrInProgress) == "" && p.Self[i] > max(records[i].Duration, 0) {
			t.Fatalf("%s was busy with itself for %v of %v", records[i].ID, p.Self[i], records[i].Duration)
		}
	}
	for _, tr := range grow(records) {
		var sum time.Duration
		for _, s := range tr.all {
			sum += p.Waited[s.index]
		}
		if want := time.Duration(tr.entry.end-tr.entry.start) * time.Microsecond; sum != want {
			t.Fatalf("the parts of trace %q are %v long, its entry %v", records[tr.entry.index].Keys.Trace, sum, want)
		}
	}
	shuffled := slices.Clone(records)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if again := Of(shuffled); len(again.Parts) != len(p.Parts) || again.Apart != p.Apart {
		t.Fatalf("in another order there are %d parts and %d apart, were %d and %d", len(again.Parts), again.Apart, len(p.Parts), p.Apart)
	}
}

func FuzzPath(f *testing.F) {
	f.Add([]byte{0, 0, 1, 100, 0, 1, 0, 2, 10, 50, 0, 2})
	f.Add([]byte{0, 1, 2, 10, 9, 1, 0, 2, 1, 5, 90, 0, 7, 3, 3, 3, 3, 3})
	f.Add([]byte{1, 9, 9, 1, 200, 4, 0, 9, 1, 7, 200, 1})
	f.Fuzz(func(t *testing.T, b []byte) { check(t, spansFrom(b)) })
}

func TestPathOfRandomSpans(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 5_000 {
		b := make([]byte, 6*random.IntN(30))
		for i := range b {
			b[i] = byte(random.IntN(256))
		}
		check(t, spansFrom(b))
	}
}

// spansFrom makes a few spans of any bytes, six for each.
func spansFrom(b []byte) []fleet.Record {
	var records []fleet.Record
	seen := map[string]bool{}
	for ; len(b) >= 6; b = b[6:] {
		id := strconv.Itoa(int(b[0]%16) + 1)
		parent := ""
		if b[1]%17 > 0 {
			parent = strconv.Itoa(int(b[1] % 17))
		}
		r := spanOf(id, parent, fmt.Sprint("s", b[2]%3), int64(b[3]), int64(b[3])+int64(b[4])-20)
		if b[5]&4 > 0 {
			r = httpCall(r)
		}
		if b[5]&1 > 0 {
			r = inProgress(r)
		}
		if r = inTrace(fmt.Sprint("t", b[5]>>1&1), r); !seen[r.ID] {
			seen[r.ID] = true
			records = append(records, r)
		}
	}
	return records
}

// large is a trace of n spans of a shape: how far above is the parent.
func large(n int, parent func(i int) int) []fleet.Record {
	rs := make([]fleet.Record, n)
	for i := range rs {
		up := ""
		if i > 0 {
			up = strconv.Itoa(parent(i))
		}
		rs[i] = spanOf(strconv.Itoa(i), up, "s", int64(i), int64(2*n-i))
	}
	return rs
}

func TestAHundredThousandSpansInAnyShape(t *testing.T) {
	const n = 100_000
	for name, parent := range map[string]func(int) int{
		"chain": func(i int) int { return i - 1 },
		"fan":   func(int) int { return 0 },
		"tree":  func(i int) int { return i / 3 },
	} {
		t.Run(name, func(t *testing.T) { check(t, large(n, parent)) })
	}
}

func BenchmarkPath(b *testing.B) {
	rs := large(100_000, func(i int) int { return i / 3 })
	for b.Loop() {
		Of(rs)
	}
}

package correlate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// shapes are the ids of AWS, what is nearly one of them, and what is none.
func shapes() []string {
	uuid := "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
	hex := "0123456789abcdef0123456789abcdef"
	digits := "00000000000000000012345678901234567890123456789012345678"
	out := []string{
		"", "a", uuid, strings.ToUpper(uuid), uuid[:35] + "g", strings.ReplaceAll(uuid, "-", "_"),
		hex, hex[:31] + "G", "log-" + hex, "log-" + hex[:31] + "x", "LOG-" + hex,
		digits, "9" + digits[1:], strings.Repeat("9", 56), strings.Repeat("0", 55) + "x", strings.Repeat("f", 56),
		"\x00", "\x00\x00", "a\x00", strings.Repeat("\x00", 7), strings.Repeat("\xff", 127),
	}
	for n := range 140 {
		out = append(out, strings.Repeat("x", n))
	}
	return out
}

func TestTextsGiveBackWhatTheyKeep(t *testing.T) {
	var x texts
	var kept []text
	var c code
	all := shapes()
	for _, s := range all {
		c.set(s)
		kept = append(kept, x.keep(&c))
	}
	for i, s := range all {
		if got := string(x.spell(nil, kept[i])); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		for j, other := range all {
			c.set(other)
			if x.is(kept[i], &c) != (s == other) {
				t.Errorf("%q and %q: equal is %v", s, all[j], s != other)
			}
		}
	}
	for _, k := range kept {
		x.drop(k)
	}
	if got := x.bytes(); got != 0 {
		t.Errorf("%d bytes are left of nothing", got)
	}
}

// TestIDsAreOrderedAsTheirLetters: ties are broken by the id as a string,
// whatever its form.
func TestIDsAreOrderedAsTheirLetters(t *testing.T) {
	r := NewResolver(0, Bound{})
	var at []uint32
	all := shapes()[1:]
	for i := range 20 {
		all = append(all, fmt.Sprintf("%08x-0000-4000-8000-000000000000", rand.Uint32()), fmt.Sprintf("%056d", i*i), fmt.Sprintf("%032x", rand.Uint64()))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, id := range all {
		rec := span(id, "10:00:00", "")
		i, _ := r.place(&rec)
		at = append(at, i)
	}
	for trace := range 3 {
		id := fmt.Sprintf("%032x", trace+1)
		rec := span(id+"/0123456789abcdef", "10:00:00", id)
		i, _ := r.place(&rec)
		if got := r.entries.at(i).id.form(); got != formSpan {
			t.Errorf("the id of a span has form %d", got)
		}
		all, at = append(all, rec.ID), append(at, i)
	}
	for i := range all {
		for j := range all {
			got, want := r.order(at[i], at[j]), bytes.Compare([]byte(all[i]), []byte(all[j]))
			if got != want {
				t.Fatalf("%q before %q: %d, want %d", all[i], all[j], got, want)
			}
		}
	}
}

// TestHashesFindWhatIsThere adds and removes at random, beside a map.
func TestHashesFindWhatIsThere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var table hashes
	want := map[uint32]bool{}
	hash := func(i uint32) uint64 { return finish(mix(7, uint64(i%900))) } // some collide
	all := func(put func(uint64, uint32)) {
		for i := range want {
			put(hash(i), i)
		}
	}
	for range 200_000 {
		i := 1 + r.Uint32N(3000)
		got := table.find(hash(i), func(o uint32) bool { return o == i })
		if (got == i) != want[i] {
			t.Fatalf("%d found: %v, want %v", i, got == i, want[i])
		}
		switch {
		case want[i] && r.IntN(2) == 0:
			delete(want, i)
			table.remove(hash(i), i)
		case !want[i]:
			want[i] = true
			table.add(hash(i), i, all)
		}
		if table.live != len(want) {
			t.Fatalf("%d live, want %d", table.live, len(want))
		}
	}
}

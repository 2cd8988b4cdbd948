package columnfile

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// A dictionary numbers values as a plain map does, whether they come over and over
// in one order, at random, or many times in a row; and knows what is new on a page.
func TestDictionaryNumbersValuesAsTheyCome(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	cycle, value := 0, ""
	ways := []func() string{
		func() string { cycle++; return "name " + strconv.Itoa(cycle%7) },
		func() string { return "name " + strconv.Itoa(random.IntN(40)) },
		func() string { return value },
		func() string { return "" },
	}
	var d dictionary
	for chunk := range 3 {
		codes, onPage := map[string]int32{}, map[string]bool{}
		for i := range 5000 {
			if i%97 == 0 {
				d.page++
				clear(onPage)
			}
			value = ways[i/50%len(ways)]()
			want, known := codes[value]
			if !known {
				want = int32(len(codes))
				codes[value] = want
			}
			if code, fresh := d.code(value); code != want || fresh == onPage[value] {
				t.Fatalf("chunk %d, value %d, %q: code %d, new on its page %v; want %d, %v", chunk, i, value, code, fresh, want, !onPage[value])
			}
			onPage[value] = true
		}
		if len(d.values) != len(codes) {
			t.Errorf("chunk %d: %d values, want %d", chunk, len(d.values), len(codes))
		}
		d.reset()
	}
}

// Values that come as a list leave what they leave one by one.
func TestTextsAreTextsOneByOne(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var list, single Column
	list.coded, single.coded = true, true
	for i := range 200 {
		values := make([]string, random.IntN(20))
		for j := range values {
			values[j] = strconv.Itoa(random.IntN(1 + i%3))
		}
		list.Texts(values)
		for _, v := range values {
			single.Text(v)
		}
		if i%10 == 9 { // a page ends
			for _, c := range []*Column{&list, &single} {
				c.dictionary.page++
				c.low, c.high, c.bounded = "", "", false
			}
		}
		if list.values != single.values || list.low != single.low || list.high != single.high || len(list.codes) != len(single.codes) {
			t.Fatalf("list %d: %d values from %q to %q, want %d from %q to %q", i, list.values, list.low, list.high, single.values, single.low, single.high)
		}
	}
	for i, code := range single.codes {
		if list.codes[i] != code {
			t.Fatalf("value %d has code %d, want %d", i, list.codes[i], code)
		}
	}
}

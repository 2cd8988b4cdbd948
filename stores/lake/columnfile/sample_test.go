package columnfile

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// sample has a column of each sort.
type sample struct {
	Word   string            `parquet:"word,dict"`
	Text   string            `parquet:"text"`
	Hidden string            `parquet:"hidden"`
	Small  int32             `parquet:"small"`
	Large  int64             `parquet:"large"`
	Flag   bool              `parquet:"flag"`
	Words  []string          `parquet:"words,list" parquet-element:",dict"`
	Texts  []string          `parquet:"texts,list"`
	Map    map[string]string `parquet:"map" parquet-key:",dict"`
}

func samples(random *rand.Rand, n int) []sample {
	long := strings.Repeat("long é", 9)
	text := func() string {
		switch random.IntN(6) {
		case 0:
			return ""
		case 1:
			return fmt.Sprint("é", random.Uint64(), long)
		case 2:
			return long[:random.IntN(5)] + strings.Repeat("\U0010FFFF", random.IntN(9))
		}
		return fmt.Sprint(random.IntN(n))
	}
	texts := func() []string {
		out := make([]string, max(0, random.IntN(6)-2))
		for i := range out {
			out[i] = text()
		}
		return out
	}
	numbers := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32}
	rs := make([]sample, n)
	for i := range rs {
		r := sample{
			Word: fmt.Sprint("word ", random.IntN(9)), Text: text(), Hidden: text(), Large: numbers[random.IntN(len(numbers))] / int64(1+random.IntN(3)),
			Flag: random.IntN(2) == 0, Words: texts(), Texts: texts(), Map: map[string]string{},
		}
		r.Small = int32(r.Large)
		if i > n/2 { // whole pages of one value, or of none
			r.Word, r.Words, r.Flag = "", []string{}, true
		}
		for _, s := range r.Texts {
			r.Map[s] = text()
		}
		rs[i] = r
	}
	slices.SortFunc(rs, func(a, b sample) int { return strings.Compare(a.Text, b.Text) })
	return rs
}

func sampleOptions() Options {
	return Options{
		Writer: []parquet.WriterOption{
			parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("test", "1", ""),
			parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("text"))),
		},
		PageBytes: 2000, FilterBits: map[string]uint{"word": 10, "text": 10, "map.key_value.value": 10}, Unbounded: []string{"hidden"},
	}
}

// fill puts rows into a group, some at a time.
func fill(t *testing.T, g *Group, rs []sample) {
	t.Helper()
	list := func(c *Column, values []string) {
		if len(values) == 0 {
			c.Empty()
		}
		for i, s := range values {
			c.Element(s, i == 0)
		}
	}
	for some := range slices.Chunk(rs, 7) {
		for i := range some {
			r := &some[i]
			for at, s := range []string{r.Word, r.Text, r.Hidden} {
				g.Column(at).Texts([]string{s})
			}
			g.Column(3).Number(int64(r.Small))
			g.Column(4).Number(r.Large)
			g.Column(5).Flag(r.Flag)
			list(g.Column(6), r.Words)
			list(g.Column(7), r.Texts)
			keys := slices.Sorted(maps.Keys(r.Map))
			values := make([]string, len(keys))
			for i, k := range keys {
				values[i] = r.Map[k]
			}
			list(g.Column(8), keys)
			list(g.Column(9), values)
		}
		if err := g.EndRows(len(some)); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Finish(); err != nil {
		t.Fatal(err)
	}
}

// write makes a file of groups of rows, which are filled in turn.
func write(t *testing.T, groups ...[]sample) (*Writer, []byte) {
	t.Helper()
	l, err := NewLayout[sample](sampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, l)
	g, err := NewGroup(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, rs := range groups {
		fill(t, g, rs)
		if err := w.WriteGroup(g); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w, out.Bytes()
}

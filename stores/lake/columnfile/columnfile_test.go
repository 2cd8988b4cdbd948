package columnfile

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
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

func TestFilesReadAsTheyWereWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, sizes := range [][]int{{}, {1}, {900}, {7, 0, 3000, 500}} {
		var groups [][]sample
		all := []sample{}
		for _, n := range sizes {
			rs := samples(random, n)
			groups, all = append(groups, rs), append(all, rs...)
		}
		w, b := write(t, groups...)
		file, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(sizes, err)
		}
		got := make([]sample, len(all))
		r := parquet.NewGenericReader[sample](file)
		if n, err := r.Read(got); n != len(all) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%v: read %d rows: %v", sizes, n, err)
		}
		if d := cmp.Diff(all, got); d != "" {
			t.Errorf("%v (-want +got):\n%.2000s", sizes, d)
		}
		if len(all) > 0 {
			if low, high := w.TextBounds(1); low != slices.MinFunc(all, byText).Text || high != slices.MaxFunc(all, byText).Text {
				t.Errorf("text is from %q to %q", low, high)
			}
			byLarge := func(a, b sample) int { return compare(a.Large, b.Large) }
			if low, high := w.NumberBounds(4); low != slices.MinFunc(all, byLarge).Large || high != slices.MaxFunc(all, byLarge).Large {
				t.Errorf("numbers are from %d to %d", low, high)
			}
		}
		checkIndexes(t, file, b)
	}
}

func byText(a, b sample) int { return strings.Compare(a.Text, b.Text) }

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// checkIndexes holds what finds pages against the pages.
func checkIndexes(t *testing.T, file *parquet.File, b []byte) {
	t.Helper()
	for i, g := range file.RowGroups() {
		for j, chunk := range g.ColumnChunks() {
			name := fmt.Sprintf("group %d, column %s", i, strings.Join(file.Schema().Columns()[j], "."))
			at := i*len(g.ColumnChunks()) + j
			index, locations := file.ColumnIndexes()[at], file.OffsetIndexes()[at].PageLocations
			meta := file.Metadata().RowGroups[i].Columns[j].MetaData
			bounded := len(index.NullPages) > 0
			if bounded == strings.HasSuffix(name, "hidden") {
				t.Errorf("%s: has bounds: %t", name, bounded)
			}
			pages := chunk.Pages()
			rows, values := int64(0), int64(0)
			var order []string
			for n := range locations {
				page, err := pages.ReadPage()
				if err != nil {
					t.Fatal(name, err)
				}
				checkSum(t, name, b[locations[n].Offset:][:locations[n].CompressedPageSize])
				if locations[n].FirstRowIndex != rows {
					t.Errorf("%s: page %d begins at row %d, not %d", name, n, locations[n].FirstRowIndex, rows)
				}
				rows, values = rows+page.NumRows(), values+page.NumValues()
				if bounded {
					checkPage(t, fmt.Sprint(name, ", page ", n), page, &index, n)
					if !index.NullPages[n] {
						order = append(order, string(index.MinValues[n]))
					}
				}
			}
			if _, err := pages.ReadPage(); !errors.Is(err, io.EOF) || rows != g.NumRows() || values != meta.NumValues {
				t.Errorf("%s: %d rows and %d values; then %v", name, rows, values, err)
			}
			if index.BoundaryOrder == format.Ascending && meta.Type == format.ByteArray && !slices.IsSorted(order) {
				t.Errorf("%s: pages are said to be in order", name)
			}
		}
	}
}

func checkSum(t *testing.T, name string, page []byte) {
	t.Helper()
	var h format.PageHeader
	r := bytes.NewReader(page)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(&h); err != nil {
		t.Fatal(name, err)
	}
	body := page[len(page)-r.Len():]
	if len(body) != int(h.CompressedPageSize) || int32(crc32.ChecksumIEEE(body)) != h.CRC {
		t.Errorf("%s: a page of %d bytes is said to have %d, with sum %x", name, len(body), h.CompressedPageSize, h.CRC)
	}
}

// checkPage holds a page's bounds against its values.
func checkPage(t *testing.T, name string, page parquet.Page, index *format.ColumnIndex, n int) {
	t.Helper()
	values := make([]parquet.Value, page.NumValues())
	if got, err := page.Values().ReadValues(values); got != len(values) || err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(name, got, err)
	}
	absent := int64(0)
	kind := page.Type().Kind()
	for _, v := range values {
		if v.IsNull() {
			absent++
			continue
		}
		low, high := kind.Value(index.MinValues[n]), kind.Value(index.MaxValues[n])
		if page.Type().Compare(low, v) > 0 || page.Type().Compare(high, v) < 0 {
			t.Fatalf("%s: %v is not from %v to %v", name, v, low, high)
		}
	}
	if absent != index.NullCounts[n] || index.NullPages[n] != (absent == int64(len(values))) {
		t.Errorf("%s: %d of %d values are absent; the index has %d, %t", name, absent, len(values), index.NullCounts[n], index.NullPages[n])
	}
}

func TestFiltersKnowAllValues(t *testing.T) {
	rs := samples(rand.New(rand.NewPCG(3, 4)), 2000)
	_, b := write(t, rs[:500], rs[500:])
	file, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	filtered := map[string]parquet.BloomFilter{}
	for i, path := range file.Schema().Columns() {
		if f := file.RowGroups()[1].ColumnChunks()[i].BloomFilter(); f != nil {
			filtered[strings.Join(path, ".")] = f
		}
	}
	has := func(column, value string) bool {
		ok, err := filtered[column].Check(parquet.ValueOf(value))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	wrong := 0
	for i, r := range rs[500:] {
		if !has("word", r.Word) || !has("text", r.Text) {
			t.Fatalf("a filter misses %q or %q", r.Word, r.Text)
		}
		for _, v := range r.Map {
			if !has("map.key_value.value", v) {
				t.Fatalf("the filter of the map's values misses %q", v)
			}
		}
		if has("text", fmt.Sprint("none ", i)) {
			wrong++
		}
	}
	if len(filtered) != 3 || wrong > 1500/20 {
		t.Errorf("%d columns have filters; one is wrong %d times of 1500", len(filtered), wrong)
	}
	if got := bloom.NumSplitBlocksOf(1500, 10) * bloom.BlockSize; filtered["text"].Size() < int64(got) {
		t.Errorf("the filter of texts has %d bytes, of %d", filtered["text"].Size(), got)
	}
}

func TestLayoutRefusesWhatItCannotWrite(t *testing.T) {
	check := func(err error, column string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), column) {
			t.Errorf("column %s: %v", column, err)
		}
	}
	_, err := NewLayout[struct {
		Ratio float64 `parquet:"ratio"`
	}](Options{})
	check(err, "ratio")
	_, err = NewLayout[struct {
		Maybe *string `parquet:"maybe,optional"`
	}](Options{})
	check(err, "maybe")
	_, err = NewLayout[struct {
		Codes []int64 `parquet:"codes,list"`
	}](Options{})
	check(err, "codes")
}

// failing takes so many bytes.
type failing struct{ left int }

var errFull = errors.New("no room")

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterSaysWhatItCannotWrite(t *testing.T) {
	l, err := NewLayout[sample](sampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	rs := samples(rand.New(rand.NewPCG(5, 6)), 100)
	_, whole := write(t, rs)
	for room := 0; room < len(whole); room += 97 {
		g, err := NewGroup(l)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, g, rs)
		w := NewWriter(&failing{room}, l)
		if err := w.WriteGroup(g); err == nil {
			err = w.Close()
			if !errors.Is(err, errFull) {
				t.Fatalf("room for %d of %d bytes: %v", room, len(whole), err)
			}
		} else if !errors.Is(err, errFull) {
			t.Fatalf("room for %d of %d bytes: %v", room, len(whole), err)
		}
	}
}

func TestPageThatIsTooLargeIsNamed(t *testing.T) {
	defer func(n int) { mostPageBytes = n }(mostPageBytes)
	mostPageBytes = 10_000
	l, err := NewLayout[sample](sampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGroup(l)
	if err != nil {
		t.Fatal(err)
	}
	g.Column(2).Text(strings.Repeat("x", mostPageBytes))
	if err := g.EndRows(1); err == nil || !strings.Contains(err.Error(), "column hidden has 100") {
		t.Errorf("got %v", err)
	}
}

func FuzzBounds(f *testing.F) {
	for _, s := range []string{"", "short", "sixteen letters!", "seventeen letters", "0123456789abcdeé", "~~~~~~~~~~~~~~~~~~~", strings.Repeat("é", 20), "\xff\xff", strings.Repeat("\U0010FFFF", 5)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		low, high := string(lowBound(s)), string(highBound(s))
		if low > s || high < s || len(low) > boundBytes {
			t.Errorf("%q is not from %q to %q", s, low, high)
		}
		if utf8.ValidString(s) && (!utf8.ValidString(low) || !utf8.ValidString(high)) {
			t.Errorf("%q and %q of %q are no text", low, high, s)
		}
	})
}

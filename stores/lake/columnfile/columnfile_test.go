package columnfile

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

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

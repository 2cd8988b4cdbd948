package lake

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// TestEveryReaderNamesADamagedFile cuts files short and changes bytes of them.
// parquet-go panics over some of those; whoever reads them gets an error with the
// file's name, or rows that the damage did not touch.
func TestEveryReaderNamesADamagedFile(t *testing.T) {
	dir := t.TempDir()
	l := openLake(t, dir)
	lines := logLines(0, 3000)
	rows := make([]*row, len(lines))
	for i := range lines {
		w := newRow(&lines[i])
		rows[i] = &w
	}
	if _, _, err := writeEvidence(l.files(t.Context()), dataName(l.base, tableEvidence, "whole.parquet"), draftsOf(rows)); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "evidence", "data")
	whole, err := os.ReadFile(filepath.Join(folder, "whole.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	readers := map[string]func(name string) error{
		"records": func(name string) error {
			return scanRecords(l.files(t.Context()), name, func(_ int64, _ *row, fill func(r *fleet.Record)) error {
				fill(&fleet.Record{})
				return nil
			})
		},
		"whole rows": func(name string) error {
			return readParquet(l.files(t.Context()), name, func(int64, *row) error { return nil })
		},
		"rows by number": func(name string) error {
			_, err := readRows(l.files(t.Context()), name, []int64{3, 1500, 1501, 2999})
			return err
		},
		"rows of a trace": func(name string) error {
			_, err := pickFile(t.Context(), l, &stored{planned: planned{name: name}}, "trace_id", []string{lines[1500].Keys.Trace}, nil)
			return err
		},
		"traces": func(name string) error {
			_, err := l.traces(t.Context(), &stored{planned: planned{name: name}})
			return err
		},
	}
	headers := pageHeaders(t, whole)
	random := rand.New(rand.NewPCG(1, 2))
	failed, panicked := map[string]int{}, map[string]int{}
	for i := range 600 {
		own := fmt.Sprintf("damaged-%d.parquet", i) // what was read of a file is remembered by its name
		path := filepath.Join(folder, own)
		if err := os.WriteFile(path, damagedCopy(whole, headers, random, i%5 == 0), 0o600); err != nil {
			t.Fatal(err)
		}
		for what, read := range readers {
			err := read(dataName(l.base, tableEvidence, own))
			if err == nil || errors.Is(err, errAll) || errors.Is(err, errNotPicked) {
				continue // what is damaged is not read, or SQL is asked
			}
			failed[what]++
			if !strings.Contains(err.Error(), own) {
				t.Errorf("%s: error %v does not name the file", what, err)
			}
			if strings.Contains(err.Error(), "is damaged") {
				panicked[what]++
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for what := range readers {
		t.Logf("%s: %d errors, %d of them panics of parquet-go", what, failed[what], panicked[what])
		if failed[what] == 0 {
			t.Errorf("%s: no damage came up", what)
		}
	}
	if panicked["records"] == 0 {
		t.Error("nothing that parquet-go panics over came up")
	}
}

// damagedCopy is a file cut short or with a few other bytes, most of which lie
// where there are no checksums: in the headers of pages and in the footer.
func damagedCopy(whole []byte, headers []int64, random *rand.Rand, short bool) []byte {
	file := bytes.Clone(whole)
	if short {
		return file[:random.IntN(len(file))]
	}
	for range 1 + random.IntN(3) {
		at := random.IntN(len(file))
		switch random.IntN(3) {
		case 0:
			at = len(file) - 1 - random.IntN(footerBytes)
		case 1:
			at = int(headers[random.IntN(len(headers))]) + random.IntN(headerBytes)
		}
		file[at] ^= byte(1 + random.IntN(255))
	}
	return file
}

// headerBytes and footerBytes are about how long the header of a page is, and the
// footer with the page indexes before it.
const headerBytes, footerBytes = 24, 9000

// pageHeaders are where the pages of a file begin.
func pageHeaders(t *testing.T, file []byte) []int64 {
	t.Helper()
	opened, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var out []int64
	for _, c := range opened.Metadata().RowGroups[0].Columns {
		if at := c.MetaData.DictionaryPageOffset; at > 0 {
			out = append(out, at)
		}
		out = append(out, c.MetaData.DataPageOffset)
	}
	return out
}

package lake

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// scanned are the records of a file as the fast way reads them, and as the usual
// one does.
func scanned(t *testing.T, l *Lake, name string) (got, want []fleet.Record) {
	t.Helper()
	err := scanRecords(l.files(t.Context()), name, func(number int64, w *row, fill func(r *fleet.Record)) error {
		var r fleet.Record
		fill(&r)
		if int(number) != len(got) || w.ID != r.ID {
			t.Fatalf("row %d of id %s: got number %d, id %s", len(got), r.ID, number, w.ID)
		}
		got = append(got, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = readParquet(l.files(t.Context()), name, func(_ int64, w *row) error { want = append(want, w.record()); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got, want
}

// TestScanReadsWhatTheUsualReaderDoes has rows over several row groups and many
// pages, with lists and attributes of every length.
func TestScanReadsWhatTheUsualReaderDoes(t *testing.T) {
	l := openLake(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 2))
	lines := logLines(0, 2*rowsPerGroup+77)
	rows := make([]*row, len(lines))
	for i := range lines {
		r := &lines[i]
		for n := range random.IntN(4) {
			r.Resources = append(r.Resources, fmt.Sprint("arn:", i, "/", n))
		}
		for n := range random.IntN(3) {
			r.Seen.Messages = append(r.Seen.Messages, fmt.Sprint("m", i, n))
		}
		r.Attributes = nil
		for n := range random.IntN(12) {
			r.Attributes.Set(fmt.Sprint("k", n), strings.Repeat("v", random.IntN(50)))
		}
		if i%3 == 0 {
			r.Attributes.Set(fleet.AttrHTTPStatus, "404")
			r.Attributes.Set(fleet.AttrReadOnly, "true")
			r.Attributes.Set(fleet.AttrSourceIP, "10.0.0.1")
		}
		switch i % 5 {
		case 0:
			r.Raw = nil
		case 1:
			r.Raw = []byte{0xff, byte(i)}
		default:
			r.Raw = []byte(strings.Repeat("x", random.IntN(300)))
		}
		w := newRow(r)
		rows[i] = &w
	}
	name := dataName(l.base, tableEvidence, "scan.parquet")
	if _, _, err := writeEvidence(l.files(t.Context()), name, draftsOf(rows)); err != nil {
		t.Fatal(err)
	}
	got, want := scanned(t, l, name)
	if len(got) != len(rows) {
		t.Errorf("got %d rows, want %d", len(got), len(rows))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
}

// A file that another engine wrote again may lack columns, or have them optional.
func TestScanReadsFilesOfAnotherShape(t *testing.T) {
	l := openLake(t, t.TempDir())
	type other struct {
		ID        *string  `parquet:"id,optional"`
		Service   *string  `parquet:"service,optional"`
		TimeUS    int64    `parquet:"time_us"`
		Resources []string `parquet:"resources,list"`
	}
	a, b := "a", "b"
	name := dataName(l.base, tableEvidence, "other.parquet")
	rows := []other{{ID: &a, TimeUS: 7, Resources: []string{"x", "y"}}, {ID: &b, Service: &a}}
	if _, err := writeParquet(l.files(t.Context()), name, rows); err != nil {
		t.Fatal(err)
	}
	file, err := l.files(t.Context()).Open(name)
	if err != nil {
		t.Fatal(err)
	}
	footer, err := openFooter(file)
	if err != nil || ownShape(footer) {
		t.Errorf("%s is taken for muster's own, error %v", filepath.Base(name), err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	got, want := scanned(t, l, name)
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 2 || got[1].Service != "a" {
		t.Errorf("got %d rows (-want +got):\n%s", len(got), diff)
	}
}

// A file that was damaged may name texts that its dictionary does not have.
func TestTextBeyondTheDictionaryIsAnError(t *testing.T) {
	for _, number := range []int32{-1, 2, 1 << 30} {
		c := textScan{texts: []byte("ab"), ends: []uint32{0, 1, 2}, numbers: []int32{0, number}, have: 2}
		s := rowScan{rows: make([]row, 2)}
		if err := c.read(&s, 0, 2); err == nil || !strings.Contains(err.Error(), "of a dictionary of 2") {
			t.Errorf("text %d: got error %v, want one about the dictionary", number, err)
		}
		if got := s.rows[0].ID; got != "a" {
			t.Errorf("the value before it: got %q, want a", got)
		}
	}
}

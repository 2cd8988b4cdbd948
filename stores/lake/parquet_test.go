package lake

import (
	"slices"
	"strings"
	"testing"
)

func TestCutBoundsFiles(t *testing.T) {
	megabyte := strings.Repeat("x", 1<<20)
	rows := make([]*row, 300)
	for i := range rows {
		rows[i] = &row{Raw: megabyte}
	}
	rows[17].Raw = strings.Repeat(megabyte, 2*maxFileBytes>>20) // alone larger than a file may be
	total := 0
	for _, chunk := range cut(draftsOf(rows)) {
		size := 0
		for i := range chunk {
			size += len(chunk[i].row.Raw)
		}
		if len(chunk) == 0 || size > maxFileBytes && len(chunk) > 1 {
			t.Errorf("got a file of %d rows and %d bytes", len(chunk), size)
		}
		total += len(chunk)
	}
	if total != len(rows) {
		t.Errorf("got %d rows in all, want %d", total, len(rows))
	}
	if n := len(cut(slices.Repeat([]draft{{row: &row{}}}, 2*maxFileRows+1))); n != 3 {
		t.Errorf("got %d files of %d rows, want 3", n, 2*maxFileRows+1)
	}
}

package lake

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// draftsOf are drafts of rows.
func draftsOf(rows []*row) []draft {
	out := make([]draft, len(rows))
	for i, r := range rows {
		out[i].row = r
	}
	return out
}

// A draft of a record says of it what its row does, whatever is in it.
func TestDraftIsItsRow(t *testing.T) {
	rs := variedRecords(200)
	rs = append(rs, fleet.Record{}, fleet.Record{
		ID: "id\xff", Kind: "kind\xff", Time: time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		Keys: fleet.Keys{Trace: "trace\xc3"}, Resources: []string{"a", "b\xff", "\xff"}, Raw: []byte("{}"), Message: "ab",
	})
	for i := range rs {
		lazy, settled := draft{record: &rs[i]}, draft{record: &rs[i]}
		settled.settle()
		if lazy.row != nil || settled.record != nil {
			t.Fatal("a draft is both")
		}
		for _, d := range []draft{lazy, settled} {
			got := []any{d.id(), d.trace(), d.timeUS(), d.partition(), d.textBytes()}
			row := newRow(&rs[i])
			want := []any{row.ID, row.Trace, row.TimeUS, partition{newDayKey(fleet.Kind(row.Kind), row.TimeUS), false}, len(row.Raw) + len(row.Message)}
			if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(partition{}, dayKey{})); diff != "" {
				t.Errorf("record %d (-row +draft):\n%s", i, diff)
			}
		}
	}
	last := newRow(&rs[len(rs)-1])
	if want := []string{"a", "b\ufffd", "\ufffd"}; !slices.Equal(last.Resources, want) || rs[len(rs)-1].Resources[1] != "b\xff" {
		t.Errorf("got %q of %q, want %q", last.Resources, rs[len(rs)-1].Resources, want)
	}
}

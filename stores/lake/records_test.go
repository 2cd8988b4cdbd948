//go:build !noduckdb

package lake

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// A lean answer has everything but the evidence, and finds by it all the same.
func TestLeanRecordsLeaveOutTheEvidenceAlone(t *testing.T) {
	l := openLake(t, t.TempDir())
	fill(t, l)
	evidence := 0
	for _, q := range []fleet.Query{{}, {Text: "e"}, {Limit: 2}} {
		full, err := collect(l.Records(t.Context(), q))
		if err != nil {
			t.Fatal(err)
		}
		for i := range full {
			evidence += len(full[i].Raw)
			full[i].Raw = nil
		}
		q.Lean = true
		lean, err := collect(l.Records(t.Context(), q))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(full, lean); diff != "" || len(lean) == 0 {
			t.Errorf("%+v: %d records\n%s", q, len(lean), diff)
		}
	}
	if evidence == 0 {
		t.Error("the records have no evidence to leave out")
	}
}

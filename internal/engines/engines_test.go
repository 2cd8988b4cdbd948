//go:build engines

package engines

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrinoReadsAndWritesIcebergTablesInMoto(t *testing.T) {
	moto := started(t, StartMoto)
	trino, err := StartTrino(t.Context(), moto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, trino) })
	var got Result
	for _, sql := range []string{
		"CREATE TABLE spans (id varchar, time timestamp(6) with time zone) WITH (partitioning = ARRAY['day(time)'])",
		"INSERT INTO spans VALUES ('a', TIMESTAMP '2026-11-25 23:59:59.999999 UTC'), ('b', TIMESTAMP '2026-11-26 00:00:00 UTC')",
		"SELECT id, time FROM spans WHERE time < TIMESTAMP '2026-11-26 00:00:00 UTC'",
	} {
		if got, err = trino.Query(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([][]any{{"a", "2026-11-25 23:59:59.999999 UTC"}}, got.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got.Stats.ProcessedRows != 1 {
		t.Errorf("%d rows were read for one day with one row", got.Stats.ProcessedRows)
	}
	got, err = trino.Query(t.Context(), "SELECT count(*) FROM hive.muster.spans")
	if diff := cmp.Diff([][]any{{json.Number("2")}}, got.Rows); err != nil || diff != "" {
		t.Errorf("through the hive catalog: %v (-want +got):\n%s", err, diff)
	}
}

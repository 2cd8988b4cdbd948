//go:build engines && !noduckdb

package lake

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/engines"
)

// pyarrowRequirements pin the reader that shares no code with ours.
const pyarrowRequirements = "pyarrow==26.0.1\n"

// pyarrowScript prints the rows of Parquet files, times as microseconds.
const pyarrowScript = `
import json, sys
import pyarrow as pa, pyarrow.dataset as ds
source = json.loads(sys.argv[1])
t = ds.dataset(source["files"], partitioning="hive" if source["hive"] else None).to_table()
assert t.schema.field("time").type == pa.timestamp("us", tz="UTC"), t.schema.field("time").type
t = t.set_column(t.schema.get_field_index("time"), "time", t["time"].cast(pa.int64()))
for r in t.sort_by([("time_us", "ascending"), ("id", "ascending")]).to_pylist():
    print(json.dumps({c: str(r["kind"]) if c == "kind" else r[c].decode() if isinstance(r[c], bytes) else dict(r[c]) if c == "attributes" else r[c] for c in source["columns"]}, sort_keys=True))
`

// TestPyarrowReadsEqualValues compares every column of a compacted lake, and of
// an export, as pyarrow reads them.
func TestPyarrowReadsEqualValues(t *testing.T) {
	python, err := engines.Python(t.Context(), "pyarrow", pyarrowRequirements)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	l := later(t, root)
	rs := history(t, l, 3)
	rs[4].Attributes = fleet.AttributesOf("ключ", "значение", fleet.AttrHTTPStatus, "503")
	rs[4].Resources = []string{"AWS::SQS::Queue/orders", "second"}
	rs[4].Seen.Messages, rs[4].Keys.Messages = []string{"m1"}, []string{"m1"}
	rs[4].Revision, rs[4].Raw = 50, []byte(`{"text":"日本語"}`)
	add(t, l, rs[4:5], nil)
	odd := logLines(500, 1)
	odd[0].Time = odd[0].Time.Add(123456 * time.Microsecond)
	add(t, l, odd, nil)
	compactAll(t, l, Compaction{})
	tbl, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	parts, _, err := planParts(t.Context(), tbl, dayFilter(newDayKey(fleet.KindLog, noon.UnixMicro())))
	if err != nil || len(parts) != 1 || len(parts[0].files) != 1 {
		t.Fatalf("got %+v, error %v", parts, err)
	}
	name := parts[0].files[0].name
	var want []row
	if err := readParquet(l.files(t.Context()), name, func(_ int64, r *row) error {
		want = append(want, *r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want, func(a, b row) int { return int(a.TimeUS - b.TimeUS) })
	samePyarrow(t, python, []string{filepath.Join(root, strings.TrimPrefix(name, scheme+"/"))}, false, want)

	dir := filepath.Join(t.TempDir(), "out")
	if _, err := l.ExportHive(t.Context(), Export{To: dir}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, error %v", files, err)
	}
	samePyarrow(t, python, files, true, want)
}

func samePyarrow(t *testing.T, python string, files []string, hive bool, want []row) {
	t.Helper()
	var columns []string
	for i := range want {
		columns = slices.Sorted(maps.Keys(pyarrowRow(&want[i])))
	}
	source, err := json.Marshal(map[string]any{"files": files, "hive": hive, "columns": columns})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", pyarrowScript, string(source))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got, expected []map[string]any
	for line := range bytes.Lines(out) {
		got = append(got, decodeExact(t, line))
	}
	for i := range want {
		text, err := json.Marshal(pyarrowRow(&want[i]))
		if err != nil {
			t.Fatal(err)
		}
		expected = append(expected, decodeExact(t, text))
	}
	if diff := cmp.Diff(expected, got); diff != "" || len(got) == 0 {
		t.Errorf("our rows (-) and pyarrow's (+), %d:\n%.3000s", len(got), diff)
	}
}

// decodeExact keeps numbers as they are written.
func decodeExact(t *testing.T, line []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// pyarrowRow are the columns of a record by their names.
func pyarrowRow(r *row) map[string]any {
	return map[string]any{
		"id": r.ID, "revision": r.Revision, "kind": r.Kind, "time": r.Time, "time_us": r.TimeUS, "duration_us": r.DurationUS,
		"service": r.Service, "name": r.Name, "resources": r.Resources, "principal": r.Principal, "error": r.Error,
		"message": r.Message, "trace_id": r.Trace, "span_id": r.Span, "request_id": r.Request, "message_ids": r.Messages,
		"correlation_id": r.Correlation, "correlation_via": r.CorrelationVia, "seen_trace_id": r.SeenTrace,
		"read_only": r.ReadOnly, "http_status": r.HTTPStatus, "attributes": r.Attributes, "raw": r.Raw,
	}
}

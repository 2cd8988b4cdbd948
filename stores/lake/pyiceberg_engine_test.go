//go:build engines

package lake

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/engines"
)

//go:embed testdata/requirements-pyiceberg.txt
var pyIcebergRequirements string

// s3PyIceberg lets another implementation of Iceberg and of Parquet read what
// was written, and compares every column of every row.
func s3PyIceberg(t *testing.T, at s3Place) {
	l := at.open(t)
	rs := logLines(0, 300)
	for i := range rs {
		rs[i].Time = rs[i].Time.Add(time.Duration(i*i) * time.Microsecond)
	}
	rs = append(rs, fleet.Record{
		ID: "odd", Kind: fleet.KindAPICall, Time: time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), Duration: 1234567 * time.Microsecond,
		Message: "ünï\x00 \"quoted\" \U0001F600", Resources: []string{"arn:a", ""}, Attributes: fleet.AttributesOf("", "x", "read_only", "true", "π", ""),
		Raw: []byte{0xff, 0xfe}, Seen: fleet.Keys{Messages: []string{"m1", "m2"}},
	})
	add(t, l, rs, map[string]time.Time{"s": noon})
	amended := fleet.Keys{Correlation: "order-7", CorrelationLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}}
	base, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Commit(t.Context(), fleet.Commit{
		Base:       fleet.Snapshot(snapshotID(base)),
		Amendments: []fleet.Amendment{{Ref: fleet.Ref{ID: rs[7].ID, Kind: rs[7].Kind, Time: rs[7].Time}, Keys: amended}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]row, 0, len(rs)+1)
	for i := range rs {
		want = append(want, newRow(&rs[i]))
	}
	last := newRow(&rs[7])
	last.setKeys(&amended)
	last.Amends, last.Amendment = true, 2
	want = append(want, last)

	out := pyIceberg(t, at, tableEvidence)
	var lines bytes.Buffer
	for i := range want {
		if err := json.NewEncoder(&lines).Encode(want[i].columns()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(decodeRows(t, &lines), decodeRows(t, bytes.NewReader(out))); diff != "" {
		t.Errorf("what was written and what PyIceberg reads (-want +got):\n%s", diff)
	}
}

// pyIceberg are all rows of a table, one JSON object a line.
func pyIceberg(t *testing.T, at s3Place, tableName string) []byte {
	t.Helper()
	python, err := engines.Python(t.Context(), "pyiceberg", pyIcebergRequirements)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/read_lake.py", at.url, at.database, glueName(tableName))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaints.Bytes())
	}
	return out
}

// s3SchemaOfBefore has another implementation read a table whose first file lacks
// the columns that came later.
func s3SchemaOfBefore(t *testing.T, at s3Place) {
	o := at.options()
	b, err := newBucket(at.root, o.AWS, Encryption{})
	if err != nil {
		t.Fatal(err)
	}
	cat := newGlueCatalog(b, o.AWS, at.database)
	if err := cat.claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	makeFirst(t, &Lake{root: b.base(), base: b.base(), catalog: cat, heads: map[string]*table.Table{}}, "one")
	l := at.open(t)
	if err := l.SaveFindings(t.Context(), judged("two", "11111111"), nil); err != nil {
		t.Fatal(err)
	}
	if got := runIDs(t, l); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("runs %v", got)
	}
	got := map[any][]any{}
	for d := json.NewDecoder(bytes.NewReader(pyIceberg(t, at, tableRuns))); d.More(); {
		var one map[string]any
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		got[one["id"]] = []any{one["policies"], one["renewed"], one["program"], one["policy_versions"]}
	}
	want := map[any][]any{"one": {7.0, nil, nil, nil}, "two": {2.0, nil, "v1.2.3", "a@11111111 b@00000000"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was written and what PyIceberg reads (-want +got):\n%s", diff)
	}
}

// columns are the values of a row by the names of its columns.
func (w *row) columns() map[string]any {
	v := reflect.ValueOf(w).Elem()
	out := map[string]any{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("parquet"), ",")
		value := v.Field(i)
		switch {
		case name == "-": // no column
		case value.Kind() == reflect.Slice && value.IsNil():
			out[name] = []string{}
		case value.Kind() == reflect.Map && value.IsNil():
			out[name] = map[string]string{}
		default:
			out[name] = value.Interface()
		}
	}
	return out
}

// decodeRows reads rows as JSON, in the order of their ids.
func decodeRows(t *testing.T, r io.Reader) []map[string]any {
	t.Helper()
	d := json.NewDecoder(r)
	d.UseNumber()
	var rows []map[string]any
	for d.More() {
		var one map[string]any
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, one)
	}
	key := func(r map[string]any) string { return r["id"].(string) + "/" + r["amendment"].(json.Number).String() }
	slices.SortFunc(rows, func(a, b map[string]any) int { return strings.Compare(key(a), key(b)) })
	return rows
}

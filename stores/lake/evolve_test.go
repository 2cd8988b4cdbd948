//go:build !noduckdb

package lake

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// firstRunRow is runRow as schema version 1 had it.
type firstRunRow struct {
	ID          string            `parquet:"id,id(1)"`
	Started     int64             `parquet:"started,id(2),timestamp(microsecond)"`
	Ended       int64             `parquet:"ended,id(3),timestamp(microsecond)"`
	WindowStart int64             `parquet:"window_start_us,id(4)"`
	WindowEnd   int64             `parquet:"window_end_us,id(5)"`
	Policies    int64             `parquet:"policies,id(6)"`
	Findings    int64             `parquet:"findings,id(7)"`
	NotJudged   map[string]string `parquet:"not_judged,id(8)" parquet-key:",id(9)" parquet-value:",id(10)"`
	Saved       int64             `parquet:"saved,id(11)"`
}

// makeFirst makes the tables of schema version 1 in a catalog, and records runs
// in them, as that version did.
func makeFirst(t *testing.T, l *Lake, ids ...string) {
	t.Helper()
	for _, of := range layouts() {
		if of.name == tableRuns {
			of.schema = parquet.SchemaOf(firstRunRow{})
		}
		if err := l.catalog.create(t.Context(), of); err != nil {
			t.Fatal(err)
		}
		tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, of.name})
		if err != nil {
			t.Fatal(err)
		}
		tx := tbl.NewTransaction()
		if err := tx.SetProperties(map[string]string{versionProperty: "1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := smallTable[firstRunRow]{
		lake: l, name: tableRuns, stamp: func(r *firstRunRow, seq int64) { r.Saved = seq },
		fold: func(rows []firstRunRow) []firstRunRow { return rows },
	}
	for _, id := range ids {
		r := firstRunRow{ID: id, Started: microseconds(noon), Ended: microseconds(noon.Add(time.Minute)), Policies: 7, NotJudged: map[string]string{"p": "no data"}}
		if err := first.add(t.Context(), []firstRunRow{r}); err != nil {
			t.Fatal(err)
		}
	}
}

// makeFirstFolder makes a lake of schema version 1 in a folder.
func makeFirstFolder(t *testing.T, ids ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := makeFolder(root); err != nil {
		t.Fatal(err)
	}
	cat, err := openCatalog(root, false)
	if err != nil {
		t.Fatal(err)
	}
	makeFirst(t, &Lake{root: root, base: scheme, catalog: cat, heads: map[string]*table.Table{}}, ids...)
	if err := cat.close(); err != nil {
		t.Fatal(err)
	}
	return root
}

func runIDs(t *testing.T, l *Lake) []string {
	t.Helper()
	var ids []string
	for r, err := range l.Runs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

// judged is a run with the versions of two policies.
func judged(id, version string) fleet.Run {
	return fleet.Run{
		ID: id, Started: noon.Add(time.Hour), Ended: noon.Add(2 * time.Hour), Policies: 2, NotJudged: map[string]string{},
		Program: "v1.2.3", Versions: map[string]string{"a": version, "b": "00000000"},
	}
}

func TestALakeOfTheSchemaBeforeIsRead(t *testing.T) {
	root := makeFirstFolder(t, "one", "two")
	l, err := Open(t.Context(), root, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := runIDs(t, l); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("runs %v", got)
	}
	got, err := ask(t, l, "select id, policies, program, policy_set, policy_versions from runs order by id")
	want := [][]any{{"one", int64(7), "", "", ""}, {"two", int64(7), "", "", ""}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if all := damages(t, l, Check{}); len(all) > 0 {
		t.Errorf("damages %v", all)
	}
}

func TestALakeOfTheSchemaBeforeIsBroughtForward(t *testing.T) {
	root := makeFirstFolder(t, "one")
	openLake(t, root)
	l := openLake(t, root) // again changes nothing
	if err := l.SaveFindings(t.Context(), judged("two", "11111111"), nil); err != nil {
		t.Fatal(err)
	}
	got, err := ask(t, l, "select id, program, policy_versions from runs order by id")
	want := [][]any{{"one", "", ""}, {"two", "v1.2.3", "a@11111111 b@00000000"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if all := damages(t, l, Check{}); len(all) > 0 {
		t.Errorf("damages %v", all)
	}
	tbl, err := l.head(t.Context(), tableRuns)
	if err != nil || versionOfTable(tbl) != schemaVersion || len(tbl.Metadata().Schemas()) != 2 {
		t.Fatalf("version %d, %d schemas, error %v", versionOfTable(tbl), len(tbl.Metadata().Schemas()), err)
	}
	for n := range 2 * foldFiles { // until all is written anew
		if err := l.SaveFindings(t.Context(), judged("more "+strconv.Itoa(n), "22222222"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := runIDs(t, l); len(got) != 2+2*foldFiles || got[len(got)-2] != "one" {
		t.Errorf("runs %v", got)
	}
	if all := damages(t, l, Check{Orphans: -time.Hour}); slices.ContainsFunc(all, func(d Damage) bool { return d.What != "orphan" }) {
		t.Errorf("damages %v", all)
	}
}

func TestRunsSpellTheVersionsOfTheirPoliciesOutOnce(t *testing.T) {
	root := t.TempDir()
	l := openLake(t, root)
	save := func(l *Lake, r fleet.Run) {
		t.Helper()
		if err := l.SaveFindings(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	claim := fleet.Run{ID: "r0", Started: noon}
	save(l, claim)
	claim.Renewed = noon.Add(time.Minute)
	save(l, claim)
	for r, err := range l.Runs(t.Context()) {
		if err != nil || !r.Renewed.Equal(claim.Renewed) || !r.Ended.IsZero() {
			t.Errorf("%+v, error %v", r, err)
		}
	}
	for n := range 2 * foldFiles {
		r := judged("r"+strconv.Itoa(n), strconv.Itoa(n/foldFiles))
		save(l, r)
		save(openLake(t, root), r) // once more, by another program
	}
	got, err := ask(t, l, "select count(*), count(distinct policy_set), count(*) filter (where policy_versions <> '') from run_states where policy_set is not null")
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if got[0][1] != int64(2) || got[0][2].(int64) > 2 {
		t.Errorf("%v rows, sets and texts, want two sets, each spelled out once", got[0])
	}
	for r, err := range l.Runs(t.Context()) {
		if want := judged(r.ID, r.Versions["a"]); err != nil || !maps.Equal(r.Versions, want.Versions) || r.Program != want.Program {
			t.Errorf("%+v, error %v", r, err)
		}
	}
}

func TestALakeOfTheSchemaBeforeIsBroughtForwardOnGlue(t *testing.T) {
	g := &smallGlue{}
	s3 := s3Handler(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			g.ServeHTTP(w, r)
			return
		}
		s3.ServeHTTP(w, r)
	}))
	defer server.Close()
	b, err := newBucket(testRoot, testAWS(server.URL), Encryption{})
	if err != nil {
		t.Fatal(err)
	}
	cat := newGlueCatalog(b, testAWS(server.URL), DefaultDatabase)
	if err := cat.claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	makeFirst(t, &Lake{root: b.base(), base: b.base(), catalog: cat, heads: map[string]*table.Table{}}, "one")
	for _, o := range []Options{{ReadOnly: true}, {}, {}} {
		o.AWS = testAWS(server.URL)
		l, err := Open(t.Context(), testRoot, o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if !o.ReadOnly {
			if err := l.SaveFindings(t.Context(), judged("two", "1"), nil); err != nil {
				t.Fatal(err)
			}
		}
		want := map[bool][]string{true: {"one"}, false: {"one", "two"}}[o.ReadOnly]
		if got := runIDs(t, l); !slices.Equal(got, want) {
			t.Errorf("runs %v, want %v", got, want)
		}
	}
	entry, err := cat.entry(t.Context(), tableRuns)
	if err != nil || len(entry.StorageDescriptor.Columns) != 13 || *entry.StorageDescriptor.Columns[12].Name != "policy_versions" {
		t.Errorf("Glue has %+v, error %v", entry, err)
	}
}

//go:build engines

package lake

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"muster/fleet"
	"muster/internal/engines"
)

const (
	engineBucket = "fleet-evidence"
	races        = 200
	raceSeed     = 11
)

// TestOnS3 holds a lake on S3 and Glue to what a lake in a folder keeps. Its
// Glue is moto with the version check of the real one.
func TestOnS3(t *testing.T) {
	url := startMoto(t)
	for _, tt := range []struct {
		name string
		test func(t *testing.T, at s3Place)
	}{
		{"IsMadeAndOpenedAgain", s3IsMadeAndOpenedAgain},
		{"ReadOnlyWritesNothing", s3ReadOnlyWritesNothing},
		{"BelongsToOneDatabase", s3BelongsToOneDatabase},
		{"RegisteredAgainFromItsFiles", s3RegisteredAgain},
		{"OvertakenCommitIsAConflict", s3OvertakenCommit},
		{"RacesLoseAndDoubleNothing", s3Races},
		{"OrphansAreSwept", s3Orphans},
		{"SnapshotsExpire", s3Expire},
		{"PyIcebergReadsEqualValues", s3PyIceberg},
		{"SchemaOfBeforeIsBroughtForward", s3SchemaOfBefore},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Table names in Glue are one per database, so that each test has its own.
			tt.test(t, s3Place{url, "s3://" + engineBucket + "/" + tt.name, strings.ToLower(tt.name)})
		})
	}
}

// startMoto starts a moto with the bucket engineBucket, for the test's time.
func startMoto(t *testing.T) (url string) {
	t.Helper()
	moto, err := engines.StartMoto(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := moto.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	if err := moto.MakeBucket(t.Context(), engineBucket); err != nil {
		t.Fatal(err)
	}
	return moto.URL()
}

// s3Place is where a test's lake lies.
type s3Place struct{ url, root, database string }

func (p s3Place) options() Options {
	cfg := testAWS(p.url)
	cfg.RetryMaxAttempts = 3
	cfg.HTTPClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	return Options{AWS: cfg, Database: p.database}
}

// open opens the lake with options changed by set, and closes it with the test.
func (p s3Place) open(t *testing.T, set ...func(*Options)) *Lake {
	t.Helper()
	o := p.options()
	for _, f := range set {
		f(&o)
	}
	l, err := Open(t.Context(), p.root, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		o.AWS.HTTPClient.(*http.Client).CloseIdleConnections()
	})
	return l
}

func readOnly(o *Options) { o.ReadOnly = true }

// liveRecords are the ids of all rows in the evidence's files, twice those that
// are there twice.
func liveRecords(t *testing.T, l *Lake) []string {
	t.Helper()
	tbl, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	if tbl.CurrentSnapshot() == nil {
		return nil
	}
	p, err := planFiles(t.Context(), tbl, iceberg.AlwaysTrue{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range p.files {
		err := readParquet(l.files(t.Context()), f.name, func(_ int64, r *evidenceID) error {
			ids = append(ids, r.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// checkBatches holds the lake to batches 0 to n of commitNext, each there once.
func checkBatches(t *testing.T, l *Lake, n int) {
	t.Helper()
	seen := map[string]int{}
	for _, id := range liveRecords(t, l) {
		seen[id]++
	}
	want := logLines(0, (n+2)*batchRecords) // a batch reaches into the next
	for i := range want {
		if seen[want[i].ID] != 1 {
			t.Errorf("record %s is there %d times", want[i].ID, seen[want[i].ID])
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d records, want %d up to batch %d", len(seen), len(want), n)
	}
}

// checkpoint is the number of the last batch that was committed, -1 for none.
func checkpoint(t *testing.T, l *Lake) int {
	t.Helper()
	marks, err := l.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return batchOf(marks[killStream])
}

func s3IsMadeAndOpenedAgain(t *testing.T, at s3Place) {
	l := at.open(t)
	if n, err := commitNext(t.Context(), l); n != 0 || err != nil {
		t.Fatalf("batch %d, error %v", n, err)
	}
	if _, err := l.Fresh(t.Context(), logLines(0, 5)); err != nil {
		t.Fatal(err)
	}
	again := at.open(t)
	if n, err := commitNext(t.Context(), again); n != 1 || err != nil {
		t.Fatalf("batch %d, error %v", n, err)
	}
	fresh, err := l.Fresh(t.Context(), logLines(0, 5*batchRecords))
	if err != nil || fresh.Dropped != 3*batchRecords || len(fresh.Records) != 2*batchRecords {
		t.Errorf("%d dropped, %d new, error %v", fresh.Dropped, len(fresh.Records), err)
	}
	checkBatches(t, l, 1)
	entries, err := collect(again.Ledger(t.Context(), fleet.Window{}))
	if err != nil || len(entries) != 2 || !entries[1].Window.End.Equal(noon.Add(time.Second)) {
		t.Errorf("ledger %v, error %v", entries, err)
	}
}

func s3ReadOnlyWritesNothing(t *testing.T, at s3Place) {
	o := at.options()
	o.ReadOnly = true
	_, err := Open(t.Context(), at.root, o)
	if err == nil || !strings.Contains(err.Error(), "no lake yet in Glue database "+at.database) {
		t.Errorf("a lake that is not there: %v", err)
	}
	b, err := newBucket(at.root, o.AWS, Encryption{})
	if err != nil {
		t.Fatal(err)
	}
	objectsIn := func() (n int) {
		err := b.list(t.Context(), b.prefix, func(*types.Object) error { n++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := objectsIn(); n != 0 {
		t.Errorf("%d objects were written", n)
	}
	l := at.open(t)
	add(t, l, logLines(0, 10), nil)
	before := objectsIn()
	reader := at.open(t, readOnly)
	if got := liveRecords(t, reader); len(got) != 10 {
		t.Errorf("%d records", len(got))
	}
	if _, err := reader.Commit(t.Context(), fleet.Commit{Records: logLines(10, 1)}); !errors.Is(err, errReadOnly) {
		t.Errorf("commit: %v", err)
	}
	if after := objectsIn(); after != before {
		t.Errorf("%d objects became %d", before, after)
	}
}

func s3BelongsToOneDatabase(t *testing.T, at s3Place) {
	at.open(t)
	for _, tt := range []struct {
		name string
		at   s3Place
		want string
	}{
		{"prefix of another database", s3Place{at.url, at.root, at.database + "2"}, "set --glue-database"},
		{"database of another prefix", s3Place{at.url, at.root + "2", at.database}, "belongs to another lake, with its files in " + at.root + "/"},
		{"no bucket", s3Place{at.url, "s3://nobody-has-this/x", at.database + "3"}, "bucket nobody-has-this does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.at.root, tt.at.options())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// s3RegisteredAgain drops the tables from Glue, which keeps their files.
func s3RegisteredAgain(t *testing.T, at s3Place) {
	l := at.open(t)
	for range 3 {
		if _, err := commitNext(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	client := l.catalog.(*glueCatalog).client
	for _, table := range layouts() {
		name := glueName(table.name)
		if _, err := client.DeleteTable(t.Context(), &glue.DeleteTableInput{DatabaseName: &at.database, Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	o := at.options()
	o.ReadOnly = true
	if _, err := Open(t.Context(), at.root, o); err == nil {
		t.Error("a reader opens a lake without tables")
	}
	again := at.open(t)
	checkBatches(t, again, 2)
	if n, err := commitNext(t.Context(), again); n != 3 || err != nil {
		t.Errorf("batch %d, error %v", n, err)
	}
	checkBatches(t, again, 3)
}

func s3OvertakenCommit(t *testing.T, at s3Place) {
	first, second := at.open(t), at.open(t)
	rs := logLines(0, 10)
	fresh, err := second.Fresh(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	add(t, first, rs, nil)
	_, err = second.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Records: fresh.Records})
	if !errors.Is(err, fleet.ErrConflict) {
		t.Errorf("got %v, want %v", err, fleet.ErrConflict)
	}
	if got := liveRecords(t, second); len(got) != len(rs) {
		t.Errorf("%d records, want %d", len(got), len(rs))
	}
}

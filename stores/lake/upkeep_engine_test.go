//go:build engines && !noduckdb

package lake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/engines"
)

// upkeepTrino is a lake on S3 and Trino over it.
type upkeepTrino struct {
	trino *engines.Trino
	l     *Lake
}

// query asks Trino, in the lake's database.
func (u *upkeepTrino) query(t *testing.T, text string) [][]any {
	t.Helper()
	res, err := u.trino.Query(t.Context(), strings.ReplaceAll(text, "LAKE.", "lake."+u.l.options.Database+"."))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return res.Rows
}

// liveSQLTrino is what the view "records" shows, by its own words.
const liveSQLTrino = `from LAKE.evidence r left join (
	select kind, id, time_us - time_us % 86400000000 as day_us, max(cast(revision as bigint) * 1000000000000 + amendment) as version
	from LAKE.evidence where amends group by 1, 2, 3) a
	on a.kind = r.kind and a.id = r.id and a.day_us = r.time_us - r.time_us % 86400000000
	where (a.version is null or a.version = cast(r.revision as bigint) * 1000000000000 + r.amendment)`

// live are the ids and correlation ids that Trino sees, in order.
func (u *upkeepTrino) live(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, r := range u.query(t, "select r.id, r.correlation_id, r.message "+liveSQLTrino+" order by r.time_us, r.id") {
		out = append(out, fmt.Sprint(r...))
	}
	return out
}

func idLines(rs []fleet.Record) []string {
	var out []string
	for i := range rs {
		out = append(out, fmt.Sprint(rs[i].ID, rs[i].Keys.Correlation, rs[i].Message))
	}
	return out
}

func startUpkeepTrino(t *testing.T) *upkeepTrino {
	t.Helper()
	ctx := t.Context()
	moto, err := engines.StartMoto(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = moto.Close() })
	tr, err := engines.StartTrino(ctx, moto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	if err := moto.MakeBucket(ctx, "upkeep"); err != nil {
		t.Fatal(err)
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(engines.Region), awsconfig.WithBaseEndpoint(moto.URL()),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(engines.Key, engines.Secret, "")))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(ctx, "s3://upkeep/fleet", Options{AWS: cfg, Database: "upkeep", Now: func() time.Time { return noon.Add(48 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &upkeepTrino{tr, l}
}

// TestUpkeepOnS3BesideTrino deletes, optimizes and inserts with Trino between
// our own commits, compactions, erasures and retention, and both must see the
// same records all the time.
func TestUpkeepOnS3BesideTrino(t *testing.T) {
	u := startUpkeepTrino(t)
	l := u.l
	want := history(t, l, 8)
	if diff := cmp.Diff(idLines(want), u.live(t)); diff != "" {
		t.Fatalf("before anything (-want +Trino):\n%s", diff)
	}

	u.query(t, "delete from LAKE.evidence where id in ('"+want[7].ID+"', '"+want[33].ID+"')")
	want = slices.Concat(want[:7], want[8:33], want[34:])
	if diff := cmp.Diff(idLines(want), u.live(t)); diff != "" {
		t.Fatalf("after Trino's delete (-want +Trino):\n%s", diff)
	}
	readers := u.countBeside(t, len(want))
	done := compactAll(t, l, Compaction{})
	readers()
	if len(done) != 1 || done[0].Busy || done[0].Deleted < 3 || done[0].FilesAfter != 1 {
		t.Errorf("got %+v, want one file without the deleted rows", done)
	}
	if diff := cmp.Diff(idLines(want), u.live(t)); diff != "" {
		t.Errorf("after compaction (-want +Trino):\n%s", diff)
	}
	u.sound(t, "after compaction")

	// Trino's OPTIMIZE writes files of its own, in no order; amendments go on.
	amend(t, l, want[10:20], "later")
	add(t, l, logLines(100, 5), nil)
	want = append(want, logLines(100, 5)...)
	u.query(t, "alter table LAKE.evidence execute optimize")
	if diff := cmp.Diff(idLines(want), u.live(t)); diff != "" {
		t.Errorf("after Trino's OPTIMIZE (-want +Trino):\n%s", diff)
	}
	if fresh, err := l.Fresh(t.Context(), want); err != nil || fresh.Dropped != len(want) {
		t.Errorf("%d of %d are known after OPTIMIZE, error %v", fresh.Dropped, len(want), err)
	}
	amend(t, l, want[15:25], "latest")
	compactAll(t, l, Compaction{})
	if base, amends, deletes := dayFiles(t, l); base != 1 || amends != 0 || deletes != 0 {
		t.Errorf("got %d base, %d amending and %d delete files", base, amends, deletes)
	}
	if diff := cmp.Diff(idLines(want), u.live(t)); diff != "" {
		t.Errorf("after the second compaction (-want +Trino):\n%s", diff)
	}
	u.sound(t, "after the second compaction")

	gone := logLines(200, 3)
	gone[1].Principal = "arn:aws:sts::111122223333:assumed-role/Admin/" + person
	add(t, l, gone, nil)
	erased, err := l.Erase(t.Context(), Erasure{Subject: person})
	if err != nil || erased.Records() != 1 {
		t.Errorf("erase: got %+v, error %v", erased, err)
	}
	want = append(want, gone[0], gone[2])
	if diff := cmp.Diff(idLines(want), u.live(t)); diff != "" {
		t.Errorf("after erasing (-want +Trino):\n%s", diff)
	}
	u.export(t, want)
	expired, err := l.Expire(t.Context(), Retention{Keep: time.Hour})
	if err != nil || expired.Days != 1 || expired.Rows != int64(len(want)) {
		t.Errorf("expire: got %+v, error %v", expired, err)
	}
	if got := u.live(t); len(got) != 0 {
		t.Errorf("after retention Trino sees %d records", len(got))
	}
	u.sound(t, "after retention")
}

// export reads an export back through the table that HiveTable makes of it, as
// far as Trino's own words for it go.
func (u *upkeepTrino) export(t *testing.T, want []fleet.Record) {
	t.Helper()
	done, err := u.l.ExportHive(t.Context(), Export{To: "s3://upkeep/export", AWS: u.l.options.AWS})
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for line := range strings.Lines(hiveColumns()) {
		name, kind, _ := strings.Cut(strings.Trim(line, " ,`\n"), "` ")
		kind = strings.NewReplacer("map<string,string>", "map(varchar, varchar)", "array<string>", "array(varchar)", "string", "varchar", "int", "integer", "timestamp", "timestamp(6)").Replace(strings.ReplaceAll(kind, "bigint", "BIG"))
		columns = append(columns, `"`+name+`" `+strings.ReplaceAll(kind, "BIG", "bigint"))
	}
	u.query(t, `create table hive.`+u.l.options.Database+`.exported (`+strings.Join(columns, ", ")+`,
		kind varchar with (partition_projection_type = 'enum', partition_projection_values = array['span', 'log']),
		day varchar with (partition_projection_type = 'date', partition_projection_format = 'yyyy-MM-dd', partition_projection_range = array['`+done.FirstDay+`', '2026-03-15'])) with (
		format = 'PARQUET', partitioned_by = array['kind', 'day'], external_location = 's3://upkeep/export',
		partition_projection_enabled = true, partition_projection_location_template = 's3://upkeep/export/kind=${kind}/day=${day}/')`)
	var got []string
	for _, r := range u.query(t, "select id, correlation_id, message from hive."+u.l.options.Database+".exported where kind = 'log' and day = '2026-03-14' order by time_us, id") {
		got = append(got, fmt.Sprint(r...))
	}
	if diff := cmp.Diff(idLines(want), got); diff != "" {
		t.Errorf("exported (-want +Trino):\n%s", diff)
	}
}

// sound fails the test over anything that Check finds.
func (u *upkeepTrino) sound(t *testing.T, when string) {
	t.Helper()
	for _, d := range damages(t, u.l, Check{}) {
		t.Errorf("%s: %+v", when, d)
	}
}

// countBeside asks Trino again and again, until it is stopped.
func (u *upkeepTrino) countBeside(t *testing.T, want int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	n := 0
	wg.Go(func() {
		for ctx.Err() == nil || n < 3 {
			got := u.query(t, "select count(*), count(distinct r.id) "+liveSQLTrino)
			if fmt.Sprint(got) != fmt.Sprintf("[[%d %d]]", want, want) {
				t.Errorf("Trino counts %v, want %d of both", got, want)
			}
			n++
		}
	})
	return func() {
		cancel()
		wg.Wait()
		t.Logf("Trino counted %d times", n)
	}
}

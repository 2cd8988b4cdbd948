//go:build !noduckdb

package lake

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

const (
	// commitsVariable says how many commits BenchmarkPlanAfterManyCommits makes
	// first; the target is stated for 10,000, which take some minutes.
	commitsVariable = "MUSTER_BENCH_COMMITS"
	someCommits     = 500
	// snapshotsVariable says how many snapshots stay; those of an hour without
	// it. What a commit costs grows with them, and what a plan of a lake that is
	// open costs does not.
	snapshotsVariable = "MUSTER_BENCH_SNAPSHOTS"
	// commitPace is how far apart the commits' records lie: as those of a
	// daemon that commits every 5 seconds.
	commitPace = 5 * time.Second
)

// BenchmarkPlanAfterManyCommits plans one hour of a lake after many commits with
// the upkeep that each of them does. Commits come faster here than by the clock,
// so that snapshots are expired by number: those that an hour would hold stay.
func BenchmarkPlanAfterManyCommits(b *testing.B) {
	commits := setting(b, commitsVariable, someCommits)
	snapshots := setting(b, snapshotsVariable, int(snapshotAge/commitPace))
	slack := snapshots / 4 // as expireSlack is of snapshotAge
	root := b.TempDir()
	l := openLake(b, root)
	last := time.Duration(0)
	for n := range commits {
		rs := logLines(2*n, 2)
		for i := range rs {
			rs[i].Time = noon.Add(time.Duration(n)*commitPace + time.Duration(i))
		}
		start := time.Now()
		add(b, l, rs, map[string]time.Time{"s": rs[0].Time})
		last = time.Since(start)
		if n%slack == 0 && n > snapshots {
			keepSnapshots(b, l, snapshots)
		}
	}
	q := fleet.Query{Window: fleet.Window{Start: noon.Add(time.Duration(commits/2) * commitPace)}}
	q.Window.End = q.Window.Start.Add(time.Hour)
	tbl, err := l.head(b.Context(), tableEvidence)
	if err != nil {
		b.Fatal(err)
	}
	report := func(b *testing.B) {
		b.Helper()
		b.ReportMetric(float64(commits), "commits")
		b.ReportMetric(float64(len(tbl.Metadata().Snapshots())), "snapshots")
		b.ReportMetric(float64(last.Microseconds())/1000, "ms/last-commit")
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if p, err := l.planQuery(b.Context(), &q); err != nil || len(p.files) == 0 {
				b.Fatalf("got %d files, error %v", len(p.files), err)
			}
		}
		report(b)
	})
	b.Run("opening", func(b *testing.B) {
		for b.Loop() {
			tbl, err := l.catalog.LoadTable(b.Context(), table.Identifier{namespace, tableEvidence})
			if err != nil {
				b.Fatal(err)
			}
			if p, err := planFiles(b.Context(), tbl, planFilter(&q)); err != nil || len(p.files) == 0 {
				b.Fatalf("got %d files, error %v", len(p.files), err)
			}
		}
		report(b)
	})
}

func setting(b *testing.B, variable string, standard int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// keepSnapshots expires all but the newest.
func keepSnapshots(b *testing.B, l *Lake, n int) {
	b.Helper()
	tbl, err := l.catalog.LoadTable(b.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		b.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.ExpireSnapshots(table.WithRetainLast(n), table.WithOlderThan(0)); err != nil {
		b.Fatal(err)
	}
	if _, err := tx.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
}

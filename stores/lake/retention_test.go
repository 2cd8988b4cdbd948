//go:build !noduckdb

package lake

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// calendar commits ten records of each of two kinds on each of so many days,
// the last of which is that of noon.
func calendar(t testing.TB, l *Lake, days int) []fleet.Record {
	t.Helper()
	var all []fleet.Record
	for n := range days {
		for k, kind := range []fleet.Kind{fleet.KindLog, fleet.KindSpan} {
			rs := logLines(100*n+50*k, 10)
			for i := range rs {
				rs[i].Kind = kind
				rs[i].Time = rs[i].Time.AddDate(0, 0, n+1-days)
			}
			add(t, l, rs, map[string]time.Time{"s": noon})
			all = append(all, rs...)
		}
	}
	fleet.Sort(all)
	return all
}

func TestExpireDropsWholeDays(t *testing.T) {
	root := t.TempDir()
	l := openLake(t, root)
	all := calendar(t, l, 6)
	amend(t, l, all[:3], "early")
	l.options.Now = func() time.Time { return time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC) }
	var parts []ExpiredPart
	r := Retention{
		Keep: 4 * 24 * time.Hour, KeepKind: map[fleet.Kind]time.Duration{fleet.KindLog: 48 * time.Hour}, DryRun: true,
		Each: func(p ExpiredPart) error {
			parts = append(parts, p)
			return nil
		},
	}
	dry, err := l.Expire(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, l, all)
	r.DryRun = false
	done, err := l.Expire(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dry, done); diff != "" || done.Days != 6 || done.Rows != 63 {
		t.Errorf("announced (-) and done (+):\n%s%+v", diff, done)
	}
	if len(parts) != 12 || !cmp.Equal(parts[:6], parts[6:]) || parts[0].Day != "2026-03-09" {
		t.Errorf("got parts %+v", parts)
	}
	// A log's day goes two days after it ended, a span's four.
	want := slices.DeleteFunc(slices.Clone(all), func(r fleet.Record) bool {
		return r.Time.Day() < 11 || r.Kind == fleet.KindLog && r.Time.Day() < 13
	})
	sameRecords(t, l, want)
	if marks, err := l.Checkpoints(t.Context()); err != nil || !marks["s"].Equal(noon) {
		t.Errorf("got checkpoints %v, error %v", marks, err)
	}
	// Once the snapshots are gone, so are the files.
	r.Snapshots = time.Nanosecond
	if done, err = l.Expire(t.Context(), r); err != nil || done.Days != 0 || done.Snapshots == 0 {
		t.Errorf("got %+v, error %v, want snapshots only", done, err)
	}
	files, err := filepath.Glob(filepath.Join(root, tableEvidence, "data", "*.parquet"))
	if err != nil || len(files) != 6 {
		t.Errorf("%d data files are left, error %v, want 6", len(files), err)
	}
	sameRecords(t, l, want)
}

func TestExpireKeepsAllWithoutARetention(t *testing.T) {
	l := later(t, t.TempDir())
	all := calendar(t, l, 3)
	done, err := l.Expire(t.Context(), Retention{})
	if err != nil || done != (Expired{}) {
		t.Errorf("got %+v, error %v, want nothing", done, err)
	}
	sameRecords(t, l, all)
}

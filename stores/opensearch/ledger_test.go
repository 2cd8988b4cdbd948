package opensearch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestLedgerIsSummedUpByDay(t *testing.T) {
	at := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, time.UTC) }
	got := ledgerDays([]fleet.LedgerEntry{
		{Stream: "logs/a", Window: fleet.Window{Start: at(24, 22), End: at(25, 3)}, Coverage: fleet.Complete, Records: 7},
		{Stream: "logs/a", Window: fleet.Window{Start: at(25, 5), End: at(25, 6)}, Coverage: fleet.Complete, Records: 1, Detail: "newest"},
		{Stream: "logs/a", Window: fleet.Window{Start: at(25, 3), End: at(25, 5)}, Coverage: fleet.Partial, Reason: "throttled"},
		{Stream: "trail", Window: fleet.Window{End: at(25, 0)}, Coverage: fleet.Complete, Records: 2},
		{Stream: "trail", Coverage: fleet.Unknown},
	})
	want := map[ledgerKey]*ledgerDocument{
		{"logs/a", fleet.Complete, "", at(24, 0)}: {
			Timestamp: "2026-11-25T00:00:00Z", Stream: "logs/a", Source: "logs", Coverage: fleet.Complete,
			Seconds: 2 * 3600, Start: "2026-11-24T22:00:00Z", End: "2026-11-25T00:00:00Z",
		},
		{"logs/a", fleet.Complete, "", at(25, 0)}: {
			Timestamp: "2026-11-25T06:00:00Z", Stream: "logs/a", Source: "logs", Coverage: fleet.Complete, Detail: "newest",
			Records: 8, Seconds: 4 * 3600, Start: "2026-11-25T00:00:00Z", End: "2026-11-25T06:00:00Z",
		},
		{"logs/a", fleet.Partial, "throttled", at(25, 0)}: {
			Timestamp: "2026-11-25T05:00:00Z", Stream: "logs/a", Source: "logs", Coverage: fleet.Partial, Reason: "throttled",
			Seconds: 2 * 3600, Start: "2026-11-25T03:00:00Z", End: "2026-11-25T05:00:00Z",
		},
		{"trail", fleet.Complete, "", at(25, 0)}: {
			Timestamp: "2026-11-25T00:00:00Z", Stream: "trail", Source: "trail", Coverage: fleet.Complete, Records: 2,
			Start: "2026-11-25T00:00:00Z", End: "2026-11-25T00:00:00Z",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLedgerOfAThousandYearsIsNotToldDayByDay(t *testing.T) {
	w := fleet.Window{Start: time.Date(1026, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if n := len(ledgerDays([]fleet.LedgerEntry{{Stream: "s", Window: w, Coverage: fleet.Complete}})); n != longestWindow+1 {
		t.Errorf("%d documents", n)
	}
}

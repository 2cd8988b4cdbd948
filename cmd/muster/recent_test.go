package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func TestListsFromS3AreOfTheLastDay(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	day, month, hour := now.Add(-24*time.Hour), now.Add(-30*24*time.Hour), now.Add(-time.Hour)
	var said bytes.Buffer
	r := (&app{store: "s3://b/p"}).thrifty(nil, &said).(*recentReader)
	r.now = func() time.Time { return now }
	for _, tt := range []struct {
		name string
		q    fleet.Query
		want time.Time
	}{
		{"asked", fleet.Query{Window: fleet.Window{Start: month.Add(-1)}}, month.Add(-1)},
		{"by id", fleet.Query{IDs: []string{"x"}}, month},
		{"by journey", fleet.Query{Correlation: "x"}, month},
		{"nothing said", fleet.Query{Service: "orders"}, day},
		{"up to an hour ago", fleet.Query{Window: fleet.Window{End: hour}}, hour.Add(-24 * time.Hour)},
		{"up to tomorrow", fleet.Query{Window: fleet.Window{End: now.Add(time.Hour)}}, day},
	} {
		if got := r.recent(tt.q).Window.Start; !got.Equal(tt.want) {
			t.Errorf("%s: from %s, want %s", tt.name, got, tt.want)
		}
	}
	if n := strings.Count(said.String(), "--since"); n != 1 {
		t.Errorf("said %d times that lists are cut: %q", n, said.String())
	}
	if _, cut := (&app{store: "/folder"}).thrifty(nil, &said).(*recentReader); cut {
		t.Error("a folder, which costs nothing, is read in part")
	}
}

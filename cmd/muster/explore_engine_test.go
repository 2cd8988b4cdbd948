//go:build engines && !noduckdb

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/engines"
)

// exploreWidth and exploreHeight are the screen of the tour: the details stand
// beside the waterfall.
const exploreWidth, exploreHeight = 140, 40

// exploreTour leads through every view of the explorer, and names the frames.
var exploreTour = []struct{ view, keys, shows string }{
	{"traces", "", "1 of"},
	{"traces, filtered", "/ errors enter", "filter: errors"},
	{"dossier", "enter", "JOINED"},
	{"dossier, details", "s enter pgdown", "DETAILS"},
	{"statistics", "esc t", "LONGEST"},
	{"journey", "esc J", "journey"},
	{"compare", "esc esc m down M", "compare"},
	{"compare with the route", "esc m M", "median of"},
	{"outliers", "esc O", "outliers"},
	{"groups", "esc b", "by route"},
	{"service map", "esc S", "layer 1"},
	{"around one service", "/ orders enter enter", "around orders"},
	{"findings", "esc esc tab", "SEVERITY"},
	{"finding", "enter", "evidence"},
	{"changes", "esc tab", "of"},
	{"timeline", "enter", "change"},
	{"calls", "esc tab", "principal"},
	{"calls of a principal", "enter", "calls"},
	{"logs", "esc tab", "lines"},
	{"patterns", "p", "patterns of"},
	{"logs, searched", "p / saga enter", "search: saga"},
	{"SQL", "Q select space kind, space count(*) space as space n space from space records space group space by space kind space order space by space n, space kind enter", "sql select kind"},
}

// exploreFrames are the frames of the tour on a store, without what says which
// store it is and how fresh.
func exploreFrames(t *testing.T, store ...string) []string {
	t.Helper()
	args := append([]string{"explore", "--size", fmt.Sprintf("%dx%d", exploreWidth, exploreHeight)}, store...)
	for _, x := range exploreTour {
		args = append(args, "--press", x.keys)
	}
	began := time.Now()
	lines := strings.Split(strings.TrimSuffix(mustMuster(t, args...), "\n"), "\n")
	t.Logf("the tour of %v took %s", store, time.Since(began).Round(time.Second/10))
	if len(lines) != len(exploreTour)*exploreHeight {
		t.Fatalf("%d lines, want %d frames of %d", len(lines), len(exploreTour), exploreHeight)
	}
	var out []string
	for i, x := range exploreTour {
		frame := lines[i*exploreHeight : (i+1)*exploreHeight]
		if all := strings.Join(frame, "\n"); !strings.Contains(all, x.shows) || strings.Contains(all, "could not be read") {
			t.Errorf("%s of %v does not show %q:\n%s", x.view, store, x.shows, all)
		}
		// Behind the last tab are the way back and the name of the store, which give
		// way to each other.
		tabs, rest, _ := strings.Cut(frame[0], "logs")
		frame[0] = tabs + "logs" + rest[:min(1, len(rest))]
		state, _, _ := strings.Cut(strings.TrimPrefix(frame[exploreHeight-2], " "), "  ")
		frame[exploreHeight-2] = state
		out = append(out, strings.Join(frame, "\n"))
	}
	return out
}

// sameFrames compares the tours of two stores; except are the views that may
// differ, with what the second shows in them.
func sameFrames(t *testing.T, want, got []string, except map[string]string) {
	t.Helper()
	for i, x := range exploreTour {
		if shows, differs := except[x.view]; differs {
			if !strings.Contains(got[i], shows) {
				t.Errorf("%s does not say %q:\n%s", x.view, shows, got[i])
			}
			continue
		}
		if diff := cmp.Diff(strings.Split(want[i], "\n"), strings.Split(got[i], "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", x.view, diff)
		}
	}
}

// exploreAthena drives the explorer through every view on a lake on S3, which Athena
// answers for; lake views --apply has been there.
func exploreAthena(t *testing.T, s3 ...string) {
	t.Helper()
	for i, frame := range exploreFrames(t, s3...) {
		if strings.Contains(frame, "✗ ") && strings.Contains(frame, "r tries again") {
			t.Errorf("%s could not be read:\n%s", exploreTour[i].view, frame)
		}
	}
}

// exploreOpenSearch drives the explorer through every view on an OpenSearch that
// has followed a lake in a folder, and on that.
func exploreOpenSearch(t *testing.T, engine *engines.OpenSearch, store string) {
	t.Helper()
	folder, copied := exploreFrames(t, "--store", store), exploreFrames(t, "--store", "opensearch+"+engine.URL())
	sameFrames(t, folder, copied, map[string]string{"SQL": "SQL runs on a lake"})
}

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"muster/dashboards"
)

func TestSavedQueriesAnswerOnTheDemo(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	mustMuster(t, "demo", "--headless", "--for", "10s", "--seed", "7", "--store", store)
	for _, name := range dashboards.Queries() {
		t.Run(name, func(t *testing.T) {
			text, err := dashboards.Query(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(text, "-- ") {
				t.Error("it does not begin by saying which question it answers")
			}
			if out := mustMuster(t, "sql", "--json", "--store", store, "--saved", name); out == "" {
				t.Error("no rows")
			}
		})
	}
}

func TestSavedQueryThatIsNotThereIsRefused(t *testing.T) {
	for _, args := range [][]string{{"sql", "--saved", "nothing"}, {"sql", "--saved", "completeness", "select 1"}, {"sql"}} {
		if _, stderr, code := muster(t, args...); code == exitOK || stderr == "" {
			t.Errorf("muster %v: exit %d, said %q", args, code, stderr)
		}
	}
}

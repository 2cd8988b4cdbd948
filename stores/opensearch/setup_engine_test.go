//go:build engines

package opensearch

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSetupIsRepeatableAndKeepsWhatUsersChange(t *testing.T) {
	s := newStore(t)
	names, err := templateNames()
	if err != nil {
		t.Fatal(err)
	}
	all := len(names)
	setUp := func(o SetupOptions) map[Action]int {
		t.Helper()
		did := map[Action]int{}
		if err := s.Setup(t.Context(), o, func(name string, a Action) { did[a]++; t.Log(a, name) }); err != nil {
			t.Fatal(err)
		}
		return did
	}
	put := func(change string) {
		t.Helper()
		there, err := s.template(t.Context(), "muster-other")
		if err != nil {
			t.Fatal(err)
		}
		there["priority"] = 501
		if change == "older" { // as a muster with other templates put it
			there["version"] = 0
			there["_meta"] = map[string]any{hashKey: hashOf(there)}
		}
		if err := s.doJSON(context.WithoutCancel(t.Context()), http.MethodPut, "/_index_template/muster-other", there, nil); err != nil {
			t.Fatal(err)
		}
	}
	retain := SetupOptions{RetainDays: 30}
	for _, step := range []struct {
		name   string
		change string
		o      SetupOptions
		want   map[Action]int
	}{
		// The engine gives settings back in its own spelling; that is no change.
		{"again", "", retain, map[Action]int{Kept: all, Missing: 1}},
		{"without retention", "", SetupOptions{}, map[Action]int{Kept: all, Unwanted: 1}},
		{"changed by somebody", "hand", retain, map[Action]int{Kept: all - 1, Changed: 1, Missing: 1}},
		{"still theirs", "", retain, map[Action]int{Kept: all - 1, Changed: 1, Missing: 1}},
		{"forced", "", SetupOptions{Force: true}, map[Action]int{Kept: all - 1, Upgraded: 1, Unwanted: 1}},
		{"of an older muster", "older", retain, map[Action]int{Kept: all - 1, Upgraded: 1, Missing: 1}},
		{"upgraded", "", retain, map[Action]int{Kept: all, Missing: 1}},
	} {
		if step.change != "" {
			put(step.change)
		}
		if diff := cmp.Diff(step.want, setUp(step.o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	f := &followed{s, openLake(t)}
	f.add(t, fleetRecords(0, 1))
	f.mustSee(t)
	aliases := map[string]any{}
	if err := s.do(t.Context(), http.MethodGet, "/_alias/muster-records", nil, &aliases); err != nil || len(aliases) != 3 {
		t.Errorf("the alias of all records has %d indices, error %v, want 3", len(aliases), err)
	}
}

// Nothing of a record is indexed unless a template says so, least of all the evidence.
func TestEvidenceIsKeptAndNotIndexed(t *testing.T) {
	f := openFollowed(t)
	f.add(t, fleetRecords(0, 1))
	f.mustSee(t)
	var mappings map[string]struct {
		Mappings struct {
			Properties map[string]struct {
				Properties map[string]any `json:"properties"`
			} `json:"properties"`
		} `json:"mappings"`
	}
	if err := f.do(t.Context(), http.MethodGet, "/muster-records/_mapping", nil, &mappings); err != nil {
		t.Fatal(err)
	}
	if len(mappings) != 3 {
		t.Errorf("got %d indices, want 3", len(mappings))
	}
	for index, m := range mappings {
		muster := m.Mappings.Properties["muster"].Properties
		if muster["raw"] != nil || muster["trace_id"] == nil {
			t.Errorf("%s: muster.raw is mapped, or muster.trace_id is not: %v", index, muster)
		}
	}
}

func TestFollowNeedsSetup(t *testing.T) {
	s := newStore(t)
	if err := s.do(t.Context(), http.MethodDelete, "/_index_template/"+stateTemplate, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CatchUp(t.Context(), openLake(t)); !errors.Is(err, errNotSetUp) || !strings.Contains(err.Error(), "opensearch setup") {
		t.Errorf("got error %v, want %v", err, errNotSetUp)
	}
}

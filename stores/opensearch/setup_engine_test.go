//go:build engines

package opensearch

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSetupIsRepeatableAndKeepsWhatUsersChange(t *testing.T) {
	s := newStore(t)
	did := map[Action]int{}
	report := func(_ string, a Action) { did[a]++ }
	if err := s.Setup(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[Action]int{Kept: 9}, did); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	put := func(version string) {
		body := `{"index_patterns":["muster-other-*"],"priority":500,"composed_of":["muster-record"]` + version + `}`
		ctx := context.WithoutCancel(t.Context()) // also when the test has ended
		if err := s.do(ctx, http.MethodPut, "/_index_template/muster-other", []byte(body), nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { put(`,"version":0`) }) // which the next setup upgrades
	for version, want := range map[string]map[Action]int{
		"":             {Kept: 9}, // somebody's own
		`,"version":0`: {Kept: 8, Upgraded: 1},
	} {
		put(version)
		clear(did)
		if err := s.Setup(t.Context(), report); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, did); diff != "" {
			t.Errorf("with%q (-want +got):\n%s", version, diff)
		}
	}
	aliases := map[string]any{}
	f := &followed{s, openLake(t)}
	f.add(t, fleetRecords(0, 1))
	f.mustSee(t)
	if err := s.do(t.Context(), http.MethodGet, "/_alias/muster-records", nil, &aliases); err != nil || len(aliases) != 3 {
		t.Errorf("the alias of all records has %d indices, error %v, want 3", len(aliases), err)
	}
}

func TestFollowNeedsSetup(t *testing.T) {
	s := newStore(t)
	if err := s.do(t.Context(), http.MethodDelete, "/_index_template/"+stateTemplate, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CatchUp(t.Context(), openLake(t)); !errors.Is(err, errNotSetUp) {
		t.Errorf("got error %v, want %v", err, errNotSetUp)
	}
}

package explore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// TestChangesSayWhatDiffersFromTheItemBefore: the item before is looked for in the
// store, and is that of the same account and region.
func TestChangesSayWhatDiffersFromTheItemBefore(t *testing.T) {
	item := func(account, state, mode string, at time.Time) fleet.Record {
		return fleet.Record{
			ID: account + "@" + state, Kind: fleet.KindChange, Time: at, Account: account, Region: "us-east-1", Name: "OK",
			Resources: []string{"AWS::DynamoDB::Table/orders"}, Raw: []byte(`{"configuration":{"billingMode":"` + mode + `"}}`),
			Seen: fleet.Keys{Request: "R-" + state}, Keys: fleet.Keys{Request: "R-" + state},
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before, foreign := item("1", "1", "PROVISIONED", now.Add(-48*time.Hour)), item("2", "2", "OTHER", now.Add(-time.Hour))
	after, later := item("1", "3", "PAY_PER_REQUEST", now), item("1", "4", "PAY_PER_REQUEST", now.Add(time.Minute))
	reader := &fake{records: []fleet.Record{before, foreign, after, later}}
	got, err := Changes(t.Context(), reader, []fleet.Record{after, later})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Change{
		"1@3": {"billingMode PROVISIONED → PAY_PER_REQUEST", []FieldChange{{"billingMode", "PROVISIONED", "PAY_PER_REQUEST"}}},
		"1@4": {"no field differs from the item before", []FieldChange{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var out strings.Builder
	if err := Print(t.Context(), &out, reader, 160, after.ID); err != nil || !strings.Contains(out.String(), "billingMode PROVISIONED → PAY_PER_REQUEST") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

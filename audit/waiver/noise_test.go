package waiver

import (
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func TestNoiseNamesTheWaiverThatSilencesMost(t *testing.T) {
	at := func(resource, service string, count int, status fleet.Status) fleet.Finding {
		return finding(func(f *fleet.Finding) {
			f.Fingerprint, f.Resource, f.Service, f.Count, f.Status = resource+service, resource, service, count, status
		})
	}
	got := Measure([]fleet.Finding{
		at("", "orders", 3, fleet.StatusOpen), at("", "payments", 1, fleet.StatusNew), at("AWS::S3::Bucket/a", "orders", 4, fleet.StatusOpen),
		at("AWS::S3::Bucket/b", "", 2, fleet.StatusWaived), at("AWS::S3::Bucket/c", "", 2, fleet.StatusResolved),
		finding(func(f *fleet.Finding) { f.Policy, f.Count = "quiet", 0 }),
		finding(func(f *fleet.Finding) { f.Policy = PolicyUnused }),
	}, here)
	if len(got) != 2 || got[0].Policy != "bucket-public" || got[1].Policy != "quiet" {
		t.Fatalf("%+v", got)
	}
	n := got[0]
	if n.Fires != 12 || n.Findings != 5 || n.Waived != 1 || n.Resolved != 1 || n.Share != 0.25 || n.PerDay != 12 {
		t.Errorf("%+v", n)
	}
	if n.Silences != 8 || !strings.Contains(n.Entry, `account: "111122223333", region: "eu-central-1"`) {
		t.Errorf("%d by %s; all 8 that stand are in one account and region", n.Silences, n.Entry)
	}
	if !strings.Contains(got[1].Entry, `resource: "AWS::S3::Bucket/exports"`) {
		t.Errorf("of several that silence as much, not the narrowest: %s", got[1].Entry)
	}
}

func TestEntryIsAWaiverOnceItIsFilledIn(t *testing.T) {
	n := Measure([]fleet.Finding{finding(nil)}, here)[0]
	text := "waivers:\n  " + strings.NewReplacer("id: ?", "id: a", "owner: ?", "owner: b", "reason: ?", "reason: c", "expires: ?", "expires: 2026-12-31").Replace(n.Entry) + "\n"
	if got := apply(waivers(t, text), now, []fleet.Finding{finding(nil)}, nil).Findings; len(got) != 1 || got[0].Status != fleet.StatusWaived {
		t.Errorf("%+v", got)
	}
}

func TestGroupedSplitsAtSilence(t *testing.T) {
	at := func(policy string, minutes int) fleet.Finding {
		return finding(func(f *fleet.Finding) { f.Policy, f.LastSeen = policy, now.Add(time.Duration(minutes)*time.Minute) })
	}
	fs := []fleet.Finding{at("b", 0), at("a", 30), at("a", 0), at("a", 8), at("a", 16)}
	for _, tt := range []struct {
		window time.Duration
		want   []int
	}{{10 * time.Minute, []int{3, 1, 1}}, {0, []int{4, 1}}, {time.Minute, []int{1, 1, 1, 1, 1}}} {
		var sizes []int
		for _, g := range Grouped(fs, tt.window) {
			sizes = append(sizes, len(g))
		}
		if len(sizes) != len(tt.want) || sizes[0] != tt.want[0] {
			t.Errorf("%s: %v, want %v", tt.window, sizes, tt.want)
		}
	}
}

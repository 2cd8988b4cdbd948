package correlate

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// trailEvent is as much of a CloudTrail event as rung 5 needs.
type trailEvent struct {
	EventID      string    `json:"eventID"`
	EventTime    time.Time `json:"eventTime"`
	UserIdentity struct {
		ARN         string `json:"arn"`
		InvokedBy   string `json:"invokedBy"` // "ec2.amazonaws.com": a service has no ARN
		AccessKeyID string `json:"accessKeyId"`
	} `json:"userIdentity"`
	ResponseElements struct {
		Credentials struct {
			AccessKeyID string `json:"accessKeyId"`
		} `json:"credentials"`
	} `json:"responseElements"`
}

// credentialFacts are the published facts about the set.
type credentialFacts struct {
	Facts struct {
		Events int `json:"events"`
		Keys   int `json:"issued_keys_used_in_this_set"`
		Calls  int `json:"events_made_with_those_keys"`
	} `json:"facts"`
	Chains []struct {
		Key     string `json:"accessKeyId"`
		EventID string `json:"issuing_eventID"`
		Calls   int    `json:"later_events"`
	} `json:"credential_chains"`
}

func invictus(t *testing.T) ([]fleet.Record, credentialFacts) {
	dir := corpus(t, "cloudtrail-invictus")
	var facts credentialFacts
	readJSON(t, filepath.Join(dir, "expected_facts.json"), &facts)
	paths, err := filepath.Glob(filepath.Join(dir, "*_CloudTrail_*.json"))
	if err != nil {
		t.Fatalf("list corpus: %v", err)
	}
	var rs []fleet.Record
	for _, path := range paths {
		var file struct{ Records []trailEvent }
		readJSON(t, path, &file)
		for _, e := range file.Records {
			who := e.UserIdentity.ARN
			if who == "" {
				who = e.UserIdentity.InvokedBy
			}
			rs = append(rs, fleet.Record{
				ID: e.EventID, Kind: fleet.KindAPICall, Time: e.EventTime, Principal: who,
				Seen: fleet.Keys{
					AccessKey: e.UserIdentity.AccessKeyID, IssuedKey: e.ResponseElements.Credentials.AccessKeyID,
				},
			})
		}
	}
	if len(rs) != facts.Facts.Events {
		t.Fatalf("%d events read, want %d", len(rs), facts.Facts.Events)
	}
	return rs, facts
}

func TestSessionsLeadToWhoObtainedThem(t *testing.T) {
	rs, facts := invictus(t)
	Resolve(rs)
	principals := map[string]string{}
	for _, r := range rs {
		principals[r.ID] = r.Principal
	}
	calls, origins := map[string]int{}, map[string]string{}
	total := 0
	for _, r := range rs {
		if r.Keys.Origin == "" {
			continue
		}
		total++
		calls[r.Keys.AccessKey]++
		origins[r.Keys.AccessKey] = r.Keys.Origin
		if want := (fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact}); r.Keys.OriginLink != want {
			t.Errorf("%s: origin link %v, want %v", r.ID, r.Keys.OriginLink, want)
		}
	}
	if total != facts.Facts.Calls || len(calls) != facts.Facts.Keys {
		t.Errorf("%d calls with %d temporary keys, want %d with %d", total, len(calls), facts.Facts.Calls, facts.Facts.Keys)
	}
	wantCalls, wantOrigins := map[string]int{}, map[string]string{}
	for _, c := range facts.Chains {
		wantCalls[c.Key] = c.Calls
		wantOrigins[c.Key] = principals[c.EventID]
	}
	if diff := cmp.Diff(wantCalls, calls); diff != "" {
		t.Errorf("calls by key, published (-) and resolved (+), differ:\n%s", diff)
	}
	if diff := cmp.Diff(wantOrigins, origins); diff != "" {
		t.Errorf("origins by key, published (-) and resolved (+), differ:\n%s", diff)
	}
}

// The real events in the order of files and one by one, so that most calls come
// before or long after the event that issued their key.
func TestSessionsOneEventAtATime(t *testing.T) {
	rs, _ := invictus(t)
	kept := &store{t, map[string]fleet.Record{}}
	r := NewResolver(time.Hour, Bound{})
	amendments := 0
	for i := range rs {
		amendments += kept.add(r, rs[i:i+1])
	}
	got := kept.all()
	if diff := diffKeys(resolved(got), got); diff != "" {
		t.Errorf("Resolve (-) and Resolver (+) differ:\n%s", diff)
	}
	if amendments == 0 {
		t.Error("no origin was amended: no issuing event was late")
	}
}

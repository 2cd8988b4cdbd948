package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"muster/correlate"
	"muster/samples"
	"muster/samples/truth"
)

// outOfBandLine is as much of a line of "calls" as the test needs.
type outOfBandLine struct {
	Request   string           `json:"request_id"`
	Name      string           `json:"name"`
	Principal string           `json:"principal"`
	Reason    correlate.Reason `json:"out_of_band"`
	Sure      string           `json:"out_of_band_sure"`
}

func outOfBandLines(t *testing.T, out string) []outOfBandLine {
	t.Helper()
	var ls []outOfBandLine
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		var l outOfBandLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		ls = append(ls, l)
	}
	return ls
}

// TestOutOfBandCallsAreThoseOfTheTruth holds the calls that are said to be out
// of band to what the sample fleet and its intruder wrote down: a call is in a
// span or it is not, and only the intruder comes from elsewhere.
func TestOutOfBandCallsAreThoseOfTheTruth(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	mustMuster(t, "demo", "--headless", "--for", "10s", "--seed", "7", "--store", store)
	told, err := truth.Read(filepath.Join(store, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	byRole := map[string]bool{} // request ids of calls made with a role
	for _, l := range outOfBandLines(t, mustMuster(t, "calls", "--json", "--limit", "0", "--store", store)) {
		byRole[l.Request] = strings.Contains(l.Principal, ":assumed-role/")
	}
	want, intruder, dark := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range told.Calls {
		// Of a call that was retried the span keeps the last attempt alone.
		if byRole[c.Request] && (c.Span == "" || c.Retried) {
			want[c.Request] = true
			dark[c.Request] = c.Trace != "" && !c.Retried // its request is not sampled
		}
	}
	for _, l := range told.Labels {
		switch samples.Incident(l.Name) {
		case samples.ScanOutside, samples.ServiceKeyOutside, samples.RoleChain:
			for _, request := range l.Requests {
				intruder[request] = true
			}
		}
	}
	got, elsewhere := map[string]bool{}, map[string]bool{}
	reasons, lines := map[correlate.Reason]int{}, map[string]string{}
	for _, l := range outOfBandLines(t, mustMuster(t, "calls", "--out-of-band", "--json", "--limit", "0", "--store", store)) {
		got[l.Request] = true
		reasons[l.Reason]++
		lines[l.Request] = fmt.Sprintf("%s of %s by %s: %s", l.Name, l.Request, l.Principal, l.Reason)
		if l.Reason == correlate.OtherAddress || l.Reason == correlate.OtherAgent {
			elsewhere[l.Request] = true
		}
		if dark[l.Request] && l.Reason != correlate.Unsampled {
			t.Errorf("%s, whose request is not sampled, is out of band for: %s", l.Name, l.Reason)
		}
		delete(dark, l.Request)
		if l.Sure == "" {
			t.Errorf("%s: nothing says how sure the reason is", l.Name)
		}
	}
	for _, part := range []struct {
		name      string
		want, got map[string]bool
	}{{"out of band", want, got}, {"the intruder", intruder, elsewhere}} {
		right := 0
		for request := range part.got {
			if part.want[request] {
				right++
			} else {
				t.Logf("%s: not in the truth: %s", part.name, lines[request])
			}
		}
		precision, recall := float64(right)/float64(len(part.got)), float64(right)/float64(len(part.want))
		t.Logf("%s: %d in the truth, %d found, precision %.3f, recall %.3f", part.name, len(part.want), len(part.got), precision, recall)
		if len(part.want) == 0 || precision < 1 || recall < 1 {
			t.Errorf("%s: precision %.3f and recall %.3f of %d, want 1 and 1", part.name, precision, recall, len(part.want))
		}
	}
	t.Logf("reasons: %v", reasons)
	for _, r := range []correlate.Reason{correlate.OtherAddress, correlate.Uninstrumented, correlate.Unsampled} {
		if reasons[r] == 0 {
			t.Errorf("no call is %s", r)
		}
	}

	table := mustMuster(t, "calls", "--out-of-band", "--json=false", "--text", "Scan", "--store", store)
	for _, word := range []string{"REASON", "other address", "198.51.100.23", "aws-cli/2.31.4", "dynamodb:Scan"} {
		if !strings.Contains(table, word) {
			t.Errorf("the table has no %q:\n%s", word, table)
		}
	}
	newest := outOfBandLines(t, mustMuster(t, "calls", "--out-of-band", "--json", "--limit", "3", "--store", store))
	if len(newest) != 3 {
		t.Errorf("%d calls for --limit 3", len(newest))
	}
}

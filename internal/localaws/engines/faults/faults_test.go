//go:build engines

// Package faults lets a second client, python's botocore, meet each fault that
// the stand-in injects. It needs python3 and nothing else.
package faults

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/engines"
	"muster/internal/localaws"
)

// injected are the faults by the functions of oracle/faults.py that meet them.
func injected() map[string]localaws.Options {
	const often = 0.4
	trouble := func(t localaws.Trouble) localaws.Options { return localaws.Options{Seed: 7, Trouble: t} }
	return map[string]localaws.Options{
		"throttle":         trouble(localaws.Trouble{Throttle: often}),
		"fail":             trouble(localaws.Trouble{Fail: often}),
		"empty_page":       trouble(localaws.Trouble{EmptyPage: often}),
		"repeat":           trouble(localaws.Trouble{Repeat: often}),
		"addendum":         trouble(localaws.Trouble{Addendum: often}),
		"late":             {Trouble: localaws.Trouble{Late: 0.999999}, Delay: localaws.Delay{Logs: time.Minute}},
		"late_by":          trouble(localaws.Trouble{Late: 0.999999, LateBy: time.Hour}),
		"delays":           {Delay: localaws.Delay{Logs: time.Minute, Config: 5 * time.Minute, Lookup: 10 * time.Minute, Trail: 15 * time.Minute}},
		"reset":            trouble(localaws.Trouble{Reset: often}),
		"expired_page":     trouble(localaws.Trouble{ExpiredPage: often}),
		"expired_session":  trouble(localaws.Trouble{ExpiredSession: often}),
		"same_millisecond": trouble(localaws.Trouble{SameMillisecond: often}),
		"all_calls":        trouble(localaws.Trouble{Throttle: often, All: true}),

		"quotas":             {Quotas: true},
		"skew":               {Skew: 20 * time.Minute},
		"deny":               {Deny: []string{"logs:FilterLogEvents", "s3:ListBuckets"}},
		"transaction_search": {TransactionSearch: true},
	}
}

func TestFaultsReachBotocoreAsAWSsWould(t *testing.T) {
	requirements, err := os.ReadFile("../requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	python, err := engines.Python(t.Context(), "botocore", string(requirements))
	if err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64 // what the stand-ins' clocks are ahead of the real one
	clock := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seconds, err := strconv.Atoi(r.FormValue("seconds"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		ahead.Add(int64(time.Duration(seconds) * time.Second))
	}))
	defer clock.Close()
	endpoints := map[string]string{}
	for name, o := range injected() {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s, err := localaws.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		endpoints[name] = s.Endpoint()
	}
	names, err := json.Marshal(endpoints)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-m", "oracle.faults", string(names), clock.URL, localaws.BootstrapKey, localaws.BootstrapSecret)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the oracle objects: %v", err)
	}
	for name := range endpoints {
		if !strings.Contains(string(out), "fault "+name+": ") {
			t.Errorf("nobody met the fault %s", name)
		}
	}
}

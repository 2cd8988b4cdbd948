package samples_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"muster/internal/localaws"
	"muster/samples"
	"muster/samples/truth"
)

// loadFor is long enough for every fault and incident, and for each kind of
// journey.
const loadFor = 5 * time.Second

// start starts a fleet on a stand-in of its own. stop may be called early, to
// see what closing does.
func start(t *testing.T, o samples.Options) (fleet *samples.Fleet, server *localaws.Server, stop func()) {
	t.Helper()
	server, err := localaws.Start(t.Context(), localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	o.Endpoint, o.DaemonAddr, o.Region = server.Endpoint(), server.DaemonAddr(), localaws.DefaultRegion
	o.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	fleet, err = samples.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return fleet, server, stop
}

// drain lets a fleet become quiet, in a time that a stalled one would exceed.
func drain(t *testing.T, fleet *samples.Fleet) {
	t.Helper()
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := fleet.Drain(soon); err != nil {
		t.Fatal(err)
	}
}

// run drives a fleet and hands over what it knows and what AWS knows.
func run(t *testing.T, o samples.Options) (*truth.File, *evidence, samples.Counts) {
	t.Helper()
	began := time.Now()
	rec := truth.NewRecorder(o.Seed, time.Now)
	o.Truth = rec
	fleet, server, stop := start(t, o)
	if err := fleet.Load(t.Context(), loadFor); err != nil {
		t.Fatal(err)
	}
	drain(t, fleet)
	checkProbes(t, fleet)
	counts := fleet.Counts()
	stop() // the last lines, and what closing itself calls
	server.Drain()
	return rec.File(), gather(t, server, began), counts
}

func checkProbes(t *testing.T, fleet *samples.Fleet) {
	t.Helper()
	for _, service := range samples.Services() {
		if status, _ := fetch(t, fleet.URL(service)+"/healthz"); status != http.StatusNoContent {
			t.Errorf("%s is not healthy: status %d", service, status)
		}
	}
	if _, text := fetch(t, fleet.URL(samples.Gateway)+"/metrics"); !strings.Contains(text,
		`sample_requests_total{class="2xx",route="POST /prod/v2/orders",service="gateway"}`) {
		t.Errorf("the gateway's metrics count no order:\n%s", text)
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	return ask(t, http.MethodGet, url, "")
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

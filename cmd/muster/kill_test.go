package main

import (
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
	"muster/samples"
	"muster/samples/truth"
)

const (
	kills    = 50
	killSeed = 7
)

// TestCollectSurvivesKills ends the collecting process of one run with SIGKILL
// at fifty seeded moments, each some requests and a little while after its
// start, and then lets it run to its end. The lake must hold what an
// undisturbed run leaves.
func TestCollectSurvivesKills(t *testing.T) {
	source := recordedFleet(t)
	undisturbed := filepath.Join(t.TempDir(), "lake")
	source.collect(t, undisturbed, nil)
	want := state(t, undisturbed)

	// A run that is killed late each time is done before the fiftieth kill: then
	// it starts over with earlier moments.
	var disturbed string
	for latest := source.requests / 2; ; latest /= 2 {
		if latest < 4 {
			t.Fatalf("no run could be killed %d times before its end", kills)
		}
		disturbed = filepath.Join(t.TempDir(), "lake")
		killed := source.kill(t, disturbed, latest)
		t.Logf("moments up to %d requests into the run: killed %d times", latest, killed)
		if killed == kills {
			break
		}
	}
	source.collect(t, disturbed, nil)
	if diff := cmp.Diff(want, state(t, disturbed)); diff != "" {
		t.Errorf("after %d kills the lake differs from an undisturbed run:\n%s", kills, diff)
	}
	if got := count(t, disturbed, "select count(*) - count(distinct id) from records"); got != 0 {
		t.Errorf("%d records are there twice", got)
	}
}

// kill starts and kills a run again and again, and says how often before it was done.
func (s *source) kill(t *testing.T, store string, latest int) int {
	t.Helper()
	rng := rand.New(rand.NewPCG(killSeed, 0))
	for killed := range kills {
		m := moment{requests: 1 + rng.IntN(latest), wait: time.Duration(rng.IntN(100)) * time.Millisecond}
		if !s.collect(t, store, &m) {
			return killed
		}
	}
	return kills
}

// source is a fleet's evidence on a stand-in that does not change any more,
// behind a counter of requests.
type source struct {
	endpoint, bucket string
	since, until     time.Time

	mu       sync.Mutex
	requests int
	reached  func(int)
}

// moment is when to kill: so many requests into the run, and then a while.
type moment struct {
	requests int
	wait     time.Duration
}

func recordedFleet(t *testing.T) *source {
	t.Helper()
	ctx := t.Context()
	since := time.Now().Add(-time.Second)
	aws, err := localaws.Start(ctx, localaws.Options{Seed: killSeed, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, aws.Close) })
	fleet, err := samples.Start(ctx, samples.Options{
		Endpoint: aws.Endpoint(), DaemonAddr: aws.DaemonAddr(), Region: localaws.DefaultRegion, Seed: killSeed,
		Credentials: localCredentials(),
		Faults:      samples.Faults(), Incidents: samples.Incidents(), Now: time.Now,
		Truth: truth.NewRecorder(killSeed, time.Now), Logger: (&app{stderr: t.Output()}).logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(fleet.Load(ctx, 8*time.Second), fleet.Drain(ctx), fleet.Close())
	if err != nil {
		t.Fatal(err)
	}
	// CloudTrail's times are whole seconds: what collecting itself leaves there
	// must fall behind the end.
	until := time.Now().Truncate(time.Second).Add(time.Second)
	if err := sleep(ctx, time.Until(until)); err != nil {
		t.Fatal(err)
	}
	aws.Drain()

	s := &source{bucket: aws.TrailBucket(), since: since, until: until}
	target, err := url.Parse(aws.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // a killed client breaks off its requests: no news
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.count()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.endpoint = server.URL
	return s
}

func closed(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Error(err)
	}
}

func (s *source) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.reached != nil {
		s.reached(s.requests)
	}
}

// collect runs one collecting process on the store, to its end or to the moment
// of its killing, and reports whether it was killed.
func (s *source) collect(t *testing.T, store string, at *moment) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "collect", "--store", store,
		"--endpoint-url", s.endpoint, "--region", localaws.DefaultRegion, "--trail-bucket", s.bucket,
		"--since", fleet.FormatTime(s.since), "--until", fleet.FormatTime(s.until),
		"--commit-records", "100", "--commit-every", "20ms")
	cmd.Env = append(os.Environ(), asMuster+"=1",
		"AWS_ACCESS_KEY_ID="+localaws.BootstrapKey, "AWS_SECRET_ACCESS_KEY="+localaws.BootstrapSecret,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	cmd.Stderr = t.Output()
	reached := make(chan struct{})
	s.mu.Lock()
	s.requests, s.reached = 0, nil
	if at != nil {
		var once sync.Once
		s.reached = func(n int) {
			if n >= at.requests {
				once.Do(func() { close(reached) })
			}
		}
	}
	s.mu.Unlock()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		select {
		case <-done:
			return
		case <-reached:
		}
		timer := time.NewTimer(at.wait)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			_ = cmd.Process.Kill() // it may have ended by itself meanwhile: Wait tells
		}
	})
	err := cmd.Wait()
	close(done)
	killer.Wait()
	if err == nil {
		return false
	}
	if at != nil && cmd.ProcessState.ExitCode() == -1 {
		return true
	}
	t.Fatalf("collect: %v", err)
	return false
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/internal/localaws"
	"muster/internal/pipeline"
)

// output is what a running program has said so far. Safe for concurrent use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// awsEnv is the environment of a client of the stand-in, and nothing of the machine's.
func awsEnv(k string) string {
	if k == "HOME" {
		return os.TempDir()
	}
	return ""
}

// standIn starts a stand-in and lets the SDK of this process find its keys.
func standIn(t *testing.T, o localaws.Options) *localaws.Server {
	t.Helper()
	o.Now = time.Now
	aws, err := localaws.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, aws.Close) })
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": localaws.BootstrapKey, "AWS_SECRET_ACCESS_KEY": localaws.BootstrapSecret, "AWS_SESSION_TOKEN": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(k, v)
	}
	return aws
}

func TestRunCollectsAuditsAndServesMetrics(t *testing.T) {
	aws := standIn(t, localaws.Options{})
	signIn(t, aws)
	store := filepath.Join(t.TempDir(), "lake")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs output
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{
			"run", "--store", store, "--endpoint-url", aws.Endpoint(), "--region", localaws.DefaultRegion,
			"--every", "100ms", "--audit-every", "1ms", "--listen", "127.0.0.1:0",
		}, awsEnv, strings.NewReader(""), &out, &errs)
	}()
	address := waitFor(t, "the address of the metrics", func() string {
		m := regexp.MustCompile(`http://\S+/metrics`).FindString(errs.String())
		return strings.TrimSuffix(m, "/metrics")
	})
	waitFor(t, "readiness", func() string {
		if status, body := fetch(t, address+"/readyz"); status == http.StatusOK {
			return body
		}
		return ""
	})
	waitFor(t, "the root's login as a finding", func() string {
		_, body := fetch(t, address+"/metrics")
		if strings.Contains(body, `muster_findings{severity="critical"} 1`) {
			return body
		}
		return ""
	})
	if status, _ := fetch(t, address+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz answers %d", status)
	}
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit %d after being told to stop:\n%s", code, errs.String())
	}
	if n := count(t, store, "select count(*) from findings where policy = 'root-console-login'"); n != 1 {
		t.Errorf("%d findings of the root's login", n)
	}
}

func TestRunRefusesAnAddressInUse(t *testing.T) {
	aws := standIn(t, localaws.Options{})
	_, stderr, code := muster(t, "run", "--store", filepath.Join(t.TempDir(), "lake"), "--endpoint-url", aws.Endpoint(),
		"--region", localaws.DefaultRegion, "--listen", strings.TrimPrefix(aws.Endpoint(), "http://"))
	if code != exitFailure || !strings.Contains(stderr, "--listen") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestCollectGoesOnWhereItIsDenied has one source refused: the others are read,
// and the ledger names the permission that is missing.
func TestCollectGoesOnWhereItIsDenied(t *testing.T) {
	aws := standIn(t, localaws.Options{Deny: []string{"xray:GetTraceSummaries"}})
	signIn(t, aws)
	store := filepath.Join(t.TempDir(), "lake")
	_, stderr, code := muster(t, "collect", "--store", store, "--endpoint-url", aws.Endpoint(), "--region", localaws.DefaultRegion)
	if code != exitOK || !strings.Contains(stderr, "allow xray:GetTraceSummaries") {
		t.Errorf("exit %d without a word on the permission that is missing: %s", code, stderr)
	}
	if n := count(t, store, "select count(*) from api_calls where event_name = 'ConsoleLogin'"); n != 1 {
		t.Errorf("%d logins read beside the denied source", n)
	}
	if n := count(t, store, "select count(*) from ledger where reason = 'denied' and detail like '%xray:GetTraceSummaries%'"); n == 0 {
		t.Errorf("the ledger does not say what is missing:\n%s", mustMuster(t, "sql", "--store", store, "select * from ledger"))
	}
}

// A group that was named and is not there is a mistake, not an empty group.
func TestCollectNamesTheLogGroupThatIsNotThere(t *testing.T) {
	aws := standIn(t, localaws.Options{})
	_, stderr, code := muster(t, "collect", "--store", filepath.Join(t.TempDir(), "lake"), "--endpoint-url", aws.Endpoint(),
		"--region", localaws.DefaultRegion, "--log-group", "/muster/misspelled")
	if code != exitFailure || !strings.Contains(stderr, "read log group /muster/misspelled") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Ready means that every source was read to its end: not while one fails.
func TestDaemonIsNotReadyWhileAStreamFails(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	a := &app{store: store, stderr: io.Discard}
	l, err := a.openLake(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l.Close) })
	d := &daemon{app: a, store: l, line: a.line(l, prometheus.NewRegistry()), auditEvery: time.Hour, audited: time.Now()}
	if err := d.after(t.Context(), pipeline.Totals{Failed: 1}); err != nil || d.ready.Load() {
		t.Errorf("ready is %t after a pass in which a stream failed: %v", d.ready.Load(), err)
	}
	if err := d.after(t.Context(), pipeline.Totals{}); err != nil || !d.ready.Load() {
		t.Errorf("ready is %t after a whole pass: %v", d.ready.Load(), err)
	}
}

func TestComplaintsCannotMoveTheCursor(t *testing.T) {
	var b bytes.Buffer
	complain(&b, errors.Join(errors.New("open a\x1b[31mb"), errors.New("second")))
	if want := "muster: open a\\x1b[31mb\nsecond\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestCollectEndsWhenTold(t *testing.T) {
	aws := standIn(t, localaws.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := filepath.Join(t.TempDir(), "lake")
	_, stderr, code := musterIn(ctx, "collect", "--store", store, "--endpoint-url", aws.Endpoint(), "--region", localaws.DefaultRegion)
	if code != exitCancelled || !strings.Contains(stderr, "interrupted") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// signIn has root sign in, a day's most telling event.
func signIn(t *testing.T, aws *localaws.Server) {
	t.Helper()
	body := strings.NewReader(`{"user":"root","mfa":false}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, aws.Endpoint()+"/_muster/signin", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("sign in: %s", resp.Status)
	}
	aws.Drain()
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// waitFor asks until it has an answer. A minute is far more than any of the
// tests needs on a busy machine; it only ends what would never end.
func waitFor(t *testing.T, what string, ask func() string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if answer := ask(); answer != "" {
			return answer
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

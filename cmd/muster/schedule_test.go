//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/fleet"
	"muster/internal/localaws"
	"muster/stores/lake"
)

// function is the program as a function, in a process of its own.
type function struct {
	api *runtimeAPI
	cmd *exec.Cmd
}

// startFunction starts the program with an audit due each day at a time.
func startFunction(t *testing.T, store string, due time.Time) *function {
	t.Helper()
	f := &function{api: &runtimeAPI{events: make(chan string, 1), answers: make(chan answered, 1)}}
	server := httptest.NewServer(f.api)
	f.cmd = exec.CommandContext(t.Context(), os.Args[0], "lambda")
	f.cmd.Stderr = os.Stderr
	f.cmd.Env = append(os.Environ(), asMuster+"=1", "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"),
		"MUSTER_STORE="+store, fmt.Sprintf("MUSTER_AUDIT_CRON=%d %d * * *", due.Minute(), due.Hour()))
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.kill(); server.Close() })
	return f
}

func (f *function) kill() { _, _ = f.cmd.Process.Kill(), f.cmd.Wait() }

func (f *function) ran(t *testing.T) lambdaAnswer {
	t.Helper()
	got := f.api.invoke(t, "{}")
	var a lambdaAnswer
	if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.failed {
		t.Fatalf("%+v, %v", got, err)
	}
	return a
}

// loginLake is a lake with a root's login an hour before a time.
func loginLake(t *testing.T, before time.Time) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "root.json")
	text := strings.Replace(rootLogin, "2025-11-24T10:00:00Z", before.Add(-time.Hour).Format(time.RFC3339), 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "lake")
	mustMuster(t, "import", "--store", store, file)
	return store
}

// runs are the runs of the schedule that a store has recorded.
func runs(t *testing.T, store string) []fleet.Run {
	t.Helper()
	l, err := lake.Open(t.Context(), store, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out []fleet.Run
	for r, err := range l.Runs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(r.ID, auditSchedule+"@") {
			out = append(out, r)
		}
	}
	return out
}

// TestScheduledAuditIsCaughtUpAfterAKill kills the program in the middle of its
// audit: a pipe in the place of the evidence holds it up there.
func TestScheduledAuditIsCaughtUpAfterAKill(t *testing.T) {
	due := time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)
	store := loginLake(t, due)
	files, err := filepath.Glob(filepath.Join(store, "evidence", "data", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.Rename(files[0], files[0]+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	f := startFunction(t, store, due)
	f.api.events <- "{}"
	waitFor(t, "a run that has begun", func() string {
		if len(runs(t, store)) == 1 {
			return "begun"
		}
		return ""
	})
	f.kill()
	if err := os.Rename(files[0]+".aside", files[0]); err != nil {
		t.Fatal(err)
	}
	left := runs(t, store)
	if len(left) != 1 || !left[0].Ended.IsZero() {
		t.Fatalf("the killed run left %+v", left)
	}
	f = startFunction(t, store, due)
	if a := f.ran(t); a.Ran {
		t.Errorf("nobody knows yet that the run was killed, and another began: %+v", a)
	}
	// Two hours later.
	l, err := lake.Open(t.Context(), store, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	left[0].Started = left[0].Started.Add(-2 * time.Hour)
	if err := l.SaveFindings(t.Context(), left[0], nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if a := f.ran(t); !a.Ran || !a.To.Equal(due) || a.Findings[fleet.High]+a.Findings[fleet.Critical] == 0 {
		t.Errorf("what the killed run left was not caught up: %+v", a)
	}
}

func TestScheduledAuditOfTwoProgramsIsDoneOnce(t *testing.T) {
	due := time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)
	store := loginLake(t, due)
	a, b := startFunction(t, store, due), startFunction(t, store, due)
	a.api.events <- "{}"
	b.api.events <- "{}"
	ran := 0
	for _, f := range []*function{a, b} {
		select {
		case got := <-f.api.answers:
			if got.failed {
				t.Errorf("%+v", got)
			}
			ran += strings.Count(got.body, `"ran":true`)
		case <-time.After(3 * time.Minute):
			t.Fatal("no answer")
		}
	}
	if ran == 0 { // each gave way to the other; the next time one does it
		ran += strings.Count(fmt.Sprint(a.ran(t).Ran, b.ran(t).Ran), "true")
	}
	if ran != 1 {
		t.Errorf("%d programs did it", ran)
	}
}

// TestRunCatchesUpByCron starts the daemon on a store whose last audit was two
// days ago.
func TestRunCatchesUpByCron(t *testing.T) {
	aws := standIn(t, localaws.Options{})
	now := time.Now().UTC()
	store := loginLake(t, now)
	l, err := lake.Open(t.Context(), store, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	last := now.Add(-49 * time.Hour).Truncate(time.Minute)
	old := fleet.Run{ID: auditSchedule + "@old", Started: last, Ended: last, Window: fleet.Window{Start: last.Add(-time.Hour), End: last}}
	if err := l.SaveFindings(t.Context(), old, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs output
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{
			"run", "--store", store, "--endpoint-url", aws.Endpoint(), "--region", localaws.DefaultRegion,
			"--every", "100ms", "--audit-cron", "@hourly", "--audit-window", "1h", "--listen", "127.0.0.1:0",
		}, awsEnv, strings.NewReader(""), &out, &errs)
	}()
	waitFor(t, "the audit that was missed", func() string {
		for _, r := range runs(t, store) {
			if r.ID != old.ID && !r.Ended.IsZero() {
				if !r.Window.Start.Equal(last) {
					t.Errorf("it began at %s, not where the last one ended, %s", r.Window.Start, last)
				}
				return r.ID
			}
		}
		return ""
	})
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit %d:\n%s", code, errs.String())
	}
}

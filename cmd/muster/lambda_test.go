package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runtimeAPI is a stand-in for the API by which Lambda hands a function its
// events: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
type runtimeAPI struct {
	events  chan string
	answers chan answered
	n       int
}

type answered struct {
	failed bool
	body   string
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const prefix = "/2018-06-01/runtime/"
	body, _ := io.ReadAll(r.Body)
	switch path := strings.TrimPrefix(r.URL.Path, prefix); {
	case path == "invocation/next":
		select {
		case event := <-a.events:
			a.n++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", a.n))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(15*time.Minute).UnixMilli()))
			fmt.Fprint(w, event)
		case <-r.Context().Done():
		}
	case path == fmt.Sprintf("invocation/request-%d/response", a.n), path == fmt.Sprintf("invocation/request-%d/error", a.n):
		w.WriteHeader(http.StatusAccepted)
		a.answers <- answered{strings.HasSuffix(path, "error"), string(body)}
	default:
		http.NotFound(w, r)
	}
}

func (a *runtimeAPI) invoke(t *testing.T, event string) answered {
	t.Helper()
	a.events <- event
	select {
	case got := <-a.answers:
		return got
	case <-time.After(3 * time.Minute): // of a busy machine
		t.Fatal("no answer")
		return answered{}
	}
}

// TestLambdaDoesTheScheduledAudit runs the program as Lambda does, from its first
// event to its last.
func TestLambdaDoesTheScheduledAudit(t *testing.T) {
	dir := t.TempDir()
	lake, file := filepath.Join(dir, "lake"), filepath.Join(dir, "root.json")
	// Due once a day, a minute ago: the event lies in the day before.
	due := time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)
	text := strings.Replace(rootLogin, "2025-11-24T10:00:00Z", due.Add(-time.Hour).Format(time.RFC3339), 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	mustMuster(t, "import", "--store", lake, file)
	api := &runtimeAPI{events: make(chan string), answers: make(chan answered, 1)}
	server := httptest.NewServer(api)
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "lambda")
	var complaints output
	cmd.Stderr = &complaints
	cmd.Env = append(os.Environ(), asMuster+"=1", "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"),
		"MUSTER_STORE="+lake, fmt.Sprintf("MUSTER_AUDIT_CRON=%d %d * * *", due.Minute(), due.Hour()), "MUSTER_FAIL_ON=high")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()

	var first lambdaAnswer
	got := api.invoke(t, `{"detail-type": "Scheduled Event", "source": "aws.events", "time": "`+due.Format(time.RFC3339)+`", "detail": {}}`)
	if err := json.Unmarshal([]byte(got.body), &first); err != nil || got.failed {
		t.Fatalf("%+v, %v\n%s", got, err, complaints.String())
	}
	if !first.Ran || !first.Failed || first.Findings["critical"] == 0 || !first.To.Equal(due) || !first.From.Equal(due.Add(-24*time.Hour)) {
		t.Errorf("%s", got.body)
	}
	if got := api.invoke(t, `{}`); got.failed || !strings.Contains(got.body, `"ran":false`) {
		t.Errorf("the same time again: %+v", got)
	}
	if got := api.invoke(t, `{"since": "2h"}`); got.failed || !strings.Contains(got.body, `"ran":true`) {
		t.Errorf("a window of its own: %+v", got)
	}
	if got := api.invoke(t, `{"since": "soon"}`); !got.failed || !strings.Contains(got.body, "soon") {
		t.Errorf("a wrong event: %+v", got)
	}
	if runs := mustMuster(t, "sql", "--store", lake, "--json", "SELECT id FROM runs WHERE id LIKE 'audit@%' AND ended IS NOT NULL"); strings.Count(runs, "\n") != 1 {
		t.Errorf("recorded runs: %s", runs)
	}
}

func TestLambdaRefusesWhatItCannotServe(t *testing.T) {
	for name, tt := range map[string]struct{ env, want string }{
		"elsewhere":   {"", "AWS_LAMBDA_RUNTIME_API is not set"},
		"no schedule": {"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9", "MUSTER_AUDIT_CRON"},
		"no state":    {"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9 MUSTER_AUDIT_CRON=@daily MUSTER_STORE=s3://b/p MUSTER_NOTIFY_SECURITYHUB=true", "MUSTER_STATE"},
	} {
		t.Run(name, func(t *testing.T) {
			set := map[string]string{}
			for pair := range strings.FieldsSeq(tt.env) {
				k, v, _ := strings.Cut(pair, "=")
				set[k] = v
			}
			var out, errs strings.Builder
			code := run(t.Context(), []string{"lambda"}, func(k string) string { return set[k] }, strings.NewReader(""), &out, &errs)
			if code != exitFailure || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("exit %d: %s", code, errs.String())
			}
		})
	}
}

//go:build engines && !noduckdb

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/dashboards"
	"muster/internal/engines"
	"muster/internal/localaws"
)

// atAthena makes the environment that of an account with S3, Glue and Athena,
// and returns the flags of a store in it.
func atAthena(t *testing.T) []string {
	t.Helper()
	moto, err := engines.StartMoto(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := moto.Close(); err != nil {
			t.Error(err)
		}
	})
	trino, err := engines.StartTrino(t.Context(), moto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trino.Close(); err != nil {
			t.Error(err)
		}
	})
	api, err := localaws.Start(t.Context(), localaws.Options{TrinoURL: trino.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := moto.MakeBucket(t.Context(), "evidence"); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": moto.URL(), "AWS_ENDPOINT_URL_GLUE": moto.URL(), "AWS_ENDPOINT_URL_ATHENA": api.Endpoint(),
		"AWS_ACCESS_KEY_ID": engines.Key, "AWS_SECRET_ACCESS_KEY": engines.Secret, "AWS_REGION": engines.Region,
	} {
		t.Setenv(name, value)
	}
	return []string{"--store", "s3://evidence/fleet", "--glue-database", "fleet_a"}
}

// TestVerbsAnswerFromS3AsFromAFolder imports the same evidence to both and asks
// both the same.
func TestVerbsAnswerFromS3AsFromAFolder(t *testing.T) {
	s3, folder := atAthena(t), []string{"--store", filepath.Join(t.TempDir(), "lake")}
	incident, err := filepath.Glob(filepath.Join(corpus(t, "cloudtrail-stratus"), "aws.*.json"))
	if err != nil || len(incident) == 0 {
		t.Fatalf("no evidence: %v", err)
	}
	traces, err := filepath.Glob(filepath.Join(corpus(t, "xray-sdk-captures"), "*.json*"))
	if err != nil || len(traces) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, store := range [][]string{folder, s3} {
		mustMuster(t, append(append([]string{"import"}, store...), append(incident, traces...)...)...)
		muster(t, append([]string{"audit", "--format", "json"}, store...)...) // whatever it finds
	}
	if _, stderr, code := muster(t, append([]string{"sql", "select * from records"}, s3...)...); code == exitOK || !strings.Contains(stderr, "muster lake views --apply") {
		t.Errorf("before there are views: exit %d, %s", code, stderr)
	}
	made := mustMuster(t, append([]string{"lake", "views", "--apply"}, s3...)...)
	again := mustMuster(t, append([]string{"lake", "views", "--apply"}, s3...)...)
	if !strings.Contains(made, "view records: made\n") || !strings.Contains(again, "view records: made anew\n") || !strings.Contains(made, "table evidence: there, at s3://evidence/fleet/evidence") {
		t.Errorf("views:\n%s%s", made, again)
	}
	same := func(args ...string) string {
		t.Helper()
		want, got := mustMuster(t, append(args, folder...)...), mustMuster(t, append(args, s3...)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("muster %s (-folder +S3):\n%s", strings.Join(args, " "), diff)
		}
		return want
	}
	var first struct {
		Trace string `json:"trace_id"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(same("traces", "--json", "--since", "2015-01-01T00:00:00Z"), "\n", 2)[0]), &first); err != nil {
		t.Fatal(err)
	}
	if out := same("findings", "--json"); out == "" {
		t.Error("no findings to compare")
	}
	if out := same("calls", "--errors", "--json", "--limit", "20", "--since", "2015-01-01T00:00:00Z"); out == "" {
		t.Error("no calls to compare")
	}
	same("logs", "--json", "--text", "' or true --", "--since", "2015-01-01T00:00:00Z")
	same("resolve", "--dry-run")
	same("sql", "--csv", "--saved", "joins-by-rung")
	same("sql", "--csv", "--saved", "completeness")
	for _, name := range dashboards.Queries() {
		// Athena spells lists, times and quotients otherwise.
		want := strings.Count(mustMuster(t, append([]string{"sql", "--csv", "--saved", name}, folder...)...), "\n")
		if got := strings.Count(mustMuster(t, append([]string{"sql", "--csv", "--saved", name}, s3...)...), "\n"); got != want {
			t.Errorf("%s: %d lines, want %d", name, got, want)
		}
	}
	_, stderr, code := muster(t, append([]string{"sql", "select count(*) from spans"}, s3...)...)
	if code != exitOK || !strings.Contains(stderr, "at $5 a TB") {
		t.Errorf("the cost: exit %d, %q", code, stderr)
	}
	// The evidence is older than 30 days: an id of it is found when one looks back.
	if _, stderr, code = muster(t, append([]string{"trace", "no-such-id", "--json"}, s3...)...); code == exitOK || !strings.Contains(stderr, "--since") {
		t.Errorf("an id that is not there: exit %d, %q", code, stderr)
	}
	same("trace", first.Trace, "--json", "--since", "2015-01-01T00:00:00Z")
}

// TestDemoOnS3 runs the sample fleet into a lake on S3. The demo scores itself by
// what it reads through Athena, and Trino joins its records as Go did.
func TestDemoOnS3(t *testing.T) {
	s3 := atAthena(t)
	t.Chdir(t.TempDir()) // where the demo leaves the truth about a store on S3
	if out := mustMuster(t, append([]string{"demo", "--headless", "--for", "8s", "--seed", "7"}, s3...)...); !strings.Contains(out, "s3://evidence/fleet") {
		t.Errorf("the demo says nothing of its store:\n%s", out)
	}
	out := mustMuster(t, append([]string{"resolve", "--dry-run"}, s3...)...)
	if !strings.Contains(out, " looked at, 0 differ, 0 amended") || strings.HasPrefix(out, "resolve: 0 ") {
		t.Errorf("computed anew on Trino, joins differ:\n%s", out)
	}
	mustMuster(t, append([]string{"lake", "views", "--apply"}, s3...)...)
	t.Run("explorer", func(t *testing.T) { exploreAthena(t, s3...) })
}

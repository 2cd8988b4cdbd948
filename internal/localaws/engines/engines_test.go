//go:build engines

// Package engines holds the stand-in to AWS's own models, by a second client
// that shares no code with it: python's botocore. It runs on request only
// (make test-engines), needs python3, and downloads the pinned client once.
package engines

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/internal/engines"
	"muster/internal/localaws"
)

//go:embed requirements.txt
var requirements string

// oracleTimeout is for some thousand calls, and for the troubled ones' retries.
const oracleTimeout = 5 * time.Minute

func TestAnswersAgreeWithAWSModels(t *testing.T) {
	python, err := engines.Python(t.Context(), "botocore", requirements)
	if err != nil {
		t.Fatal(err)
	}
	prompt := start(t, localaws.Options{TrinoURL: engine.URL(), Members: []localaws.Member{{ID: "444455556666"}}})
	troubled := start(t, localaws.Options{
		Seed:    7,
		Delay:   localaws.Delay{Trail: time.Minute, Lookup: time.Minute, Config: time.Minute, Logs: time.Minute},
		Trouble: localaws.Trouble{Throttle: 0.1, Fail: 0.05, EmptyPage: 0.2, Repeat: 0.2, Late: 0.2},
	})
	ctx, cancel := context.WithTimeout(t.Context(), oracleTimeout)
	defer cancel()
	out, err := run(ctx, python, "-m", "oracle", prompt, troubled, localaws.BootstrapKey, localaws.BootstrapSecret)
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the oracle objects: %v", err)
	}
	// The oracle asks every other service what it offers; S3's requests have no
	// names to ask for.
	page, err := os.ReadFile("../../../docs/local-aws.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| s3 \| ([A-Za-z0-9, ]+) \|`).FindSubmatch(page)
	if row == nil {
		t.Fatal("docs/local-aws.md has no row of S3's operations")
	}
	for operation := range strings.SplitSeq(string(row[1]), ", ") {
		if !regexp.MustCompile(`(?m)\bs3\.` + operation + `(V2)?: [1-9]`).MatchString(out) {
			t.Errorf("s3.%s had no answer", operation)
		}
	}
}

// start runs a stand-in for the test's time and returns its endpoint.
func start(t *testing.T, o localaws.Options) string {
	t.Helper()
	s, err := localaws.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Endpoint()
}

// run returns what a command printed on both its outputs.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

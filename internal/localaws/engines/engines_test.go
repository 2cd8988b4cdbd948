//go:build engines

// Package engines holds the stand-in to AWS's own models, by a second client
// that shares no code with it: python's botocore. It runs on request only
// (make test-engines), needs python3, and downloads the pinned client once.
package engines

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/localaws"
)

//go:embed requirements.txt
var requirements []byte

// oracleTimeout is for some thousand calls, and for the troubled ones' retries.
const oracleTimeout = 5 * time.Minute

func TestAnswersAgreeWithAWSModels(t *testing.T) {
	python := venv(t)
	prompt := start(t, localaws.Options{})
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

// venv is the python of an environment with exactly the pinned requirements,
// kept in the module's .cache folder. The copy of the requirements in it is
// written last: without it, or with another one, the environment is made anew.
func venv(t *testing.T) string {
	t.Helper()
	system, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("the engine tests need python3 on the PATH: %v", err)
	}
	dir := filepath.Join(moduleRoot(t), ".cache", "botocore")
	python, mark := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "requirements.txt")
	have, err := os.ReadFile(mark)
	if err == nil && bytes.Equal(have, requirements) {
		return python
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{system, "-m", "venv", "--clear", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", "requirements.txt"},
	} {
		if out, err := run(t.Context(), command[0], command[1:]...); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	if err := os.WriteFile(mark, requirements, 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}

// run returns what a command printed on both its outputs.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// moduleRoot is the folder of the go.mod above this one.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal(err)
	return ""
}

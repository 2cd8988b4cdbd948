package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// asMuster makes this test binary behave as the program: tests that need a
// process of its own, to kill it or to see its exit code, start themselves so.
const asMuster = "MUSTER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asMuster) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"muster": main})
}

// TestScripts runs the command line as a script's author sees it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "data"))
			return nil
		},
	})
}

// corpus is a folder of the recorded data; a test that needs it is skipped
// loudly where it is absent.
func corpus(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: the recorded data %s is not here (MUSTER_CORPUS names its folder): %v", name, err)
	}
	return dir
}

// muster runs the program in process and returns what it printed.
func muster(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return musterIn(t.Context(), args...)
}

func musterIn(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	getenv := func(k string) string {
		if strings.HasPrefix(k, "MUSTER_") {
			return ""
		}
		return os.Getenv(k)
	}
	code = run(ctx, args, getenv, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// mustMuster is muster for what has to go well.
func mustMuster(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := muster(t, args...)
	if code != exitOK {
		t.Fatalf("muster %s: exit %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func TestVersionIsTold(t *testing.T) {
	if out := mustMuster(t, "--version"); !strings.HasPrefix(out, "muster version ") {
		t.Errorf("got %q", out)
	}
}

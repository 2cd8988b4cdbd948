package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func flagSet() *pflag.FlagSet {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.String("store", "default", "")
	fs.StringSlice("log-group", nil, "")
	fs.Int("limit", 7, "")
	return fs
}

func TestApplyTakesCommandLineThenEnvironmentThenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(path, []byte("store: from-file\nlimit: 1\nlog-group: [a, b]\nother-verb: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fs := flagSet()
	if err := fs.Parse([]string{"--limit", "3"}); err != nil {
		t.Fatal(err)
	}
	getenv := func(k string) string { return map[string]string{"MUSTER_STORE": "from-env"}[k] }
	known := func(n string) bool { return n == "other-verb" }
	if err := Apply(fs, path, getenv, known); err != nil {
		t.Fatal(err)
	}
	store, _ := fs.GetString("store")
	groups, _ := fs.GetStringSlice("log-group")
	limit, _ := fs.GetInt("limit")
	if diff := cmp.Diff([]any{"from-env", []string{"a", "b"}, 3}, []any{store, groups, limit}); diff != "" {
		t.Error(diff)
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, tc := range []struct{ name, file, want string }{
		{"unknown setting", "stroe: x\n", `no setting "stroe"`},
		{"wrong type", "limit: many\n", "limit"},
		{"nested", "store: {a: b}\n", "line 1"},
		{"no mapping", "- a\n", "cannot unmarshal"},
		{"not settable", "help: true\n", "no setting"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "muster.yaml")
			if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			err := Apply(flagSet(), path, func(string) string { return "" }, func(string) bool { return false })
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error that names %s and says %q", err, path, tc.want)
			}
		})
	}
}

func TestApplyNamesMissingFile(t *testing.T) {
	err := Apply(flagSet(), "nowhere.yaml", func(string) string { return "" }, nil)
	if err == nil || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("got %v", err)
	}
}

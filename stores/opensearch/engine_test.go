//go:build engines

package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/internal/engines"
)

// testEngine is the OpenSearch of all tests of this package.
var testEngine *engines.OpenSearch

func TestMain(m *testing.M) {
	var err error
	if testEngine, err = engines.StartOpenSearch(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "start OpenSearch:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := errors.Join(testEngine.Close(), stopSecure()); err != nil {
		fmt.Fprintln(os.Stderr, "stop OpenSearch:", err)
		code = 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// newStore is a store with its templates on an engine without any documents.
func newStore(t *testing.T) *Store {
	t.Helper()
	s := newStoreAt(t, testEngine.URL(), "", "", nil)
	empty(t, s)
	return s
}

// empty deletes what is there and runs setup.
func empty(t *testing.T, s *Store) {
	t.Helper()
	ours := append(patterns(nil), findingIndex+"*", ledgerIndex+"*", stateIndex+"*", serviceMapIndex+"*")
	if err := s.do(t.Context(), http.MethodDelete, "/"+strings.Join(ours, ","), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(t.Context(), SetupOptions{RetainDays: 90}, func(string, Action) {}); err != nil {
		t.Fatal(err)
	}
}

// newStoreAt is a store on an engine as it is.
func newStoreAt(t *testing.T, url, user, password string, ca []byte) *Store {
	t.Helper()
	s, err := Open(Options{
		Address: Address{URL: url, User: user, Password: password}, CACert: ca,
		Refused: filepath.Join(t.TempDir(), "refused.ndjson"), Pause: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

//go:build engines

package opensearch

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/fleet"
	"muster/internal/engines"
	"muster/stores/storetest"
)

// secure is OpenSearch 2.19.4 with TLS and users, started by the first test
// that needs it and stopped by TestMain.
var secure = sync.OnceValues(func() (*engines.OpenSearch, error) {
	e, err := engines.StartSecureOpenSearch(context.Background())
	if err == nil {
		stopSecure = e.Close
	}
	return e, err
})

var stopSecure = func() error { return nil }

func secureEngine(t *testing.T) *engines.OpenSearch {
	t.Helper()
	e, err := secure()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// asAdmin is a store on the secure engine, which is empty but for the templates.
func asAdmin(t *testing.T) *Store {
	t.Helper()
	e := secureEngine(t)
	s := newStoreAt(t, e.URL(), e.User, e.Password, e.CA)
	empty(t, s)
	return s
}

func asLimited(t *testing.T) *Store {
	t.Helper()
	e := secureEngine(t)
	return newStoreAt(t, e.URL(), e.LimitedUser, e.LimitedPassword, e.CA)
}

func TestReadingContractOnSecureEngine(t *testing.T) {
	storetest.RunReading(t, func(t *testing.T) storetest.Store {
		f := &followed{asAdmin(t), openLake(t)}
		t.Cleanup(func() {
			if text, err := os.ReadFile(f.refused.path); err == nil {
				t.Errorf("OpenSearch refused documents: %.2000s", text)
			}
		})
		return f
	})
}

func TestForbiddenIndexHoldsUpNoOther(t *testing.T) {
	e := secureEngine(t)
	admin := asAdmin(t)
	all := append(patterns(nil), findingIndex, ledgerIndex, stateIndex, serviceMapIndex)
	var some []string
	for _, p := range all {
		if p != logIndex+"*" {
			some = append(some, p)
		}
	}
	if err := e.Limit(t.Context(), some...); err != nil {
		t.Fatal(err)
	}
	f := &followed{asLimited(t), openLake(t)}
	f.add(t, fleetRecords(0, 10))
	w, err := f.CatchUp(t.Context(), f.lake)
	t.Log(err)
	index := indexOf(fleet.KindLog, noon)
	blocked, ok := errors.AsType[*BlockedError](err)
	if !ok || len(blocked.Reasons) != 1 || !strings.Contains(blocked.Reasons[index], "403 security_exception") ||
		!strings.Contains(blocked.Reasons[index], "docs/opensearch.md") {
		t.Errorf("got %+v, %v, want an error about %s alone, with what to do", w, err, index)
	}
	if err := admin.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	there, err := collect(admin.Records(t.Context(), fleet.Query{}))
	if err != nil || len(there) != 10*4 {
		t.Errorf("got %d records, %v, want the 40 of the other kinds", len(there), err)
	}
	if err := e.Limit(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	if w, err := f.CatchUp(t.Context(), f.lake); err != nil || w.Sent != 10*2 {
		t.Errorf("with the permission: got %+v, %v, want the 20 log lines", w, err)
	}
	f.Store = admin
	f.mustSee(t)
	f.same(t)
}

func TestWrongPasswordIsSaidAtOnce(t *testing.T) {
	e := secureEngine(t)
	s := newStoreAt(t, e.URL(), e.User, "hunter2", e.CA)
	_, err := s.CatchUp(t.Context(), openLake(t))
	if err == nil || !strings.Contains(err.Error(), "MUSTER_OPENSEARCH_PASSWORD") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v, want one that says which password, without it", err)
	}
	_, err = write(t.Context(), s, documents("a"))
	if err == nil || !strings.Contains(err.Error(), "MUSTER_OPENSEARCH_PASSWORD") {
		t.Errorf("a bulk request: got error %v", err)
	}
}

func TestUntrustedCertificateIsSaidAtOnce(t *testing.T) {
	e := secureEngine(t)
	s := newStoreAt(t, e.URL(), e.User, e.Password, nil)
	s.pause = time.Hour // trying again would show
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := write(ctx, s, documents("a"))
	if err == nil || !strings.Contains(err.Error(), "--opensearch-ca") || strings.Contains(err.Error(), e.Password+"@") {
		t.Errorf("got error %v, want one that names the flag", err)
	}
	if _, err := s.CatchUp(ctx, openLake(t)); err == nil || !strings.Contains(err.Error(), "--opensearch-ca") {
		t.Errorf("got error %v, want one that names the flag", err)
	}
}

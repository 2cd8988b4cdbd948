//go:build engines

package engines

import (
	"net/http"
	"strings"
	"testing"
)

func TestOpenSearchKeepsDocumentsOverAKill(t *testing.T) {
	engine := started(t, StartOpenSearch)
	ctx := t.Context()
	if err := engine.do(ctx, http.MethodPut, "/things/_doc/1", `{"a":1}`); err != nil {
		t.Fatal(err)
	}
	if err := engine.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := engine.do(ctx, http.MethodGet, "/things/_doc/1", ""); err == nil {
		t.Fatal("a killed engine answers")
	}
	if err := engine.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := engine.do(ctx, http.MethodGet, "/things/_doc/1", ""); err != nil {
		t.Error(err)
	}
}

func TestSecureOpenSearchKnowsItsUsers(t *testing.T) {
	engine := started(t, StartSecureOpenSearch)
	ctx := t.Context()
	if err := engine.Limit(ctx, "mine-*"); err != nil {
		t.Fatal(err)
	}
	limited := *engine
	limited.User, limited.Password = engine.LimitedUser, engine.LimitedPassword
	if err := limited.do(ctx, http.MethodPut, "/mine-1/_doc/1", `{"a":1}`); err != nil {
		t.Error(err)
	}
	if err := limited.do(ctx, http.MethodPut, "/other/_doc/1", `{"a":1}`); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a foreign index: %v, want a 403", err)
	}
	limited.Password = "wrong"
	if err := limited.do(ctx, http.MethodGet, "/mine-1/_doc/1", ""); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong password: %v, want a 401", err)
	}
}

//go:build engines

package engines

import (
	"context"
	"io"
	"testing"
)

// started is an engine for the test's time.
func started[E io.Closer](t *testing.T, start func(context.Context) (E, error)) E {
	t.Helper()
	engine, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, engine) })
	return engine
}

func closed(t *testing.T, engine io.Closer) {
	t.Helper()
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
}

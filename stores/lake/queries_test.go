//go:build !noduckdb

package lake

import (
	"testing"

	"muster/stores/storetest"
)

func TestQueries(t *testing.T) {
	storetest.RunQueries(t, func(t *testing.T) storetest.Store { return openLake(t, t.TempDir()) }, 60)
}

func TestJaeger(t *testing.T) {
	storetest.RunJaeger(t, func(t *testing.T) storetest.Store { return openLake(t, t.TempDir()) })
}

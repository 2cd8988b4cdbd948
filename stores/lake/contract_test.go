//go:build !noduckdb

package lake

import (
	"testing"

	"muster/stores/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return openLake(t, t.TempDir()) })
}

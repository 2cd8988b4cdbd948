//go:build !noduckdb

package lake

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// childVariable makes the test binary play another program on the same lake.
const childVariable = "MUSTER_LAKE_TEST_CHILD"

func TestMain(m *testing.M) {
	role := os.Getenv(childVariable)
	if limited, ok := strings.CutPrefix(role, fullDisk); ok {
		os.Exit(playFullDisk(limited))
	}
	if role != "" {
		os.Exit(playChild(role))
	}
	// database/sql stops its connection opener a moment after Close returns;
	// goleak waits for it.
	goleak.VerifyTestMain(m)
}

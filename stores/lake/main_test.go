//go:build !noduckdb

package lake

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childVariable makes the test binary play another program on the same lake.
const childVariable = "MUSTER_LAKE_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childVariable); role != "" {
		os.Exit(playChild(role))
	}
	// database/sql stops its connection opener a moment after Close returns;
	// goleak waits for it.
	goleak.VerifyTestMain(m)
}

//go:build engines && !noduckdb

package lake

import (
	"testing"

	"muster/stores/storetest"
)

// athenaQuestions are fewer than the other stores are asked: Trino takes its
// time for each.
const athenaQuestions = 15

func TestAthenaQueries(t *testing.T) {
	p := startAthena(t)
	open := func(t *testing.T) storetest.Store { return p.open(t, "") }
	t.Run("Jaeger", func(t *testing.T) { storetest.RunJaeger(t, open) })
	t.Run("Questions", func(t *testing.T) { storetest.RunQueries(t, open, athenaQuestions) })
}

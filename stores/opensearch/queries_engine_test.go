//go:build engines

package opensearch

import (
	"testing"

	"muster/stores/storetest"
)

func TestQueries(t *testing.T) {
	storetest.RunQueries(t, func(t *testing.T) storetest.Store { return openFollowed(t) }, 300)
}

func TestJaeger(t *testing.T) {
	storetest.RunJaeger(t, func(t *testing.T) storetest.Store { return openFollowed(t) })
}

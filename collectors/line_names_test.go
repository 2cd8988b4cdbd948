package collectors

import (
	"fmt"
	"strings"
	"testing"

	"muster/fleet"
)

func TestAttributeNamesAreTheSameRemembered(t *testing.T) {
	names := attributeNames{}
	for range 2 { // the second time they are remembered
		for _, c := range []struct{ path, value, want string }{
			{"order.id", "7", "order.id"},
			{fleet.AttrHTTPStatus, "teapot", "field." + fleet.AttrHTTPStatus},
			{fleet.AttrHTTPStatus, "418", fleet.AttrHTTPStatus},
			{fleet.AttrEventName, "PutItem", "field." + fleet.AttrEventName},
			{"bad\xff", "", "bad\ufffd"},
			{"", "", ""},
		} {
			for _, n := range []attributeNames{names, nil} {
				if got := n.of([]byte(c.path), c.value); got != c.want {
					t.Errorf("%q = %q is kept as %q, want %q", c.path, c.value, got, c.want)
				}
			}
		}
	}
}

// Lines whose fields are named by ids, or by whole documents, do not fill memory.
func TestAttributeNamesAreBounded(t *testing.T) {
	names := attributeNames{}
	for i := range 2 * maxNames {
		path := fmt.Sprint(strings.Repeat("x", i%2*maxNameBytes), i)
		if got := names.of([]byte(path), ""); got != path {
			t.Errorf("%q is kept as %q", path, got)
		}
	}
	for i := range 2 * maxNames {
		names.of(fmt.Append(nil, "id", i), "")
	}
	if len(names) != maxNames {
		t.Errorf("%d names are remembered, want %d", len(names), maxNames)
	}
	for path := range names {
		if len(path) > maxNameBytes {
			t.Errorf("%d bytes of a path are remembered, want %d at most", len(path), maxNameBytes)
		}
	}
}

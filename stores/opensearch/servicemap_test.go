package opensearch

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// call is a span as its trace's service map sees it.
func call(span, parent, service, name, kind string, at int64) fleet.Change {
	r := fleet.Record{
		ID: "t/" + span, Kind: fleet.KindSpan, Time: time.UnixMicro(at), Duration: time.Millisecond, Service: service, Name: name,
		Seen: fleet.Keys{Trace: "t", Span: span, Parent: parent}, Keys: fleet.Keys{Trace: "t"},
	}
	switch kind {
	case "server":
		r.Attributes.Set(fleet.AttrSpanType, "segment")
	case "client":
		r.Attributes.Set(fleet.AttrNamespace, "remote")
	}
	return fleet.Change{Record: r}
}

func relationDocuments(t *testing.T, cs []fleet.Change) []string {
	t.Helper()
	var out []string
	for r := range newTraces(cs).relations() {
		b := r.append(nil)
		var plain map[string]any
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(plain) // in order of the names
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}

func TestServiceMapJoinsBothSidesOfACall(t *testing.T) {
	spans := []fleet.Change{
		call("1", "", "orders", "POST /orders", "server", 1),
		call("2", "1", "orders", "payments", "client", 2),
		call("3", "2", "payments", "charge", "server", 3),
		call("4", "3", "payments", "own work", "", 4),
		call("5", "9", "lost", "its parent is not there", "server", 5),
	}
	// The hashes are those of Data Prepper's formula, computed elsewhere.
	want := []string{
		`{"destination":{"domain":"payments","resource":"charge"},"hashId":"tV8yBXDn7/Ze4ISHI61VyA==","kind":"SPAN_KIND_CLIENT","serviceName":"orders","traceGroupName":"POST /orders"}`,
		`{"hashId":"7dDPCMz9lmZrv0HCqS3enA==","kind":"SPAN_KIND_SERVER","serviceName":"payments","target":{"domain":"payments","resource":"charge"},"traceGroupName":"POST /orders"}`,
	}
	got := relationDocuments(t, spans[:4])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a call (-want +got):\n%s", diff)
	}
	slices.Reverse(spans[:4])
	if diff := cmp.Diff(want, relationDocuments(t, spans[:4])); diff != "" {
		t.Errorf("in another order (-want +got):\n%s", diff)
	}
	if got := relationDocuments(t, spans); len(got) != 3 || !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, `"serviceName":"lost"`) }) {
		t.Errorf("got %v, want the service that nobody calls beside them", got)
	}
	alone := relationDocuments(t, []fleet.Change{call("1", "", "batch", "nightly", "server", 1)})
	if diff := cmp.Diff([]string{`{"hashId":"Dbky3vHZk7KjbtzI9UOpmg==","serviceName":"batch","traceGroupName":"nightly"}`}, alone); diff != "" {
		t.Errorf("a service alone (-want +got):\n%s", diff)
	}
}

func TestTraceGroupIsAlwaysFilled(t *testing.T) {
	root, child := call("1", "", "orders", "POST /orders", "server", 10), call("2", "1", "orders", "put", "client", 5)
	running := root
	running.Record.Duration = 0
	root.Record.Revision = 1
	nameless, nobody := call("1", "", "orders", "", "server", 1), call("1", "", "", "", "server", 1)
	for _, tt := range []struct {
		name  string
		spans []fleet.Change
		want  group
	}{
		{"the root, though a span began before it", []fleet.Change{child, root}, group{"POST /orders", 10, 1000, 0}},
		{"the earliest span while there is no root", []fleet.Change{child, call("3", "1", "orders", "x", "", 6)}, group{"put", 5, 1000, 0}},
		{"the root's newest state, whichever came first", []fleet.Change{root, running, child}, group{"POST /orders", 10, 1000, 0}},
		{"the root's newest state, whichever came last", []fleet.Change{running, child, root}, group{"POST /orders", 10, 1000, 0}},
		{"a span without a name", []fleet.Change{nameless}, group{"orders", 1, 1000, 0}},
		{"a span without name and service", []fleet.Change{nobody}, group{unnamed, 1, 1000, 0}},
	} {
		if got := newTraces(tt.spans).groups()["t"]; got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

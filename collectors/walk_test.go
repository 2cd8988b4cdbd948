package collectors

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestEachScalarVisitsPathsInOrder(t *testing.T) {
	var got []string
	doc := ` {"a":"x\u00e9\n","b":{"c":[1,-2.5e3,{"d":null}],"e":{}},"f":[],"g":[true,"y"],"":false} `
	eachScalar([]byte(doc), func(path, key []byte, v scalar) {
		got = append(got, fmt.Sprintf("%s|%s|%c|%s", path, key, v.kind, v))
	})
	want := []string{"a|a|s|xé\n", "b.c.0|c|n|1", "b.c.1|c|n|-2.5e3", "b.c.2.d|d|0|", "g.0|g|t|true", "g.1|g|s|y", "||f|false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scalars (-want +got):\n%s", diff)
	}
}

func TestWalkTellsWholeDocuments(t *testing.T) {
	for doc, want := range map[string]bool{
		`{"a":1}`: true, `[]`: true, ` "x" `: true, `{"a":1`: false, `{"a" 1}`: false, `{"a":1}x`: false, `{"a":nope}`: false,
		`[1,]`: false, `{,}`: false, `"x`: false, ``: false, `{"a":"\`: false,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth):     true,
		strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2): false,
	} {
		w := walker{doc: []byte(doc), visit: func(_, _ []byte, _ scalar) {}}
		if got := w.whole(); got != want {
			t.Errorf("%.40s: whole is %t, want %t", doc, got, want)
		}
	}
}

func TestFlattenIsBounded(t *testing.T) {
	var doc strings.Builder
	for i := range 3 * maxAttributes {
		fmt.Fprintf(&doc, `,"k%d":"%s"`, i, strings.Repeat("é", maxAttributeBytes))
	}
	var got fleet.Attributes
	flatten(&got, "request.", []byte("{"+doc.String()[1:]+"}"))
	if len(got) != maxAttributes {
		t.Errorf("got %d attributes, want %d", len(got), maxAttributes)
	}
	if v := got.Get("request.k0"); len(v) > maxAttributeBytes || !utf8.ValidString(v) || !strings.HasSuffix(v, "…") {
		t.Errorf("got a value of %d bytes", len(v))
	}
}

// TestHostileLinesAreReadInLinearTime holds a long line against what would make a
// scan quadratic: as many bytes in sixteen shorter lines take as long, or a
// sixteenth of it. A line of half a megabyte takes some milliseconds, and would
// take ten seconds and more. It is the processor's time that counts, so that it
// does not matter what else the machine does.
func TestHostileLinesAreReadInLinearTime(t *testing.T) {
	const (
		size, parts = 512 << 10, 16
		slower      = 8
		unheard     = 500 * time.Millisecond // of clocks that tick in hundredths, and of collecting garbage
	)
	for _, h := range hostileLines {
		short := cpuTime(t, func() {
			for range parts {
				read(h.line(size / parts))
			}
		})
		if long := cpuTime(t, func() { read(h.line(size)) }); long > slower*short+unheard {
			t.Errorf("%q and %q repeated to %d bytes took %s, and %s in %d lines", h.head, h.part, size, long, short, parts)
		}
	}
}

func read(line string) {
	e := logEvent{Group: "g", Message: line}
	e.record(origin{})
}

// hostile is a line of a head and a part that is repeated.
type hostile struct{ head, part string }

func (h hostile) line(size int) string { return h.head + strings.Repeat(h.part, size/len(h.part)) }

var hostileLines = []hostile{
	{"", "root="},
	{"", "trace_id="},
	{"", `password:"`},
	{"", `password=\"`},
	{"", "password=HIDDEN_DUE_TO_SECURITY"},
	{"", "-----BEGIN PRIVATE KEY-----\""},
	{"", "://"},
	{"", "://a:"},
	{"", "AKIA"},
	{"", "eyJ."},
	{"", "bearer "},
	{"", "bearer '"},
	{"", `\`},
	{"", `token='`},
	{"", "request id:"},
	{"", `{"password":"\"`},
	// Access logs, reports and envelopes.
	{"", `"GET `},
	{"", `["GET `},
	{`[2026-01-02T03:04:05Z] "GET `, `\"`},
	{`[2026-01-02T03:04:05Z] "GET / HTTP/2" 200 - 1 2 3 4 `, `"a" `},
	{`1.2.3.4 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200 1 `, `root=`},
	{`http 2026-01-02T03:04:05Z `, `"-" `},
	{reportStart, "\tDuration: "},
	{`{"stream":"stdout","log":"`, `{\"log\":\"`},
	{`{"stream":"stdout","log":"`, ` stdout F `},
	{`{"httpMethod":"GET","status":200,"stage":"a","requestId":"r","path":"`, `root=`},
}

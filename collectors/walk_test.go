package collectors

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
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
	got := map[string]string{}
	flatten(got, "request.", []byte("{"+doc.String()[1:]+"}"))
	if len(got) != maxAttributes {
		t.Errorf("got %d attributes, want %d", len(got), maxAttributes)
	}
	if v := got["request.k0"]; len(v) > maxAttributeBytes || !utf8.ValidString(v) || !strings.HasSuffix(v, "…") {
		t.Errorf("got a value of %d bytes", len(v))
	}
}

// TestHostileLinesAreReadInLinearTime holds long lines against what would make
// a scan quadratic: four times the length would take sixteen times as long. The
// best of some tries counts, since the machine may have other things to do.
func TestHostileLinesAreReadInLinearTime(t *testing.T) {
	const (
		size    = 32 << 10 // read in some milliseconds, with the race detector in ten times as many
		growth  = 4
		slower  = 10                    // between linear and quadratic
		unheard = 20 * time.Millisecond // less is noise
	)
	for _, part := range []string{
		"root=", "trace_id=", `password:"`, `password=\"`, "password=HIDDEN_DUE_TO_SECURITY", "-----BEGIN PRIVATE KEY-----\"",
		"://", "://a:", "AKIA", "eyJ.", "bearer ", "bearer '", `\`, `token='`, "request id:", `{"password":"\"`,
	} {
		short, long := bestRead(part, size), bestRead(part, growth*size)
		if long > slower*short+unheard {
			t.Errorf("%q repeated to %d bytes took %s, and %s to %d times as many", part, size, short, long, growth)
		}
	}
}

// bestRead is the shortest time that a line of a repeated part took of some tries.
func bestRead(part string, size int) time.Duration {
	e := logEvent{Group: "g", Message: strings.Repeat(part, size/len(part))}
	best := time.Duration(math.MaxInt64)
	for range 5 {
		began := time.Now()
		e.record(origin{})
		best = min(best, time.Since(began))
	}
	return best
}

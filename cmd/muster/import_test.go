package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// count asks the lake for one number.
func count(t *testing.T, store, query string) int {
	t.Helper()
	out := mustMuster(t, "sql", "--store", store, "--csv", query)
	lines := strings.Fields(out)
	n, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		t.Fatalf("%s: %q", query, out)
	}
	return n
}

// state is every id with its revision: what must not change when nothing new came.
func state(t *testing.T, store string) string {
	t.Helper()
	return mustMuster(t, "sql", "--store", store, "--csv", "select kind, id, revision, trace_id, trace_via, correlation_id, request_id from records order by kind, id")
}

func TestImportCountsCloudTrailSetsAsPublished(t *testing.T) {
	for _, tc := range []struct {
		name string
		path []string
	}{
		{"cloudtrail-invictus", []string{"*CloudTrail*.json"}},
		{"cloudtrail-stratus", []string{"aws.*.json"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, store := corpus(t, tc.name), filepath.Join(t.TempDir(), "lake")
			files, err := filepath.Glob(filepath.Join(dir, tc.path[0]))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files in %s: %v", dir, err)
			}
			facts := readFacts(t, filepath.Join(dir, "expected_facts.json"))
			args := append([]string{"import", "--store", store}, files...)
			mustMuster(t, args...)
			got := map[string]int{
				"events":                       count(t, store, "select count(*) from api_calls"),
				"distinct_eventIDs":            count(t, store, "select count(distinct id) from api_calls"),
				"distinct_requestIDs":          count(t, store, "select count(distinct request_id) from api_calls where request_id <> ''"),
				"events_with_errorCode":        count(t, store, "select count(*) from api_calls where error <> ''"),
				"temporary_keys_issued":        count(t, store, "select count(distinct issued_key_id) from api_calls where issued_key_id <> ''"),
				"readOnly_true":                count(t, store, "select count(*) from api_calls where read_only"),
				"events_made_with_those_keys":  count(t, store, "select count(*) from api_calls where origin <> ''"),
				"issued_keys_used_in_this_set": count(t, store, "select count(distinct access_key_id) from api_calls where origin <> ''"),
			}
			for k, v := range got {
				if want, ok := facts[k]; ok && want != v {
					t.Errorf("%s: %d, want %d", k, v, want)
				}
			}
			before := state(t, store)
			out := mustMuster(t, args...)
			if !strings.Contains(out, " 0 new") {
				t.Errorf("importing again: %s", out)
			}
			if diff := cmp.Diff(before, state(t, store)); diff != "" {
				t.Error("importing again changed the lake:\n" + diff)
			}
		})
	}
}

func readFacts(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Facts map[string]any `json:"facts"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	facts := map[string]int{}
	for k, v := range doc.Facts {
		if n, ok := v.(float64); ok {
			facts[k] = int(n)
		}
	}
	return facts
}

func TestImportKeepsRefusedSegmentDocumentsRaw(t *testing.T) {
	dir := corpus(t, "otel-xray")
	var rejected map[string]string
	text, err := os.ReadFile(filepath.Join(dir, "expected-otlp", "rejected.json"))
	if err == nil {
		err = json.Unmarshal(text, &rejected)
	}
	if err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(t.TempDir(), "lake")
	stdout, stderr, code := muster(t, "import", "--store", store,
		filepath.Join(dir, "segments"), filepath.Join(dir, "segments-awscli"))
	if code != exitOK {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if !strings.Contains(stderr, "2 documents could not be understood") {
		t.Errorf("the refused documents are not reported: %q", stderr)
	}
	if got := count(t, store, "select count(*) from records where element_at(attributes, 'unreadable') is not null"); got != len(rejected) {
		t.Errorf("%d kept raw, want %d", got, len(rejected))
	}
	if got := count(t, store, "select count(*) from records where element_at(attributes, 'unreadable') is not null and raw <> ''"); got != len(rejected) {
		t.Errorf("%d with their evidence, want %d", got, len(rejected))
	}
	// Two of the hand-written documents show one id on two days: one span each.
	if got, want := count(t, store, "select count(distinct id) from spans where element_at(attributes, 'unreadable') is null"), otlpSpans(t, dir); got != want {
		t.Errorf("%d spans, want %d as the independent translation has", got, want)
	}
	before := state(t, store)
	muster(t, "import", "--store", store, filepath.Join(dir, "segments"), filepath.Join(dir, "segments-awscli"))
	if diff := cmp.Diff(before, state(t, store)); diff != "" {
		t.Error("importing again changed the lake:\n" + diff)
	}
}

// otlpSpans counts the spans of the independent translation, each id once.
func otlpSpans(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "expected-otlp", "*.otlp.json"))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []struct {
						TraceID string `json:"traceId"`
						SpanID  string `json:"spanId"`
					} `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, rs := range doc.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					ids[s.TraceID+"/"+s.SpanID] = true
				}
			}
		}
	}
	return len(ids)
}

func TestImportTakesTheDaemonsDatagrams(t *testing.T) {
	dir, store := corpus(t, "xray-sdk-captures"), filepath.Join(t.TempDir(), "lake")
	files, err := filepath.Glob(filepath.Join(dir, "*.udp"))
	if err != nil {
		t.Fatal(err)
	}
	mustMuster(t, append([]string{"import", "--store", store}, files...)...)
	want, traces := map[string]bool{}, map[string]map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, doc, _ := bytes.Cut(text, []byte("\n"))
		var seg map[string]any
		if err := json.Unmarshal(doc, &seg); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		spanIDs(seg, want)
		id := seg["trace_id"].(string)
		if traces[id] == nil {
			traces[id] = map[string]bool{}
		}
		spanIDs(seg, traces[id])
	}
	if got := count(t, store, "select count(*) from spans"); got != len(want) {
		t.Errorf("%d spans, want %d", got, len(want))
	}
	if got := count(t, store, "select count(*) from spans where element_at(attributes, 'in_progress') = 'true'"); got != 0 {
		t.Errorf("%d spans are in progress still, though their finished copies came", got)
	}
	before := state(t, store)
	mustMuster(t, append([]string{"import", "--store", store}, files...)...)
	if diff := cmp.Diff(before, state(t, store)); diff != "" {
		t.Error("importing again changed the lake:\n" + diff)
	}
	// However often a span was sent, alone and inside of its segment, running and
	// finished, it is one line of the waterfall.
	for id, spans := range traces {
		screen := mustMuster(t, "explore", "--store", store, id)
		if got := len(spanLine.FindAllString(screen, -1)); got != len(spans) || strings.Contains(screen, "running") {
			t.Errorf("trace %s has %d lines of spans, want %d, none of them running:\n%s", id, got, len(spans), screen)
		}
	}
}

// spanLine is the beginning of a span's line in the waterfall.
var spanLine = regexp.MustCompile(`(?m)^[ │├└─]*● `)

func spanIDs(seg map[string]any, ids map[string]bool) {
	ids[seg["id"].(string)] = true
	subs, _ := seg["subsegments"].([]any)
	for _, s := range subs {
		spanIDs(s.(map[string]any), ids)
	}
}

// TestImportRefusesBadFiles holds every kind of bad file to the same promise:
// an error that names file and position, exit 2, and an empty lake.
func TestImportRefusesBadFiles(t *testing.T) {
	event := `{"eventVersion":"1.08","eventTime":"2023-07-10T11:42:18Z","eventSource":"sts.amazonaws.com","eventName":"GetCallerIdentity","awsRegion":"us-east-1","requestID":"r","eventID":"e-1","recipientAccountId":"111122223333"}`
	good := `{"Records":[` + event + `]}`
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	if _, err := zw.Write([]byte(good)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt := bytes.Clone(zipped.Bytes())
	corrupt[len(corrupt)/2] ^= 0xff
	for _, tc := range []struct {
		name, file, says string
		text             []byte
	}{
		{"corrupt gzip", "a.json.gz", "byte", corrupt},
		{"gzip that breaks off", "b.json.gz", "byte", zipped.Bytes()[:zipped.Len()-12]},
		{"truncated JSON", "c.json", "byte", []byte(good[:len(good)-40])},
		{"truncated after one event", "d.json", "byte", []byte(`{"Records":[` + event + `,`)},
		{"wrong type", "e.json", "byte", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")},
		{"plain text", "f.txt", "byte", []byte("hello, world\n")},
		{"empty", "g.json", "empty", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path, store := filepath.Join(dir, tc.file), filepath.Join(dir, "lake")
			if err := os.WriteFile(path, tc.text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, stderr, code := muster(t, "import", "--store", store, path)
			if code != exitFailure || !strings.Contains(stderr, path) || !strings.Contains(stderr, tc.says) {
				t.Errorf("exit %d, want 2 and an error that names %s and %q:\n%s", code, path, tc.says, stderr)
			}
			if got := count(t, store, "select count(*) from records"); got != 0 {
				t.Errorf("%d records of a bad file are in the lake", got)
			}
		})
	}
}

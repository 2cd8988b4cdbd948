// Package crisp reads the traces of Uber's CRISP, which are recorded as Jaeger's
// API hands them out, for the tests of rooms that follow a request's time. They
// are not in the project: MUSTER_CORPUS names the folder of the recorded data.
package crisp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

// Traces are all traces by their names in CRISP. Room is the way from the test's
// folder to the project's. Without the data it skips the test.
func Traces(t *testing.T, room string) map[string][]fleet.Record {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join(room, "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(root, "crisp-traces", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("SKIPPED: no CRISP traces in %s (set MUSTER_CORPUS)", root)
	}
	out := map[string][]fleet.Record{}
	for _, f := range files {
		out[strings.TrimSuffix(filepath.Base(f), ".json")] = read(t, f)
	}
	return out
}

// Span is a span of a trace "t", from and to in microseconds from 1970.
func Span(id, parent, service, name string, from, to int64) fleet.Record {
	r := fleet.Record{
		ID: fleet.SpanID("t", id), Kind: fleet.KindSpan, Service: service, Name: name,
		Time: time.UnixMicro(from).UTC(), Duration: time.Duration(to-from) * time.Microsecond,
	}
	r.Keys.Trace, r.Keys.Span, r.Keys.Parent = "t", id, parent
	return r
}

func read(t *testing.T, file string) []fleet.Record {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Data []struct {
			Spans []struct {
				SpanID, OperationName, ProcessID string

				StartTime, Duration int64 // microseconds

				References []struct{ RefType, SpanID string }
				Tags       []struct {
					Key   string
					Value any
				}
			}
			Processes map[string]struct{ ServiceName string }
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	var out []fleet.Record
	for _, tr := range doc.Data {
		for _, s := range tr.Spans {
			r := Span(s.SpanID, "", tr.Processes[s.ProcessID].ServiceName, s.OperationName, s.StartTime, s.StartTime+s.Duration)
			for _, ref := range s.References {
				if ref.RefType == "CHILD_OF" {
					r.Keys.Parent = ref.SpanID
				}
			}
			for _, tag := range s.Tags {
				if tag.Key == "error" && tag.Value != false {
					r.Error = "error"
				}
			}
			out = append(out, r)
		}
	}
	return out
}

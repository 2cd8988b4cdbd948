package localaws

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drivenTable reads a table of docs/local-aws.md, by the name of its first
// column: the other cells by the first one, without quotation marks.
func drivenTable(t *testing.T, name string) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/local-aws.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n| "+name+" |")
	if !found {
		t.Fatalf("docs/local-aws.md has no table of each %s", name)
	}
	rows := map[string][]string{}
	for i, line := range strings.Split(table, "\n") {
		if i < 2 { // the rest of the head
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if len(cells) < 2 {
			break
		}
		for j := range cells {
			cells[j] = strings.Trim(strings.TrimSpace(cells[j]), "`")
		}
		if rows[cells[0]] != nil {
			t.Errorf("%s %s has two rows", name, cells[0])
		}
		rows[cells[0]] = cells[1:]
	}
	return rows
}

// oracleSource is a module of the client that drives the stand-in.
func oracleSource(t *testing.T, module string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("engines", "oracle", module))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// s3Operations are the names that requests to the object store can have.
func s3Operations(ctx context.Context) []string {
	names := map[string]bool{}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodHead, http.MethodDelete} {
		for _, target := range []struct{ bucket, key, query string }{
			{"", "", ""}, {"b", "", ""}, {"b", "k", ""}, {"b", "", "?location"}, {"b", "", "?delete"}, {"b", "", "?policy"}, {"b", "", "?notification"},
		} {
			names[s3Operation(httptest.NewRequestWithContext(ctx, method, "/"+target.query, http.NoBody), target.bucket, target.key)] = true
		}
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}

var wordStart = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// TestEveryOperationIsDrivenByBotocore holds the documented table to what the
// stand-in offers, and each of its rows to a module that makes the calls. The
// engine tests run the modules, and find what they did not call.
func TestEveryOperationIsDrivenByBotocore(t *testing.T) {
	s := start(t, Options{})
	offered := map[string][]string{"s3": s3Operations(t.Context())}
	for service, operations := range s.services {
		offered[service] = slices.Sorted(maps.Keys(operations))
	}
	documented := map[string][]string{}
	for service, cells := range drivenTable(t, "AWS service") {
		documented[service] = strings.Split(cells[0], ", ")
		source := ""
		for module := range strings.SplitSeq(cells[1], "`, `") {
			source += oracleSource(t, module)
		}
		for _, operation := range documented[service] {
			called := strings.ToLower(wordStart.ReplaceAllString(operation, "${1}_${2}"))
			if !regexp.MustCompile(`(\.|")` + called + `(_v2)?\b`).MatchString(source) {
				t.Errorf("%s does not call %s of %s", cells[1], called, service)
			}
		}
	}
	if d := cmp.Diff(offered, documented); d != "" {
		t.Errorf("the table of docs/local-aws.md and the stand-in differ (-offered +documented):\n%s", d)
	}
}

// settings are the options that are no fault: who and where the stand-in is.
var settings = []string{
	"Account", "Members", "Region", "Seed", "Now", "Logger", "TrailBucket", "TrinoURL", "TrinoCatalog", "ListenAddr", "DaemonAddr",
}

// TestEveryFaultIsDrivenByBotocore holds the documented table to the faults of
// Options, and each row to a function that meets it and to the test that runs
// that one.
func TestEveryFaultIsDrivenByBotocore(t *testing.T) {
	var faults []string
	for f := range reflect.TypeFor[Options]().Fields() {
		switch {
		case slices.Contains(settings, f.Name):
		case f.Type.Kind() == reflect.Struct:
			for inner := range f.Type.Fields() {
				faults = append(faults, f.Name+"."+inner.Name)
			}
		default:
			faults = append(faults, f.Name)
		}
	}
	slices.Sort(faults)
	rows := drivenTable(t, "fault")
	if d := cmp.Diff(faults, slices.Sorted(maps.Keys(rows))); d != "" {
		t.Errorf("the table of docs/local-aws.md and Options differ (-injected +documented):\n%s", d)
	}
	source := oracleSource(t, "faults.py")
	run, err := os.ReadFile(filepath.Join("engines", "faults", "faults_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for fault, cells := range rows {
		name := cells[len(cells)-1]
		if !strings.Contains(source, "\ndef "+name+"(f):") {
			t.Errorf("faults.py has no function %s for %s", name, fault)
		}
		if field := fault[strings.LastIndexByte(fault, '.')+1:]; !regexp.MustCompile(`"` + name + `": .*\b` + field + `: `).Match(run) {
			t.Errorf("the test of the faults gives %s to no stand-in for %s", fault, name)
		}
	}
}

package trino

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// server speaks the protocol by a script: one answer to each request.
func server(t *testing.T, answer func(base string, r *http.Request, n int) (int, string)) (*Client, *[]string) {
	t.Helper()
	var seen []string
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Path)
		status, body := answer(s.URL, r, len(seen))
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return &Client{URL: s.URL, Catalog: "lake", HTTP: s.Client()}, &seen
}

func TestRunFollowsPagesAndWaitsWhileTrinoIsBusy(t *testing.T) {
	client, seen := server(t, func(base string, r *http.Request, n int) (int, string) {
		if r.Header.Get("X-Trino-Client-Capabilities") != "PARAMETRIC_DATETIME" || r.Header.Get("X-Trino-Catalog") != "lake" {
			t.Errorf("headers of request %d: %v", n, r.Header)
		}
		return []int{200, 503, 200}[n-1], []string{
			`{"nextUri":"` + base + `/1","stats":{"state":"QUEUED"}}`,
			`busy`,
			`{"columns":[{"name":"a","type":"timestamp(6)","typeSignature":{"rawType":"timestamp","arguments":[{"kind":"LONG","value":6}]}}],` +
				`"data":[["x"],[12345678901234567890]],"stats":{"state":"FINISHED","processedRows":7,"physicalInputBytes":9}}`,
		}[n-1]
	})
	result, err := client.Run(t.Context(), "SELECT", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Result{
		Columns: []Column{{Name: "a", Type: "timestamp(6)", Signature: Signature{Name: "timestamp", Parameters: []Argument{{Number: 6}}}}},
		Rows:    [][]any{{"x"}, {json.Number("12345678901234567890")}},
		Stats:   Stats{State: "FINISHED", ProcessedRows: 7, PhysicalInputBytes: 9},
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"POST /v1/statement", "GET /1", "GET /1"}, *seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestRunCancelsWhatItDoesNotFinish(t *testing.T) {
	endless := func(base string, _ *http.Request, _ int) (int, string) {
		return http.StatusOK, `{"nextUri":"` + base + `/1","stats":{"state":"RUNNING","physicalInputBytes":10}}`
	}
	client, seen := server(t, endless)
	tooMuch := errors.New("too much")
	if _, err := client.Run(t.Context(), "SELECT", func(Stats) error { return tooMuch }); !errors.Is(err, tooMuch) {
		t.Errorf("the watch objected, and Run said %v", err)
	}
	if last := (*seen)[len(*seen)-1]; last != "DELETE /1" {
		t.Errorf("the last request is %s", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := client.Run(ctx, "SELECT", func(Stats) error {
		if calls++; calls == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended, and Run said %v", err)
	}
	if last := (*seen)[len(*seen)-1]; last != "DELETE /1" {
		t.Errorf("the last request is %s", last)
	}
}

func TestRefusalNamesTheErrorAndItsPlace(t *testing.T) {
	client, _ := server(t, func(string, *http.Request, int) (int, string) {
		return http.StatusOK, `{"stats":{"state":"FAILED"},"error":{"message":"line 1:8: Column 'x' cannot be resolved",` +
			`"errorName":"COLUMN_NOT_FOUND","errorType":"USER_ERROR","errorLocation":{"lineNumber":1,"columnNumber":8}}}`
	})
	_, err := client.Run(t.Context(), "SELECT x", nil)
	refused, ok := errors.AsType[*Error](err)
	if !ok || refused.Location != (Location{1, 8}) || !strings.HasPrefix(err.Error(), "COLUMN_NOT_FOUND: line 1:8") {
		t.Errorf("got %v", err)
	}
}

package collectors

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"muster/fleet"
)

// recordedError is an error that AWS answered, with the service that did.
type recordedError struct {
	service       string
	status        int
	code, message string
}

// recordedErrors are all in the snapshots, each once.
func recordedErrors(t *testing.T) []recordedError {
	t.Helper()
	seen := map[recordedError]bool{}
	var all []recordedError
	for _, path := range corpusFiles(t, "localstack-aws-snapshots", "*.json") {
		text, err := os.ReadFile(path)
		must(t, err)
		var doc any
		must(t, json.Unmarshal(text, &doc))
		service, _, _ := strings.Cut(filepath.Base(path), "__")
		errorsIn(doc, func(code, message string, status int) {
			if e := (recordedError{service, status, code, message}); !seen[e] {
				seen[e] = true
				all = append(all, e)
			}
		})
	}
	return all
}

// errorsIn finds the answers that were errors.
func errorsIn(doc any, found func(code, message string, status int)) {
	switch d := doc.(type) {
	case []any:
		for _, v := range d {
			errorsIn(v, found)
		}
	case map[string]any:
		if e, ok := d["Error"].(map[string]any); ok && e["Code"] != nil {
			meta, _ := d["ResponseMetadata"].(map[string]any)
			status, _ := meta["HTTPStatusCode"].(float64)
			message, _ := e["Message"].(string)
			found(fmt.Sprint(e["Code"]), message, cmp.Or(int(status), http.StatusBadRequest))
		}
		for _, v := range d {
			errorsIn(v, found)
		}
	}
}

// answering is an AWS that answers nothing but e, in the service's own protocol.
func (e *recordedError) answering(t *testing.T) aws.Config {
	t.Helper()
	type said struct {
		Code, Message string
	}
	var body bytes.Buffer
	switch e.service {
	case "s3":
		must(t, xml.NewEncoder(&body).EncodeElement(said{e.code, e.message}, xml.StartElement{Name: xml.Name{Local: "Error"}}))
	case "sts":
		must(t, xml.NewEncoder(&body).EncodeElement(struct{ Error said }{said{e.code, e.message}}, xml.StartElement{Name: xml.Name{Local: "ErrorResponse"}}))
	default:
		must(t, json.NewEncoder(&body).Encode(map[string]string{"__type": e.code, "message": e.message}))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", map[bool]string{true: "text/xml", false: "application/x-amz-json-1.1"}[e.service == "s3" || e.service == "sts"])
		w.WriteHeader(e.status)
		_, _ = w.Write(body.Bytes()) // the client is gone: nobody to tell
	}))
	t.Cleanup(server.Close)
	cfg := awsAt(t, server.URL)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
}

// TestRecordedErrorsComeOutClearly: whatever AWS answered somebody, its code and
// its message are told, with what was attempted on what.
func TestRecordedErrorsComeOutClearly(t *testing.T) {
	all := recordedErrors(t)
	if len(all) < 40 {
		t.Fatalf("only %d errors are recorded", len(all))
	}
	for _, e := range all {
		t.Run(e.service+"/"+e.code, func(t *testing.T) {
			told, on := e.told(t)
			for _, want := range []string{e.code, strings.TrimSpace(e.message), on} {
				if !strings.Contains(told, want) {
					t.Errorf("no %q in %q", want, told)
				}
			}
		})
	}
}

// told is what a user reads of an error, and what it should name.
func (e *recordedError) told(t *testing.T) (told, on string) {
	t.Helper()
	var log bytes.Buffer
	o := Options{AWS: e.answering(t), Account: testAccount, TrailBucket: "audit", Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return noon }}
	switch e.service {
	case "sts":
		o.Account = ""
		_, err := Discover(t.Context(), o)
		return fmt.Sprint(err), "find the account: call sts:GetCallerIdentity"
	case "s3":
		o.Sources, on = []string{SourceTrail}, "s3://audit/"
	default:
		o.Sources, o.Groups.Names, on = []string{SourceLogs}, []string{"/muster/orders"}, "/muster/orders"
	}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	if l, ok := cs[0].(*logs); ok {
		l.wait = func(context.Context, time.Duration) error { return errors.New("it waits") }
	}
	got := collect(t.Context(), cs[0], lastHour)
	for _, entry := range got.ledger {
		if entry.Coverage != fleet.Partial || entry.Reason != "denied" || !strings.Contains(entry.Detail, "allow logs:FilterLogEvents") {
			t.Errorf("got the entry %+v", entry)
		}
		told += entry.Detail + " " + cs[0].Stream()
	}
	if got.err != nil {
		told += got.err.Error()
	}
	return told + log.String(), on
}

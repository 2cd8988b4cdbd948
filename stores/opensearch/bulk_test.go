package opensearch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// standIn is an OpenSearch that answers bulk requests as a test says.
type standIn struct {
	// answer gives the status of an item, by its id and how often it came before,
	// and the type of its error.
	answer func(id string, before int) (int, string)

	mu       sync.Mutex
	sent     map[string]int // how often an item's fate was told, by its id
	requests []string       // their paths
}

func (f *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.URL.RequestURI())
	var all, wrong, ids []string
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var action struct {
			Index struct {
				ID string `json:"_id"`
			} `json:"index"`
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || !lines.Scan() {
			http.Error(w, "not a bulk request", http.StatusTeapot)
			return
		}
		id := action.Index.ID
		ids = append(ids, id)
		status, kind := f.answer(id, f.sent[id])
		if status < http.StatusMultipleChoices {
			all = append(all, fmt.Sprintf(`{"index":{"status":%d}}`, status))
			continue
		}
		why := fmt.Sprintf(`"error":{"type":%q,"reason":"because"}}}`, kind)
		all = append(all, fmt.Sprintf(`{"index":{"status":%d,%s`, status, why))
		wrong = append(wrong, `{"index":{`+why)
	}
	if r.URL.RequestURI() == bulkPath && len(wrong) > 0 {
		fmt.Fprintf(w, `{"errors":true,"items":[%s]}`, strings.Join(wrong, ","))
		return // and is asked again
	}
	for _, id := range ids {
		f.sent[id]++
	}
	if r.URL.RequestURI() == bulkPath {
		_, _ = io.WriteString(w, `{"errors":false}`)
		return
	}
	fmt.Fprintf(w, `{"errors":%t,"items":[%s]}`, len(wrong) > 0, strings.Join(all, ","))
}

func newStandIn(answer func(id string, before int) (int, string)) *standIn {
	return &standIn{answer: answer, sent: map[string]int{}}
}

// openAt is a store on a server of the test's own.
func openAt(t *testing.T, h http.Handler) *Store {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s, err := Open(Options{
		Address: Address{URL: server.URL}, Refused: filepath.Join(t.TempDir(), "refused.ndjson"), Pause: time.Microsecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// documents are small ones with these ids for index i.
func documents(ids ...string) *chunk {
	c := &chunk{}
	for _, id := range ids {
		c.add("i", id, 1, func(b []byte) []byte { return append(b, `{"id":"`+id+`"}`...) })
	}
	return c
}

func write(ctx context.Context, s *Store, c *chunk) (Written, error) {
	w := s.startSending(ctx)
	if err := w.send(c); err != nil {
		return Written{}, err
	}
	return w.wait()
}

// refusedIDs are the ids in the file of refused documents.
func refusedIDs(t *testing.T, s *Store) []string {
	t.Helper()
	text, err := os.ReadFile(s.refused.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for line := range bytes.Lines(text) {
		var r refusal
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if string(r.Document) != `{"id":"`+r.ID+`"}` || r.Error == "" || r.Index != "i" {
			t.Errorf("refused: got %+v, want the document and the reason", r)
		}
		out = append(out, r.ID)
	}
	return out
}

func TestWriteGivesEachItemItsFate(t *testing.T) {
	always := func(status int, kind string) func(string, int) (int, string) {
		return func(id string, _ int) (int, string) {
			if id == "odd" {
				return status, kind
			}
			return http.StatusCreated, ""
		}
	}
	tests := []struct {
		name    string
		answer  func(string, int) (int, string)
		err     string // a part of it; "" for none
		refused []string
		sent    int // how often the odd one was sent
	}{
		{"written", always(http.StatusOK, ""), "", nil, 1},
		{"there in a newer state", always(http.StatusConflict, "version_conflict_engine_exception"), "", nil, 1},
		{"mapping does not fit", always(http.StatusBadRequest, "mapper_parsing_exception"), "", []string{"odd"}, 1},
		{"too many shards", always(http.StatusBadRequest, "validation_exception"), "because", nil, 1},
		{"forbidden", always(http.StatusForbidden, "security_exception"), "403 security_exception: because", nil, 1},
		{"read-only index", always(http.StatusForbidden, "cluster_block_exception"), "index i", nil, 1},
		{"no such index", always(http.StatusNotFound, "index_not_found_exception"), "404", nil, 1},
		{"always busy", always(http.StatusTooManyRequests, "rejected_execution_exception"), "8 times", nil, bulkTries},
		{"busy twice", func(id string, before int) (int, string) {
			if id == "odd" && before < 2 {
				return http.StatusTooManyRequests, "rejected_execution_exception"
			}
			return http.StatusCreated, ""
		}, "", nil, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine := newStandIn(tt.answer)
			s := openAt(t, engine)
			w, err := write(t.Context(), s, documents("a", "odd", "b"))
			if got := fmt.Sprint(err); (tt.err == "") != (err == nil) || !strings.Contains(got, tt.err) {
				t.Errorf("got error %v, want one with %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.refused, refusedIDs(t, s)); diff != "" || w.Refused != len(tt.refused) {
				t.Errorf("refused %d (-want +got):\n%s", w.Refused, diff)
			}
			if diff := cmp.Diff(map[string]int{"a": 1, "odd": tt.sent, "b": 1}, engine.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedDocumentIsNeverDropped(t *testing.T) {
	s := openAt(t, newStandIn(func(string, int) (int, string) { return http.StatusBadRequest, "mapper_parsing_exception" }))
	s.refused.path = ""
	if _, err := write(t.Context(), s, documents("a")); !errors.Is(err, errNoRefusedFile) {
		t.Errorf("without a file: got error %v, want %v", err, errNoRefusedFile)
	}
	s.refused.path = filepath.Join(t.TempDir(), "no", "such", "folder")
	if _, err := write(t.Context(), s, documents("a")); err == nil {
		t.Error("with a file that cannot be written: got no error")
	}
}

// failing answers a number of whole requests with a status before it goes well.
func failing(status, times int, then http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		times--
		fail := times >= 0
		mu.Unlock()
		if fail {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, `{"error":{"type":"some_exception","reason":"because"}}`, status)
			return
		}
		then.ServeHTTP(w, r)
	})
}

func TestWriteSurvivesRequestsThatFail(t *testing.T) {
	tests := []struct {
		name          string
		status, times int
		err           string
	}{
		{"busy", http.StatusTooManyRequests, 2, ""},
		{"restarting", http.StatusServiceUnavailable, 3, ""},
		{"behind a proxy that finds nobody", http.StatusBadGateway, 1, ""},
		{"too large twice", http.StatusRequestEntityTooLarge, 2, ""},
		{"the wrong password", http.StatusUnauthorized, 1, "MUSTER_OPENSEARCH_PASSWORD"},
		{"forbidden", http.StatusForbidden, 1, "some_exception: because"},
		{"always restarting", http.StatusServiceUnavailable, bulkTries, "8 times"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine := newStandIn(func(string, int) (int, string) { return http.StatusCreated, "" })
			s := openAt(t, failing(tt.status, tt.times, engine))
			_, err := write(t.Context(), s, documents("a", "b", "c", "d"))
			if got := fmt.Sprint(err); (tt.err == "") != (err == nil) || !strings.Contains(got, tt.err) {
				t.Errorf("got error %v, want one with %q", err, tt.err)
			}
			want := map[string]int{}
			if tt.err == "" {
				want = map[string]int{"a": 1, "b": 1, "c": 1, "d": 1}
			}
			if diff := cmp.Diff(want, engine.sent); diff != "" || refusedIDs(t, s) != nil {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocumentThatIsTooLargeAloneIsRefused(t *testing.T) {
	s := openAt(t, failing(http.StatusRequestEntityTooLarge, 100, nil))
	if _, err := write(t.Context(), s, documents("a", "b")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, refusedIDs(t, s)); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	s := openAt(t, failing(http.StatusServiceUnavailable, 1<<30, nil))
	s.pause = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := write(ctx, s, documents("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want that the time is up", err)
	}
}

func TestChunkIsBounded(t *testing.T) {
	many, large, two := &chunk{}, &chunk{}, documents("a", "b")
	for range bulkItems {
		many.add("i", "a", 1, func(b []byte) []byte { return append(b, "{}"...) })
	}
	large.add("i", "a", 1, func(b []byte) []byte { return append(b, make([]byte, bulkBytes)...) })
	if !many.full() || !large.full() || two.full() {
		t.Errorf("full: got %t by count, %t by bytes, %t for two documents", many.full(), large.full(), two.full())
	}
	want := `{"index":{"_index":"i","_id":"b","version":1,"version_type":"external"}}` + "\n" + `{"id":"b"}` + "\n"
	if got := string(two.pick(two.items[1:]).body); got != want {
		t.Errorf("one of them: got %q, want %q", got, want)
	}
}

// One index that takes nothing holds up no other, and the error says what to do.
func TestBlockedIndexHoldsUpNoOther(t *testing.T) {
	engine := newStandIn(func(id string, _ int) (int, string) {
		if id == "odd" {
			return http.StatusTooManyRequests, kindBlock // a full disk
		}
		return http.StatusCreated, ""
	})
	s := openAt(t, engine)
	c := documents("a", "b")
	c.add("full", "odd", 1, func(b []byte) []byte { return append(b, "{}"...) })
	w, err := write(t.Context(), s, c)
	blocked, ok := errors.AsType[*BlockedError](err)
	if !ok || len(blocked.Reasons) != 1 || !strings.Contains(blocked.Reasons["full"], "429 "+kindBlock) {
		t.Errorf("got error %v, want one about index full alone", err)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "odd": 1}, engine.sent); diff != "" || w != (Written{3, 0}) {
		t.Errorf("sent %+v (-want +got):\n%s", w, diff)
	}
}

// What became of each item is asked only when one was not written, and then for
// all that is sent with it.
func TestItemsAreAskedForOnlyWhenOneGoesWrong(t *testing.T) {
	engine := newStandIn(func(id string, _ int) (int, string) {
		if id == "odd" {
			return http.StatusBadRequest, "mapper_parsing_exception"
		}
		return http.StatusCreated, ""
	})
	s := openAt(t, engine)
	sendAll := func(chunks ...*chunk) Written {
		w := s.startSending(t.Context())
		sent := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.written.Sent
		}
		want := 0
		for _, c := range chunks {
			if err := w.send(c); err != nil {
				t.Fatal(err)
			}
			for want += len(c.items); sent() < want; { // one after the other
				time.Sleep(time.Millisecond)
			}
		}
		written, err := w.wait()
		if err != nil {
			t.Fatal(err)
		}
		return written
	}
	if w := sendAll(documents("a"), documents("b", "odd", "c"), documents("d")); w != (Written{5, 1}) {
		t.Errorf("got %+v, want 5 sent and 1 refused", w)
	}
	if w := sendAll(documents("e")); w != (Written{1, 0}) {
		t.Errorf("got %+v, want 1 sent", w)
	}
	want := []string{bulkPath, bulkPath, itemsPath, itemsPath, bulkPath}
	if diff := cmp.Diff(want, engine.requests); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "odd": 1}, engine.sent); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package opensearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/fleet"
)

// commits is a lake of so many commits of one log line each.
type commits struct {
	n    int
	fail error // after the last of them
}

func (c commits) Identity(context.Context) (string, error) { return "lake", nil }

func (c commits) Changes(_ context.Context, after int64) iter.Seq2[fleet.Changes, error] {
	return func(yield func(fleet.Changes, error) bool) {
		for i := after; i < int64(c.n); i++ {
			r := fleet.Record{ID: fmt.Sprint("r", i), Revision: 1, Kind: fleet.KindLog, Time: time.Unix(1_800_000_000, 0)}
			if !yield(fleet.Changes{Changes: []fleet.Change{{Record: r}}, Through: i + 1}, nil) {
				return
			}
		}
		if c.fail != nil {
			yield(fleet.Changes{}, c.fail)
		}
	}
}

func (c commits) ChangedFindings(context.Context, int64) ([]fleet.Finding, int64, error) {
	return nil, 0, nil
}

func (c commits) ChangedLedger(context.Context, int64) ([]fleet.LedgerEntry, int64, error) {
	return nil, 0, nil
}

// markKeeper is an OpenSearch that takes every document, and as many marks.
type markKeeper struct {
	marks       int64 // that it takes; what comes after is forbidden
	took, bulks atomic.Int64
	last        atomic.Value // the last mark that it took
}

func (k *markKeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasPrefix(r.URL.Path, "/_bulk"):
		k.bulks.Add(1)
		_, _ = io.WriteString(w, `{"errors":false,"items":[{"index":{"status":201}}]}`)
	case r.Method == http.MethodPut && k.took.Add(1) > k.marks:
		http.Error(w, `{"error":{"type":"security_exception","reason":"no marks any more"}}`, http.StatusForbidden)
	case r.Method == http.MethodPut:
		k.last.Store(string(body))
		_, _ = io.WriteString(w, `{}`)
	case strings.Contains(r.URL.Path, "/_doc/"):
		http.Error(w, `{"found":false}`, http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, `{"hits":{"hits":[]},"_shards":{"total":0}}`)
	}
}

func TestBatchThatDoesNotLandStopsThoseBehindIt(t *testing.T) {
	const all, marks = 200, 3
	k := &markKeeper{marks: marks}
	w, err := openAt(t, k).CatchUp(t.Context(), commits{n: all})
	if err == nil || !strings.Contains(err.Error(), "no marks any more") || errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want why the mark was not saved and nothing else", err)
	}
	if got := fmt.Sprint(k.last.Load()); !strings.Contains(got, fmt.Sprintf(`"evidence":%d,`, marks)) {
		t.Errorf("got mark %s, want that of the last commit that landed, %d", got, marks)
	}
	// The one that does not land, one that waits for it, one that is launched.
	if n := k.bulks.Load(); n < marks+1 || n > marks+4 || w.Sent > int(n) {
		t.Errorf("%d of %d batches were sent, and %d documents counted", n, all, w.Sent)
	}
}

func TestBatchesBeforeABrokenOneLand(t *testing.T) {
	k := &markKeeper{marks: 100}
	broken := errors.New("file is cut off")
	if _, err := openAt(t, k).CatchUp(t.Context(), commits{n: 7, fail: broken}); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	if got := fmt.Sprint(k.last.Load()); !strings.Contains(got, `"evidence":7,`) || k.bulks.Load() != 7 {
		t.Errorf("got mark %s after %d batches, want 7 of 7", got, k.bulks.Load())
	}
}

// An answer that is about less than was asked, or that ends too soon, is an error,
// so that the mark stays where it is.
func TestAnswerAboutLessIsAnError(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"one item of two", `{"errors":false,"items":[{"index":{"status":201}}]}`, "the answer is about 1"},
		{"none", `{}`, "the answer is about none"},
		{"something wrong and no items", `{"errors":true}`, "the answer is about none"},
		{"something wrong with one item of two", `{"errors":true,"items":[{"index":{"status":400}}]}`, "the answer is about 1"},
		{"empty", ``, "is this OpenSearch?"},
		{"cut off", `{"errors":false,"items":[{"index":{"status":201}},`, "is this OpenSearch?"},
		{"a page", `<html>`, "is this OpenSearch?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, tt.answer)
			}))
			s.pause = time.Microsecond
			if _, err := write(t.Context(), s, documents("a", "b")); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

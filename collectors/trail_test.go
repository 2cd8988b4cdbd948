package collectors

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/fleet"
)

// shakyBucket is an S3 whose transfers break off a number of times.
type shakyBucket struct {
	breaks  int64
	fetches atomic.Int64
	body    []byte
}

const shakyKey = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a.json.gz"

func (b *shakyBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, ".gz"):
		w.Header().Set("Content-Length", fmt.Sprint(len(b.body)))
		body := b.body
		if b.fetches.Add(1) <= b.breaks {
			body = body[:len(body)/2] // the server then closes the connection
		}
		_, _ = w.Write(body) // the client is gone: nobody to tell
	case r.URL.Query().Get("prefix") == "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/":
		fmt.Fprintf(w, `<ListBucketResult><Contents><Key>%s</Key><LastModified>2026-01-02T11:30:00.000Z</LastModified></Contents></ListBucketResult>`, shakyKey)
	default:
		fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`)
	}
}

func TestTransfersThatBreakOffAreTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		breaks  int64
		summary string
		fetches int64
	}{
		"once":     {1, "through 11:30, through 12:00, complete", 2},
		"for ever": {1000, "error", trailTries},
	} {
		t.Run(name, func(t *testing.T) {
			b := &shakyBucket{breaks: c.breaks, body: zip(t, []byte(`{"Records":[`+event1+","+event2+`]}`))}
			server := httptest.NewServer(b)
			t.Cleanup(server.Close)
			cs, err := Discover(t.Context(), Options{
				AWS: awsAt(t, server.URL), Account: testAccount, Sources: []string{SourceTrail}, TrailBucket: "shaky",
				Now: func() time.Time { return noon },
			})
			must(t, err)
			got := collect(t.Context(), cs[0], fleet.Window{Start: noon.Add(-time.Hour), End: noon})
			if got.summary() != c.summary || b.fetches.Load() != c.fetches {
				t.Errorf("got %q after %d fetches (%v), want %q after %d", got.summary(), b.fetches.Load(), got.err, c.summary, c.fetches)
			}
			if c.breaks == 1 && got.ids() != "e-1 e-2" {
				t.Errorf("got IDs %q", got.ids())
			}
		})
	}
}

package lake

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fault is what happens to one update of a Glue table.
type fault int

const (
	faultNone  fault = iota
	faultMute        // applied, and the connection is cut
	faultError       // applied, and the answer is an error of the service
	faultLate        // answered with an error, and applied a little later
	faultLost        // the connection is cut, and nothing is applied
	faults
)

// faultyAWS stands before an AWS and lets updates of Glue tables go wrong.
type faultyAWS struct {
	*httptest.Server
	to   string
	http http.Client
	next atomic.Int64 // fault of the next update
	done atomic.Int64 // faults that happened
	late sync.WaitGroup
}

func newFaultyAWS(t *testing.T, to string) *faultyAWS {
	// Not the default client: whatever test closes its server closes that one's
	// idle connections, one of which may just be taken.
	f := &faultyAWS{to: to, http: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.Close()
		f.late.Wait()
	})
	return f
}

func (f *faultyAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	what := faultNone
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateTable") {
		what = fault(f.next.Swap(int64(faultNone)))
	}
	if what != faultNone {
		f.done.Add(1)
	}
	switch what {
	case faultLost:
		panic(http.ErrAbortHandler)
	case faultLate:
		ctx := context.WithoutCancel(r.Context())
		f.late.Go(func() {
			timer := time.NewTimer(time.Duration(len(body)%200) * time.Millisecond)
			<-timer.C
			_, _, _ = f.forward(ctx, r, body)
		})
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	status, answer, err := f.forward(context.WithoutCancel(r.Context()), r, body)
	if err != nil || what == faultMute {
		panic(http.ErrAbortHandler)
	}
	if what == faultError {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(status)
	_, _ = w.Write(answer.body)
}

type reply struct {
	header http.Header
	body   []byte
}

func (f *faultyAWS) forward(ctx context.Context, r *http.Request, body []byte) (int, reply, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, f.to+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, reply{}, err
	}
	req.Header, req.Host = r.Header, r.Host
	resp, err := f.http.Do(req)
	if err != nil {
		return 0, reply{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return resp.StatusCode, reply{resp.Header, content}, err
}

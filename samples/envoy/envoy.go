// Package envoy is a proxy before a service, of which there is nothing but the
// access log: Envoy's default format, with X-Ray's header at its end.
package envoy

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"muster/samples/telemetry"
)

const (
	headerRequest = "X-Request-Id"
	headerTrace   = "X-Amzn-Trace-Id"
)

// Front puts a proxy before a service. upstream is where the service listens,
// as the proxy's log says. Each request has a line.
func Front(t *telemetry.Telemetry, upstream string, now func() time.Time, service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := now().UTC()
		if r.Header.Get(headerRequest) == "" {
			r.Header.Set(headerRequest, newRequestID())
		}
		out := &answer{ResponseWriter: w, status: http.StatusOK}
		service.ServeHTTP(out, r)
		trace := r.Header.Get(headerTrace)
		t.WriteOf(telemetry.TraceOf(r.Header), line(r, out, began, now().UTC().Sub(began), upstream, trace))
	})
}

// line has the fields of Envoy's default format: start time, request, status,
// response flags, bytes received and sent, duration and the service's own part
// of it in milliseconds, forwarded for, user agent, request id, authority and
// upstream host.
func line(r *http.Request, out *answer, began time.Time, took time.Duration, upstream, trace string) string {
	ms := took.Milliseconds()
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return fmt.Sprintf("[%s] \"%s %s %s\" %d - %d %d %d %d \"%s\" \"%s\" \"%s\" \"%s\" \"%s\" \"%s\"",
		began.Format("2006-01-02T15:04:05.000Z"), r.Method, r.URL.Path, r.Proto, out.status,
		max(0, r.ContentLength), out.bytes, ms, ms, cmp.Or(r.Header.Get("X-Forwarded-For"), host), cmp.Or(r.UserAgent(), "-"),
		r.Header.Get(headerRequest), r.Host, upstream, cmp.Or(trace, "-"))
}

// answer counts what is sent.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int
}

// WriteHeader keeps the status.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (a *answer) Write(b []byte) (int, error) {
	n, err := a.ResponseWriter.Write(b)
	a.bytes += n
	return n, err
}

// newRequestID is a random UUID. Reading random bytes never fails.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

package localaws

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// reset breaks the connection of a call after the call has been made: before
// anything of the answer is sent, or in the middle of it. It reports whether it
// did.
func (s *Server) reset(w http.ResponseWriter, c *call) bool {
	if !s.trouble.reset(c) {
		return false
	}
	conn, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Warn("a connection cannot be reset", "err", err)
		return false
	}
	if s.trouble.half(c) {
		_, _ = fmt.Fprintf(buffer, "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\nX-Amzn-Requestid: %s\r\n\r\n{", c.RequestID)
		_ = buffer.Flush() // the client is to see a broken answer: this one may break too
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that closing sends a reset
	}
	_ = conn.Close()
	return true
}

// How far a request's time may be off.
const (
	maxSkew   = 5 * time.Minute
	maxSkewS3 = 15 * time.Minute
)

// signedTime is the layout of X-Amz-Date.
const signedTime = "20060102T150405Z"

// skewed refuses a request that was signed by a clock too far from AWS's. It
// looks only when the stand-in was told to have a clock of its own: elsewhere
// tests move its clock, and no client follows.
func (s *Server) skewed(r *http.Request, c *call) *apiError {
	if s.skew == 0 {
		return nil
	}
	text := r.Header.Get("X-Amz-Date")
	if text == "" {
		text = r.URL.Query().Get("X-Amz-Date")
	}
	at, _ := time.Parse(signedTime, text)
	if at.IsZero() {
		return nil // not signed
	}
	limit := maxSkew
	if c.Service == "s3" {
		limit = maxSkewS3
	}
	off := c.Time.Sub(at)
	switch {
	case off <= limit && off >= -limit:
		return nil
	case c.Service == "s3":
		return &apiError{Code: "RequestTimeTooSkewed", Status: http.StatusForbidden, Message: "The difference between the request time and the current time is too large."}
	}
	edge, word := c.Time.Add(-limit), "expired"
	if off < 0 {
		edge, word = c.Time.Add(limit), "not yet current"
	}
	e := failf("InvalidSignatureException", "Signature %s: %s is now %s than %s (%s %s %d min.)", word, text,
		map[bool]string{true: "earlier", false: "later"}[off > 0], edge.Format(signedTime), c.Time.Format(signedTime),
		map[bool]string{true: "-", false: "+"}[off > 0], int(limit.Minutes()))
	switch c.Service {
	case "sts", "sns", "sqs":
		e.Code, e.Status = "SignatureDoesNotMatch", http.StatusForbidden
	}
	return e
}

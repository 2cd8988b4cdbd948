package localaws

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds a request's body, in bytes. The largest that AWS allows here
// is 1 MiB (PutLogEvents, SendMessage); the rest is room for encodings.
const maxBody = 4 << 20

// A protocol turns a request into a call, and an answer or error into a response.
type protocol interface {
	// parse sets the call's service, operation and input.
	parse(r *http.Request, body []byte, c *call) error
	write(w http.ResponseWriter, c *call, answer any) error
	fail(w http.ResponseWriter, c *call, e *apiError)
}

// ServeHTTP finds out which protocol a request speaks. A target header is
// awsJson, a credential scope names everything else; without a scope the path
// decides between X-Ray and S3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPath) {
		s.serveControl(w, r)
		return
	}
	if r.URL.Path == otlpPath {
		s.serveOTLP(w, r)
		return
	}
	c := s.newCall(r)
	if s.skew != 0 {
		w.Header().Set("Date", c.Time.Format(http.TimeFormat)) // by which clients correct theirs
	}
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		s.serve(w, r, c, &jsonProtocol{})
	case c.Service == "xray" || c.Service == "" && isXRayPath(r.URL.Path):
		c.Service = "xray"
		s.serve(w, r, c, restJSONProtocol{})
	case c.Service == "s3" || c.Service == "":
		c.Service = "s3"
		s.objects.serve(w, r, c)
	case c.Service == "ec2":
		s.serve(w, r, c, queryProtocol{flat: true})
	default:
		s.serve(w, r, c, queryProtocol{})
	}
}

// newCall fills in what every protocol has in common.
func (s *Server) newCall(r *http.Request) *call {
	key, region, service := credentialScope(r)
	if region == "" {
		region = s.region
	}
	who := s.identities.of(key)
	return &call{
		Service: service, Account: who.AccountID, Region: region,
		SourceIP: sourceIP(r), UserAgent: r.UserAgent(), Trace: r.Header.Get("X-Amzn-Trace-Id"),
		Time: s.now(), Identity: who,
	}
}

// sourceIP is the caller's address: X-Forwarded-For's first where given, so
// that a fleet on one machine can look like many.
func sourceIP(r *http.Request) string {
	if forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ","); forwarded != "" {
		return strings.TrimSpace(forwarded)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// serve runs a call from request to response. The event is recorded before the
// response is written: who has the answer can already see, or drain, the event.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, c *call, p protocol) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.log.DebugContext(r.Context(), "a request's body could not be read", "err", err)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	hold(r.Context())
	err = p.parse(r, body, c)
	c.RequestID = newRequestID(c.Service)
	c.classify()
	var answer any
	if e := s.skewed(r, c); e != nil && err == nil {
		err = e
	}
	if err == nil {
		answer, err = s.run(r.Context(), c)
	}
	if s.reset(w, c) {
		s.trail.call(c, nil)
		return
	}
	if err != nil {
		e := asAPIError(err)
		if e.fault() {
			s.log.WarnContext(r.Context(), "a call failed", "action", c.action(), "request", c.RequestID, "err", err)
		}
		s.trail.call(c, e)
		p.fail(w, c, e)
		return
	}
	s.trail.call(c, nil)
	if err := p.write(w, c, answer); err != nil {
		s.log.DebugContext(r.Context(), "an answer was not taken", "action", c.action(), "request", c.RequestID, "err", err)
	}
}

// leastLatency is what an answer takes at least; AWS's take longer. An SDK that
// has its answer before its transport has looked for the end of the request's
// body closes the connection, and loses what it has not read of a long answer.
const leastLatency = 2 * time.Millisecond

// hold waits for leastLatency.
func hold(ctx context.Context) {
	timer := time.NewTimer(leastLatency)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// run answers a call, or refuses it: trouble, denial, no such operation.
func (s *Server) run(ctx context.Context, c *call) (any, error) {
	if e := s.checkRegion(c); e != nil {
		return nil, e
	}
	if e := cmp.Or(expired(c), s.trouble.refuse(c)); e != nil {
		return nil, e
	}
	if !s.throttle.allows(c) {
		return nil, throttled(c.Service)
	}
	if s.denied[c.action()] {
		return nil, accessDenied(c)
	}
	op := s.services[c.Service][c.Operation]
	if op == nil {
		return nil, unknownOperation(c)
	}
	answer, err := op(ctx, c)
	if errors.Is(err, context.Canceled) {
		return nil, &apiError{Code: "RequestTimeout", Message: "The caller went away.", Status: http.StatusRequestTimeout}
	}
	return answer, err
}

// accessDenied has the code and text that each service uses.
func accessDenied(c *call) *apiError {
	code := "AccessDeniedException"
	switch c.Service {
	case "s3", "sts", "sqs":
		code = "AccessDenied"
	case "sns":
		code = "AuthorizationError"
	case "ec2":
		code = "UnauthorizedOperation"
	}
	e := failf(code, "User: %s is not authorized to perform: %s because no identity-based policy allows the %s action",
		c.Identity.ARN, c.action(), c.action())
	switch c.Service {
	case "s3", "sts", "sqs", "sns", "ec2":
		e.Status = http.StatusForbidden
	}
	return e
}

func unknownOperation(c *call) *apiError {
	switch c.Service {
	case "sts", "sns", "ec2":
		return failf("InvalidAction", "The action %s is not valid for this endpoint.", c.Operation)
	}
	return failf("UnknownOperationException", "The stand-in does not know %s.", c.action())
}

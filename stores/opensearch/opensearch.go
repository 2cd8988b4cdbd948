// Package opensearch keeps a copy of a lake's evidence in OpenSearch: it follows
// the lake's commits from a mark of its own, and answers what fleet.Reader asks.
// The lake stays the truth; an OpenSearch that is away catches up by itself.
package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/klauspost/compress/gzip"
	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/signer"
	"github.com/opensearch-project/opensearch-go/v4/signer/awsv2"
)

const (
	// requestTimeout bounds one request. A bulk of a few megabytes takes well
	// under a second; a cluster that recovers can take many.
	requestTimeout = time.Minute
	// firstPause is how long a refused bulk waits before it is tried again;
	// each further pause is twice as long, up to longestPause.
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
)

// Options are what a Store needs from its surroundings.
type Options struct {
	Address Address
	// CACert are the authorities to trust instead of the system's, in PEM; nil
	// for the system's.
	CACert []byte
	// Credentials sign requests where Address says so.
	Credentials aws.CredentialsProvider
	Logger      *slog.Logger // nil: no log
	// Refused is the file to which documents go that OpenSearch will never take,
	// one JSON object a line. It is made when it is needed. Writing needs it.
	Refused string
	// Pause is the first wait before a retry; zero means firstPause.
	Pause time.Duration
}

// Store is OpenSearch as a store of evidence. Its reading methods may be called
// from several goroutines.
type Store struct {
	client  *opensearch.Client
	address Address
	logger  *slog.Logger
	refused *refusals
	pause   time.Duration
	gzip    bool // bodies of more than gzipBytes are sent gzipped
	pages   pages

	// What following needs to remember.
	pace     *pace
	prepared chan struct{} // has an element while a chunk is made and waits for its turn
	rooms    chan []byte   // of bulk requests that have been answered
	known    *known
	charted  map[relation]bool
}

// Open prepares a store. It sends nothing yet.
func Open(o Options) (*Store, error) {
	config := opensearch.Config{
		Addresses: []string{o.Address.URL}, Username: o.Address.User, Password: o.Address.Password,
		CACert: o.CACert, RequestTimeout: requestTimeout, Transport: newTransport(),
		DisableRetry: true, // the bulk writer retries per item, and a follower by its mark
		// One address, which may be a load balancer: there is no other node to turn to.
		HealthCheckMaxRetries: -1, MaxRetryClusterHealth: -1,
	}
	if o.Address.Sign != "" {
		signer, err := newSigner(o.Address, o.Credentials)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", o.Address, err)
		}
		config.Signer = signer
	}
	client, err := opensearch.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Address, err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Pause == 0 {
		o.Pause = firstPause
	}
	return &Store{
		client: client, address: o.Address, logger: o.Logger, refused: &refusals{path: o.Refused}, pause: o.Pause,
		gzip: !o.Address.local(), pages: pages{pageHits, pageFields},
		pace: newPace(), prepared: make(chan struct{}, 1), rooms: make(chan []byte, mostRequests),
		known: newKnown(), charted: map[relation]bool{},
	}, nil
}

// newTransport has connections of its own for the requests that run at once. It
// heeds the environment's proxy and follows no redirect.
func newTransport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = mostRequests
	return t
}

// newSigner signs requests as AWS wants them.
func newSigner(a Address, credentials aws.CredentialsProvider) (signer.Signer, error) {
	if a.Region == "" || credentials == nil {
		return nil, errors.New("signed requests need a region (&region=… in the address, or AWS_REGION) and AWS credentials")
	}
	return awsv2.NewSignerWithService(aws.Config{Region: a.Region, Credentials: credentials}, a.Sign)
}

// Close lets go of the connections.
func (s *Store) Close() error { return s.client.Close() }

// answerError is an answer of OpenSearch that is no success.
type answerError struct {
	Method, Path string
	Status       int
	Why          itemError
}

func (e *answerError) Error() string {
	s := fmt.Sprintf("%s %s: OpenSearch answers %d", e.Method, e.Path, e.Status)
	if e.Why.Kind != "" {
		s += " " + e.Why.Kind + ": " + e.Why.String()
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		s += ": check the user in --store or --opensearch and the password in MUSTER_OPENSEARCH_PASSWORD"
	case e.Status == http.StatusForbidden && e.Why.Kind != kindBlock:
		s += ": give the user the permissions in docs/opensearch.md"
	case e.Status < http.StatusBadRequest:
		s += ": the address redirects to another, which muster does not follow with a password: name that one"
	}
	return s
}

// asAnswer is the answer in an error.
func asAnswer(err error) (*answerError, bool) { return errors.AsType[*answerError](err) }

// hasStatus reports whether err is an answer with that status.
func hasStatus(err error, status int) bool {
	e, ok := asAnswer(err)
	return ok && e.Status == status
}

// gzipBytes is the least body that is worth compressing: one packet.
const gzipBytes = 1400

// request is one with a body, gzipped if that pays. It is signed as it is sent.
func (s *Store) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	var r io.Reader
	packed := s.gzip && len(body) > gzipBytes
	if packed {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		if _, err := z.Write(body); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		body = b.Bytes()
	}
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if packed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	return req, nil
}

// do sends one request and decodes the answer into out, if it is not nil. Body
// is JSON or newline-delimited JSON; nil for none.
func (s *Store) do(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := s.request(ctx, method, path, body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", s.address, err)
	}
	resp, err := s.client.Stream(req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("ask %s: %w%s", s.address, err, trustRemedy(err))
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or of no use any more
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask %s: read the answer: %w", s.address, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return newAnswerError(method, req.URL.Path, resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("ask %s: decode the answer: is this OpenSearch? %w", s.address, err)
	}
	return nil
}

// doJSON is do with a body that is encoded here.
func (s *Store) doJSON(ctx context.Context, method, path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", s.address, err)
	}
	return s.do(ctx, method, path, b, out)
}

func newAnswerError(method, path string, status int, answer []byte) *answerError {
	e := &answerError{Method: method, Path: path, Status: status}
	var body struct {
		Error itemError `json:"error"`
	}
	if json.Unmarshal(answer, &body) == nil {
		e.Why = body.Error
	}
	return e
}

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

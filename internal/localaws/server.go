// Package localaws stands in for AWS: one loopback endpoint that speaks the
// protocols of the services which muster reads and its sample fleet uses. Every
// call becomes CloudTrail evidence with the request id that its response
// carried, changed resources become Config items, and all of it appears as late
// and as unreliably as Options say.
//
// It trusts its callers: signatures say who calls (see identity.go) and are
// never verified, and X-Forwarded-For says from where. It must only ever listen
// on loopback. Everything is in memory; each store says its bound.
package localaws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a running stand-in. Safe for concurrent use.
type Server struct {
	account, region string
	now             func() time.Time
	log             *slog.Logger
	delay           Delay
	skew            time.Duration // of now, against Options.Now
	trouble         *trouble
	throttle        *throttle
	tokens          *pageTokens
	denied          map[string]bool // by IAM action

	identities *identities
	services   map[string]map[string]operation // by service, then operation
	trail      *trail
	config     *configStore
	objects    *objectStore
	queues     *queues
	topics     *topics
	logs       *placed[*logStore]
	traces     *placed[*traceStore]
	events     *placed[*eventBus]
	deliveries *placed[*deliveryStreams]
	streams    *placed[*dataStreams]
	members    []Member // of the organization; the first one is the home account
	daemon     *daemon
	// drains make what a service holds back visible; run by Drain in order.
	drains []func()

	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc // ends requests that wait
	serving  sync.WaitGroup
	closers  []func() error
}

// Start listens and serves until Close. The context bounds the starting only.
func Start(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	s := &Server{
		account: o.Account, region: o.Region,
		now: func() time.Time { return o.Now().UTC().Add(o.Skew) }, skew: o.Skew,
		log: o.Logger, delay: o.Delay,
		trouble:  newTrouble(o.Seed, o.Trouble),
		throttle: newThrottle(o.Quotas),
		tokens:   newPageTokens(),
		denied:   make(map[string]bool, len(o.Deny)),
		services: make(map[string]map[string]operation),
	}
	s.tokens.expire = s.trouble.expiredPage
	for _, action := range o.Deny {
		s.denied[action] = true
	}
	s.identities = newIdentities(o.Account)
	s.members = organization(o)
	if err := s.mount(ctx, o); err != nil {
		return nil, errors.Join(err, s.closeParts())
	}
	if err := s.listen(ctx, o.ListenAddr); err != nil {
		return nil, errors.Join(err, s.closeParts())
	}
	return s, nil
}

func (s *Server) listen(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.listener, s.stop = l, stop
	s.http = &http.Server{
		Handler:     s,
		BaseContext: func(net.Listener) context.Context { return base },
		// A client that sends no header in this time never will.
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(base, "the stand-in stopped serving", "err", err)
		}
	})
	return nil
}

// Endpoint is the base URL for every service.
func (s *Server) Endpoint() string { return "http://" + s.listener.Addr().String() }

// TrailBucket is the S3 bucket that receives the trail's files.
func (s *Server) TrailBucket() string { return s.trail.bucket }

// Drain makes all pending evidence visible at once: log events, CloudTrail
// events and files, configuration items.
func (s *Server) Drain() {
	for _, drain := range s.drains {
		drain()
	}
}

// deliver writes the evidence files that are due into their buckets. It runs when
// somebody looks into one, which cannot be told from writers that work on their
// own.
func (s *Server) deliver() {
	s.trail.deliver()
	s.deliveries.each(func(ds *deliveryStreams) { ds.deliver(false) })
	s.config.deliver(false)
}

// closeTimeout is how long Close lets running requests finish; waiting ones are
// told to end. A connection that a client opened and has not used yet counts as
// running for five seconds, and there is nothing to wait for on it.
const closeTimeout = time.Second

// Close ends waiting requests, lets the running ones finish, and frees the ports.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if err != nil {
		err = fmt.Errorf("shut down the stand-in: %w", err)
	}
	s.serving.Wait()
	return errors.Join(err, s.closeParts())
}

func (s *Server) closeParts() error {
	var errs []error
	for _, closePart := range s.closers {
		errs = append(errs, closePart())
	}
	s.closers = nil
	return errors.Join(errs...)
}

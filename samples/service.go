package samples

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"muster/samples/gateway"
	"muster/samples/notifications"
	"muster/samples/orders"
	"muster/samples/payments"
	"muster/samples/telemetry"
)

const (
	// closeWithin is how long a service may take to finish what it is doing:
	// several times the slow dependency's answer.
	closeWithin = 10 * time.Second
	// headerWithin is how long a client may take to send a request's head.
	headerWithin = 5 * time.Second
)

// Place is where a service runs when it is run alone.
type Place struct {
	// Listen is the address to listen on; "127.0.0.1:0" takes a free port.
	Listen string
	// Peers are the URLs of the services that it calls, by name.
	Peers map[string]string
}

// Service is one running service.
type Service struct {
	name   string
	url    string
	server *http.Server
	t      *telemetry.Telemetry
	stop   context.CancelFunc
	done   sync.WaitGroup
	// polling ends after stop.
	polling sync.WaitGroup
	on      account

	// published and handled count messages; nil for services without any.
	published, handled func() int64
}

// StartService starts one service alone, with its own table, queue or topic.
func StartService(ctx context.Context, name string, o Options, at Place) (*Service, error) {
	o = o.filled()
	a, err := openAccount(ctx, o)
	if err != nil {
		return nil, err
	}
	return startService(ctx, name, o, a, at)
}

func startService(ctx context.Context, name string, o Options, a account, at Place) (*Service, error) {
	t, err := telemetry.Open(ctx, telemetry.Options{
		Service: name, AWS: a.cfg, Deployer: a.user, Account: a.id, Address: addresses[name],
		Daemon: o.DaemonAddr, Entry: name == Gateway, Truth: o.Truth, Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Service{name: name, t: t, on: a, stop: func() {}}
	mux := http.NewServeMux()
	t.Probes(mux)
	if err := s.build(ctx, mux, o, at.Peers); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), s.Close())
	}
	if err := s.listen(ctx, mux, at.Listen, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), s.Close())
	}
	t.Log.InfoContext(ctx, "service started", "address", s.url)
	return s, nil
}

// build makes the service and starts what it does by itself.
func (s *Service) build(ctx context.Context, mux *http.ServeMux, o Options, peers map[string]string) error {
	peer := func(name string) telemetry.Peer { return telemetry.Peer{Name: name, URL: peers[name]} }
	switch s.name {
	case Gateway:
		gateway.New(s.t, peer(Orders)).Routes(mux)
	case Orders:
		svc, err := orders.New(ctx, s.t, orders.Options{Payments: peer(Payments), OneByOne: o.has(NPlusOne)})
		if err != nil {
			return err
		}
		svc.Routes(mux)
		s.published = svc.Published
	case Payments:
		svc, err := payments.New(ctx, s.t, payments.Options{SlowTransfers: o.has(SlowDependency), RefuseLarge: o.has(PaymentRefused)})
		if err != nil {
			return err
		}
		svc.Routes(mux)
	case Notifications:
		svc, err := notifications.New(ctx, s.t)
		if err != nil {
			return err
		}
		s.handled = svc.Handled
		running, stop := context.WithCancel(context.WithoutCancel(ctx))
		s.stop = stop
		s.polling.Go(func() { svc.Run(running) })
	default:
		return fmt.Errorf("no service of that name; there are %v", Services())
	}
	return nil
}

func (s *Service) listen(ctx context.Context, mux *http.ServeMux, address string, o Options) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.url = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerWithin}
	s.done.Go(func() {
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.ErrorContext(ctx, "service stopped", "service", s.name, "error", err)
		}
	})
	return nil
}

// URL is where the service listens.
func (s *Service) URL() string { return s.url }

// Close finishes what is under way, ships the last lines and stops.
func (s *Service) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	s.stop()
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Shutdown(ctx))
	}
	s.done.Wait()
	s.polling.Wait()
	errs = append(errs, s.t.Close(ctx))
	s.on.disconnect()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}

package samples

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"muster/samples/discovery"
	"muster/samples/documents"
	"muster/samples/envoy"
	"muster/samples/faults"
	"muster/samples/fraud"
	"muster/samples/gateway"
	"muster/samples/inventory"
	"muster/samples/notifications"
	"muster/samples/orders"
	"muster/samples/payments"
	"muster/samples/shipping"
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
	// Peers are the URLs of the services that it calls, by name. What is not
	// there is found in Cloud Map.
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

	sent, handled map[string]func() int64 // counts of messages, by who handles them: a service, or couriers
}

// couriers is the part of shipping that has messages of its own.
const couriers = "couriers"

// StartService starts one service alone, with its own table, queue or topic.
func StartService(ctx context.Context, name string, o Options, at Place) (*Service, error) {
	o = o.filled()
	a, err := openAccount(ctx, o)
	if err != nil {
		return nil, err
	}
	return startService(ctx, name, o, a, at)
}

// collector is where a service sends OpenTelemetry's spans; "" for one that
// X-Ray's SDK traces.
func (o Options) collector(service string) string {
	if service != Payments {
		return ""
	}
	return cmp.Or(o.Collector, o.Endpoint)
}

// logGroups are the log groups of services that do not have the usual one.
var logGroups = map[string]string{Documents: documents.LogGroup}

func startService(ctx context.Context, name string, o Options, a account, at Place) (*Service, error) {
	t, err := telemetry.Open(ctx, telemetry.Options{
		Service: name, AWS: a.cfg, Deployer: a.user, Account: a.id, Address: addresses[name],
		Daemon: o.DaemonAddr, Collector: o.collector(name), Entry: name == Gateway, LogGroup: logGroups[name],
		Silent: name == Fraud && o.faults().On(faults.ServiceWithoutLogs), Truth: o.Truth, Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Service{
		name: name, t: t, on: a, stop: func() {},
		sent: make(map[string]func() int64), handled: make(map[string]func() int64),
	}
	mux := http.NewServeMux()
	t.Probes(mux)
	if err := s.build(ctx, mux, o, at.Peers); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), s.Close())
	}
	if err := s.listen(ctx, mux, at.Listen, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), s.Close())
	}
	if _, err := discovery.NewRegistry(t.Plain).Register(ctx, name, s.url); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), s.Close())
	}
	t.Log.InfoContext(ctx, "service started", "address", s.url)
	return s, nil
}

// routes is a service that answers requests.
type routes interface{ Routes(mux *http.ServeMux) }

// runner is a service that does something by itself.
type runner interface{ Run(ctx context.Context) }

// build makes the service and starts what it does by itself.
func (s *Service) build(ctx context.Context, mux *http.ServeMux, o Options, peers map[string]string) error {
	made, err := s.make(ctx, o, s.finder(peers))
	if err != nil {
		return err
	}
	if r, ok := made.(routes); ok {
		r.Routes(mux)
	}
	if r, ok := made.(runner); ok {
		running, stop := context.WithCancel(context.WithoutCancel(ctx))
		s.stop = stop
		s.polling.Go(func() { r.Run(running) })
	}
	return nil
}

// finder says how to find a peer: at its given URL, or in Cloud Map.
func (s *Service) finder(peers map[string]string) func(name string) telemetry.Peer {
	f := discovery.NewFinder(s.t.Traced)
	return func(name string) telemetry.Peer {
		return telemetry.Peer{Name: name, Find: func(ctx context.Context) (string, error) {
			if url := peers[name]; url != "" {
				return url, nil
			}
			return f.Find(ctx, name)
		}}
	}
}

func (s *Service) make(ctx context.Context, o Options, peer func(string) telemetry.Peer) (any, error) {
	fs := o.faults()
	switch s.name {
	case Gateway:
		return gateway.New(s.t, peer(Orders)), nil
	case Orders:
		svc, err := orders.New(ctx, s.t, orders.Options{
			Payments: peer(Payments), Inventory: peer(Inventory), Shipping: peer(Shipping), Faults: fs, Announce: o.Workflows,
		})
		if err == nil {
			s.sent[Notifications], s.sent[Documents], s.sent[couriers] = svc.Published, svc.Documents, svc.Announced
		}
		return svc, err
	case Payments:
		return payments.New(ctx, s.t, payments.Options{Fraud: peer(Fraud), Faults: fs})
	case Fraud:
		return fraud.New(s.t, fs), nil
	case Inventory:
		return inventory.New(ctx, s.t, inventory.Options{Orders: peer(Orders), Faults: fs})
	case Shipping:
		svc, err := shipping.New(ctx, s.t, shipping.Options{Couriers: o.Workflows})
		if err == nil {
			s.sent[Shipping], s.handled[Shipping], s.handled[couriers] = svc.Published, svc.Handled, svc.Booked
		}
		return svc, err
	case Notifications:
		svc, err := notifications.New(ctx, s.t)
		if err == nil {
			s.handled[Notifications] = svc.Handled
		}
		return svc, err
	case Documents:
		svc, err := documents.New(ctx, s.t)
		if err == nil {
			s.handled[Documents] = svc.Handled
		}
		return svc, err
	}
	return nil, fmt.Errorf("no service of that name; there are %v", Services())
}

func (s *Service) listen(ctx context.Context, mux *http.ServeMux, address string, o Options) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.url = "http://" + l.Addr().String()
	handler := http.Handler(mux)
	if s.name == Shipping {
		handler = envoy.Front(s.t, l.Addr().String(), o.Now, mux)
	}
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: headerWithin}
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

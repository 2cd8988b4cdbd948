package samples

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Fleet is the four services in one process.
type Fleet struct {
	o        Options
	account  account
	services map[string]*Service
	order    []*Service // as started
	plan     *plan
	client   *http.Client
	counts   counts
}

// Start starts the services on free loopback ports, with everything that they
// need in the account. Close the fleet to stop them.
func Start(ctx context.Context, o Options) (*Fleet, error) {
	o = o.filled()
	o.Truth.Switched(names(o.Faults), names(o.Incidents))
	a, err := openAccount(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start the sample fleet: %w", err)
	}
	f := &Fleet{
		o: o, account: a, services: make(map[string]*Service), plan: newPlan(o.Seed, o.Now()),
		client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	}
	peers := make(map[string]string)
	for _, name := range Services() {
		s, err := startService(ctx, name, o, a, Place{Listen: "127.0.0.1:0", Peers: peers})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start the sample fleet: %w", err), f.Close())
		}
		peers[name] = s.URL()
		f.services[name] = s
		f.order = append(f.order, s)
	}
	return f, nil
}

// URL is where a service listens; "" for a name that is no service's.
func (f *Fleet) URL(service string) string {
	if s := f.services[service]; s != nil {
		return s.URL()
	}
	return ""
}

// handledEvery is how often Drain looks whether all messages are handled.
const handledEvery = 20 * time.Millisecond

// Drain waits until every request is answered, every event handled, every
// segment sent and every log line shipped, and ends the consumers, whose polls
// would go on. Nothing may ask the gateway for anything from then on.
func (f *Fleet) Drain(ctx context.Context) error {
	for _, name := range []string{Gateway, Orders, Payments} {
		if err := f.services[name].t.Settle(ctx); err != nil {
			return err
		}
	}
	look := time.NewTicker(handledEvery)
	defer look.Stop()
	for published := f.services[Orders].published(); f.services[Notifications].handled() < published; {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events are not handled: %w",
				published-f.services[Notifications].handled(), published, ctx.Err())
		}
	}
	f.services[Notifications].stop()
	f.services[Notifications].polling.Wait()
	return f.services[Notifications].t.Settle(ctx)
}

// Close stops the services, the front door first.
func (f *Fleet) Close() error {
	f.client.CloseIdleConnections()
	var errs []error
	for _, s := range slices.Backward(f.order) {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

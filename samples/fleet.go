package samples

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"muster/samples/discovery"
	"muster/samples/faults"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

// Fleet is all services in one process.
type Fleet struct {
	o        Options
	account  account
	services map[string]*Service
	order    []*Service // as started
	plan     *plan
	client   *http.Client
	counts   counts
	bad      deployment // the one that is to be rolled back; only Load knows of it

	// Only the incidents know of these.
	struck   map[Incident]bool // those that have happened
	people   map[string]bool   // users that were made
	violator string            // the security group that violates a rule; "" for none
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
		o: o, account: a, services: make(map[string]*Service), plan: newPlan(o.Seed, o.Now(), o.faults()),
		struck: make(map[Incident]bool), people: make(map[string]bool),
		client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	}
	for _, name := range Services() {
		s, err := startService(ctx, name, o, a, Place{Listen: "127.0.0.1:0"})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start the sample fleet: %w", err), f.Close())
		}
		f.services[name] = s
		f.order = append(f.order, s)
	}
	if err := f.abandon(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the sample fleet: %w", err), f.Close())
	}
	return f, nil
}

// pricing is a service that was left behind: registered, and gone.
const pricing = "pricing"

// PricesPolicy is the policy that still lets orders read the table of pricing.
func PricesPolicy(region, account string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"arn:aws:dynamodb:` +
		region + `:` + account + `:table/prices"}]}`
}

// abandon notes the faults that are there from the beginning.
func (f *Fleet) abandon(ctx context.Context) error {
	on := f.o.faults()
	if on.On(faults.RegisteredWithoutTraffic) {
		cfg := telemetry.Observe(f.account.cfg, f.o.Truth, addresses[deployer])
		request, err := discovery.NewRegistry(cfg).Register(ctx, pricing, "http://10.0.1.99:8080")
		if err != nil {
			return err
		}
		requests := []string{request}
		if !f.o.Workflows { // on ministack, which has no policies of roles
			granted, err := f.as(addresses[deployer], cliAgent).query(ctx, "iam", "PutRolePolicy", map[string]string{
				"RoleName": "muster-" + Orders, "PolicyName": pricing, "PolicyDocument": PricesPolicy(f.account.cfg.Region, f.account.id),
			}, nil)
			if err != nil {
				return err
			}
			requests = append(requests, granted)
		}
		f.faulty(truth.Label{
			Name: string(faults.RegisteredWithoutTraffic), Subject: pricing,
			Services: []string{pricing}, Requests: requests,
		})
	}
	if on.On(faults.ServiceWithoutLogs) {
		f.faulty(truth.Label{
			Name: string(faults.ServiceWithoutLogs), Subject: Fraud, Services: []string{Fraud},
		})
	}
	return nil
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
	if err := f.settle(ctx); err != nil {
		return err
	}
	look := time.NewTicker(handledEvery)
	defer look.Stop()
	for {
		late := f.unhandled()
		if late == "" {
			f.stopPolling()
			return f.settle(ctx)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", late, ctx.Err())
		}
	}
}

// settle waits for the services in the order of the calls, so that what is
// answered is settled before what it asked.
func (f *Fleet) settle(ctx context.Context) error {
	for _, s := range slices.Backward(f.order) {
		if err := s.t.Settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fleet) stopPolling() {
	for _, s := range f.order {
		s.stop()
	}
	for _, s := range f.order {
		s.polling.Wait()
	}
}

// unhandled says which messages are not handled yet; "" when all are.
func (f *Fleet) unhandled() string {
	for _, from := range f.order {
		for by, sent := range from.sent {
			if n, done := sent(), f.handled(by); done < n {
				return fmt.Sprintf("%d of %d messages of %s are not handled by %s", n-done, n, from.name, by)
			}
		}
	}
	return ""
}

// handled is how many messages a part of the fleet has handled.
func (f *Fleet) handled(by string) int64 {
	for _, s := range f.order {
		if n := s.handled[by]; n != nil {
			return n()
		}
	}
	return 0
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

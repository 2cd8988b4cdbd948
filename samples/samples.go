// Package samples is the fleet that muster is shown with: a shop's services on
// AWS, the load on them, and faults and incidents that can be switched on. Everything that it does is written down in
// a truth.Recorder, so that what muster finds can be held against it.
package samples

import (
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"muster/samples/faults"
	"muster/samples/truth"
)

// Fault is something that is wrong with the fleet.
type Fault = faults.Fault

// Faults lists the faults.
func Faults() []Fault { return faults.Names() }

// The services, by the names that their segments and log groups have.
const (
	Gateway       = "gateway"
	Orders        = "orders"
	Payments      = "payments"
	Inventory     = "inventory"
	Shipping      = "shipping"
	Notifications = "notifications"
	Documents     = "documents"
	Fraud         = "fraud"
)

// Services lists the services in the order in which they can be started.
func Services() []string {
	return []string{Fraud, Payments, Inventory, Shipping, Orders, Notifications, Documents, Gateway}
}

// Options say where the fleet runs and what is wrong with it.
type Options struct {
	// Endpoint is where AWS is: the stand-in's URL, or "" for AWS itself.
	Endpoint string
	// DaemonAddr is the X-Ray daemon's UDP address.
	DaemonAddr string
	// Collector is the URL of the OTLP collector that payments sends its spans
	// to; "" takes Endpoint, since the stand-in plays one.
	Collector string
	Region    string
	// Workflows says that AWS has Step Functions, and EventBridge with it: then
	// orders puts its events on the bus as well, and shipping has couriers booked
	// by a state machine.
	Workflows bool
	// Credentials are a user's who may assume the services' roles; nil takes
	// those of the environment.
	Credentials aws.CredentialsProvider
	// Seed decides what the load generator does. The same seed places the same
	// orders; only ids are new in each run.
	Seed      uint64
	Faults    []Fault
	Incidents []Incident
	// Truth may be nil.
	Truth *truth.Recorder
	// Now is time.Now unless set.
	Now func() time.Time
	// Logger hears of trouble with the fleet itself; nil keeps it quiet.
	Logger *slog.Logger
}

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) faults() faults.Set { return faults.NewSet(o.Seed, o.Faults) }

func names[T ~string](all []T) []string {
	out := make([]string, 0, len(all))
	for _, v := range all {
		out = append(out, string(v))
	}
	return out
}

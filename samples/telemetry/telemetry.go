// Package telemetry is what every sample service needs to be seen: X-Ray
// segments, JSON log lines in CloudWatch Logs, Prometheus metrics, and AWS
// clients that are traced. It also writes down the truth about each of them
// where it happens. It is the only home of the X-Ray SDK.
package telemetry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"

	"muster/samples/truth"
)

// Options say for which service, and whereto.
type Options struct {
	Service string
	// AWS has credentials that may assume the service's role.
	AWS aws.Config
	// Deployer is the principal behind those credentials, as an ARN.
	Deployer string
	Account  string
	// Address is the source address that AWS is shown, since on one machine all
	// services have the same.
	Address string
	// Daemon is the X-Ray daemon's UDP address.
	Daemon string
	// Collector is the URL of an OTLP collector. A service that has one is
	// traced by OpenTelemetry, others by X-Ray's SDK.
	Collector string
	// Entry marks the service that clients talk to.
	Entry bool
	// LogGroup is "/muster/" and the service's name unless given. Silent makes
	// no group and writes no lines.
	LogGroup string
	Silent   bool
	Truth    *truth.Recorder
	Now      func() time.Time
	Logger   *slog.Logger // for trouble with telemetry itself
}

// Telemetry is one service's. Its methods may be called from many goroutines.
type Telemetry struct {
	// Log writes to the service's log group; use its Context methods, so that
	// lines carry their trace.
	Log *slog.Logger
	// Traced is for the calls that serve a request, Plain for those that do not.
	Traced, Plain aws.Config
	Account       string
	Region        string
	Truth         *truth.Recorder

	service  string
	entry    bool
	tracer   tracer
	version  atomic.Pointer[string]
	metrics  *metrics
	registry *prometheus.Registry
	shipper  *shipper // nil for a silent service
	lines    *lineWriter
	busy     gate
	http     *http.Transport
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// logGroupPrefix comes before the service's name in its log group.
const logGroupPrefix = "/muster/"

// Open takes the service's role, makes its log group and starts to ship its
// lines. Close it to lose none.
func Open(ctx context.Context, o Options) (*Telemetry, error) {
	tracing, err := newTracer(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", o.Service, err)
	}
	t := &Telemetry{
		Account: o.Account, Region: o.AWS.Region, Truth: o.Truth,
		service: o.Service, entry: o.Entry, tracer: tracing,
		registry: prometheus.NewRegistry(),
		http:     http.DefaultTransport.(*http.Transport).Clone(),
	}
	t.Deploy(firstVersion)
	t.metrics = newMetrics(t.registry, o.Service)
	base := observed(o.AWS, observer{truth: o.Truth}, o.Address)
	assumed, err := assume(ctx, base, o)
	if err != nil {
		return nil, fmt.Errorf("assume the role of %s: %w", o.Service, err)
	}
	if err := t.openLog(ctx, assumed, o); err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", o.Service, err)
	}
	unseen := o.AWS.Copy()
	unseen.Credentials = assumed.Credentials
	t.Plain = observed(unseen, observer{truth: o.Truth, log: t.Log}, o.Address)
	t.Traced = observed(unseen, observer{truth: o.Truth, log: t.Log, tracer: t.tracer}, o.Address)
	return t, nil
}

func newTracer(ctx context.Context, o Options) (tracer, error) {
	if o.Collector != "" {
		return newOTel(ctx, o.Service, o.Collector, o.Truth)
	}
	return newXRay(o.Service, o.Daemon, o.Truth)
}

// openLog makes the log group and starts the shipper. Its own calls are not
// logged: they would never end.
func (t *Telemetry) openLog(ctx context.Context, cfg aws.Config, o Options) error {
	if o.Silent {
		t.Log, t.stop = slog.New(slog.DiscardHandler), func() {}
		return nil
	}
	run, err := unique()
	if err != nil {
		return err
	}
	t.shipper, err = newShipper(ctx, cfg, cmp.Or(o.LogGroup, logGroupPrefix+o.Service), o.Service+"/"+run)
	if err != nil {
		return err
	}
	t.lines = &lineWriter{service: o.Service, run: run, tracer: t.tracer, truth: o.Truth, now: o.Now, out: t.shipper}
	t.Log = newLog(t.lines)
	shipping, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = stop
	t.done.Go(func() { t.shipper.run(shipping, o.Logger) })
	return nil
}

// Settle waits until no request or message is being handled; their segments
// are sent by then. Then it ships the lines that are left.
func (t *Telemetry) Settle(ctx context.Context) error {
	if err := t.busy.wait(ctx); err != nil {
		return fmt.Errorf("wait for the requests of %s: %w", t.service, err)
	}
	return t.flush(ctx)
}

func (t *Telemetry) flush(ctx context.Context) error {
	if t.shipper == nil {
		return t.tracer.flush(ctx)
	}
	return errors.Join(t.tracer.flush(ctx), t.shipper.flush(ctx))
}

// firstVersion is what every service runs until it is deployed anew.
const firstVersion = "1.4.0"

// Deploy makes the service run another version of itself.
func (t *Telemetry) Deploy(version string) { t.version.Store(&version) }

// Version is the version that runs.
func (t *Telemetry) Version() string { return *t.version.Load() }

// Close settles, and stops shipping. Lines that could not be shipped are
// counted in the error.
func (t *Telemetry) Close(ctx context.Context) error {
	err := t.busy.wait(ctx)
	t.stop()
	t.done.Wait()
	t.http.CloseIdleConnections()
	return errors.Join(err, t.flush(ctx), t.tracer.close(ctx))
}

// unique is a short random name that no other run has.
func unique() (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw a random name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

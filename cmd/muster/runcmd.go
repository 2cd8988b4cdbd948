package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"muster/audit"
	"muster/audit/waiver"
	"muster/fleet"
	"muster/internal/heap"
	"muster/internal/pipeline"
	"muster/internal/schedule"
	"muster/stores/lake"
	"muster/stores/opensearch"
)

// headerTimeout bounds how long a client of the operations port may take to
// say what it wants; scrapers need milliseconds.
const headerTimeout = 5 * time.Second

// auditSchedule names the runs of scheduled audits, whichever program does them.
const auditSchedule = "audit"

// runFlags shape the daemon.
type runFlags struct {
	aws        awsFlags
	window     *windowFlags
	every      time.Duration
	auditEvery time.Duration
	auditCron  string
	jitter     time.Duration
	waivers    []string
	notify     notifyFlags
	remedy     bool
	judge      time.Duration
	sweepAfter time.Duration
	listen     string
	policies   []string
	openSearch string
	upkeep     upkeepFlags
}

func (a *app) runCommand() *cobra.Command {
	f := runFlags{window: newWindowFlags(time.Now)}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The daemon: collect, audit on a schedule, and serve metrics",
		Long: `Collect without end, judge the newest window by the policies on a schedule, and
serve /metrics (Prometheus), /healthz and /readyz. Ready means that every source
has been read to its end once. Days that are over are compacted, and those older than
--keep dropped, once a day. Stop it with SIGTERM: what was committed stays.`,
		Example: `  muster run --trail-bucket my-trail --listen 127.0.0.1:9464
  muster run --audit-every 15m --audit-window 24h
  muster run --audit-cron "15 2 * * *" --audit-jitter 10m --audit-window 26h --waivers waivers.yaml
  muster run --keep 90d --keep-kind log=30d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.daemon(cmd.Context(), &f) },
	}
	f.aws.register(cmd.Flags())
	fs := cmd.Flags()
	fs.Var(&f.window.since, "since", "where a stream without a checkpoint starts (default 1h)")
	atLeast(fs, &f.every, "every", leastEvery, 30*time.Second, "time between passes")
	sweepFlag(fs, &f.sweepAfter)
	atLeast(fs, &f.auditEvery, "audit-every", 0, 5*time.Minute, "time between audits")
	fs.StringVar(&f.auditCron, "audit-cron", "", "audit at these times (UTC) instead of --audit-every: minute hour day month weekday, or @hourly, @daily, @weekly")
	atLeast(fs, &f.jitter, "audit-jitter", 0, 0, "begin an audit of --audit-cron up to this much later, the same for each time")
	fs.StringArrayVar(&f.waivers, "waivers", nil, "YAML `file` that says which findings are accepted, by whom and until when; repeatable")
	f.notify.register(fs)
	fs.BoolVar(&f.remedy, "remediate", false, "after each audit trigger the remedies that were approved by muster remediate")
	atLeast(fs, &f.judge, "audit-window", time.Second, 24*time.Hour, "how far back each audit judges")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:9464", "address of /metrics, /healthz and /readyz")
	fs.StringArrayVar(&f.policies, "policies", nil, "`folder` with policies, instead of the shipped ones; repeatable")
	fs.StringVar(&f.openSearch, "opensearch", "", "`address` of an OpenSearch to follow the lake: https://user@host:port")
	a.joinMemory(fs)
	f.upkeep.register(fs)
	return cmd
}

func (a *app) daemon(ctx context.Context, f *runFlags) error {
	plan, err := f.schedule()
	if err != nil {
		return err
	}
	heap.Share()
	ps, err := loadPolicies(f.policies)
	if err != nil {
		return err
	}
	accepted, err := loadWaivers(f.waivers)
	if err != nil {
		return err
	}
	retention, err := f.upkeep.retention.retention()
	if err != nil {
		return err
	}
	cfg, err := f.aws.config(ctx)
	if err != nil {
		return err
	}
	tells, err := a.notifier(&f.notify, func() (aws.Config, error) { return cfg, nil })
	if err != nil {
		return err
	}
	store, err := a.openLake(ctx, false)
	if err != nil {
		return err
	}
	defer store.Close()
	var sink *opensearch.Store
	if f.openSearch != "" {
		if sink, err = a.openSink(f.openSearch, ""); err != nil {
			return err
		}
		defer sink.Close()
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d := &daemon{
		app: a, store: store, sink: sink, line: a.line(store, reg), policies: ps,
		auditEvery: f.auditEvery, judge: f.judge, schedule: plan, began: time.Now(), waivers: accepted, tells: tells, remedy: f.remedy, account: func() (aws.Config, error) { return cfg, nil },
		upkeep: upkeep{app: a, store: store, retention: retention, every: f.upkeep.every, delay: upkeepDelay},
	}
	d.line.Metrics.Audits(d.auditEvery, time.Now())
	from := a.collectOptions(cfg, &f.aws, reg)
	follow := func(ctx context.Context, o pipeline.FollowOptions) error { return a.follow(ctx, d.line, from, o) }
	return d.run(ctx, follow, pipeline.FollowOptions{
		Pass: pipeline.PassOptions{Since: f.window.since.or(time.Hour), SweepAfter: f.sweepAfter}, Every: f.every, After: d.after,
	}, f.listen, reg)
}

// daemon follows a fleet and audits it on a schedule.
type daemon struct {
	app        *app
	store      *lake.Lake
	sink       *opensearch.Store // follows store; nil for none
	line       *pipeline.Line
	policies   []audit.Policy
	auditEvery time.Duration
	judge      time.Duration
	schedule   *pipeline.Schedule // nil: every auditEvery
	began      time.Time
	waivers    []waiver.Waiver
	tells      *notifier
	remedy     bool
	account    func() (aws.Config, error)
	upkeep     upkeep

	ready   atomic.Bool
	audited time.Time // when the last audit began
}

func (d *daemon) run(ctx context.Context, follow func(context.Context, pipeline.FollowOptions) error, o pipeline.FollowOptions, listen string, reg *prometheus.Registry) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("serve metrics: %w: name another address with --listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !d.ready.Load() {
			http.Error(w, "no pass has read every source to its end yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	fmt.Fprintf(d.app.stderr, "muster: serving http://%s/metrics\n", l.Addr())

	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	if d.sink != nil {
		g.Go(func() error { return d.sink.Follow(ctx, d.store, followEvery) })
	}
	g.Go(func() error { return d.upkeep.run(ctx) })
	g.Go(func() error {
		defer stop()
		return follow(ctx, o)
	})
	return g.Wait()
}

// after runs between passes: it notes the watermarks and audits when it is time.
func (d *daemon) after(ctx context.Context, t pipeline.Totals) error {
	if t.Failed == 0 {
		d.ready.Store(true)
	}
	marks, err := d.store.Checkpoints(ctx)
	if err != nil {
		return err
	}
	d.line.Metrics.Watermarks(pipeline.Watermarks(marks))
	return d.audit(ctx)
}

// schedule is that of --audit-cron; nil without it.
func (f *runFlags) schedule() (*pipeline.Schedule, error) {
	if f.auditCron == "" {
		return nil, nil
	}
	c, err := schedule.Parse(f.auditCron)
	if err != nil {
		return nil, fmt.Errorf("--audit-cron: %w", err)
	}
	return &pipeline.Schedule{Name: auditSchedule, Cron: c, Jitter: f.jitter, Back: f.judge, Now: time.Now}, nil
}

// audit judges when it is time, and tells of it. It is between two passes, so it
// never overlaps itself; other programs on the store are kept away by the run
// that it records.
func (d *daemon) audit(ctx context.Context) error {
	now := time.Now()
	job := pipeline.Job{Policies: d.policies, Window: fleet.Window{Start: now.Add(-d.judge)}, Now: now, Waivers: d.waivers, Ended: time.Now, Program: version()}
	var (
		o   pipeline.Outcome
		ran bool
		err error
	)
	switch {
	case d.schedule != nil:
		o, ran, err = d.schedule.Run(ctx, d.store, job, d.began)
	case now.Sub(d.audited) >= d.auditEvery:
		d.audited, ran = now, true
		o, err = job.Run(ctx, d.store)
	}
	if err != nil || !ran {
		return err
	}
	d.line.Metrics.Audited(now, o.Findings, len(o.Run.NotJudged))
	if err := d.tells.tell(ctx, d.store, d.policies, o); err != nil {
		// The findings are kept, and the next audit tells what this one could not.
		d.app.logger().WarnContext(ctx, "findings were not told", "error", err)
	}
	if err := d.app.afterAudit(ctx, d.store, d.policies, d.remedy, d.account); err != nil {
		d.app.logger().WarnContext(ctx, "remedies were not triggered", "error", err)
	}
	return nil
}

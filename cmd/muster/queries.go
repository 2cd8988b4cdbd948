package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/explore"
	"muster/fleet"
	"muster/internal/export"
)

// queryFlags narrow what a query verb answers.
type queryFlags struct {
	window   *windowFlags
	query    fleet.Query
	json     bool
	severity string
	trace    string
}

// defaultLimit keeps a table to a few screens; --limit 0 asks for everything.
const defaultLimit = 200

func (a *app) queryFlags(cmd *cobra.Command) *queryFlags {
	f := &queryFlags{window: newWindowFlags(time.Now)}
	fs := cmd.Flags()
	fs.Var(&f.window.since, "since", "only from then on: 15m, 36h, 7d or a moment")
	fs.Var(&f.window.until, "until", "only before then")
	fs.StringVar(&f.query.Service, "service", "", "only of this service")
	fs.StringVar(&f.query.Text, "text", "", "only with this text in name, message, error or evidence")
	fs.IntVar(&f.query.Limit, "limit", defaultLimit, "at most so many, the newest; 0 for all")
	fs.BoolVar(&f.json, "json", !a.onTerminal(), "one JSON object a line; the default where no terminal is")
	return f
}

// recordFlags adds what only records have.
func (f *queryFlags) recordFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.query.Errors, "errors", false, "only what went wrong")
	fs.StringVar(&f.trace, "trace", "", "only of this trace, in either spelling")
	fs.StringVar(&f.query.Correlation, "correlation", "", "only of this journey")
	fs.StringVar(&f.query.Request, "request", "", "only with this request `id`")
	fs.StringVar(&f.query.Principal, "principal", "", "only by this principal: an ARN or a part of one")
	fs.StringVar(&f.query.Resource, "resource", "", "only on this resource: a canonical name or an ARN")
}

// resolve turns the flags into the query.
func (f *queryFlags) resolve() (fleet.Query, error) {
	q := f.query
	var err error
	if q.Window, err = f.window.window(); err != nil {
		return q, err
	}
	if q.Limit < 0 {
		return q, fmt.Errorf("--limit %d: give how many, or 0 for all", q.Limit)
	}
	if f.trace != "" {
		id, ok := fleet.ParseTraceID(f.trace)
		if !ok {
			return q, fmt.Errorf("--trace %q is no trace id: 1-8-24 hex digits with dashes, or 32 without", f.trace)
		}
		q.Trace = id
	}
	if f.severity != "" {
		q.MinSeverity = fleet.Severity(f.severity)
		if q.MinSeverity.Rank() == 0 {
			return q, fmt.Errorf("--severity %q: give one of %s", f.severity, joinSeverities())
		}
	}
	return q, nil
}

func joinSeverities() string {
	var ss []string
	for _, s := range fleet.Severities() {
		ss = append(ss, string(s))
	}
	return strings.Join(ss, ", ")
}

func (a *app) logsCommand() *cobra.Command {
	return a.recordsCommand("logs", "Log lines in time order", fleet.KindLog,
		[]string{"TIME", "SERVICE", "LEVEL", "TRACE", "MESSAGE"},
		func(r *fleet.Record) []string {
			return []string{shortTime(r.Time), r.Service, r.Name, fleet.FormatTraceID(r.Keys.Trace), r.Message}
		})
}

func (a *app) callsCommand() *cobra.Command {
	return a.recordsCommand("calls", "API calls that CloudTrail recorded, in time order", fleet.KindAPICall,
		[]string{"TIME", "CALL", "PRINCIPAL", "FROM", "ERROR", "TRACE", "VIA"},
		func(r *fleet.Record) []string {
			return []string{
				shortTime(r.Time), r.Name, r.Principal, r.Attributes.Get(fleet.AttrSourceIP), r.Error,
				fleet.FormatTraceID(r.Keys.Trace), link(r.Keys.TraceLink),
			}
		})
}

func (a *app) recordsCommand(use, short string, kind fleet.Kind, header []string, row func(*fleet.Record) []string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		Long: short + ".\n" + filterHelp,
		Example: fmt.Sprintf(`  muster %[1]s --since 1h --service orders
  muster %[1]s --errors --json | jq .message
  muster %[1]s --filter 'annotation.order_id = "4711" AND !ok'`, use),
	}
	f := a.queryFlags(cmd)
	f.recordFlags(cmd)
	f.filterFlag(cmd, "only of traces that meet this X-Ray filter `expression`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.resolve()
		if err != nil {
			return err
		}
		q.Kinds = []fleet.Kind{kind}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
			return list(a, f.json, r.Records(ctx, q), newTable(header, 0), row)
		})
	}
	if kind == fleet.KindAPICall {
		a.outOfBandFlag(cmd, f)
	}
	return cmd
}

func (a *app) tracesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "traces", Short: "Traces, newest first", Args: cobra.NoArgs,
		Long: "Traces, newest first.\n" + filterHelp,
		Example: `  muster traces --since 1h --errors
  muster traces --service payments --json
  muster traces --filter 'service("orders") { fault } AND responsetime > 2'
  muster traces --filter 'edge("orders", "payments") { throttle } OR http.status >= 500'
  muster traces --filter 'annotation.tier = "gold" AND http.url CONTAINS "/checkout"'`,
	}
	f := a.queryFlags(cmd)
	f.filterFlag(cmd, "only those that meet this X-Ray filter `expression`")
	cmd.Flags().BoolVar(&f.query.Errors, "errors", false, "only traces in which something went wrong")
	cmd.Flags().StringVar(&f.query.Correlation, "correlation", "", "only of this journey")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.resolve()
		if err != nil {
			return err
		}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
			return list(a, f.json, r.Traces(ctx, q),
				newTable([]string{"TIME", "TRACE", "DURATION", "SPANS", "LOGS", "CALLS", "SERVICE", "NAME", "ERROR", "CORRELATION"}, 0, 1),
				func(s *fleet.Summary) []string {
					return []string{
						shortTime(s.Start), fleet.FormatTraceID(s.Trace), s.Duration.Round(time.Microsecond).String(),
						strconv.Itoa(s.Spans), strconv.Itoa(s.Logs), strconv.Itoa(s.APICalls),
						s.Service, s.Name, s.Error, s.Correlation,
					}
				})
		})
	}
	return cmd
}

func (a *app) findingsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "findings", Short: "Findings that the audits kept, worst first", Args: cobra.NoArgs,
		Example: "  muster findings --severity high\n  muster findings --all --json",
	}
	f := a.queryFlags(cmd)
	var all bool
	cmd.Flags().StringVar(&f.severity, "severity", "", "only of this severity and worse: "+joinSeverities())
	cmd.Flags().BoolVar(&all, "all", false, "resolved ones too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.resolve()
		if err != nil {
			return err
		}
		if !all {
			q.Status = []fleet.Status{fleet.StatusNew, fleet.StatusOpen, fleet.StatusReopened, fleet.StatusWaived}
		}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
			return list(a, f.json, r.Findings(ctx, q),
				newTable([]string{"SEVERITY", "STATUS", "POLICY", "COUNT", "LAST SEEN", "RESOURCE", "MESSAGE"}, 2, 4),
				func(f *fleet.Finding) []string {
					return []string{
						string(f.Severity), string(f.Status), f.Policy, strconv.Itoa(f.Count), shortTime(f.LastSeen),
						f.Resource, f.Message,
					}
				})
		})
	}
	return cmd
}

func (a *app) traceCommand() *cobra.Command {
	var asJSON bool
	var format string
	w := newWindowFlags(time.Now)
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "The dossier of one id: everything that belongs to one request or journey",
		Long: `Open the dossier of any id: a trace id in either spelling, a request id, a
correlation id, a message id, a CloudTrail event id or any other record id. A
correlation id opens the whole journey.

The waterfall shows what the end of the request waited for as blocks, the rest of
each span as a line; SELF is how long a span ran while none of its children did.
With --json, critical_path has the parts of spans that were waited for, in order,
and self_us the microseconds by record id. --format otlp writes OpenTelemetry's
traces, which Jaeger, Tempo and an OpenTelemetry collector take: the spans, with what
else was recorded in them as their events.

A trace id of X-Ray is looked for on the day that it names and the next, then and
everything else in the last 30 days; after that in all that a folder holds, and on
S3, where looking costs money, since --since.`,
		Example: `  muster trace 1-5759e988-bd862e3fe1be46a994272793
  muster trace order-4711 --json | jq '.records[].kind'
  muster trace order-4711 --json | jq -r '.critical_path[] | [.duration_us, .service, .name] | @tsv'
  muster trace order-4711 --format otlp | curl -H 'Content-Type: application/json' --data-binary @- http://localhost:4318/v1/traces`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch format {
			case "":
			case "table":
				asJSON = false
			case "json", "otlp":
				asJSON = true
			default:
				return fmt.Errorf("trace: there is no format %q: give table, json or otlp", format)
			}
			if args[0] == "" {
				return errors.New("trace: the id is empty: give any id that the evidence shows")
			}
			looked, err := w.window()
			if err != nil {
				return err
			}
			a.since = looked.Start
			return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
				if !asJSON {
					return explore.Print(ctx, a.stdout, r, cmp.Or(a.width(), pageWidth), args[0])
				}
				t, err := r.Trace(ctx, args[0])
				if err != nil {
					return err
				}
				if format == "otlp" {
					return export.OTLP(a.stdout, t)
				}
				return export.JSON(a.stdout, t)
			})
		},
	}
	cmd.Flags().Var(&w.since, "since", "how far back to look, where that is not all: 36h, 60d or a moment")
	cmd.Flags().BoolVar(&asJSON, "json", !a.onTerminal(), "one JSON object; the default where no terminal is")
	cmd.Flags().StringVar(&format, "format", "", "`how` to write it: table, json or otlp")
	cmd.MarkFlagsMutuallyExclusive("json", "format")
	return cmd
}

// read opens the store for reading, and closes it after f.
func (a *app) read(ctx context.Context, f func(context.Context, fleet.Reader) error) error {
	store, err := a.openReader(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return f(ctx, a.thrifty(store, a.stderr))
}

// list prints a sequence as a table, or one JSON object a line. Where a table has
// nothing, people are told so on standard error.
func list[T any](a *app, asJSON bool, seq iter.Seq2[T, error], t *table, row func(*T) []string) error {
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for v, err := range seq {
			if err != nil {
				return err
			}
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
		return nil
	}
	for v, err := range seq {
		if err != nil {
			return err
		}
		t.add(row(&v))
	}
	if t.empty() {
		fmt.Fprintln(a.stderr, "muster: nothing matches; muster services says what is there, and --since how far back is looked")
		return nil
	}
	return t.print(a.stdout, a.width())
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

func link(l fleet.Link) string {
	if l.Via == "" {
		return ""
	}
	return string(l.Via) + ", " + string(l.Sure)
}

func first(ss []string) string {
	if len(ss) == 0 {
		return ""
	}
	return ss[0]
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"muster/fleet"
	"muster/internal/filter"
	"muster/stores/lake"
)

// latencyVerb measures what readers of a large lake wait for.
const latencyVerb = "latency"

const (
	// lookups of as many traces, spread over the lake, give a 95th percentile.
	lookups = 200
	// listed is a screen of traces and some more.
	listed = 100
	lists  = 50
	// coldLookups are whole processes.
	coldLookups = 20
)

// latencyBench is a run of the verb.
type latencyBench struct {
	muster, folder string
	spans          int
	seed           uint64
	peer           bool
	out            io.Writer
}

func runLatency(ctx context.Context, args []string, out io.Writer) error {
	b := latencyBench{out: out}
	f := flag.NewFlagSet("bench "+latencyVerb, flag.ContinueOnError)
	f.StringVar(&b.muster, "muster", filepath.Join("bin", "muster"), "the program to measure")
	f.StringVar(&b.folder, "folder", filepath.Join(".cache", "bench"), "where the lake goes, which stays for the next time")
	f.IntVar(&b.spans, "spans", 300_000, "size of the lake; log lines and API calls come with them")
	f.Uint64Var(&b.seed, "seed", 1, "of the lake")
	write := f.Bool("write", false, "only make the lake")
	f.BoolVar(&b.peer, "peer", true, "ask DuckDB the same over the same files")
	if err := f.Parse(args); err != nil {
		return err
	}
	root, err := writeClones(ctx, b.folder, b.muster, b.spans, b.seed, "")
	if err != nil {
		return fmt.Errorf("write the lake: %w", err)
	}
	if *write {
		return nil
	}
	return b.measure(ctx, root)
}

func (b *latencyBench) measure(ctx context.Context, root string) error {
	l, err := lake.Open(ctx, root, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintf(b.out, "a lake of %d spans, %d log lines and %d API calls over %g hours\n", b.spans, b.spans/spansPerTrace*logsPerTrace,
		b.spans/spansPerTrace*eventsPerTrace, cloneSpan.Hours())
	header(b.out)
	if err := latency(ctx, l, b.out); err != nil {
		return err
	}
	if err := b.searches(ctx, l); err != nil {
		return err
	}
	ids, err := someTraces(ctx, l)
	if err != nil {
		return err
	}
	if err := b.processes(ctx, root, ids[:min(coldLookups, len(ids))]); err != nil {
		return err
	}
	if !b.peer {
		return nil
	}
	return b.asked(ctx, root, ids)
}

// latency prints what a reader of a lake waits for.
func latency(ctx context.Context, l *lake.Lake, out io.Writer) error {
	ids, err := someTraces(ctx, l)
	if err != nil {
		return err
	}
	return lookedUp(ctx, l, ids, out)
}

// lookedUp prints how long traces and a list of them take from any store.
func lookedUp(ctx context.Context, l fleet.Reader, ids []string, out io.Writer) error {
	look := func(i int) error {
		_, err := l.Trace(ctx, ids[i])
		return err
	}
	if err := timed(out, "a trace by its id", len(ids), look); err != nil {
		return err
	}
	return timed(out, fmt.Sprintf("the newest %d traces", listed), lists, func(int) error {
		_, err := count(l.Traces(ctx, fleet.Query{Limit: listed}))
		return err
	})
}

// searches are what people look for in a list of traces.
func (b *latencyBench) searches(ctx context.Context, l fleet.Reader) error {
	hour := func(i int) fleet.Window { // another one each time
		start := cloneStart.Add(time.Duration(i) * (cloneSpan - time.Hour) / lists)
		return fleet.Window{Start: start, End: start.Add(time.Hour)}
	}
	all := func(int) fleet.Window { return fleet.Window{} }
	for _, s := range []struct {
		name   string
		window func(int) fleet.Window
		query  fleet.Query
		filter string
		one    bool // the filter is completed by the annotation of one trace
	}{
		{name: "of an hour", window: hour},
		{name: "of a service", window: all, query: fleet.Query{Service: services[2]}},
		{name: "of a service in an hour", window: hour, query: fleet.Query{Service: services[2]}},
		{name: "with an error", window: all, query: fleet.Query{Errors: true}},
		{name: "with an error in an hour", window: hour, query: fleet.Query{Errors: true}},
		{name: "over 2 seconds", window: all, filter: "responsetime > 2"},
		{name: "over 2 seconds in an hour", window: hour, filter: "responsetime > 2"},
		{name: "of an annotation", window: all, filter: `annotation.tier = "gold"`},
		{name: "of an annotation in an hour", window: hour, filter: `annotation.tier = "gold"`},
		{name: "of one trace's annotation", window: all, filter: "annotation.order_id = ", one: true},
		{name: "of one trace's annotation in an hour", window: hour, filter: "annotation.order_id = ", one: true},
	} {
		err := timed(b.out, "  "+s.name, lists, func(i int) error {
			q := s.query
			q.Window, q.Limit = s.window(i), listed
			text := s.filter
			if s.one {
				at := hour(i).Start.Add(30 * time.Minute) // there are as many traces in every hour
				text += strconv.Quote(orderID(int(float64(b.spans/spansPerTrace) * at.Sub(cloneStart).Hours() / cloneSpan.Hours())))
			}
			if text != "" {
				var err error
				if q.Filter, err = filter.Parse(text); err != nil {
					return err
				}
			}
			n, err := count(l.Traces(ctx, q))
			if err == nil && n == 0 {
				err = errors.New("no trace was found")
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// processes looks traces up by the command line.
func (b *latencyBench) processes(ctx context.Context, root string, ids []string) error {
	look := func(id string) error {
		_, err := measure(ctx, b.muster, "trace", "--json", "--store", root, id)
		return err
	}
	if err := timed(b.out, "muster trace ID, the process", len(ids), func(i int) error { return look(ids[i]) }); err != nil {
		return err
	}
	return timed(b.out, "muster --version, the process", len(ids), func(int) error {
		_, err := measure(ctx, b.muster, "--version")
		return err
	})
}

// asked asks DuckDB the same, over all files of the lake and without muster:
// what somebody does who has the Parquet only.
func (b *latencyBench) asked(ctx context.Context, root string, ids []string) (err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, s := range []string{
		"set enable_object_cache = true",
		"create view records as select * from read_parquet('" + filepath.ToSlash(root) + "/evidence/data/*.parquet')",
	} {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	ask := func(text string, args ...any) error {
		rows, err := db.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // its errors are in rows.Err
		n := 0
		for rows.Next() {
			n++
		}
		if n == 0 && rows.Err() == nil {
			return errors.New("DuckDB found nothing")
		}
		return rows.Err()
	}
	const few = 10 // each takes seconds
	if err := timed(b.out, "DuckDB: a trace's records by its id", few, func(i int) error {
		return ask("select * from records where trace_id = ? order by time_us", ids[i])
	}); err != nil {
		return err
	}
	return timed(b.out, fmt.Sprintf("DuckDB: the newest %d traces", listed), few, func(int) error {
		return ask(`select trace_id, min(time_us) filter (where kind = 'span') as start, count(*), max(error), list(distinct service)
			from records group by trace_id order by start desc limit 100`)
	})
}

// count reads a sequence to its end.
func count[T any](seq func(yield func(T, error) bool)) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func header(out io.Writer) {
	fmt.Fprintf(out, "%-40s %9s %9s %9s %9s\n", "milliseconds", "first", "median", "95 %", "maximum")
}

// timed prints how long each of n turns took.
func timed(out io.Writer, name string, n int, turn func(int) error) error {
	ms := make([]float64, n)
	for i := range ms {
		start := time.Now()
		if err := turn(i); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		ms[i] = time.Since(start).Seconds() * 1000
	}
	fmt.Fprintf(out, "%-40s %9.1f %9.1f %9.1f %9.1f\n", name, ms[0], quantile(ms, 0.5), quantile(ms, 0.95), quantile(ms, 1))
	return nil
}

// someTraces are ids from all over the lake, always the same ones.
func someTraces(ctx context.Context, l *lake.Lake) ([]string, error) {
	rows, err := l.SQL(ctx, fmt.Sprintf("select trace_id from (select distinct trace_id from spans) order by hash(trace_id) limit %d", lookups))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		ids = append(ids, fmt.Sprint(rows.Values()[0]))
	}
	return ids, rows.Err()
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"muster/fleet"
	"muster/stores/lake"
)

const (
	// lookups of as many traces, spread over the corpus, give a 95th percentile.
	lookups = 200
	// listed is a screen of traces and some more.
	listed = 100
	lists  = 50
)

// latency prints what a reader of the imported lake waits for.
func latency(ctx context.Context, l *lake.Lake, out io.Writer) error {
	ids, err := someTraces(ctx, l)
	if err != nil {
		return err
	}
	var found []time.Duration
	for _, id := range ids {
		start := time.Now()
		if _, err := l.Trace(ctx, id); err != nil {
			return fmt.Errorf("look up %s: %w", id, err)
		}
		found = append(found, time.Since(start))
	}
	var shown []time.Duration
	for range lists {
		start := time.Now()
		for _, err := range l.Traces(ctx, fleet.Query{Limit: listed}) {
			if err != nil {
				return fmt.Errorf("list traces: %w", err)
			}
		}
		shown = append(shown, time.Since(start))
	}
	fmt.Fprintf(out, "\n%-28s %9s %9s %9s\n", "milliseconds", "median", "95 %", "maximum")
	for _, line := range []struct {
		name string
		took []time.Duration
	}{{"a trace by its id", found}, {fmt.Sprintf("the newest %d traces", listed), shown}} {
		ms := make([]float64, len(line.took))
		for i, t := range line.took {
			ms[i] = t.Seconds() * 1000
		}
		fmt.Fprintf(out, "%-28s %9.1f %9.1f %9.1f\n", line.name, quantile(ms, 0.5), quantile(ms, 0.95), quantile(ms, 1))
	}
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

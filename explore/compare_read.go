package explore

import (
	"context"
	"fmt"
	"time"

	"muster/compare"
	"muster/fleet"
)

const (
	// mostRouteSpans is how many spans of a route its median is made from: some
	// hundred requests of a large fleet, in a second from a folder.
	mostRouteSpans = 20_000
	// mostRouteTraces is how many traces a median is made of: more do not move it.
	mostRouteTraces = 200
	// routeAround is how far around a trace its route is looked at unless told:
	// a day has all hours of its traffic.
	routeAround = 24 * time.Hour
)

// Comparison is two traces, or one and the median of its route, laid over each
// other.
type Comparison struct {
	compare.Comparison
	Before, After string // trace ids; Before is "" for a median
	Route         string // the service and route of After, for a median
	Window        fleet.Window
}

// Compare reads and compares the trace of before with that of after; an empty
// before is the median of the route of after, over its traces in the window, or
// within a day around it where the window is empty.
func Compare(ctx context.Context, r fleet.Reader, before, after string, window fleet.Window) (*Comparison, error) {
	return readComparison(ctx, r, before, after, window, func() {})
}

func readComparison(ctx context.Context, r fleet.Reader, before, after string, window fleet.Window, read func()) (*Comparison, error) {
	c := &Comparison{}
	b, err := r.Trace(ctx, after)
	if err != nil {
		return nil, err
	}
	read()
	c.After = b.ID
	if err := needSpans(after, b.Records); err != nil {
		return nil, err
	}
	if before == "" {
		route, err := c.readRoute(ctx, r, &b, window, read)
		if err != nil {
			return nil, err
		}
		c.Comparison = compare.Of(route, b.Records)
		return c, nil
	}
	a, err := r.Trace(ctx, before)
	if err != nil {
		return nil, err
	}
	read()
	c.Before = a.ID
	if err := needSpans(before, a.Records); err != nil {
		return nil, err
	}
	c.Comparison = compare.Of([][]fleet.Record{a.Records}, b.Records)
	return c, nil
}

func needSpans(id string, rs []fleet.Record) error {
	for i := range rs {
		if rs[i].Kind == fleet.KindSpan {
			return nil
		}
	}
	return fmt.Errorf("compare %s: it has no span; a trace that was sampled has some", id)
}

// readRoute reads the other traces that entered as t did.
func (c *Comparison) readRoute(ctx context.Context, r fleet.Reader, t *fleet.Trace, window fleet.Window, read func()) ([][]fleet.Record, error) {
	root := rootOf(t)
	c.Route = root.Service + " " + compare.Route(root.Name)
	if c.Window = window; window == (fleet.Window{}) {
		c.Window = fleet.Window{Start: root.Time.Add(-routeAround), End: root.Time.Add(routeAround)}
	}
	q := fleet.Query{
		Window: c.Window, Kinds: []fleet.Kind{fleet.KindSpan}, Lean: true, Limit: mostRouteSpans,
		Filter: routeFilter(root),
	}
	at := map[string]int{}
	var traces []fleet.Trace
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("read the traces of %s: %w", c.Route, err)
		}
		read()
		id := rec.Keys.Trace
		if id == "" || id == t.ID {
			continue
		}
		i, had := at[id]
		if !had {
			i = len(traces)
			at[id] = i
			traces = append(traces, fleet.Trace{ID: id})
		}
		traces[i].Records = append(traces[i].Records, rec)
	}
	var out [][]fleet.Record
	for i := len(traces) - 1; i >= 0 && len(out) < mostRouteTraces; i-- {
		// What entered elsewhere met the filter by another name of the same
		// beginning, or lost its first spans to the limit.
		if e := rootOf(&traces[i]); e.Service == root.Service && compare.Route(e.Name) == compare.Route(root.Name) {
			out = append(out, traces[i].Records)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("compare %s: there is no other trace of %s from %s to %s: give a second id, or look further with --since",
			fleet.FormatTraceID(t.ID), c.Route, c.Window.Start.UTC().Format(time.DateTime), c.Window.End.UTC().Format(time.DateTime))
	}
	return out, nil
}

// routeFilter leaves the traces that entered by the route of a span, and maybe
// more.
func routeFilter(root *fleet.Record) fleet.Filter {
	prefix, whole := compare.RoutePrefix(root.Name)
	op := fleet.OpBeginsWith
	if whole {
		op = fleet.OpEqual
	}
	return fleet.FilterAll{
		fleet.FilterTest{Keyword: fleet.KeyOperation, Op: op, Value: prefix},
		fleet.FilterTest{Keyword: fleet.KeyName, Op: fleet.OpEqual, Value: root.Service},
	}
}

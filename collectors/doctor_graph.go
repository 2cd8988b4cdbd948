package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/xray"

	"muster/fleet"
)

// GraphCheck has Examine hold X-Ray's own count of each service's requests, its
// service graph, against the segments that a store has.
type GraphCheck struct {
	Store SegmentStore
	// Window is of when the traces began that are compared. Zero means the newest
	// whole hour that was read at its full age; an open end means up to where the
	// store can have everything.
	Window fleet.Window
}

// A SegmentStore is what the service graph is held against.
type SegmentStore interface {
	// Covered is what was read of a stream, and what of that was read at its full
	// age; zero for a stream that was never read.
	Covered(ctx context.Context, stream string) (read, settled fleet.Window, err error)
	// Segments counts the segments of the traces that began in a window of whole
	// seconds, by account, region, service and origin.
	Segments(ctx context.Context, w fleet.Window) ([]HeldSegments, error)
	// Gaps are the ledger's entries of a stream that touch a window and say that
	// something is missing.
	Gaps(ctx context.Context, stream string, w fleet.Window) ([]fleet.LedgerEntry, error)
}

// HeldSegments are the segments of one service that a store has.
type HeldSegments struct {
	Account, Region string // "" where nobody said
	Service, Origin string // X-Ray's name and type; Origin is "" where the segment does not say
	Segments        int64
	Inferred        int64 // of Segments: X-Ray made them up from a call
	InProgress      int64 // of Segments
}

// Compared is one service's line in the comparison with X-Ray's service graph.
type Compared struct {
	Service    string    `json:"service"`
	Type       string    `json:"type"` // "" where its segments do not say
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	Requests   int64     `json:"requests"` // by X-Ray's count
	Segments   int64     `json:"segments"` // in the store
	InProgress int64     `json:"in_progress"`
}

const (
	graphSubject = "graph"
	// forGraph is what a trace that did not come takes with it.
	forGraph = "every join to a trace that did not come, policies on traces, and policies of absence, which take it for a request that was never made"
	// graphHour is what is compared unless a window is given: little to ask, and
	// enough to see what a fleet does.
	graphHour = time.Hour
)

// sendsSegments are the types of what is in the graph by its own segments alone:
// X-Ray's SDKs and the OpenTelemetry exporter name the place that they run in, or
// nothing. What has another type may be there because it was called (a table, a
// queue, a function that is not traced); it is compared where the store has
// segments of it.
var sendsSegments = []string{
	"", "AWS::EC2::Instance", "AWS::ECS::Container", "AWS::ECS::EC2", "AWS::ECS::Fargate", "AWS::EKS::Container",
	"AWS::ElasticBeanstalk::Environment", "AWS::AppRunner::Service", "AWS::ApiGateway::Stage", lambdaOrigin,
}

// graph compares X-Ray's count of requests with the store's segments.
func (d *doctor) graph(ctx context.Context, client *xray.Client, searched bool) {
	if d.Graph == nil {
		return
	}
	if searched {
		d.uncompared("with Transaction Search it has indexed spans only, by default one trace of a hundred",
			"nothing: "+spansGroup+" has every span, and the ledger says which windows of it were read")
		return
	}
	t := newTraces(d.Options)
	read, settled, err := d.Graph.Store.Covered(ctx, t.stream)
	if err != nil {
		d.uncompared(fmt.Sprintf("what was read of stream %s: %v", t.stream, err), "see that the store can be read")
		return
	}
	w, ok := d.graphWindow(t.stream, read, settled)
	if !ok {
		return
	}
	counted, err := t.serviceGraph(ctx, client, w)
	if oldGroup, ok := errors.AsType[*oldGroupError](err); ok {
		d.uncompared(oldGroup.Error(), "give a --since after the group's filter expression was changed")
		return
	}
	if !d.asked("xray:GetServiceGraph", forGraph, err) {
		return
	}
	held, err := d.Graph.Store.Segments(ctx, w)
	if err != nil {
		d.uncompared(fmt.Sprintf("the store's segments: %v", err), "see that the store can be read")
		return
	}
	d.compare(counted, held, w, d.again(ctx, t.stream, read, w))
}

// NotCompared is the check that says why X-Ray's service graph is not compared, and
// what to do.
func NotCompared(why, remedy string) Check {
	return Check{Subject: graphSubject, State: StateUnknown, Found: "X-Ray's service graph is not compared: " + why, For: forGraph, Remedy: remedy}
}

func (d *doctor) uncompared(why, remedy string) {
	d.checks = append(d.checks, NotCompared(why, remedy))
}

// graphWindow is what can be compared, in whole seconds, as trace ids have them;
// ok is false where that is nothing, and a check says why.
func (d *doctor) graphWindow(stream string, read, settled fleet.Window) (w fleet.Window, ok bool) {
	if d.Graph.Window == (fleet.Window{}) {
		return d.settledHour(stream, read, settled)
	}
	w = d.Graph.Window
	through := d.Now()
	if !read.End.IsZero() { // else the store was filled by import, or trace by trace
		through = earlier(through, read.End)
	}
	if w.End.IsZero() {
		w.End = through.Add(-xrayOverlap) // what may still be on its way when a pass ends
	}
	w.End = earlier(w.End, through)
	if w.Start.IsZero() {
		w.Start = w.End.Add(-graphHour)
	}
	if oldest := d.Now().Add(-xrayReach); !oldest.Before(w.End) {
		d.uncompared("X-Ray keeps traces for 30 days", "give a later --since")
		return w, false
	} else if w.Start.Before(oldest) {
		w.Start = oldest
	}
	w.Start, w.End = w.Start.Add(time.Second-1).Truncate(time.Second), w.End.Truncate(time.Second)
	if !w.Start.Before(w.End) {
		d.uncompared(fmt.Sprintf("the store has X-Ray to %s, and what began less than %s before may still be on its way", graphTime(through), xrayOverlap),
			"give an earlier --since, or collect, and ask again")
		return w, false
	}
	return w, true
}

// settledHour is the newest whole hour of which nothing should still come.
func (d *doctor) settledHour(stream string, read, settled fleet.Window) (w fleet.Window, ok bool) {
	if read.End.IsZero() {
		d.uncompared("nothing was collected of stream "+stream+" into this store", "collect, or give --since to compare what was imported")
		return w, false
	}
	end := settled.End.Truncate(graphHour)
	w = fleet.Window{Start: end.Add(-graphHour), End: end}
	if w.Start.Before(settled.Start) || w.Start.Before(d.Now().Add(-xrayReach)) {
		d.uncompared(fmt.Sprintf("X-Ray was read from %s to %s, and no whole hour of that is both settled and still kept by X-Ray", graphTime(read.Start), graphTime(read.End)),
			"ask again when an hour has been read once more (collect --sweep-after), or give --since")
		return w, false
	}
	return w, true
}

// again is how to read a window once more.
func (d *doctor) again(ctx context.Context, stream string, read, w fleet.Window) string {
	how := "--since " + graphTime(w.Start)
	if !read.End.IsZero() && !w.Start.Before(read.Start) {
		// What lies between the marks is read again as an overlap only.
		how = fmt.Sprintf("--overlap %dm", 1+int(read.End.Sub(w.Start)/time.Minute))
	}
	remedy := "read it again, which doubles nothing: muster collect --source xray " + how
	if d.XRayGroup != "" {
		remedy += " --xray-group " + d.XRayGroup
	}
	gaps, err := d.Graph.Store.Gaps(ctx, stream, w)
	if err != nil {
		return remedy + fmt.Sprintf("; what the ledger says of it cannot be read: %v", err)
	}
	var said []string
	for _, g := range gaps {
		if g.Reason != "sampled" { // the graph counts what was sampled
			said = append(said, g.Reason+" ("+g.Detail+")")
		}
	}
	slices.Sort(said)
	if said = slices.Compact(said); len(said) > 0 {
		remedy += "; the ledger says of that time: " + strings.Join(said, ", ")
	}
	return remedy
}

func graphTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// compare says for each service whether the store has a segment for each request.
func (d *doctor) compare(counted map[nodeKey]*graphNode, held []HeldSegments, w fleet.Window, again string) {
	nodes := slices.SortedFunc(maps.Values(counted), func(a, b *graphNode) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	compared, called := 0, 0
	for _, n := range nodes {
		h := d.heldOf(n, held, counted)
		switch {
		case n.requests == 0:
		case h.Segments == h.Inferred && !slices.Contains(sendsSegments, n.kind):
			called++
		default:
			compared++
			d.checks = append(d.checks, n.check(&h, w, again))
		}
	}
	left := ""
	if called > 0 {
		left = fmt.Sprintf("; %d more are known by their callers alone and send no segments", called)
	}
	if compared == 0 {
		d.uncompared(fmt.Sprintf("from %s to %s it has no service that sends segments%s", graphTime(w.Start), graphTime(w.End), left), "give as --since a time with requests")
		return
	}
	d.ok(graphSubject, "services compared with X-Ray's service graph from %s to %s: %d%s", graphTime(w.Start), graphTime(w.End), compared, left)
}

// heldOf sums up what the store has of a node. Segments of accounts and regions
// that nobody named count. So do those without a type, and any type for a node
// without one, unless the graph has a node of that very name and type.
func (d *doctor) heldOf(n *graphNode, held []HeldSegments, counted map[nodeKey]*graphNode) (sum HeldSegments) {
	for i := range held {
		h := &held[i]
		here := h.Region == "" || h.Region == d.AWS.Region
		mine := h.Account == "" || h.Account == d.Account || slices.Contains(n.accounts, h.Account)
		same := h.Origin == n.kind
		if !same && (h.Origin == "" || n.kind == "") {
			_, other := counted[nodeKey{h.Service, h.Origin}]
			same = !other
		}
		if here && mine && same && slices.Contains(n.names, h.Service) {
			sum.Segments += h.Segments
			sum.Inferred += h.Inferred
			sum.InProgress += h.InProgress
		}
	}
	return sum
}

// check holds the requests of a node against its segments. X-Ray does not say
// whether it counts requests that are in progress, so that their segments count as
// there; and a store that has more than X-Ray counts lacks nothing.
func (n *graphNode) check(h *HeldSegments, w fleet.Window, again string) Check {
	c := Check{Subject: graphSubject, State: StateOK, Compared: &Compared{
		Service: n.name, Type: n.kind, Start: w.Start, End: w.End,
		Requests: n.requests, Segments: h.Segments, InProgress: h.InProgress,
	}}
	name := n.name
	if n.kind != "" {
		name += " (" + n.kind + ")"
	}
	c.Found = fmt.Sprintf("%s: X-Ray counts %d requests, the store has %d segments", name, n.requests, h.Segments)
	if h.InProgress > 0 {
		c.Found += fmt.Sprintf(", %d of them in progress", h.InProgress)
	}
	if h.Segments < n.requests {
		c.State, c.For, c.Remedy = StateMissing, forGraph, again
	}
	return c
}

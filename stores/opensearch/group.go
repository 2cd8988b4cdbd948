package opensearch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/fleet"
)

// group is what Trace Analytics calls a trace by, on each of its spans: the
// name, end, duration and status of its root, which is its earliest span without
// a parent. Until one is there, its earliest span stands in.
type group struct {
	Name  string
	Start int64 // microseconds since 1970
	Micro int64 // duration in microseconds
	Code  int
}

func (g group) fields() groupFields {
	return groupFields{End: date(g.Start + g.Micro), Nanos: g.Micro * 1000, Code: g.Code}
}

func (g group) appendFields(b []byte) []byte {
	f := g.fields()
	return f.append(b)
}

// unnamed stands in for a name that a span does not have: the screens leave out
// what has no trace group.
const unnamed = "unnamed"

// node is a span as its trace sees it.
type node struct {
	id, span, parent    string
	service, name, kind string
	start, micro        int64 // microseconds
	failed              bool
	version             int64 // of two states of a span the greater one counts
}

func newNode(c *fleet.Change) node {
	r := &c.Record
	return node{
		id: r.ID, span: r.Seen.Span, parent: r.Seen.Parent, service: r.Service, name: r.Name, kind: spanKind(r),
		start: r.TimeUS(), micro: r.Duration.Microseconds(), failed: r.Error != "", version: version(r.Revision, c.Amendment),
	}
}

func (n *node) group() group {
	g := group{Name: cmp.Or(n.name, n.service, unnamed), Start: n.start, Micro: n.micro, Code: statusUnset}
	if n.failed {
		g.Code = statusError
	}
	return g
}

// compare orders spans by how well they stand for their trace, the best first.
func (n *node) compare(o *node) int {
	if (n.parent == "") != (o.parent == "") {
		return map[bool]int{true: -1, false: 1}[n.parent == ""]
	}
	return cmp.Or(cmp.Compare(n.start, o.start), strings.Compare(n.id, o.id))
}

// trace is the spans of one trace, as far as they are known.
type trace []node

// group is that of the best span; a trace has one at least.
func (t trace) group() group {
	best := &t[0]
	for i := range t[1:] {
		if n := &t[i+1]; n.compare(best) < 0 {
			best = n
		}
	}
	return best.group()
}

// traces are traces by id.
type traces map[string]trace

// add adds a span, or a newer state of it.
func (ts traces) add(id string, n node) {
	t := ts[id]
	for i := range t {
		if t[i].id == n.id {
			if n.version > t[i].version {
				t[i] = n
			}
			return
		}
	}
	ts[id] = append(t, n)
}

// newTraces are the traces as far as a batch alone tells them.
func newTraces(cs []fleet.Change) traces {
	ts := traces{}
	for i := range cs {
		if r := &cs[i].Record; r.Kind == fleet.KindSpan && r.Keys.Trace != "" {
			ts.add(r.Keys.Trace, newNode(&cs[i]))
		}
	}
	return ts
}

// groups are the traces' groups.
func (ts traces) groups() map[string]group {
	gs := make(map[string]group, len(ts))
	for id, t := range ts {
		gs[id] = t.group()
	}
	return gs
}

// groupOf is the group of the trace of a span, which without a trace is its own;
// zero for other records.
func groupOf(c *fleet.Change, gs map[string]group) group {
	if c.Record.Kind != fleet.KindSpan {
		return group{}
	}
	if g, ok := gs[c.Record.Keys.Trace]; ok {
		return g
	}
	n := newNode(c)
	return n.group()
}

// settleTraces bounds how many traces are looked at in one request: with a
// dozen spans each a few thousand short answers.
const settleTraces = 500

// settleFields are what the spans of a trace are read for.
var settleFields = []string{
	"muster.id", "muster.time_us", "muster.duration_us", "muster.name", "muster.service", "muster.trace_id", "muster.span_id",
	"muster.parent_id", "muster.failed", "kind", "traceGroup", "traceGroupFields.durationInNanos", "traceGroupFields.statusCode",
}

// settled is what settling traces found.
type settled struct {
	traces  traces              // with all their spans
	renamed map[string][]string // the names that groups had before, with the traces that had them
	blocked map[string]string   // the indices in which groups could not be set
}

// settle gives all spans of traces, whenever they were written, the group that
// their trace has now. It counts the version of a changed document up by one,
// which leaves it below the next state of its record.
func (s *Store) settle(ctx context.Context, ids []string) (settled, error) {
	out := settled{traces: traces{}, renamed: map[string][]string{}, blocked: map[string]string{}}
	if len(ids) == 0 {
		return out, nil
	}
	if err := s.refresh(ctx, spanIndex+"*"); err != nil {
		return out, err
	}
	for chunk := range slices.Chunk(ids, settleTraces) {
		stale, err := s.staleGroups(ctx, chunk, &out)
		if err != nil {
			return out, fmt.Errorf("read trace groups: %w", err)
		}
		for index, gs := range stale {
			if err := s.regroup(ctx, index, gs, &out); err != nil {
				return out, fmt.Errorf("set trace groups in index %s: %w", index, err)
			}
		}
	}
	return out, nil
}

// staleGroups are the groups of those traces that have a span with another one,
// by the index that it lies in.
func (s *Store) staleGroups(ctx context.Context, ids []string, out *settled) (map[string]map[string]group, error) {
	type place struct{ index, trace string }
	written := map[place]map[group]bool{}
	spans := search{
		indices: []string{spanIndex + "*"}, fields: settleFields, order: byTime(),
		query: filter{}.oneOf("muster.trace_id", ids),
	}
	for h, err := range s.scan(ctx, spans) {
		if err != nil {
			return nil, err
		}
		id := h.text("muster.trace_id")
		out.traces[id] = append(out.traces[id], h.node())
		at := place{h.Index, id}
		if written[at] == nil {
			written[at] = map[group]bool{}
		}
		written[at][group{
			Name: h.text("traceGroup"), Micro: h.number("traceGroupFields.durationInNanos") / 1000,
			Code: int(h.number("traceGroupFields.statusCode")),
		}] = true
	}
	stale := map[string]map[string]group{}
	for at, was := range written {
		now := out.traces[at.trace].group()
		bare := now
		bare.Start = 0 // is not written: the end and the duration tell it
		if len(was) == 1 && was[bare] {
			continue
		}
		if stale[at.index] == nil {
			stale[at.index] = map[string]group{}
		}
		stale[at.index][at.trace] = now
		for g := range was {
			if g.Name != now.Name && !slices.Contains(out.renamed[g.Name], at.trace) {
				out.renamed[g.Name] = append(out.renamed[g.Name], at.trace)
			}
		}
	}
	return stale, nil
}

// node is a span that was read for settleFields.
func (h *hit) node() node {
	return node{
		id: h.text("muster.id"), span: h.text("muster.span_id"), parent: h.text("muster.parent_id"),
		service: h.text("muster.service"), name: h.text("muster.name"), kind: h.text("kind"),
		start: h.number("muster.time_us"), micro: h.number("muster.duration_us"), failed: h.flag("muster.failed"),
	}
}

// regroup writes the groups of traces into their spans in an index: whole
// documents, since not every OpenSearch has scripts and updates by query. A span
// that is written by somebody else meanwhile is left as that one made it.
func (s *Store) regroup(ctx context.Context, index string, gs map[string]group, out *settled) error {
	spans := search{
		indices: []string{index}, source: "*", order: byTime(), fields: []string{"muster.trace_id"}, versions: true,
		query: filter{}.oneOf("muster.trace_id", slices.Sorted(maps.Keys(gs))),
	}
	w := s.startSending(ctx)
	c := &chunk{}
	for h, err := range s.scan(ctx, spans) {
		var document []byte
		if err == nil {
			document, err = withGroup(h.Source, gs[h.text("muster.trace_id")])
		}
		if err != nil {
			_, _ = w.wait() // says less
			return err
		}
		if document == nil {
			continue
		}
		c.add(index, h.ID, h.Version+1, func(b []byte) []byte { return append(b, document...) })
		if c.full() {
			if w.send(c) != nil {
				break // wait says why
			}
			c = &chunk{}
		}
	}
	_ = w.send(c) // as above
	_, err := w.wait()
	if blocked, ok := errors.AsType[*BlockedError](err); ok {
		maps.Copy(out.blocked, blocked.Reasons)
		return nil
	}
	return err
}

// withGroup is a span's document with another group; nil when it has that one.
func withGroup(source json.RawMessage, g group) ([]byte, error) {
	var d map[string]json.RawMessage
	if err := json.Unmarshal(source, &d); err != nil {
		return nil, err
	}
	name, fields := appendText(nil, g.Name), g.appendFields(nil)
	if bytes.Equal(d["traceGroup"], name) && bytes.Equal(d["traceGroupFields"], fields) {
		return nil, nil
	}
	d["traceGroup"], d["traceGroupFields"] = name, fields
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(d)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

package opensearch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

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
	return groupFields{End: dateNanos(time.UnixMicro(g.Start + g.Micro)), Nanos: g.Micro * 1000, Code: g.Code}
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
// their trace has now. It counts OpenSearch's version of a changed document up
// by one, which leaves it below the next state of its record.
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

// regroupScript sets a span's group to that of its trace, and leaves a span
// alone that has it.
const regroupScript = `
def g = params.groups.get(ctx._source.traceId);
if (g == null || (ctx._source.traceGroup == g.name && ctx._source.traceGroupFields == g.fields)) { ctx.op = 'noop' }
else { ctx._source.traceGroup = g.name; ctx._source.traceGroupFields = g.fields }`

// regroup writes the groups of traces into their spans in an index. A span that
// is written by somebody else meanwhile is left to the next time.
func (s *Store) regroup(ctx context.Context, index string, gs map[string]group, out *settled) error {
	params := map[string]any{}
	for id, g := range gs {
		params[id] = map[string]any{"name": g.Name, "fields": g.fields()}
	}
	body := map[string]any{
		"query":  filter{}.oneOf("muster.trace_id", slices.Sorted(maps.Keys(gs))).json(),
		"script": map[string]any{"lang": "painless", "source": regroupScript, "params": map[string]any{"groups": params}},
	}
	var answer struct {
		Failures []struct {
			Status int       `json:"status"`
			Cause  itemError `json:"cause"`
		} `json:"failures"`
	}
	err := s.doJSON(ctx, http.MethodPost, "/"+index+"/_update_by_query?conflicts=proceed&ignore_unavailable=true", body, &answer)
	if e, ok := asAnswer(err); ok && judge(e.Status, &e.Why) == fateBlocked {
		out.blocked[index] = fmt.Sprintf("%d %s: %s%s", e.Status, e.Why.Kind, e.Why.String(), remedy(e.Status, &e.Why))
		return nil
	}
	if err != nil || len(answer.Failures) == 0 {
		return err
	}
	f := &answer.Failures[0]
	if judge(f.Status, &f.Cause) == fateBlocked {
		out.blocked[index] = fmt.Sprintf("%d %s: %s%s", f.Status, f.Cause.Kind, f.Cause.String(), remedy(f.Status, &f.Cause))
		return nil
	}
	return fmt.Errorf("%d %s: %s", f.Status, f.Cause.Kind, f.Cause.String())
}

package opensearch

import (
	"cmp"
	"context"
	"fmt"
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

	id     string
	parent bool // it stands in for a root
}

func (g group) fields() groupFields {
	return groupFields{End: dateNanos(time.UnixMicro(g.Start + g.Micro)), Nanos: g.Micro * 1000, Code: g.Code}
}

// better reports whether g is the group rather than o.
func (g group) better(o group) bool {
	if g.parent != o.parent {
		return !g.parent
	}
	return cmp.Or(cmp.Compare(g.Start, o.Start), strings.Compare(g.id, o.id)) < 0
}

// groups are the groups of traces by trace id.
type groups map[string]group

func (gs groups) add(trace string, g group) {
	if old, ok := gs[trace]; !ok || g.better(old) {
		gs[trace] = g
	}
}

// newGroups are the groups as far as a batch alone tells them.
func newGroups(cs []fleet.Change) groups {
	gs := groups{}
	for i := range cs {
		r := &cs[i].Record
		if r.Kind == fleet.KindSpan && r.Keys.Trace != "" {
			gs.add(r.Keys.Trace, group{
				Name: r.Name, Start: r.TimeUS(), Micro: r.Duration.Microseconds(), Code: spanCode(r.Error),
				id: r.ID, parent: r.Seen.Parent != "",
			})
		}
	}
	return gs
}

// of is the group of a span; a span without a trace is its own.
func (gs groups) of(r *fleet.Record) group {
	if g, ok := gs[r.Keys.Trace]; ok && r.Kind == fleet.KindSpan {
		return g
	}
	return group{Name: r.Name, Start: r.TimeUS(), Micro: r.Duration.Microseconds(), Code: spanCode(r.Error)}
}

// settleTraces bounds how many traces are looked at in one request: with a
// dozen spans each a few thousand short answers.
const settleTraces = 500

// settleFields are what the spans of a trace are read for.
var settleFields = []string{
	"muster.id", "muster.time_us", "muster.duration_us", "muster.name", "muster.trace_id", "muster.parent_id",
	"muster.failed", "traceGroup", "traceGroupFields.durationInNanos", "traceGroupFields.statusCode",
}

// settle gives all spans of traces, whenever they were written, the group that
// their trace has now. It counts OpenSearch's version of a changed document up
// by one, which leaves it below the next state of its record.
func (s *Store) settle(ctx context.Context, traces []string) error {
	if len(traces) == 0 {
		return nil
	}
	if err := s.refresh(ctx, spanIndex+"*"); err != nil {
		return err
	}
	for chunk := range slices.Chunk(traces, settleTraces) {
		stale, err := s.staleGroups(ctx, chunk)
		if err != nil {
			return fmt.Errorf("read trace groups: %w", err)
		}
		if err := s.regroup(ctx, stale); err != nil {
			return fmt.Errorf("set trace groups: %w", err)
		}
	}
	return nil
}

// staleGroups are the groups of those traces that have a span with another one.
func (s *Store) staleGroups(ctx context.Context, traces []string) (groups, error) {
	now, written := groups{}, map[string]map[group]bool{}
	spans := search{
		indices: []string{spanIndex + "*"}, fields: settleFields, order: byTime(),
		query: filter{}.oneOf("muster.trace_id", traces),
	}
	for h, err := range s.scan(ctx, spans) {
		if err != nil {
			return nil, err
		}
		trace := h.text("muster.trace_id")
		now.add(trace, group{
			Name: h.text("muster.name"), Start: h.number("muster.time_us"), Micro: h.number("muster.duration_us"),
			Code: failedCode(h.flag("muster.failed")), id: h.text("muster.id"), parent: h.text("muster.parent_id") != "",
		})
		if written[trace] == nil {
			written[trace] = map[group]bool{}
		}
		written[trace][group{
			Name: h.text("traceGroup"), Micro: h.number("traceGroupFields.durationInNanos") / 1000,
			Code: int(h.number("traceGroupFields.statusCode")),
		}] = true
	}
	for trace, g := range now {
		if ws := written[trace]; len(ws) == 1 && ws[group{Name: g.Name, Micro: g.Micro, Code: g.Code}] {
			delete(now, trace)
		}
	}
	return now, nil
}

func failedCode(failed bool) int {
	if failed {
		return statusError
	}
	return statusUnset
}

// regroupScript sets a span's group to that of its trace, and leaves a span
// alone that has it.
const regroupScript = `
def g = params.groups.get(ctx._source.traceId);
if (g == null || (ctx._source.traceGroup == g.name && ctx._source.traceGroupFields == g.fields)) { ctx.op = 'noop' }
else { ctx._source.traceGroup = g.name; ctx._source.traceGroupFields = g.fields }`

// regroup writes the groups of traces into their spans. A span that is written
// by somebody else meanwhile is left to the next time.
func (s *Store) regroup(ctx context.Context, gs groups) error {
	if len(gs) == 0 {
		return nil
	}
	params, traces := map[string]any{}, make([]string, 0, len(gs))
	for trace, g := range gs {
		traces = append(traces, trace)
		params[trace] = map[string]any{"name": g.Name, "fields": g.fields()}
	}
	body := map[string]any{
		"query":  filter{}.oneOf("muster.trace_id", traces).json(),
		"script": map[string]any{"lang": "painless", "source": regroupScript, "params": map[string]any{"groups": params}},
	}
	var answer struct {
		Failures []struct {
			Index  string    `json:"index"`
			Status int       `json:"status"`
			Cause  itemError `json:"cause"`
		} `json:"failures"`
	}
	path := "/" + spanIndex + "*/_update_by_query?conflicts=proceed&ignore_unavailable=true"
	if err := s.doJSON(ctx, http.MethodPost, path, body, &answer); err != nil {
		return err
	}
	if len(answer.Failures) > 0 {
		f := answer.Failures[0]
		return fmt.Errorf("index %s: %d %s: %s", f.Index, f.Status, f.Cause.Kind, f.Cause.String())
	}
	return nil
}

package lake

import (
	"context"
	"fmt"
	"strings"
	"time"

	"muster/fleet"
)

// SegmentCount is how many segments a lake holds of one service.
type SegmentCount struct {
	Account, Region string // "" where nobody said
	Service         string
	Origin          string // what ran it, in X-Ray's words; "" where the segment does not say
	Segments        int64
	Inferred        int64 // of Segments: those that X-Ray made up for what it was called by
	InProgress      int64 // of Segments
}

// segmentsSQL counts the segments of traces by when these began.
const segmentsSQL = `select account, region, service, origin, count(*),
	count(*) filter (where inferred), count(*) filter (where unfinished)
from (select s.*, min(time_us) over (partition by seen_trace_id) as began_us from (%s) s) t
where (began_us >= %d and began_us < %d) or (seen_trace_id >= '%s' and seen_trace_id < '%s')
group by account, region, service, origin
order by account, region, service, origin`

// beforeTrace is how much earlier than a trace's id says its segments may have
// begun: clocks of two machines differ by minutes at worst.
const beforeTrace = time.Hour

// Segments counts the segments that X-Ray was sent of the traces that began in a
// window, by service, without reading their evidence. A trace began when its id
// says, or its earliest segment: ids in W3C's form say nothing of a time. Segments
// of the first traceReach of each trace count. Both ends of w are given, and are
// whole seconds.
func (l *Lake) Segments(ctx context.Context, w fleet.Window) ([]SegmentCount, error) {
	e := l.engine()
	q := fleet.Query{
		Kinds:  []fleet.Kind{fleet.KindSpan},
		Window: fleet.Window{Start: w.Start.Add(-beforeTrace), End: w.End.Add(traceReach)},
	}
	read, err := e.evidence(ctx, &q, false)
	if err != nil {
		return nil, fmt.Errorf("count segments: %w", err)
	}
	of := conditions(&q)
	of.add("seen_trace_id <> ''")
	of.add(ownAttribute(fleet.AttrSpanType) + " = 'segment'")
	of.add(ownAttribute("execution_arn") + " = ''") // those of Step Functions' histories were not X-Ray's
	live := read.live([]string{
		"r.account", "r.region", "r.service", "r.seen_trace_id", "r.time_us",
		ownAttribute(fleet.AttrOrigin) + " as origin",
		ownAttribute(fleet.AttrInferred) + " = 'true' as inferred",
		ownAttribute(fleet.AttrInProgress) + " = 'true' as unfinished",
	}, of)
	text := fmt.Sprintf(segmentsSQL, live, w.Start.UnixMicro(), w.End.UnixMicro(), secondOfTrace(w.Start), secondOfTrace(w.End))
	counts, err := collect(query(ctx, e, text, of.args, func(rows answer) (c SegmentCount, err error) {
		err = rows.Scan(&c.Account, &c.Region, &c.Service, &c.Origin, &c.Segments, &c.Inferred, &c.InProgress)
		return c, err
	}))
	if err != nil {
		return nil, fmt.Errorf("count segments: %w", err)
	}
	return counts, nil
}

// secondOfTrace is the least trace id of X-Ray's own form of a second.
func secondOfTrace(at time.Time) string {
	return fmt.Sprintf("%08x", uint32(at.Unix())) + strings.Repeat("0", 24)
}

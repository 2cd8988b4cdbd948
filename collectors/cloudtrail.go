package collectors

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"muster/fleet"
)

const (
	// lookupOverlap is re-read before each window: LookupEvents shows an event up
	// to 15 minutes after it happened, and events come out of order.
	lookupOverlap = 20 * time.Minute
	// lookupReach is how far back LookupEvents goes.
	lookupReach = 90 * 24 * time.Hour
	// Widths of what is read between checkpoints. Within a slice events come
	// newest first, so that nothing is complete before its end.
	lookupLeastSlice = time.Hour
	lookupMostSlice  = 24 * time.Hour
	// insightOverlap is lookupOverlap for insights, which come within half an hour
	// of what they are about, and insightSlice the width of what is read of those
	// between checkpoints: there are few.
	insightOverlap = time.Hour
	insightSlice   = 30 * 24 * time.Hour
)

// lookup reads management events by CloudTrail's LookupEvents. Data events, and
// years, are in the trail's bucket only. Events of global services are found in
// us-east-1.
type lookup struct {
	source
	client      *cloudtrail.Client
	category    types.EventCategory // "" is management events
	overlap     time.Duration
	least, most time.Duration // of a slice
}

func newLookup(o Options) *lookup {
	return &lookup{
		source: newSource(o, SourceCloudTrail, ""), client: cloudtrail.NewFromConfig(o.AWS),
		overlap: lookupOverlap, least: lookupLeastSlice, most: lookupMostSlice,
	}
}

// newInsights reads what CloudTrail Insights found, which a question for
// management events leaves out.
func newInsights(o Options) *lookup {
	return &lookup{
		source: newSource(o, SourceCloudTrail, "insight"), client: cloudtrail.NewFromConfig(o.AWS),
		category: types.EventCategoryInsight, overlap: insightOverlap, least: insightSlice, most: insightSlice,
	}
}

// Collect yields management events, slice by slice from the oldest, and newest
// first within a slice.
func (l *lookup) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read, lost := l.kept(w, l.bounds(w, l.overlap, lookupReach), lookupReach)
		out := &output{s: &l.source, yield: yield, window: read}
		if err := l.collect(ctx, read, lost, out); err != nil {
			out.end(fmt.Errorf("look up CloudTrail events: %w", err))
		}
	}
}

func (l *lookup) collect(ctx context.Context, read, lost fleet.Window, out *output) error {
	if !lost.End.IsZero() {
		if err := out.send(retentionPassed(lost, "LookupEvents goes back 90 days; import the trail's files for more")); err != nil {
			return err
		}
	}
	for s := newSlicer(read, l.least, l.most); s.more(); {
		pages := 0
		err := l.afresh(ctx, func() (err error) {
			pages, err = l.slice(ctx, s.slice(), out)
			return err
		})
		if err != nil {
			return err
		}
		through := s.slice().End
		s.done(pages)
		if s.more() {
			if err := out.send(fleet.Batch{Through: through}); err != nil {
				return err
			}
		}
	}
	return out.finish()
}

// retentionPassed says that AWS keeps nothing of a window any more.
func retentionPassed(w fleet.Window, detail string) fleet.Batch {
	return fleet.Batch{Ledger: []fleet.LedgerEntry{
		{Window: w, Coverage: fleet.Partial, Reason: "retention", Detail: detail},
	}}
}

func (l *lookup) slice(ctx context.Context, w fleet.Window, out *output) (pages int, err error) {
	in := &cloudtrail.LookupEventsInput{StartTime: &w.Start, EndTime: &w.End, EventCategory: l.category}
	var p pager
	for {
		page, err := call(ctx, &l.source, "cloudtrail:LookupEvents", l.client.LookupEvents, in)
		if err != nil {
			return pages, err
		}
		pages++
		b := fleet.Batch{Records: make([]fleet.Record, 0, len(page.Events))}
		for _, e := range page.Events {
			b.Records = append(b.Records, parseTrailEvent([]byte(aws.ToString(e.CloudTrailEvent)), l.origin))
		}
		if len(b.Records) > 0 {
			if err := out.send(b); err != nil {
				return pages, err
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return pages, err
		}
		in.NextToken = page.NextToken
	}
}

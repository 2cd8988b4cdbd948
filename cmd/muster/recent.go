package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"muster/fleet"
)

const (
	// recentSpan is how far back a list on S3 goes that names neither a time nor
	// an id: Athena charges for what it reads, and a lake of a year is terabytes.
	recentSpan = 24 * time.Hour
	// recentIDs is how far back records are looked for by their ids, as the
	// dossier's are.
	recentIDs = 30 * 24 * time.Hour
	// refreshPaid is how often the explorer asks Athena by itself: 60 queries an
	// hour cost at least a third of a cent, and what they read.
	refreshPaid = time.Minute
)

// recentReader asks a store that charges for what it reads about recent times
// only, where a query does not say otherwise.
type recentReader struct {
	fleet.Reader
	now     func() time.Time
	say     io.Writer // told once when a list is cut
	sayOnce sync.Once
}

// thrifty is a reader of the store that reads no more than is asked for, and
// tells say where it lists less than there is.
func (a *app) thrifty(store fleet.Reader, say io.Writer) fleet.Reader {
	if !a.onS3() {
		return store
	}
	return &recentReader{Reader: store, now: time.Now, say: say}
}

func (r *recentReader) Traces(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	return r.Reader.Traces(ctx, r.recent(q))
}

func (r *recentReader) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return r.Reader.Records(ctx, r.recent(q))
}

// recent narrows a query without a beginning. One that ends earlier begins a day
// before its end.
func (r *recentReader) recent(q fleet.Query) fleet.Query {
	if !q.Window.Start.IsZero() {
		return q
	}
	end := q.Window.End
	if now := r.now(); end.IsZero() || end.After(now) {
		end = now
	}
	if len(q.IDs) > 0 || q.Trace != "" || q.Correlation != "" || q.Request != "" {
		q.Window.Start = end.Add(-recentIDs)
		return q
	}
	q.Window.Start = end.Add(-recentSpan)
	r.sayOnce.Do(func() {
		fmt.Fprintf(r.say, "muster: from S3 only the last %g hours are listed, since reading costs: --since looks further back\n", recentSpan.Hours())
	})
	return q
}

package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"muster/fleet"
)

const (
	// maxScenes bounds the resources whose newest change is looked for, and the
	// traces that are opened, for one report: each is a question of its own, and
	// nobody reads more waterfalls than this.
	maxScenes = 100
	// maxIDs bounds the records asked for at once.
	maxIDs = 1000
)

// Evidence reads the records that show findings, by id. What the store no longer
// has is missing.
func Evidence(ctx context.Context, r fleet.Reader, fs []fleet.Finding) (map[string]fleet.Record, error) {
	out := map[string]fleet.Record{}
	var ids []string
	var w fleet.Window
	for i := range fs {
		f := &fs[i]
		if len(f.Evidence) == 0 {
			continue
		}
		ids = append(ids, f.Evidence...)
		if w.Start.IsZero() || f.FirstSeen.Before(w.Start) {
			w.Start = f.FirstSeen
		}
		if end := f.LastSeen.Add(time.Microsecond); end.After(w.End) {
			w.End = end
		}
	}
	for len(ids) > 0 {
		n := min(len(ids), maxIDs)
		for rec, err := range r.Records(ctx, fleet.Query{Window: w, IDs: ids[:n]}) {
			if err != nil {
				return nil, fmt.Errorf("read the evidence of the findings: %w", err)
			}
			out[rec.ID] = rec
		}
		ids = ids[n:]
	}
	return out, nil
}

// LatestChanges reads the newest change of the resources that findings name, by
// the resource: of the first hundred, in the order of the findings.
func LatestChanges(ctx context.Context, r fleet.Reader, fs []fleet.Finding) (map[string]fleet.Record, error) {
	out, asked := map[string]fleet.Record{}, map[string]bool{}
	for i := range fs {
		name := fs[i].Resource
		if !strings.HasPrefix(name, "AWS::") || asked[name] || len(asked) >= maxScenes {
			continue
		}
		asked[name] = true
		q := fleet.Query{Kinds: []fleet.Kind{fleet.KindChange}, Resource: name, Limit: 1}
		for rec, err := range r.Records(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("read the configuration of %s: %w", name, err)
			}
			out[name] = rec
		}
	}
	return out, nil
}

// TracesOf reads the traces that findings name, by id: of the first hundred, in
// the order of the findings.
func TracesOf(ctx context.Context, r fleet.Reader, fs []fleet.Finding) (map[string][]fleet.Record, error) {
	out := map[string][]fleet.Record{}
	for i := range fs {
		f := &fs[i]
		if _, asked := out[f.Trace]; asked || f.Trace == "" || len(out) >= maxScenes {
			continue
		}
		// A trace is over within a day of what it shows.
		w := fleet.Window{Start: f.FirstSeen.Add(-24 * time.Hour), End: f.LastSeen.Add(24 * time.Hour)}
		out[f.Trace] = nil
		for rec, err := range r.Records(ctx, fleet.Query{Window: w, Trace: f.Trace, Lean: true}) {
			if err != nil {
				return nil, fmt.Errorf("read trace %s: %w", f.Trace, err)
			}
			out[f.Trace] = append(out[f.Trace], rec)
		}
	}
	return out, nil
}

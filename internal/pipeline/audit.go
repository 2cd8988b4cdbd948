package pipeline

import (
	"context"
	"fmt"
	"iter"
	"time"

	"muster/audit"
	"muster/fleet"
)

// Audited is what the audit needs of a store.
type Audited interface {
	fleet.Reader
	Checkpoints(ctx context.Context) (map[string]time.Time, error)
	Ledger(ctx context.Context, w fleet.Window) iter.Seq2[fleet.LedgerEntry, error]
	SaveFindings(ctx context.Context, run fleet.Run, fs []fleet.Finding) error
}

// Audit judges a window by the policies and keeps the findings. closed says
// that the sources are drained, so nothing is waited for.
func Audit(ctx context.Context, store Audited, policies []audit.Policy, w fleet.Window, now time.Time, closed bool) (audit.Result, error) {
	marks, err := store.Checkpoints(ctx)
	if err != nil {
		return audit.Result{}, fmt.Errorf("read the checkpoints: %w", err)
	}
	var ledger []fleet.LedgerEntry
	for e, err := range store.Ledger(ctx, awaited(w, policies)) {
		if err != nil {
			return audit.Result{}, fmt.Errorf("read the ledger: %w", err)
		}
		ledger = append(ledger, e)
	}
	r, err := audit.Judge(ctx, policies, audit.Input{
		Reader: store, Window: w, Now: now, Watermarks: Watermarks(marks), Ledger: ledger, Closed: closed,
		RunID: now.UTC().Format("20060102T150405.000000Z"),
	})
	if err != nil {
		return audit.Result{}, fmt.Errorf("audit: %w", err)
	}
	if err := store.SaveFindings(ctx, r.Run, r.Findings); err != nil {
		return audit.Result{}, fmt.Errorf("keep the findings: %w", err)
	}
	return r, nil
}

// awaited is the window whose evidence the policies may wait for.
func awaited(w fleet.Window, policies []audit.Policy) fleet.Window {
	if w.End.IsZero() {
		return w
	}
	var longest time.Duration
	for i := range policies {
		longest = max(longest, policies[i].Wait)
	}
	w.End = w.End.Add(longest)
	return w
}

package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"muster/audit"
	"muster/audit/scene"
	"muster/audit/waiver"
	"muster/fleet"
)

// Audited is what the audit needs of a store.
type Audited interface {
	fleet.Reader
	Checkpoints(ctx context.Context) (map[string]time.Time, error)
	Ledger(ctx context.Context, w fleet.Window) iter.Seq2[fleet.LedgerEntry, error]
	SaveFindings(ctx context.Context, run fleet.Run, fs []fleet.Finding) error
}

// Job is one audit: what is judged, by what, and what is accepted.
type Job struct {
	Policies []audit.Policy
	Window   fleet.Window
	Now      time.Time
	// Closed says that the sources are drained, so nothing is waited for.
	Closed bool
	// Waivers are the only word on what is waived; nil leaves every status as it
	// is, an empty list is a word.
	Waivers []waiver.Waiver
	// Program is the version of this program, which the run is recorded with.
	Program string
	// RunID names the run; "" for one made of the time.
	RunID string
	// Ended tells when the run was over; nil for Now.
	Ended func() time.Time
}

// Outcome is what an audit found, and what of it is waived: by fingerprint who
// waived it, until when and why.
type Outcome struct {
	audit.Result
	Waived map[string]string
	// Ledger is what the run believed about how completely the sources were read.
	Ledger []fleet.LedgerEntry
}

// Audit judges a window by the policies and keeps the findings. closed says
// that the sources are drained, so nothing is waited for.
func Audit(ctx context.Context, store Audited, policies []audit.Policy, w fleet.Window, now time.Time, closed bool) (audit.Result, error) {
	o, err := Job{Policies: policies, Window: w, Now: now, Closed: closed}.Run(ctx, store)
	return o.Result, err
}

// Run judges, applies the waivers, and keeps the findings.
func (j Job) Run(ctx context.Context, store Audited) (Outcome, error) {
	marks, err := store.Checkpoints(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("read the checkpoints: %w", err)
	}
	var o Outcome
	for e, err := range store.Ledger(ctx, awaited(j.Window, j.Policies)) {
		if err != nil {
			return Outcome{}, fmt.Errorf("read the ledger: %w", err)
		}
		o.Ledger = append(o.Ledger, e)
	}
	o.Result, err = audit.Judge(ctx, j.Policies, audit.Input{
		Reader: store, Window: j.Window, Now: j.Now, Watermarks: Watermarks(marks), Ledger: o.Ledger, Closed: j.Closed,
		RunID: cmp.Or(j.RunID, j.Now.UTC().Format("20060102T150405.000000Z")),
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("audit: %w", err)
	}
	if j.Waivers != nil {
		if err := j.waive(ctx, store, &o); err != nil {
			return Outcome{}, err
		}
	}
	o.Run.Program = j.Program
	if j.Ended != nil {
		o.Run.Ended = j.Ended()
	}
	if err := store.SaveFindings(ctx, o.Run, o.Findings); err != nil {
		return Outcome{}, fmt.Errorf("keep the findings: %w", err)
	}
	return o, nil
}

// waive gives the findings the status that the waivers say.
func (j Job) waive(ctx context.Context, store Audited, o *Outcome) error {
	var known []fleet.Finding
	for f, err := range store.Findings(ctx, fleet.Query{}) {
		if err != nil {
			return fmt.Errorf("read the findings so far: %w", err)
		}
		known = append(known, f)
	}
	near := waiver.Concern(j.Waivers, slices.Concat(o.Findings, known))
	evidence, err := Evidence(ctx, store, near)
	if err != nil {
		return err
	}
	var changes map[string]fleet.Record
	if waiver.NeedTags(j.Waivers) {
		if changes, err = LatestChanges(ctx, store, near); err != nil {
			return err
		}
	}
	r := waiver.Apply(waiver.Input{
		Waivers: j.Waivers, Found: o.Findings, Known: known, Now: j.Now,
		Scene: func(f *fleet.Finding) scene.Scene { return scene.Of(f, evidence, changes) },
	})
	o.Findings, o.Waived = r.Findings, r.Waived
	slices.SortStableFunc(o.Findings, func(a, b fleet.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), b.LastSeen.Compare(a.LastSeen))
	})
	o.Run.Findings = 0
	for i := range o.Findings {
		if o.Findings[i].Status != fleet.StatusResolved {
			o.Run.Findings++
		}
	}
	return nil
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

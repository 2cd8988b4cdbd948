package main

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"muster/correlate"
	"muster/fleet"
)

// bandMargin is how far around the window spans are looked for: a call at its
// edge may belong to a span that began before or was written after.
const bandMargin = 15 * time.Minute

// outOfBandFlag lets the command of API calls answer which of them no span
// accounts for. What a role's calls are held to is all that the window shows,
// whatever else is asked for.
func (a *app) outOfBandFlag(cmd *cobra.Command, f *queryFlags) {
	var on bool
	cmd.Flags().BoolVar(&on, "out-of-band", false, "only calls of roles that no span accounts for, and why")
	plain := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !on {
			return plain(cmd, args)
		}
		q, err := f.resolve()
		if err != nil {
			return err
		}
		q.Kinds = []fleet.Kind{fleet.KindAPICall}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
			why, err := bands(ctx, r, q.Window)
			if err != nil {
				return err
			}
			calls, err := outOfBand(ctx, r, q, why)
			if err != nil {
				return err
			}
			return a.printBands(calls, f.json)
		})
	}
}

// bands says of each call in a window that no span accounts for, why.
func bands(ctx context.Context, r fleet.Reader, w fleet.Window) (map[fleet.Ref]correlate.Unaccounted, error) {
	if !w.Start.IsZero() {
		w.Start = w.Start.Add(-bandMargin)
	}
	if !w.End.IsZero() {
		w.End = w.End.Add(bandMargin)
	}
	var all correlate.Bands
	q := fleet.Query{Window: w, Kinds: []fleet.Kind{fleet.KindSpan, fleet.KindLog, fleet.KindAPICall}, Lean: true}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		all.Add(&rec)
	}
	why := map[fleet.Ref]correlate.Unaccounted{}
	for _, u := range all.OutOfBand() {
		why[u.Call] = u
	}
	return why, nil
}

// bandCall is a call with the reason that no span accounts for it.
type bandCall struct {
	record fleet.Record
	why    correlate.Unaccounted
}

// MarshalJSON is the record's object with three more names.
func (c bandCall) MarshalJSON() ([]byte, error) {
	record, err := json.Marshal(&c.record)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(struct {
		Role   string           `json:"role"`
		Reason correlate.Reason `json:"out_of_band"`
		Sure   fleet.Certainty  `json:"out_of_band_sure"`
	}{c.why.Role, c.why.Reason, c.why.Sure})
	if err != nil {
		return nil, err
	}
	return append(append(bytes.TrimSuffix(record, []byte("}")), ','), more[1:]...), nil
}

// outOfBand reads the calls that are asked for, as many as the limit says, the newest.
func outOfBand(ctx context.Context, r fleet.Reader, q fleet.Query, why map[fleet.Ref]correlate.Unaccounted) ([]bandCall, error) {
	limit := q.Limit
	q.Limit = 0
	var calls []bandCall
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		u, is := why[fleet.Ref{ID: rec.ID, Kind: rec.Kind, Time: rec.Time}]
		if !is {
			continue
		}
		calls = append(calls, bandCall{rec, u})
		if limit > 0 && len(calls) > 2*limit { // they come in the order of time
			calls = append(calls[:0], calls[len(calls)-limit:]...)
		}
	}
	if limit > 0 && len(calls) > limit {
		calls = calls[len(calls)-limit:]
	}
	return calls, nil
}

func (a *app) printBands(calls []bandCall, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for _, c := range calls {
			if err := enc.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable([]string{"TIME", "CALL", "PRINCIPAL", "FROM", "USER AGENT", "ERROR", "REASON", "SURE"}, 0)
	for _, c := range calls {
		r := &c.record
		t.add([]string{
			shortTime(r.Time), r.Name, r.Principal, r.Attributes.Get(fleet.AttrSourceIP),
			programOf(r.Attributes.Get(fleet.AttrUserAgent)), r.Error, string(c.why.Reason), string(c.why.Sure),
		})
	}
	return t.print(a.stdout, a.width())
}

// programOf is the first word of a user agent: the program and its version.
func programOf(userAgent string) string {
	name, _, _ := bytes.Cut([]byte(userAgent), []byte(" "))
	return string(name)
}

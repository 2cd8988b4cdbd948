package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"muster/explore"
	"muster/fleet"
)

func (a *app) changesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "changes", Short: "Configuration changes in time order, and what differs from the item before", Args: cobra.NoArgs,
		Long: `Configuration changes in time order, and what differs from the item before of the
same resource. That item is looked for in the 30 days before the first of them. With
--json, diff has each field that differs, with its value before and after.
` + filterHelp,
		Example: `  muster changes --since 1h --service orders
  muster changes --since 7d --json | jq -c '.diff[]'
  muster changes --filter 'annotation.order_id = "4711" AND !ok'`,
	}
	f := a.queryFlags(cmd)
	f.recordFlags(cmd)
	f.filterFlag(cmd, "only of traces that meet this X-Ray filter `expression`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.resolve()
		if err != nil {
			return err
		}
		q.Kinds = []fleet.Kind{fleet.KindChange}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error { return a.changes(ctx, r, q, f.json) })
	}
	return cmd
}

func (a *app) changes(ctx context.Context, r fleet.Reader, q fleet.Query, asJSON bool) error {
	var found []fleet.Record
	for c, err := range r.Records(ctx, q) {
		if err != nil {
			return err
		}
		found = append(found, c)
	}
	what, err := explore.Changes(ctx, r, found)
	if err != nil {
		return err
	}
	if asJSON {
		return list(a, true, differing(found, what), nil, nil)
	}
	return list(a, false, all(found), newTable([]string{"TIME", "CHANGE", "RESOURCE", "WHAT", "REQUEST", "VIA"}, 0, 3),
		func(r *fleet.Record) []string {
			return []string{
				shortTime(r.Time), r.Name, first(r.Resources), what[r.ID].Said, r.Keys.Request, link(r.Keys.RequestLink),
			}
		})
}

func all[T any](of []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range of {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// differing are changes as objects, each with what differs as its last member.
func differing(found []fleet.Record, what map[string]explore.Change) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for i := range found {
			doc, err := withDiff(&found[i], what[found[i].ID].Fields)
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

func withDiff(r *fleet.Record, fields []explore.FieldChange) (json.RawMessage, error) {
	if fields == nil {
		fields = []explore.FieldChange{}
	}
	var doc, diff bytes.Buffer
	for to, v := range map[*bytes.Buffer]any{&doc: r, &diff: fields} {
		e := json.NewEncoder(to)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return nil, fmt.Errorf("spell %s: %w", r.ID, err)
		}
	}
	out := bytes.TrimSuffix(bytes.TrimSpace(doc.Bytes()), []byte("}"))
	out = append(out, `,"diff":`...)
	return append(append(out, bytes.TrimSpace(diff.Bytes())...), '}'), nil
}

package explore

import (
	"context"
	"fmt"
	"time"

	"muster/fleet"
)

const (
	// historyReach is how far before the first of some changes the items before
	// them are looked for, and mostBefore how many of them.
	historyReach = 30 * 24 * time.Hour
	mostBefore   = 10_000
)

// Change is what a change or a verdict comes to, beside the item before.
type Change struct {
	Said   string // in a few words
	Fields []FieldChange
}

// FieldChange is a field of a resource that differs from the item before.
type FieldChange struct {
	Field  string `json:"field"`
	Before string `json:"before"` // "" where it was not there
	After  string `json:"after"`  // "" where it is not there any more
}

// Changes tells for each change what differs from the item before of the same
// resource, by record id. The item before is looked for among the changes and in
// the 30 days before the first of them.
func Changes(ctx context.Context, r fleet.Reader, rs []fleet.Record) (map[string]Change, error) {
	prior, err := priors(ctx, r, rs)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Change, len(rs))
	for i := range rs {
		if rs[i].Kind != fleet.KindChange {
			continue
		}
		before := prior[rs[i].ID]
		diff := diffItems(before, &rs[i])
		c := Change{Said: whatChanged(&rs[i], diff, before), Fields: make([]FieldChange, 0, len(diff))}
		for _, d := range diff {
			c.Fields = append(c.Fields, FieldChange{d.field, d.before, d.after})
		}
		out[rs[i].ID] = c
	}
	return out, nil
}

// priors finds the item before each change of the same resource, by record id.
func priors(ctx context.Context, r fleet.Reader, rs []fleet.Record) (map[string]*fleet.Record, error) {
	known := itemHistory(rs)
	var first time.Time
	resource, several := "", false
	for i := range rs {
		c := &rs[i]
		if c.Kind != fleet.KindChange || known[c.ID] != nil || c.Name == "ResourceDiscovered" || resourceOf(c) == "" {
			continue
		}
		if first.IsZero() || c.Time.Before(first) {
			first = c.Time
		}
		several = several || resource != "" && resource != resourceOf(c)
		resource = resourceOf(c)
	}
	if first.IsZero() {
		return known, nil
	}
	q := fleet.Query{Kinds: []fleet.Kind{fleet.KindChange}, Window: fleet.Window{Start: first.Add(-historyReach), End: first}, Limit: mostBefore}
	if !several {
		q.Resource = resource
	}
	var before []fleet.Record
	for b, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("look for the items before: %w", err)
		}
		if b.Time.Before(first) {
			before = append(before, b)
		}
	}
	return itemHistory(append(before, rs...)), nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"muster/audit"
	"muster/collectors"
	"muster/fleet"
	"muster/stores/lake"
)

// eventsPerFile makes CloudTrail files as AWS delivers them from a busy account.
const eventsPerFile = 2000

// policies judges the events by the shipped policies on API calls, as an audit
// does: records in memory, of which evidence is read where a policy asks for it,
// and records of a lake.
func (b *rulesBench) policies(ctx context.Context) error {
	all, err := audit.Load(audit.Shipped())
	if err != nil {
		return err
	}
	calls := slices.DeleteFunc(all, func(p audit.Policy) bool { return p.On != audit.OnAPICall })
	cel := slices.DeleteFunc(slices.Clone(calls), func(p audit.Policy) bool { return p.Language != audit.CEL })
	rs, err := b.records(ctx)
	if err != nil {
		return err
	}
	memory := &again{records: rs, ids: make([]string, b.events)}
	for i := range memory.ids {
		memory.ids[i] = fmt.Sprintf("%08x", i)
	}
	var stored audit.Source
	if b.lake {
		l, err := b.open(ctx)
		if err != nil {
			return err
		}
		defer l.Close()
		stored = l
	}
	for _, side := range []struct {
		name string
		ps   []audit.Policy
	}{
		{fmt.Sprintf("muster, %d call policies in CEL", len(cel)), cel},
		{fmt.Sprintf("muster, all %d call policies", len(calls)), calls},
	} {
		took, hits, err := judged(ctx, side.ps, memory)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "%-44s %14.0f", side.name, float64(b.events)/took.Seconds())
		if stored == nil {
			fmt.Fprintf(b.out, " %14s %10d\n", "", hits)
			continue
		}
		took, same, err := judged(ctx, side.ps, stored)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, " %14.0f %10d\n", float64(b.events)/took.Seconds(), hits)
		if same != hits {
			return fmt.Errorf("%s: %d occurrences in memory, %d in the lake", side.name, hits, same)
		}
	}
	return nil
}

// judged is the CPU time of an audit, and what it found.
func judged(ctx context.Context, ps []audit.Policy, s audit.Source) (time.Duration, int, error) {
	begun := cpuTime()
	r, err := audit.Judge(ctx, ps, audit.Input{Reader: s, Closed: true})
	took, hits := cpuTime()-begun, 0
	for _, f := range r.Findings {
		hits += f.Count
	}
	return took, hits, err
}

// again gives the same records over and over, each time under another id.
type again struct {
	records []fleet.Record
	ids     []string
}

func (a *again) Records(context.Context, fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		for i, id := range a.ids {
			r := a.records[i%len(a.records)]
			r.ID = id
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (a *again) Findings(context.Context, fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(func(fleet.Finding, error) bool) {}
}

// records are the recorded events as muster reads them.
func (b *rulesBench) records(ctx context.Context) (rs []fleet.Record, err error) {
	folder, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	name := filepath.Join(folder, "recorded.json.gz")
	if err := b.file(name, 0, len(b.recorded)); err != nil {
		return nil, err
	}
	for batch, err := range collectors.ReadFile(ctx, name, collectors.FileOptions{}) {
		if err != nil {
			return nil, err
		}
		rs = append(rs, batch.Records...)
	}
	if len(rs) != len(b.recorded) {
		return nil, fmt.Errorf("of %d events %d were read", len(b.recorded), len(rs))
	}
	return rs, nil
}

// file writes events as a CloudTrail file.
func (b *rulesBench) file(name string, from, to int) error {
	return gzipped(name, func(w io.Writer) error {
		var out bytes.Buffer
		out.WriteString(`{"Records":[`)
		for i := from; i < to; i++ {
			if i > from {
				out.WriteByte(',')
			}
			out.Write(bytes.TrimSpace(b.event(i)))
		}
		out.WriteString("]}\n")
		_, err := out.WriteTo(w)
		return err
	})
}

// open is the lake of the events, which is made at the first time.
func (b *rulesBench) open(ctx context.Context) (*lake.Lake, error) {
	root := filepath.Join(b.folder, fmt.Sprintf("rules-%d", b.events))
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		if err := b.fill(ctx, root); err != nil {
			return nil, fmt.Errorf("make the lake of events: %w", err)
		}
	}
	return lake.Open(ctx, root, lake.Options{ReadOnly: true})
}

func (b *rulesBench) fill(ctx context.Context, root string) (err error) {
	half := root + ".tmp" // renamed when whole
	files := filepath.Join(half, "files")
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(files, 0o755)); err != nil {
		return err
	}
	for first := 0; first < b.events; first += eventsPerFile {
		name := filepath.Join(files, fmt.Sprintf("%06d.json.gz", first/eventsPerFile))
		if err := b.file(name, first, min(first+eventsPerFile, b.events)); err != nil {
			return err
		}
	}
	if _, err := measure(ctx, b.muster, "import", "--store", filepath.Join(half, "lake"), files); err != nil {
		return err
	}
	return errors.Join(os.Rename(filepath.Join(half, "lake"), root), os.RemoveAll(half))
}

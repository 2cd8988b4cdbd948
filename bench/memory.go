package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/internal/metrics"
	"muster/internal/pipeline"
	"muster/stores/lake"
)

const (
	// memoryVerb measures what many records of one day take of memory.
	memoryVerb = "memory"
	// streamVerb makes this program the one that is measured: a process of its own.
	streamVerb = "stream"
	// streamCommit is how many records a commit has, about as many as an import's.
	streamCommit = 50_000
	// streamSpan is what the requests are spread over: nearly a day, so that the
	// records of each kind are of one day, however many they are.
	streamSpan = 23 * time.Hour
	// againParts is which part of the records comes a second time.
	againParts = 20
)

// memoryBench streams records through the resolver into a lake.
type memoryBench struct {
	folder  string
	records int
	seed    uint64
}

func runMemory(ctx context.Context, args []string, out io.Writer) error {
	var b memoryBench
	f := flag.NewFlagSet("bench memory", flag.ContinueOnError)
	f.StringVar(&b.folder, "folder", filepath.Join(".cache", "bench"), "where the lake goes, of 150 bytes a record; it is removed again")
	f.IntVar(&b.records, "records", 2_000_000, "how many; the target is stated for 20,000,000")
	f.Uint64Var(&b.seed, "seed", 1, "of the records")
	if err := f.Parse(args); err != nil {
		return err
	}
	return b.measure(ctx, out)
}

// measure streams all records in one process, counts what is in the lake, and
// streams a part of them again in another one, from which nothing may come.
func (b memoryBench) measure(ctx context.Context, out io.Writer) (err error) {
	root := filepath.Join(b.folder, "memory-lake")
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	traces := max(1, b.records/recordsPerTrace)
	first, took, err := b.stream(ctx, root, 0, traces)
	if err != nil {
		return err
	}
	records := traces * recordsPerTrace
	if first.Stored != records || first.Dropped != 0 {
		return fmt.Errorf("of %d records %d were stored and %d known", records, first.Stored, first.Dropped)
	}
	fmt.Fprintf(out, "%d records of one day through resolver and lake, in %d commits\n", records, first.Commits)
	b.print(out, records, took)
	if err := counted(ctx, root, records); err != nil {
		return err
	}
	half := traces / 2
	again, took, err := b.stream(ctx, root, half, max(1, half/againParts))
	if err != nil {
		return err
	}
	if again.Stored != 0 || again.Dropped != again.Read {
		return fmt.Errorf("of %d records that are there already %d were stored and %d known", again.Read, again.Stored, again.Dropped)
	}
	fmt.Fprintf(out, "%d of them again, by a process that reads all ids first: none stored; and the lake has %d records\n", again.Read, records)
	b.print(out, again.Read, took)
	return counted(ctx, root, records)
}

func (memoryBench) print(out io.Writer, records int, c cost) {
	fmt.Fprintf(out, "%-28s %9.0f\n%-28s %9.0f\n%-28s %9.0f\n", "records/s", float64(records)/c.wall.Seconds(),
		"CPU seconds", c.cpu.Seconds(), "peak memory, MB", float64(c.peakBytes)/1e6)
}

// stream streams the records of n requests in a process of its own.
func (b memoryBench) stream(ctx context.Context, root string, first, n int) (pipeline.Totals, cost, error) {
	var t pipeline.Totals
	self, err := os.Executable()
	if err != nil {
		return t, cost{}, err
	}
	c, text, err := output(ctx, self, streamVerb, root, strconv.FormatUint(b.seed, 10), strconv.Itoa(max(1, b.records/recordsPerTrace)), strconv.Itoa(first), strconv.Itoa(n))
	if err != nil {
		return t, c, err
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, c, fmt.Errorf("%w in: %s", err, text)
	}
	return t, c, nil
}

// counted checks how many records a lake has.
func counted(ctx context.Context, root string, want int) (err error) {
	l, err := lake.Open(ctx, root, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	rows, err := l.SQL(ctx, "select count(*)::bigint as n from records")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if n := rows.Values()[0]; n != int64(want) {
			return fmt.Errorf("the lake has %v records, and %d were stored", n, want)
		}
	}
	return rows.Err()
}

// runStream is the process that is measured: args are the lake's folder, the
// seed, the number of all requests, and the first and the number of those to
// stream.
func runStream(ctx context.Context, args []string, out io.Writer) (err error) {
	var numbers [4]int
	for i := range numbers {
		if numbers[i], err = strconv.Atoi(args[1+i]); err != nil {
			return err
		}
	}
	seed, all, first, n := uint64(numbers[0]), numbers[1], numbers[2], numbers[3]
	molds, err := readMolds(ctx, seed)
	if err != nil {
		return err
	}
	l, err := lake.Open(ctx, args[0], lake.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	line := &pipeline.Line{
		Lake: l, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.NewLine(prometheus.NewRegistry()),
	}
	var totals pipeline.Totals
	step := pipeline.Step{}
	for i := range n {
		number := first + i
		at := corpusStart.Truncate(24 * time.Hour).Add(time.Duration(float64(number) / float64(all) * float64(streamSpan)))
		step.Records = molds[number%len(molds)].cast(step.Records, seed, number, at.Truncate(time.Millisecond))
		if len(step.Records) < streamCommit && i < n-1 {
			continue
		}
		t, err := line.Take(ctx, step)
		if err != nil {
			return err
		}
		totals.Read += t.Read
		totals.Stored += t.Stored
		totals.Dropped += t.Dropped
		totals.Amended += t.Amended
		totals.Commits += t.Commits
		clear(step.Records)
		step.Records = step.Records[:0]
	}
	return json.NewEncoder(out).Encode(totals)
}

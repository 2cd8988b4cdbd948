// Package week is the sample fleet in virtual time: the same services, requests,
// faults and incidents, but as evidence only. It writes down what AWS would hand
// out about days of them (segment documents, log events, CloudTrail files,
// Config items) together with the truth, without running a service or waiting.
package week

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"muster/samples/faults"
	"muster/samples/truth"
)

// Options say which days, and how busy.
type Options struct {
	Seed uint64
	// From and Until are cut to whole seconds. Equal options give equal bytes.
	From, Until time.Time
	// Rate is the load: 1 is about nine thousand journeys in seven days.
	Rate float64
}

const (
	// journeysPerMinute is the average of a week at rate 1; with what one journey
	// leaves behind, 90 to 130 records, it makes a week of a million records.
	journeysPerMinute = 0.83
	// chunkSpan and chunkBytes bound a chunk: small enough to hold a few, large
	// enough to be read at once.
	chunkSpan  = time.Hour
	chunkBytes = 4 << 20
)

// Chunk is the evidence that arrived up to a time, in the formats of files that
// AWS delivers. Its slices are the caller's.
type Chunk struct {
	Until    time.Time
	Segments []byte // X-Ray segment documents, one a line
	Trail    []byte // a CloudTrail file
	Items    []byte // a Config history file
	Logs     []byte // log events, one a line
}

// Bytes is the size of the evidence.
func (c *Chunk) Bytes() int { return len(c.Segments) + len(c.Logs) + len(c.Trail) + len(c.Items) }

// Week is one simulation. Its memory does not grow with the number of days, but
// for the labels of what went wrong.
type Week struct {
	o        Options
	random   dice
	truth    *Truth
	agenda   agenda
	run      string // names the run in ids, as the live fleet does
	from, to int64  // microseconds

	tasks      map[string]*task
	order      []*task // as started
	episodes   []*episode
	incidents  []string // that have happened
	ciIdentity string
	ciExpires  int64
	placed     ring
	journeys   int

	stock      stock
	view       readModel
	late       map[string]*task // services that come in the course of the days
	printing   []sent
	lastState  int64            // of Config items
	discovered map[string]int64 // when, of the resources that Config knows
	groups     []*group
	ruled      int64 // since when a rule judges the groups; 0 for not yet

	segments, logs, trail, items []byte
}

// New is a week that writes its truth into t.
func New(o Options, t *Truth) (*Week, error) {
	o.From, o.Until = o.From.UTC().Truncate(time.Second), o.Until.UTC().Truncate(time.Second)
	if !o.Until.After(o.From) {
		return nil, fmt.Errorf("week: it ends at %s, before it begins at %s", o.Until, o.From)
	}
	if o.Rate <= 0 || math.IsInf(o.Rate, 0) || math.IsNaN(o.Rate) {
		return nil, fmt.Errorf("week: rate %g: give one above zero", o.Rate)
	}
	w := &Week{
		o: o, truth: t, random: dice{rand.New(rand.NewPCG(o.Seed, uint64(o.Until.Unix())))},
		from: o.From.UnixMicro(), to: o.Until.UnixMicro(), tasks: make(map[string]*task), late: make(map[string]*task),
	}
	w.run = base36(o.From.UnixMilli())
	w.planEpisodes()
	return w, nil
}

// Chunks runs the simulation to its end. It may be called once. An error is
// ctx's, or one of writing the truth; what came before it stands.
func (w *Week) Chunks(ctx context.Context) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		w.begin()
		next := w.from + chunkSpan.Microseconds()
		for w.agenda.Len() > 0 {
			e := w.agenda.next()
			if e.at >= next || w.pending() >= chunkBytes {
				if err := ctx.Err(); err != nil {
					yield(Chunk{}, err)
					return
				}
				if !yield(w.cut(e.at), w.truth.err) || w.truth.err != nil {
					return
				}
				next = max(next, e.at) + chunkSpan.Microseconds()
			}
			e.run(e.at)
		}
		w.finish()
		yield(w.cut(w.to), w.truth.err)
	}
}

func (w *Week) pending() int {
	return len(w.segments) + len(w.logs) + len(w.trail) + len(w.items)
}

// cut hands out what is gathered.
func (w *Week) cut(at int64) Chunk {
	c := Chunk{Until: clock(at), Segments: w.segments, Logs: w.logs}
	if len(w.trail) > 0 {
		c.Trail = append(append([]byte(`{"Records":[`), w.trail...), "]}\n"...)
	}
	if len(w.items) > 0 {
		c.Items = append(append([]byte(`{"fileVersion":"1.0","configurationItems":[`), w.items...), "]}\n"...)
	}
	room := func(was []byte) []byte { return make([]byte, 0, len(was)+len(was)/8) }
	w.segments, w.logs, w.trail, w.items = room(w.segments), room(w.logs), w.trail[:0], w.items[:0]
	return c
}

// begin fills the agenda: the fleet is rolled out first.
func (w *Week) begin() {
	w.rollOut()
	w.agenda.at(w.from+minute, w.arrive)
	for _, t := range w.order {
		if t.queue != "" {
			w.agenda.at(w.from+w.random.upTo(second), func(at int64) { w.poll(t, at) })
		}
	}
	w.planDeploys()
	w.planNoise()
	w.planIncidents()
}

// Labels are what has happened in the days, by name; of a week that has ended.
func (w *Week) Labels() []truth.Label { return w.truth.small.File().Labels }

// finish writes the labels of what has happened.
func (w *Week) finish() {
	var on []string
	for _, info := range kinds() {
		if w.label(info.Fault) {
			on = append(on, string(info.Fault))
		}
	}
	w.expectMisses()
	slices.Sort(w.incidents)
	w.truth.small.Switched(on, w.incidents)
}

func (w *Week) label(f faults.Fault) (happened bool) {
	for _, e := range w.episodes {
		if e.fault == f && e.times > 0 {
			w.truth.small.Label(e.label)
			happened = true
		}
	}
	return happened
}

const (
	second = int64(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// clock is a virtual time.
func clock(at int64) time.Time { return time.UnixMicro(at).UTC() }

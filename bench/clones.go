package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/fleet"
	"muster/stores/lake"
)

const (
	// patterns is how many traces are imported from files to be multiplied.
	patterns = 500
	// cloneCommit is how many records a commit has, as many as an import's.
	cloneCommit = 100_000
	// cloneSpan is the time that the clones spread over, whatever their number.
	cloneSpan = 24 * time.Hour
	// oneFaulty, oneSlow and oneGold of so many traces have an error, take over
	// slowSpan, and have the annotation tier = gold.
	oneFaulty, oneSlow, oneGold = 100, 100, 20
	slowSpan                    = 2 * time.Second
)

// cloneStart is noon, so that a lake of a day has two days of the table.
var cloneStart = corpusStart.Truncate(24 * time.Hour).Add(-12 * time.Hour)

// writeClones makes a lake of as many spans in a folder, with the log lines and
// API calls that belong to them, or takes the one that is there. Imported traces
// are multiplied with ids of their own and committed in the order of their time,
// which takes a tenth of the time that an import of as many takes: it is a lake
// to read. With only, records of other kinds are left out.
func writeClones(ctx context.Context, folder, muster string, spans int, seed uint64, only fleet.Kind) (string, error) {
	root := filepath.Join(folder, fmt.Sprintf("clones-%d-%d", spans, seed))
	if only != "" {
		root += "-" + string(only)
	}
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	c, err := writeCorpus(folder, patterns*recordsPerTrace, seed)
	if err != nil {
		return "", err
	}
	from, half := root+".patterns", root+".tmp"
	for _, p := range []string{from, half} {
		if err := os.RemoveAll(p); err != nil {
			return "", err
		}
	}
	defer func() { _ = os.RemoveAll(from) }()
	if _, err := measure(ctx, muster, append([]string{"import", "--store", from}, c.list()...)...); err != nil {
		return "", err
	}
	all, err := readPatterns(ctx, from, only)
	if err != nil {
		return "", err
	}
	if err := commitClones(ctx, half, all, max(1, spans/spansPerTrace), seed); err != nil {
		return "", err
	}
	return root, os.Rename(half, root)
}

// commitClones writes n traces.
func commitClones(ctx context.Context, folder string, all []pattern, n int, seed uint64) error {
	l, err := lake.Open(ctx, folder, lake.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	random := rand.New(rand.NewPCG(seed, 1))
	var c fleet.Commit
	for i := range n {
		at := cloneStart.Add(time.Duration(float64(i) / float64(n) * float64(cloneSpan))).Truncate(time.Microsecond)
		c.Records = all[i%len(all)].clone(c.Records, i, at, random)
		if len(c.Records) < cloneCommit && i < n-1 {
			continue
		}
		if c.Base, err = l.Commit(ctx, c); err != nil {
			return err
		}
		c.Records = c.Records[:0]
	}
	return nil
}

// pattern is a trace whose ids can be replaced.
type pattern struct {
	start   time.Time
	records []patternRecord
	tokens  []string // ids; that of the trace, without its time, is the first
}

// patternRecord is a record and where its texts have ids.
type patternRecord struct {
	record     fleet.Record
	places     [][]tokenPlace // in the order of idTexts
	attributes map[string][]tokenPlace
	raw        []tokenPlace
}

// tokenPlace is an id in a text.
type tokenPlace struct{ at, token int }

// idTexts are the texts of a record that are ids.
func idTexts(r *fleet.Record) []*string {
	out := []*string{&r.ID}
	for _, k := range []*fleet.Keys{&r.Seen, &r.Keys} {
		out = append(out, &k.Trace, &k.Span, &k.Parent, &k.Request, &k.Correlation)
	}
	return out
}

// readPatterns are the traces of a lake, oldest first, with their records of one
// kind or of all.
func readPatterns(ctx context.Context, folder string, only fleet.Kind) ([]pattern, error) {
	l, err := lake.Open(ctx, folder, lake.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	byTrace := map[string][]fleet.Record{}
	for r, err := range l.Records(ctx, fleet.Query{}) {
		if err != nil {
			return nil, err
		}
		byTrace[r.Keys.Trace] = append(byTrace[r.Keys.Trace], r)
	}
	out := make([]pattern, 0, len(byTrace))
	for trace, rs := range byTrace {
		if len(rs) != recordsPerTrace {
			return nil, fmt.Errorf("trace %q has %d records", trace, len(rs))
		}
		out = append(out, newPattern(trace, slices.DeleteFunc(rs, func(r fleet.Record) bool { return only != "" && r.Kind != only })))
	}
	slices.SortFunc(out, func(a, b pattern) int { return a.start.Compare(b.start) })
	return out, nil
}

func newPattern(trace string, rs []fleet.Record) pattern {
	p := pattern{tokens: []string{trace[traceTimeDigits:]}}
	for i := range rs {
		r := &rs[i]
		if r.Kind == fleet.KindSpan && (p.start.IsZero() || r.Time.Before(p.start)) {
			p.start = r.Time
		}
		ids := []string{r.Keys.Span, r.Keys.Parent, r.Keys.Request, r.Keys.Correlation}
		if r.Kind != fleet.KindSpan { // whose id is made of the trace's and its own
			ids = append(ids, r.ID)
		}
		for _, id := range ids {
			if id != "" && !slices.Contains(p.tokens, id) {
				p.tokens = append(p.tokens, id)
			}
		}
	}
	for i := range rs {
		r := patternRecord{record: rs[i], attributes: map[string][]tokenPlace{}, raw: p.find(string(rs[i].Raw))}
		for _, s := range idTexts(&rs[i]) {
			r.places = append(r.places, p.find(*s))
		}
		for k, v := range rs[i].Attributes.All() {
			if at := p.find(v); len(at) > 0 {
				r.attributes[k] = at
			}
		}
		p.records = append(p.records, r)
	}
	return p
}

// traceTimeDigits of an X-Ray id are the second in which the trace began.
const traceTimeDigits = 8

// find is where a text has the ids.
func (p *pattern) find(s string) []tokenPlace {
	var out []tokenPlace
	for n, token := range p.tokens {
		for from := 0; ; {
			i := strings.Index(s[from:], token)
			if i < 0 {
				break
			}
			out = append(out, tokenPlace{from + i, n})
			from += i + len(token)
		}
	}
	return out
}

// clone adds a trace of its own that began at a time. Number says what is wrong
// with it.
func (p *pattern) clone(to []fleet.Record, number int, start time.Time, random *rand.Rand) []fleet.Record {
	second := fmt.Sprintf("%08x", start.Unix())
	tokens := make([]string, len(p.tokens))
	for i, t := range p.tokens {
		tokens[i] = digits(len(t), random)
	}
	replace := func(s string, places []tokenPlace) string {
		if len(places) == 0 {
			return s
		}
		b := []byte(s)
		for _, place := range places {
			copy(b[place.at:], tokens[place.token])
			if place.token > 0 {
				continue
			}
			if at := place.at; at > traceTimeDigits && b[at-1] == '-' { // X-Ray's spelling
				copy(b[at-1-traceTimeDigits:], second)
			} else {
				copy(b[at-traceTimeDigits:], second)
			}
		}
		return string(b)
	}
	stretch := 1 + 4*random.Float64()
	if number%oneSlow == 0 {
		stretch = 150 // of 20 ms
	}
	for i := range p.records {
		from := &p.records[i]
		r := from.record
		for n, s := range idTexts(&r) {
			*s = replace(*s, from.places[n])
		}
		r.Raw = []byte(replace(string(r.Raw), from.raw))
		r.Attributes = r.Attributes.Clone()
		for k, places := range from.attributes {
			r.Attributes.Set(k, replace(r.Attributes.Get(k), places))
		}
		r.Time = start.Add(r.Time.Sub(p.start)).Truncate(precision(r.Kind))
		r.Duration = time.Duration(float64(r.Duration) * stretch).Truncate(time.Microsecond)
		if r.Kind == fleet.KindSpan && r.Seen.Parent == "" {
			annotate(&r, number)
		}
		to = append(to, r)
	}
	return to
}

// annotate makes what searches look for of a trace's first segment.
func annotate(r *fleet.Record, number int) {
	r.Attributes.Set(fleet.AttrAnnotationPrefix+"order_id", orderID(number))
	r.Attributes.Set(fleet.AttrAnnotationPrefix+"tier", "standard")
	if number%oneGold == 0 {
		r.Attributes.Set(fleet.AttrAnnotationPrefix+"tier", "gold")
	}
	if number%oneFaulty == oneFaulty/2 {
		r.Error = "fault"
		r.Attributes.Set(fleet.AttrHTTPStatus, "500")
	}
}

// orderID is the annotation that one trace has.
func orderID(number int) string { return fmt.Sprintf("order-%08d", number) }

// precision is what a source cuts times to.
func precision(k fleet.Kind) time.Duration {
	switch k {
	case fleet.KindAPICall:
		return time.Second
	case fleet.KindLog:
		return time.Millisecond
	default:
		return time.Microsecond
	}
}

// digits are so many random hex digits.
func digits(n int, random *rand.Rand) string {
	const hex = "0123456789abcdef"
	b := make([]byte, n)
	var bits uint64
	for i := range b {
		if i%16 == 0 {
			bits = random.Uint64()
		}
		b[i] = hex[bits&15]
		bits >>= 4
	}
	return string(b)
}

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"muster/collectors"
	"muster/fleet"
)

// moldCount is how many requests are read from files. Thousands of records of
// one mold lie between two others in a Parquet file, so that more of them would
// not make it larger.
const moldCount = 64

// A mold is the records of one request as read from files. What is cast from it
// has ids and times of its own, in the evidence too but for the times there.
// Generating and reading millions of documents would take most of a run that
// is about what comes after.
type mold struct {
	start   time.Time
	ids     []moldID
	records []moldRecord
}

// moldID is an id, or the part of one that is random.
type moldID struct {
	text    string
	letters string // that it is made of
}

type moldRecord struct {
	fleet.Record
	texts      [][]spot          // of fields(), in their order
	raw        []spot            // in Raw
	attributes map[string][]spot // of those that have an id
}

// spot is where an id is in a text.
type spot struct{ at, id int }

// readMolds makes molds by way of files.
func readMolds(ctx context.Context, seed uint64) ([]*mold, error) {
	folder, err := os.MkdirTemp("", "muster-bench-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	molds := make([]*mold, moldCount)
	for i := range molds {
		c, err := writeCorpus(folder, recordsPerTrace, seed<<32+uint64(i))
		if err != nil {
			return nil, err
		}
		var rs []fleet.Record
		for _, path := range c.list() {
			some, err := readFolder(ctx, path)
			if err != nil {
				return nil, err
			}
			rs = append(rs, some...)
		}
		molds[i] = newMold(rs)
	}
	return molds, nil
}

func readFolder(ctx context.Context, folder string) ([]fleet.Record, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var rs []fleet.Record
	for _, e := range entries {
		for b, err := range collectors.ReadFile(ctx, folder+"/"+e.Name(), collectors.FileOptions{}) {
			if err != nil {
				return nil, err
			}
			rs = append(rs, b.Records...)
		}
	}
	return rs, nil
}

func newMold(rs []fleet.Record) *mold {
	m := &mold{start: rs[0].Time}
	seen := map[string]bool{}
	add := func(id, letters string) {
		if id != "" && !seen[id] {
			seen[id] = true
			m.ids = append(m.ids, moldID{id, letters})
		}
	}
	const hex = "0123456789abcdef"
	for i := range rs {
		r := &rs[i]
		k := &r.Seen
		if k.Trace != "" {
			add(k.Trace[8:], hex) // the rest is the time
		}
		for _, span := range []string{k.Span, k.Parent} {
			if span != "" {
				add(span[1:], hex) // the first digit tells a segment from a call
			}
		}
		add(k.Request, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
		add(strings.TrimPrefix(k.Correlation, "journey-"), hex)
		if r.Kind != fleet.KindSpan { // a span's has the others in it
			add(r.ID, hex)
		}
	}
	for i := range rs {
		m.records = append(m.records, m.record(&rs[i]))
	}
	return m
}

func (m *mold) record(r *fleet.Record) moldRecord {
	out := moldRecord{Record: *r, raw: m.spots(string(r.Raw)), attributes: map[string][]spot{}}
	for _, text := range fields(r) {
		out.texts = append(out.texts, m.spots(*text))
	}
	for k, v := range r.Attributes.All() {
		if s := m.spots(v); len(s) > 0 {
			out.attributes[k] = s
		}
	}
	return out
}

// fields are the texts of a record that may have ids in them.
func fields(r *fleet.Record) []*string {
	return []*string{
		&r.ID, &r.Message,
		&r.Seen.Trace, &r.Seen.Span, &r.Seen.Parent, &r.Seen.Request, &r.Seen.Correlation,
		&r.Keys.Trace, &r.Keys.Span, &r.Keys.Parent, &r.Keys.Request, &r.Keys.Correlation,
	}
}

func (m *mold) spots(text string) []spot {
	var out []spot
	for id := range m.ids {
		for from := 0; ; {
			at := strings.Index(text[from:], m.ids[id].text)
			if at < 0 {
				break
			}
			out = append(out, spot{from + at, id})
			from += at + len(m.ids[id].text)
		}
	}
	return out
}

// cast appends the records of a request at a time; the same seed and number
// give the same ids.
func (m *mold) cast(out []fleet.Record, seed uint64, number int, at time.Time) []fleet.Record {
	random := rand.New(rand.NewPCG(seed, uint64(number)))
	ids := make([][]byte, len(m.ids))
	for i, id := range m.ids {
		ids[i] = id.another(random)
	}
	for i := range m.records {
		from := &m.records[i]
		r := from.Record
		r.Time = r.Time.Add(at.Sub(m.start))
		for k, text := range fields(&r) {
			if len(from.texts[k]) > 0 {
				*text = string(patched(*text, from.texts[k], ids))
			}
		}
		r.Raw = patched(string(r.Raw), from.raw, ids)
		if len(from.attributes) > 0 {
			r.Attributes = r.Attributes.Clone()
			for k, spots := range from.attributes {
				r.Attributes.Set(k, string(patched(r.Attributes.Get(k), spots, ids)))
			}
		}
		out = append(out, r)
	}
	return out
}

func (id *moldID) another(random *rand.Rand) []byte {
	b := []byte(id.text)
	for i, c := range b {
		if strings.IndexByte(id.letters, c) >= 0 {
			b[i] = id.letters[random.IntN(len(id.letters))]
		}
	}
	return b
}

func patched(text string, spots []spot, ids [][]byte) []byte {
	b := []byte(text)
	for _, s := range spots {
		copy(b[s.at:], ids[s.id])
	}
	return b
}

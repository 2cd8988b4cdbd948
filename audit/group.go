package audit

import (
	"container/list"
	"time"

	"muster/fleet"
)

// quiet is how long a trace or journey must have been silent to be over. A
// queue may hold a message back for 15 minutes (SQS DelaySeconds).
const quiet = 15 * time.Minute

// maxStory bounds the records of one trace or journey that are held. X-Ray
// stops at 500 KB a trace, a few thousand spans; what is larger is a loop, or a
// correlation id that was never changed.
const maxStory = 10_000

// maxHeldBytes bounds the records held for all stories under way. Beyond it the
// story that was silent longest is judged as it is. It is about 200,000 log
// lines, or a fleet's 15 minutes at 200 records a second.
const maxHeldBytes = 256 << 20

// recordBytes is what a record takes beside its evidence: its struct, its texts
// and its attributes.
const recordBytes = 1 << 10

// group is one trace or journey under way.
type group struct {
	id      string
	records []*fleet.Record // in the order of fleet.Compare
	newest  time.Time       // the latest end of a record
	bytes   int
	cut     bool // not all of it is here
	place   *list.Element
}

// account is that of the first record that has one.
func (g *group) account() string {
	for _, r := range g.records {
		if r.Account != "" {
			return r.Account
		}
	}
	return ""
}

// named are the group's records with those ids, in order.
func (g *group) named(ids []string) []*fleet.Record {
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var out []*fleet.Record
	for _, r := range g.records {
		if wanted[r.ID] {
			out = append(out, r)
		}
	}
	return out
}

// grouper puts records that come in order of time together by a key, and hands
// a group over when nothing came for it for the time of gap. Not concurrent.
type grouper struct {
	gap    time.Duration
	key    func(*fleet.Record) string
	over   func(*group)
	groups map[string]*group
	silent list.List // of *group, the one that was silent longest in front
	held   int       // bytes
}

func newGrouper(gap time.Duration, key func(*fleet.Record) string, over func(*group)) *grouper {
	return &grouper{gap: gap, key: key, over: over, groups: map[string]*group{}}
}

// add takes the next record. One without a key belongs to no group, yet it
// still tells how far the time has come.
func (g *grouper) add(r *fleet.Record) {
	g.close(func(f *group) bool {
		over := r.Time.Sub(f.newest) > g.gap
		f.cut = f.cut || !over && g.held > maxHeldBytes
		return over || f.cut && g.held > maxHeldBytes
	})
	id := g.key(r)
	if id == "" {
		return
	}
	f := g.groups[id]
	if f == nil {
		f = &group{id: id}
		f.place = g.silent.PushBack(f)
		g.groups[id] = f
	} else {
		g.silent.MoveToBack(f.place)
	}
	f.newest = later(f.newest, r.End())
	if len(f.records) >= maxStory {
		f.cut = true
		return
	}
	f.records = append(f.records, r)
	n := recordBytes + len(r.Raw)
	f.bytes += n
	g.held += n
}

// close hands over groups from the front while they are over.
func (g *grouper) close(over func(*group) bool) {
	for e := g.silent.Front(); e != nil; e = g.silent.Front() {
		f, ok := e.Value.(*group)
		if !ok || !over(f) {
			return
		}
		g.silent.Remove(e)
		delete(g.groups, f.id)
		g.held -= f.bytes
		g.over(f)
	}
}

func (g *grouper) closeAll() { g.close(func(*group) bool { return true }) }

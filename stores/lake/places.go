package lake

import (
	"encoding/binary"
	"math"
)

// places maps ids to places: a hash table of 32 bytes an entry without
// pointers, which the garbage collector passes over, in parts that grow each by
// itself, so that growing never takes twice the memory of all. The zero value
// is empty.
type places struct {
	parts [placeParts]placePart
	// far are the places that an entry has no room for: of files with thousands
	// of millions of rows, and of as many commits.
	far   map[idHash]place
	count int
}

const placeParts = 64

type placePart struct {
	entries []placeEntry // a power of two
	count   int
}

type placeEntry struct {
	id        idHash
	state     int32
	revision  int32
	number    uint32
	amendment uint32
}

// The states of an entry.
const (
	emptyEntry = iota
	usedEntry
	farEntry // its place is in far
)

func (p *places) len() int { return p.count }

func (p *places) part(id idHash) *placePart { return &p.parts[id[15]%placeParts] }

// find is the entry of an id, or the empty one where it belongs; nil in an
// empty part.
func (p *placePart) find(id idHash) *placeEntry {
	if len(p.entries) == 0 {
		return nil
	}
	mask := uint64(len(p.entries) - 1)
	for at := binary.LittleEndian.Uint64(id[:]); ; at++ {
		e := &p.entries[at&mask]
		if e.state == emptyEntry || e.id == id {
			return e
		}
	}
}

func (p *places) get(id idHash) (place, bool) {
	e := p.part(id).find(id)
	switch {
	case e == nil || e.state == emptyEntry:
		return place{}, false
	case e.state == farEntry:
		return p.far[id], true
	}
	return place{revision: e.revision, number: int64(e.number), amendment: int64(e.amendment)}, true
}

func (p *places) set(id idHash, at place) {
	part := p.part(id)
	if (part.count+1)*4 > len(part.entries)*3 {
		part.grow()
	}
	e := part.find(id)
	if e.state == emptyEntry {
		part.count++
		p.count++
	}
	if at.number > math.MaxUint32 || at.amendment > math.MaxUint32 {
		if p.far == nil {
			p.far = map[idHash]place{}
		}
		p.far[id] = at
		*e = placeEntry{id: id, state: farEntry}
		return
	}
	*e = placeEntry{id: id, state: usedEntry, revision: at.revision, number: uint32(at.number), amendment: uint32(at.amendment)}
}

func (p *placePart) grow() {
	const first = 16
	old := p.entries
	p.entries = make([]placeEntry, max(first, 2*len(old)))
	for i := range old {
		if old[i].state != emptyEntry {
			*p.find(old[i].id) = old[i]
		}
	}
}

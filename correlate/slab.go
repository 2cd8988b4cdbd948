package correlate

import "math/bits"

// chunkSize is how many items a slab gets at a time: few enough that a small
// Resolver stays small, enough that the list of chunks does.
const chunkSize = 512

// slab holds items by number, without a pointer from one to the other: the
// garbage collector passes over it, and a reference takes four bytes. 0 is no
// item. What is freed is used again.
type slab[T any] struct {
	chunks []*[chunkSize]T
	next   uint32 // the number to give out when nothing is free
	free   []uint32
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/chunkSize][i%chunkSize] }

// alloc gives the number of a zero item.
func (s *slab[T]) alloc() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if s.next == 0 {
		s.next = 1
	}
	if int(s.next/chunkSize) == len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkSize]T))
	}
	s.next++
	return s.next - 1
}

func (s *slab[T]) release(i uint32) {
	var zero T
	*s.at(i) = zero
	s.free = append(s.free, i)
}

// live is how many items are in use.
func (s *slab[T]) live() int { return int(max(s.next, 1)) - 1 - len(s.free) }

// hashes finds numbers by hash: open addressing, linear probing. A slot takes
// five bytes; between three and seven of eight slots are in use once it is large.
type hashes struct {
	slots []uint32
	tags  []uint8 // 0 for free, 1 for what was removed, else a part of the hash
	live  int
	used  int // live and removed
}

const (
	tagFree    = 0
	tagRemoved = 1
	smallTable = 64
)

func tagOf(hash uint64) uint8 { return uint8(hash>>56) | 2 }

// find returns the number with this hash for which equal holds, 0 for none.
func (t *hashes) find(hash uint64, equal func(uint32) bool) uint32 {
	if len(t.slots) == 0 {
		return 0
	}
	mask := uint64(len(t.slots) - 1)
	tag := tagOf(hash)
	for at := hash & mask; t.tags[at] != tagFree; at = (at + 1) & mask {
		if t.tags[at] == tag && equal(t.slots[at]) {
			return t.slots[at]
		}
	}
	return 0
}

// add takes in a number that is not there. all hands over those that are, and
// may hand over this one, when they must move: in the order of their numbers
// that costs a third of what the order of the slots would.
func (t *hashes) add(hash uint64, i uint32, all func(put func(hash uint64, i uint32))) {
	if t.used+1 > len(t.slots)/8*7 {
		size := len(t.slots)
		switch {
		case size == 0:
			size = smallTable
		case t.live > size/16*7: // else there is room enough once what was removed is gone
			size *= 2
		}
		*t = hashes{slots: make([]uint32, size), tags: make([]uint8, size)}
		all(func(hash uint64, other uint32) {
			if other != i {
				t.put(hash, other)
			}
		})
	}
	t.put(hash, i)
}

func (t *hashes) put(hash uint64, i uint32) {
	mask := uint64(len(t.slots) - 1)
	at := hash & mask
	for t.tags[at] > tagRemoved {
		at = (at + 1) & mask
	}
	if t.tags[at] == tagFree {
		t.used++
	}
	t.slots[at], t.tags[at] = i, tagOf(hash)
	t.live++
}

// remove takes out a number that is there.
func (t *hashes) remove(hash uint64, i uint32) {
	mask := uint64(len(t.slots) - 1)
	tag := tagOf(hash)
	for at := hash & mask; t.tags[at] != tagFree; at = (at + 1) & mask {
		if t.tags[at] != tag || t.slots[at] != i {
			continue
		}
		t.slots[at], t.tags[at] = 0, tagRemoved
		t.live--
		if t.tags[(at+1)&mask] == tagFree { // nothing is sought past it
			for t.tags[at] == tagRemoved {
				t.tags[at] = tagFree
				t.used--
				at = (at - 1) & mask
			}
		}
		return
	}
}

// mix goes on with a hash. The seed is another in every index, so that nobody
// can make evidence whose ids collide.
func mix(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^w^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo ^ h
}

// finish spreads a hash over all its bits.
func finish(h uint64) uint64 {
	hi, lo := bits.Mul64(h^h>>32, 0x9fb21c651e98df25)
	return hi ^ lo
}

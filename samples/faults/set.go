package faults

import (
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
)

// Set is the faults that are on. The zero Set has none.
type Set struct {
	seed uint64
	on   map[Fault]bool
}

// NewSet is a set that hits the same orders for the same seed.
func NewSet(seed uint64, fs []Fault) Set {
	s := Set{seed: seed, on: make(map[Fault]bool, len(fs))}
	for _, f := range fs {
		s.on[f] = true
	}
	return s
}

// On reports whether a fault is on.
func (s Set) On(f Fault) bool { return s.on[f] }

// settled is the number of the first order that chance may hit: the ones
// before it show one fault after the other.
const settled = 12

// Hits reports whether a fault is on and hits an order, which is known by the
// number at the end of its id.
func (s Set) Hits(f Fault, order string) bool {
	if !s.on[f] {
		return false
	}
	info := Of(f)
	n, ok := number(order)
	switch {
	case !ok || info.Every == 0:
		return false
	case n < settled:
		return n == info.First
	}
	return s.chance(f, n)%uint64(info.Every) == 0
}

// HitsAny reports whether a fault hits an order.
func (s Set) HitsAny(order string) bool {
	for f := range s.on {
		if s.Hits(f, order) {
			return true
		}
	}
	return false
}

// chance is a number that depends on seed, fault and order only.
func (s Set) chance(f Fault, n int) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], s.seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	_, _ = h.Write(b[:]) // a hash never fails
	_, _ = h.Write([]byte(f))
	x := h.Sum64()
	// FNV alone leaves the bits of near equal inputs near equal: the finalizer of splitmix64.
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func number(order string) (int, bool) {
	n, err := strconv.Atoi(order[strings.LastIndexByte(order, '-')+1:])
	return n, err == nil
}

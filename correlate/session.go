package correlate

import (
	"cmp"
	"slices"
	"strings"
)

// sessionSteps is how many temporary credentials in a row are followed. AWS
// lets roles be chained without end; nobody was seen to go further, and the
// SQL cannot recurse.
const sessionSteps = 4

// issuer is what is left of a record that handed out an access key. Unlike the
// record it has no neighbours, so it can be remembered for as long as the key
// lives.
type issuer struct {
	timeUS    int64
	id        string
	access    uint32 // the node of the key that the record's own call was made with
	principal uint32
}

func issuerOrder(a, b issuer) int {
	return cmp.Or(cmp.Compare(a.timeUS, b.timeUS), strings.Compare(a.id, b.id))
}

// issue takes note of the key that an entry hands out, if it does. Where that
// changes who is behind the key, the key is dirty.
func (x *index) issue(i uint32, principal string) {
	e := x.entries.at(i)
	if e.more == 0 {
		return
	}
	m := x.extras.at(e.more)
	if m.issued == 0 {
		return
	}
	by := issuer{e.timeUS, string(x.spellID(nil, e)), x.retain(m.access), x.intern(spaceWord, principal)}
	list := x.issuers[m.issued]
	at, _ := slices.BinarySearchFunc(list, by, issuerOrder)
	if len(list) == 0 {
		x.retain(m.issued)
		x.nodes.at(m.issued).flags |= flagIssued
	}
	x.issuers[m.issued] = slices.Insert(list, at, by)
	if at == 0 {
		x.keys = append(x.keys, x.retain(m.issued))
	}
}

// recall undoes issue, for a record that a newer revision replaces.
func (x *index) recall(e *entry) {
	if e.more == 0 {
		return
	}
	key := x.extras.at(e.more).issued
	if key == 0 {
		return
	}
	list := x.issuers[key]
	at, found := slices.BinarySearchFunc(list, issuer{timeUS: e.timeUS, id: string(x.spellID(nil, e))}, issuerOrder)
	if !found {
		return
	}
	x.release(list[at].access)
	x.release(list[at].principal)
	if at == 0 {
		x.keys = append(x.keys, x.retain(key))
	}
	x.setIssuers(key, slices.Delete(list, at, at+1))
}

func (x *index) setIssuers(key uint32, list []issuer) {
	if len(list) > 0 {
		x.issuers[key] = list
		return
	}
	delete(x.issuers, key)
	x.nodes.at(key).flags &^= flagIssued
	x.release(key)
}

// forgetIssuers drops issuers of keys that can live no longer.
func (x *index) forgetIssuers(before int64) {
	for key, list := range x.issuers {
		kept := list[:0]
		for _, by := range list {
			if by.timeUS >= before {
				kept = append(kept, by)
				continue
			}
			x.release(by.access)
			x.release(by.principal)
		}
		if len(kept) < len(list) {
			x.setIssuers(key, kept)
		}
	}
}

// origin is rung 5: who is behind an access key.
func (x *index) origin(key uint32) uint32 {
	origin := uint32(0)
	for range sessionSteps {
		if key == 0 || x.nodes.at(key).flags&flagIssued == 0 {
			break
		}
		first := &x.issuers[key][0]
		origin, key = first.principal, first.access
	}
	return origin
}

// setOrigin gives an entry its origin.
func (x *index) setOrigin(i uint32) {
	e := x.entries.at(i)
	if e.more == 0 {
		return
	}
	m := x.extras.at(e.more)
	if o := x.origin(m.access); o != m.origin {
		x.release(m.origin)
		m.origin = x.retain(o)
	}
}

// traceOrigins sets the origins of all that use a dirty key, or one obtained
// with such a key. before is told the answers that change.
func (x *index) traceOrigins(before func(uint32, answer)) {
	if len(x.keys) == 0 {
		return
	}
	met := map[uint32]bool{}
	for at := 0; at < len(x.keys); at++ {
		key := x.keys[at]
		if met[key] {
			continue
		}
		met[key] = true
		for i := x.nodes.at(key).first; i != 0; {
			m := x.extras.at(x.entries.at(i).more)
			if x.origin(m.access) != m.origin {
				before(i, x.answered(x.entries.at(i)))
				x.setOrigin(i)
			}
			if m.issued != 0 {
				x.keys = append(x.keys, x.retain(m.issued))
			}
			i = m.nextUser
		}
	}
	for _, key := range x.keys {
		x.release(key)
	}
	x.keys = x.keys[:0]
}

package correlate

import (
	"slices"

	"muster/fleet"
)

// node is one key, and what shows it: 32 bytes and its text. What the numbers
// lead to depends on the space.
type node struct {
	text  text
	refs  uint32
	space space
	flags nodeFlags
	via   link // of a trace: how word came to be

	// first is an entry of a trace or a request, something shown of a message, a
	// user of an access key; of a place, its number in index.spots.
	first uint32
	// best is the earliest of those that count: the entry of a trace that shows
	// it itself, the span that lends its trace to a request, the entry that lends
	// its trace to a message.
	best  uint32
	donor uint32 // of a trace: its earliest entry that shows a correlation id
	word  uint32 // of a trace: the node of the correlation id that its entries take
	shows uint32 // of a trace: the first in index.shown of what its entries show
}

// space keeps keys of different kinds apart.
type space uint8

const (
	spaceTrace space = iota
	spaceMessage
	spaceWord // correlation ids and principals
	spaceAccess
	spacePlace
	spaceRequest // and on, one for each scope
)

type nodeFlags uint8

const (
	flagDirty  nodeFlags = 1 << iota // what its entries take may have to become another
	flagMet                          // by the search at work
	flagIssued                       // an access key with issuers
	flagLoose                        // listed in index.loose
)

// internRequest is intern for request ids, which join within their scope only.
func (x *index) internRequest(scope fleet.Scope, id string) uint32 {
	if id == "" {
		return 0
	}
	n := slices.Index(x.scopes, scope)
	if n < 0 {
		n = len(x.scopes)
		x.scopes = append(x.scopes, scope)
	}
	return x.intern(spaceRequest+space(n), id)
}

// intern is the node of a key, once more referred to; 0 for "".
func (x *index) intern(in space, key string) uint32 {
	if key == "" {
		return 0
	}
	x.code.set(key)
	hash := finish(x.code.hash(mix(x.seed, uint64(in))))
	n := x.findNode(in, &x.code, hash)
	if n == 0 {
		n = x.nodes.alloc()
		*x.nodes.at(n) = node{text: x.keep(&x.code), space: in}
		x.nodesBy.add(hash, n, x.hashNodes)
	}
	x.nodes.at(n).refs++
	return n
}

// lookup is the node of a key, 0 where there is none.
func (x *index) lookup(in space, key string) uint32 {
	if key == "" {
		return 0
	}
	x.code.set(key)
	return x.findNode(in, &x.code, finish(x.code.hash(mix(x.seed, uint64(in)))))
}

func (x *index) findNode(in space, c *code, hash uint64) uint32 {
	return x.nodesBy.find(hash, func(i uint32) bool {
		n := x.nodes.at(i)
		return n.space == in && x.is(n.text, c)
	})
}

func (x *index) hashNode(i uint32) uint64 {
	n := x.nodes.at(i)
	var c code
	x.codeOf(n.text, &c)
	return finish(c.hash(mix(x.seed, uint64(n.space))))
}

func (x *index) hashNodes(put func(uint64, uint32)) {
	for i := uint32(1); i < x.nodes.next; i++ {
		if x.nodes.at(i).text != 0 {
			put(x.hashNode(i), i)
		}
	}
}

func (x *index) retain(n uint32) uint32 {
	if n != 0 {
		x.nodes.at(n).refs++
	}
	return n
}

// release takes back one reference. A node without any is dropped by collect,
// so that while an Add is at work no number comes to mean another key.
func (x *index) release(n uint32) {
	if n == 0 {
		return
	}
	at := x.nodes.at(n)
	at.refs--
	if at.refs == 0 && at.flags&flagLoose == 0 {
		at.flags |= flagLoose
		x.loose = append(x.loose, n)
	}
}

// collect drops the nodes that nothing refers to.
func (x *index) collect() {
	for len(x.loose) > 0 {
		i := x.loose[len(x.loose)-1]
		x.loose = x.loose[:len(x.loose)-1]
		n := x.nodes.at(i)
		n.flags &^= flagLoose
		if n.refs > 0 {
			continue
		}
		x.nodesBy.remove(x.hashNode(i), i)
		x.drop(n.text)
		x.release(n.word)
		if n.space == spacePlace && n.first != 0 {
			x.spots.release(n.first)
		}
		x.nodes.release(i)
	}
}

// scope is that of a request's node.
func (x *index) scope(request uint32) fleet.Scope {
	if request == 0 {
		return ""
	}
	return x.scopes[x.nodes.at(request).space-spaceRequest]
}

// spelled is the key of a node. Those of one Add are spelled once.
func (x *index) spelled(n uint32) string {
	if n == 0 {
		return ""
	}
	if s, ok := x.spellings[n]; ok {
		return s
	}
	var b [maxWords * 8]byte
	s := string(x.spell(b[:0], x.nodes.at(n).text))
	x.spellings[n] = s
	return s
}

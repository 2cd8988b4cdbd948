package correlate

import (
	"iter"
	"slices"
	"strings"
	"unique"

	"muster/fleet"
)

// entry is what the ladder reads of one record, and what it answers. What most
// records lack sits behind more, so that a million entries fit in memory.
type entry struct {
	id       string
	timeUS   int64
	due      int64 // the step of ages in which it waits; only in a Resolver
	revision int32
	write    bool // a configuration change that a later item can be traced back to
	held     bool // its answers came of evidence that is not here, and stay; only in a Resolver
	kind     fleet.Kind

	// As seen; "" for none.
	trace, span, parent string
	request             request
	correlation         string
	more                *more

	answer
}

// more holds the keys that few records have.
type more struct {
	messages          []string
	access, issued    string
	principal, origin string
	places            []place // of writes, and of changes that lack a request
}

// request is a request id in its scope, the only thing in which ids join.
type request struct {
	scope fleet.Scope
	id    string
}

// place is a resource of one account and region.
type place struct{ account, region, resource string }

// answer is what rungs 1 to 4 gave an entry. The origin of rung 5 is apart,
// since it travels by access key and not by neighbourhood.
type answer struct {
	ofTrace       string
	ofRequest     request
	ofCorrelation string

	viaTrace, viaRequest, viaCorrelation link
}

// link is fleet.Link in two bytes. The zero link means that there is no key.
type link struct {
	rung     uint8 // 1 + the index in rungs
	inferred bool
}

// rungs is read only; a link names its rung by the place in it.
var rungs = fleet.Rungs()

// linkOf makes links of the names in fleet.
func linkOf(l fleet.Link) link {
	return link{rung: uint8(slices.Index(rungs, l.Via) + 1), inferred: l.Sure == fleet.Inferred}
}

func (l link) fleet() fleet.Link {
	if l.rung == 0 {
		return fleet.Link{}
	}
	out := fleet.Link{Via: rungs[l.rung-1], Sure: fleet.Exact}
	if l.inferred {
		out.Sure = fleet.Inferred
	}
	return out
}

// seen is the link of a key that may be there, shown by the record itself.
func seen(key string) link {
	if key == "" {
		return link{}
	}
	return link{rung: rungSeen}
}

// newEntry reads a record. The entry shares the record's strings.
func newEntry(r *fleet.Record) *entry {
	e := &entry{
		id: r.ID, timeUS: r.TimeUS(), revision: int32(r.Revision), kind: r.Kind,
		trace: r.Seen.Trace, span: r.Seen.Span, parent: r.Seen.Parent,
		request:     request{r.Seen.Scope, r.Seen.Request},
		correlation: r.Seen.Correlation,
	}
	e.write = r.Write() && e.request.id != "" && e.request.scope == fleet.ScopeAWS
	m := more{
		messages: r.Seen.Messages, access: r.Seen.AccessKey, issued: r.Seen.IssuedKey,
	}
	if m.issued != "" {
		m.principal = r.Principal
	}
	if e.write || e.touched() {
		for _, name := range r.CanonicalResources() {
			if p := (place{r.Account, r.Region, name}); !slices.Contains(m.places, p) {
				m.places = append(m.places, p)
			}
		}
	}
	if len(m.messages) > 0 || m.access != "" || m.issued != "" || len(m.places) > 0 {
		e.more = &m
	}
	e.reset()
	return e
}

// touched reports whether an entry is a change whose request nobody wrote down,
// so that rung 1 looks for the write behind it.
func (e *entry) touched() bool {
	return (e.kind == fleet.KindChange || e.kind == fleet.KindVerdict) && e.request.id == ""
}

// borrows reports whether an entry looks for its trace by request id.
func (e *entry) borrows() bool { return e.trace == "" && e.kind != fleet.KindSpan }

// lends reports whether an entry gives its trace to those that share its request id.
func (e *entry) lends() bool {
	return e.trace != "" && e.kind == fleet.KindSpan && e.request.id != ""
}

// reset is rung 0: what the record itself shows.
func (e *entry) reset() {
	e.answer = answer{
		ofTrace: e.trace, ofRequest: e.request, ofCorrelation: e.correlation,
		viaTrace: seen(e.trace), viaRequest: seen(e.request.id), viaCorrelation: seen(e.correlation),
	}
}

// keys are the resolved keys, sharing nothing that could be written to.
func (e *entry) keys() fleet.Keys {
	k := fleet.Keys{
		Trace: e.ofTrace, Span: e.span, Parent: e.parent,
		Request: e.ofRequest.id, Scope: e.ofRequest.scope, Correlation: e.ofCorrelation,
		TraceLink: e.viaTrace.fleet(), RequestLink: e.viaRequest.fleet(), CorrelationLink: e.viaCorrelation.fleet(),
	}
	if m := e.more; m != nil {
		k.Messages = slices.Clone(m.messages)
		k.AccessKey, k.IssuedKey, k.Origin = m.access, m.issued, m.origin
		if m.origin != "" {
			k.OriginLink = link{rung: rungSession}.fleet()
		}
	}
	return k
}

// messages yields the message ids of an entry, each once.
func (e *entry) messages() iter.Seq[string] {
	return func(yield func(string) bool) {
		if e.more == nil {
			return
		}
		for i, m := range e.more.messages {
			if m != "" && !slices.Contains(e.more.messages[:i], m) && !yield(m) {
				return
			}
		}
	}
}

// places yields the resources by which rung 1 joins.
func (e *entry) places() []place {
	if e.more == nil {
		return nil
	}
	return e.more.places
}

// access is the key that a call was made with, "" for none.
func (e *entry) access() string {
	if e.more == nil {
		return ""
	}
	return e.more.access
}

// before orders entries: the earlier first, then the smaller id.
func (e *entry) before(o *entry) bool { return order(e, o) < 0 }

// order is fleet.Compare for entries, and by kind where one id is on records of
// two kinds.
func order(a, b *entry) int {
	switch {
	case a.timeUS < b.timeUS:
		return -1
	case a.timeUS > b.timeUS:
		return 1
	}
	if c := strings.Compare(a.id, b.id); c != 0 {
		return c
	}
	return strings.Compare(string(a.kind), string(b.kind))
}

// identity is what a record is known by: its id among those of its kind and UTC
// day, as in the stores. A revision that says another day is another record.
type identity struct {
	id   string
	kind fleet.Kind
	day  int32
}

// dayUS is a day in microseconds.
const dayUS = 24 * 60 * 60 * 1_000_000

func (e *entry) identity() identity {
	return identity{e.id, e.kind, int32(floorDiv(e.timeUS, dayUS))}
}

func identityOf(r *fleet.Record) identity {
	return identity{r.ID, r.Kind, int32(floorDiv(r.TimeUS(), dayUS))}
}

// earlier is the first of two entries, of which a may be nil.
func earlier(a, b *entry) *entry {
	if a == nil || b.before(a) {
		return b
	}
	return a
}

// own copies what an entry shares with its record, so that keeping the entry
// does not keep the record's documents in memory. Words that many records
// share are kept once.
func (e *entry) own() {
	e.id = strings.Clone(e.id)
	e.kind = share(e.kind)
	e.trace, e.request, e.correlation = share(e.trace), e.request.own(), share(e.correlation)
	if span, ok := strings.CutPrefix(e.id, e.trace+"/"); ok && span == e.span {
		e.span = span // the id of a span ends in it
	} else {
		e.span = strings.Clone(e.span)
	}
	e.parent = strings.Clone(e.parent)
	e.ofTrace, e.ofRequest, e.ofCorrelation = share(e.ofTrace), e.ofRequest.own(), share(e.ofCorrelation)
	m := e.more
	if m == nil {
		return
	}
	m.messages = slices.Clone(m.messages)
	for i := range m.messages {
		m.messages[i] = strings.Clone(m.messages[i])
	}
	m.access, m.issued = share(m.access), share(m.issued)
	m.principal, m.origin = share(m.principal), share(m.origin)
	for i, p := range m.places {
		m.places[i] = place{share(p.account), share(p.region), share(p.resource)}
	}
}

func (r request) own() request { return request{share(r.scope), share(r.id)} }

// share is a copy of a word that is one with the other copies made lately.
func share[S ~string](s S) S {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}

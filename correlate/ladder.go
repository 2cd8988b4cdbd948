// Package correlate joins evidence by the ids that it shows: the ladder. Its
// rungs are fixed and few, so that each join can be shown to a person and told
// in SQL; resolve.sql says the same as Resolve, row for row.
//
//  0. seen: a key that the record itself shows stays.
//  1. touch (inferred): a change takes the request of the latest write to the
//     same resource in the 15 minutes before it.
//  2. request: what shows a request id takes the trace of the earliest span
//     that shows the same id in the same scope.
//  3. message: what shows a message id takes the trace of the earliest record
//     that shows it too; traces that show one message are tied.
//  4. trace: the records of a trace take the correlation id of its earliest
//     record that shows one, else the name that travels along the ties.
//  5. session: a call takes the principal behind its temporary credentials.
//
// Whatever the order of the records, the answers are the same; ties go to the
// earlier record, then to the smaller id. Resolving what is resolved already
// changes nothing, since every run starts from the keys seen.
package correlate

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"muster/fleet"
)

// touchWindow is how long before a change the write that caused it may lie:
// AWS Config captures most changes within minutes and promises about 15.
const touchWindow = 15 * time.Minute

// The rungs as a link spells them.
var (
	rungSeen    = linkOf(fleet.Link{Via: fleet.RungSeen}).rung
	rungTouch   = linkOf(fleet.Link{Via: fleet.RungTouch}).rung
	rungRequest = linkOf(fleet.Link{Via: fleet.RungRequest}).rung
	rungMessage = linkOf(fleet.Link{Via: fleet.RungMessage}).rung
	rungTrace   = linkOf(fleet.Link{Via: fleet.RungTrace}).rung
	rungSession = linkOf(fleet.Link{Via: fleet.RungSession}).rung
)

// Resolve climbs the ladder with all the records there are and writes Keys in
// place. It reads nothing but what was seen: not Keys, not the order. IDs must
// be unique among the records of a kind and UTC day: of several revisions of a
// record, hand in the newest.
func Resolve(rs []fleet.Record) {
	es := make([]*entry, len(rs))
	issuers := issuers{}
	for i := range rs {
		es[i] = newEntry(&rs[i])
		issuers.add(es[i])
	}
	climb(es)
	for i, e := range es {
		issuers.setOrigin(e)
		rs[i].Keys = e.keys()
	}
}

// climb answers rungs 0 to 4 for entries that know all that bears on them.
// It is linear but for the sorting of writes, of which there are few.
func climb(es []*entry) {
	for _, e := range es {
		e.reset()
	}
	touch(es)
	followRequests(es)
	followMessages(es)
	nameTraces(es)
}

// touch is rung 1.
func touch(es []*entry) {
	writes := map[place][]*entry{}
	for _, e := range es {
		if e.touched() {
			for _, p := range e.places() {
				writes[p] = nil
			}
		}
	}
	if len(writes) == 0 {
		return
	}
	for _, e := range es {
		if !e.write {
			continue
		}
		for _, p := range e.places() {
			if _, wanted := writes[p]; wanted {
				writes[p] = append(writes[p], e)
			}
		}
	}
	for _, ws := range writes {
		slices.SortFunc(ws, order)
	}
	for _, e := range es {
		if !e.touched() {
			continue
		}
		if w := cause(e, writes); w != nil {
			e.ofRequest, e.viaRequest = w.request, link{rungTouch, true}
		}
	}
}

// cause is the write behind a change, nil when there is none: the latest in the
// window on any of its resources. The lists of writes are in order.
func cause(e *entry, writes map[place][]*entry) *entry {
	var found *entry
	for _, p := range e.places() {
		w := latest(writes[p], e.timeUS)
		if w == nil || e.timeUS-w.timeUS > touchWindow.Microseconds() {
			continue
		}
		if found == nil || w.timeUS > found.timeUS || w.timeUS == found.timeUS && w.id < found.id {
			found = w
		}
	}
	return found
}

// latest is the entry of an ordered list with the greatest time up to timeUS
// and, among several, the smallest id. It is nil when all are later.
func latest(es []*entry, timeUS int64) *entry {
	end := sort.Search(len(es), func(i int) bool { return es[i].timeUS > timeUS })
	if end == 0 {
		return nil
	}
	first, _ := slices.BinarySearchFunc(es[:end], es[end-1].timeUS, func(e *entry, t int64) int {
		return cmp.Compare(e.timeUS, t)
	})
	return es[first]
}

// followRequests is rung 2.
func followRequests(es []*entry) {
	spans := map[request]*entry{}
	for _, e := range es {
		if e.lends() {
			spans[e.request] = earlier(spans[e.request], e)
		}
	}
	for _, e := range es {
		if !e.borrows() || e.ofRequest.id == "" {
			continue
		}
		if s := spans[e.ofRequest]; s != nil {
			e.ofTrace, e.viaTrace = s.trace, link{rungRequest, e.viaRequest.inferred}
		}
	}
}

// followMessages is the first half of rung 3. Only a trace that was seen is
// lent, so that one run's answers never feed each other.
func followMessages(es []*entry) {
	lenders := map[string]*entry{}
	for _, e := range es {
		if e.trace == "" {
			continue
		}
		for m := range e.messages() {
			lenders[m] = earlier(lenders[m], e)
		}
	}
	if len(lenders) == 0 {
		return
	}
	for _, e := range es {
		if e.ofTrace != "" {
			continue
		}
		var found *entry
		for m := range e.messages() {
			if l := lenders[m]; l != nil {
				found = earlier(found, l)
			}
		}
		if found != nil {
			e.ofTrace, e.viaTrace = found.trace, link{rung: rungMessage}
		}
	}
}

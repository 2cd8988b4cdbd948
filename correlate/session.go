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
	access    string // the key that the record's own call was made with
	principal string
}

// issuers are the records behind each access key, the earliest first.
type issuers map[string][]issuer

func issuerOrder(a, b issuer) int {
	if c := cmp.Compare(a.timeUS, b.timeUS); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

// add takes note of the key that an entry hands out, if it does. It reports
// whether that changed who is behind the key.
func (is issuers) add(e *entry) bool {
	if e.more == nil || e.more.issued == "" {
		return false
	}
	i := issuer{e.timeUS, e.id, e.more.access, e.more.principal}
	list := is[e.more.issued]
	at, _ := slices.BinarySearchFunc(list, i, issuerOrder)
	is[e.more.issued] = slices.Insert(list, at, i)
	return at == 0
}

// remove undoes add, for a record that a newer revision replaces, and reports
// the same.
func (is issuers) remove(e *entry) bool {
	if e.more == nil || e.more.issued == "" {
		return false
	}
	list := is[e.more.issued]
	at, found := slices.BinarySearchFunc(list, issuer{timeUS: e.timeUS, id: e.id}, issuerOrder)
	if !found {
		return false
	}
	if list = slices.Delete(list, at, at+1); len(list) == 0 {
		delete(is, e.more.issued)
	} else {
		is[e.more.issued] = list
	}
	return at == 0
}

// setOrigin is rung 5: it sets the origin of an entry and reports whether that
// changed it.
func (is issuers) setOrigin(e *entry) bool {
	if e.access() == "" {
		return false
	}
	origin, key := "", e.more.access
	for range sessionSteps {
		list := is[key]
		if len(list) == 0 {
			break
		}
		origin, key = list[0].principal, list[0].access
	}
	changed := origin != e.more.origin
	e.more.origin = origin
	return changed
}

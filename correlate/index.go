package correlate

import "slices"

// index finds the neighbours of an entry by what joins them. Every list is in
// order, so that whoever wins a tie is first.
type index struct {
	traces    map[string][]*entry  // by the trace an entry is in, seen or taken
	lenders   map[request][]*entry // spans that lend their trace by request id
	borrowers map[request][]*entry // those that look for a trace by a request id they show, and writes
	messages  map[string][]*entry
	writes    map[place][]*entry
	changes   map[place][]*entry             // those that look for a write
	users     map[string]map[*entry]struct{} // by access key; one key may be on most of the entries
}

func newIndex() index {
	return index{
		traces: map[string][]*entry{}, lenders: map[request][]*entry{}, borrowers: map[request][]*entry{},
		messages: map[string][]*entry{}, writes: map[place][]*entry{}, changes: map[place][]*entry{},
		users: map[string]map[*entry]struct{}{},
	}
}

// enter files an entry under all its keys.
func (x *index) enter(e *entry) {
	if e.ofTrace != "" {
		insert(x.traces, e.ofTrace, e)
	}
	if e.lends() {
		insert(x.lenders, e.request, e)
	}
	if e.request.id != "" && (e.borrows() || e.write) {
		insert(x.borrowers, e.request, e)
	}
	for m := range e.messages() {
		insert(x.messages, m, e)
	}
	for _, p := range e.places() {
		insert(x.placed(e), p, e)
	}
	if key := e.access(); key != "" {
		if x.users[key] == nil {
			x.users[key] = map[*entry]struct{}{}
		}
		x.users[key][e] = struct{}{}
	}
}

// leave undoes enter.
func (x *index) leave(e *entry) {
	remove(x.traces, e.ofTrace, e)
	remove(x.lenders, e.request, e)
	remove(x.borrowers, e.request, e)
	for m := range e.messages() {
		remove(x.messages, m, e)
	}
	for _, p := range e.places() {
		remove(x.placed(e), p, e)
	}
	if key := e.access(); key != "" {
		delete(x.users[key], e)
		if len(x.users[key]) == 0 {
			delete(x.users, key)
		}
	}
}

// move files an entry under the trace it is in now.
func (x *index) move(e *entry, from string) {
	if from == e.ofTrace {
		return
	}
	remove(x.traces, from, e)
	if e.ofTrace != "" {
		insert(x.traces, e.ofTrace, e)
	}
}

func (x *index) placed(e *entry) map[place][]*entry {
	if e.write {
		return x.writes
	}
	return x.changes
}

func insert[K comparable](m map[K][]*entry, key K, e *entry) {
	list := m[key]
	at, _ := slices.BinarySearchFunc(list, e, order)
	m[key] = slices.Insert(list, at, e)
}

// remove takes an entry off a list; it need not be on it.
func remove[K comparable](m map[K][]*entry, key K, e *entry) {
	list := m[key]
	at, found := slices.BinarySearchFunc(list, e, order)
	switch {
	case !found:
	case len(list) == 1:
		delete(m, key)
	case at == 0: // the oldest are forgotten first: leave the rest where it is
		list[0] = nil
		m[key] = list[1:]
	default:
		m[key] = slices.Delete(list, at, at+1)
	}
}

// reach lists all entries that bear on the answers of the given ones or hang on
// them, and on through those: a part of the evidence that can be resolved alone.
// It goes only where a join is made, not wherever a key is shared: a request id
// leads from its earliest span to the borrowers, a write to the changes that it
// is the cause of, and an access key nowhere.
func (x *index) reach(from []*entry) []*entry {
	w := walk{index: x, met: map[*entry]struct{}{}, traces: map[string]struct{}{}}
	w.meet(from...)
	for i := 0; i < len(w.hood); i++ {
		w.neighbours(w.hood[i])
	}
	return w.hood
}

// neighbours lists an entry and those that it is joined to directly.
func (x *index) neighbours(e *entry) []*entry {
	w := walk{index: x, met: map[*entry]struct{}{}, traces: map[string]struct{}{}}
	w.meet(e)
	w.neighbours(e)
	return w.hood
}

// walk is one search through the index.
type walk struct {
	*index
	hood   []*entry
	met    map[*entry]struct{}
	traces map[string]struct{} // those whose entries were all met
}

func (w *walk) meet(es ...*entry) {
	for _, e := range es {
		if _, known := w.met[e]; !known {
			w.met[e] = struct{}{}
			w.hood = append(w.hood, e)
		}
	}
}

func (w *walk) neighbours(e *entry) {
	if _, done := w.traces[e.ofTrace]; !done && e.ofTrace != "" {
		w.traces[e.ofTrace] = struct{}{}
		w.meet(w.index.traces[e.ofTrace]...)
	}
	for m := range e.messages() {
		w.meet(w.messages[m]...)
	}
	if ls := w.lenders[e.request]; len(ls) > 0 && e.request.id != "" {
		switch {
		case ls[0] == e:
			w.meet(w.borrowers[e.request]...)
		case e.borrows() || e.write:
			w.meet(ls[0])
		}
	}
	switch {
	case e.write:
		w.meetEffects(e)
	case e.touched():
		if c := cause(e, w.writes); c != nil {
			w.meet(c)
		}
	}
}

// meetEffects meets the changes whose cause is a write.
func (w *walk) meetEffects(e *entry) {
	until := e.timeUS + touchWindow.Microseconds()
	for _, p := range e.places() {
		changes := w.changes[p]
		at, _ := slices.BinarySearchFunc(changes, e.timeUS, func(c *entry, t int64) int {
			if c.timeUS < t {
				return -1
			}
			return 1 // so that the first of equal times is found
		})
		for _, c := range changes[at:] {
			if c.timeUS > until {
				break
			}
			if cause(c, w.writes) == e {
				w.meet(c)
			}
		}
	}
}

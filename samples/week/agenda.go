package week

import "container/heap"

// event is something that happens at a virtual time, in microseconds.
type event struct {
	at     int64
	number int // orders events of one time by when they were planned
	run    func(at int64)
}

// agenda is what is going to happen, the earliest first.
type agenda struct {
	events  []event
	planned int
}

func (a *agenda) at(at int64, run func(at int64)) {
	a.planned++
	heap.Push(a, event{at, a.planned, run})
}

func (a *agenda) next() event { return heap.Pop(a).(event) }

// Len, Less, Swap, Push and Pop are heap.Interface.
func (a *agenda) Len() int { return len(a.events) }

// Less orders by time.
func (a *agenda) Less(i, j int) bool {
	x, y := &a.events[i], &a.events[j]
	return x.at < y.at || x.at == y.at && x.number < y.number
}

// Swap swaps.
func (a *agenda) Swap(i, j int) { a.events[i], a.events[j] = a.events[j], a.events[i] }

// Push adds at the end.
func (a *agenda) Push(e any) { a.events = append(a.events, e.(event)) }

// Pop removes the last.
func (a *agenda) Pop() any {
	last := len(a.events) - 1
	e := a.events[last]
	a.events[last] = event{}
	a.events = a.events[:last]
	return e
}

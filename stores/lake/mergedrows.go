package lake

import (
	"container/heap"
	"errors"
)

// mergedRows merges sources, which it closes.
type mergedRows struct{ sources []mergeSource }

type mergeSource struct {
	rowSource
	head *row
}

func mergeRows(sources []rowSource) (*mergedRows, error) {
	m := &mergedRows{}
	for _, s := range sources {
		head, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case head == nil:
			if err := s.close(); err != nil {
				return nil, err
			}
		default:
			m.sources = append(m.sources, mergeSource{s, head})
		}
	}
	heap.Init(m)
	return m, nil
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *mergedRows) Len() int { return len(m.sources) }

// Less implements heap.Interface.
func (m *mergedRows) Less(i, j int) bool {
	return compareRows(m.sources[i].head, m.sources[j].head) < 0
}

// Swap implements heap.Interface.
func (m *mergedRows) Swap(i, j int) { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }

// Push implements heap.Interface.
func (m *mergedRows) Push(any) {} // sources only go

// Pop implements heap.Interface.
func (m *mergedRows) Pop() any {
	last := m.sources[len(m.sources)-1]
	m.sources = m.sources[:len(m.sources)-1]
	return last
}

// peek is the row that comes next; nil at the end.
func (m *mergedRows) peek() *row {
	if len(m.sources) == 0 {
		return nil
	}
	return m.sources[0].head
}

// advance goes on behind the row that peek returned.
func (m *mergedRows) advance() error {
	head, err := m.sources[0].next()
	if err != nil {
		return err
	}
	if head == nil {
		s := m.sources[0]
		heap.Pop(m)
		return s.close()
	}
	m.sources[0].head = head
	heap.Fix(m, 0)
	return nil
}

func (m *mergedRows) close() error {
	var errs []error
	for _, s := range m.sources {
		errs = append(errs, s.close())
	}
	m.sources = nil
	return errors.Join(errs...)
}

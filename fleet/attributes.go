package fleet

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// Attribute is a name and what a record says under it.
type Attribute struct{ Name, Value string }

// Attributes are what a record says beside its fields: sorted by name, byte by
// byte, each name once. Records have some ten to forty of them, of which lists are
// made, searched and written in less time than maps. The zero value, nil, has none
// and is ready for use. Whoever makes a list by other means than these methods
// keeps it sorted.
//
// Reading is safe for any number of goroutines, writing is not. A copy of the
// slice shares what it holds: Clone before a Set or Delete that the other must
// not see.
type Attributes []Attribute

// AttributesOf are attributes by names and values in turn, in any order. Of a
// name given twice the last value counts, as in a map. It panics on a name
// without a value.
func AttributesOf(namesAndValues ...string) Attributes {
	if len(namesAndValues)%2 != 0 {
		panic("fleet.AttributesOf: a name without a value")
	}
	a := make(Attributes, 0, len(namesAndValues)/2)
	for pair := range slices.Chunk(namesAndValues, 2) {
		a.Set(pair[0], pair[1])
	}
	return a.orNone()
}

// AttributesFrom are the attributes in a map.
func AttributesFrom(m map[string]string) Attributes {
	a := make(Attributes, 0, len(m))
	for name, value := range m {
		a = append(a, Attribute{name, value})
	}
	slices.SortFunc(a, func(x, y Attribute) int { return strings.Compare(x.Name, y.Name) })
	return a.orNone()
}

// Map is a new map with the attributes, never nil.
func (a Attributes) Map() map[string]string {
	m := make(map[string]string, len(a))
	for _, x := range a {
		m[x.Name] = x.Value
	}
	return m
}

// Get is the value under a name, "" when there is none. Like Lookup and Has it
// looks through short lists and searches long ones, in O(log n).
func (a Attributes) Get(name string) string {
	value, _ := a.Lookup(name)
	return value
}

// Lookup is Get, and says whether there is a value.
func (a Attributes) Lookup(name string) (value string, ok bool) {
	at, ok := a.find(name)
	if !ok {
		return "", false
	}
	return a[at].Value, true
}

// Has reports whether there is a value, perhaps an empty one, under a name.
func (a Attributes) Has(name string) bool {
	_, ok := a.find(name)
	return ok
}

// Set puts a value under a name, in place of one that is there. Names that come
// in order are appended, in O(1); others move those behind them, in O(n), so that
// a list of thousands is better made by AttributesFrom.
func (a *Attributes) Set(name, value string) {
	if n := len(*a); n == 0 || (*a)[n-1].Name < name {
		*a = append(*a, Attribute{name, value})
		return
	}
	at, ok := a.search(name)
	if ok {
		(*a)[at].Value = value
		return
	}
	*a = slices.Insert(*a, at, Attribute{name, value})
}

// Delete removes the value under a name, if there is one, in O(n).
func (a *Attributes) Delete(name string) {
	if at, ok := a.find(name); ok {
		*a = slices.Delete(*a, at, at+1)
	}
}

// All are the names and values, sorted by name. The list must not be changed
// meanwhile.
func (a Attributes) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, x := range a {
			if !yield(x.Name, x.Value) {
				return
			}
		}
	}
}

// Clone is a copy that shares nothing, in one allocation of just its size; nil
// when there are none.
func (a Attributes) Clone() Attributes {
	if len(a) == 0 {
		return nil
	}
	out := make(Attributes, len(a))
	copy(out, a)
	return out
}

// orNone is the list, nil when it is empty.
func (a Attributes) orNone() Attributes {
	if len(a) == 0 {
		return nil
	}
	return a
}

// fewAttributes are looked through faster than searched: unequal names mostly
// differ in length, which takes no look at their text.
const fewAttributes = 24

// find is where a name is.
func (a Attributes) find(name string) (at int, ok bool) {
	if len(a) > fewAttributes {
		return a.search(name)
	}
	for i := range a {
		if a[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// search is where a name is, or where it belongs.
func (a Attributes) search(name string) (at int, ok bool) {
	low, high := 0, len(a)
	for low < high {
		middle := int(uint(low+high) / 2)
		switch c := strings.Compare(a[middle].Name, name); {
		case c == 0:
			return middle, true
		case c < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

// MarshalJSON spells the attributes as encoding/json spells a map: an object with
// its names in order; null for nil.
func (a Attributes) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("null"), nil
	}
	var out bytes.Buffer
	text := json.NewEncoder(&out)
	text.SetEscapeHTML(false) // which is for whoever calls: encoding/json escapes what it is given
	out.WriteByte('{')
	for i, x := range a {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := text.Encode(x.Name); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		if err := text.Encode(x.Value); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads an object of texts, or null, which leaves none. Of a name
// that is there twice the last value counts.
func (a *Attributes) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	*a = AttributesFrom(m)
	return nil
}

package lake

import (
	"bytes"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// sieve is a condition on one record that every trace has to meet that is looked
// for, perhaps beside others.
type sieve struct {
	kinds  []fleet.Kind // nil means all
	column []string     // its path
	has    func(v parquet.Value) bool
	// within reports whether a value between two others may meet it; nil means
	// that none can be ruled out.
	within func(low, high parquet.Value) bool
	// text is what a value is equal to, if it is not only told by has.
	text string
	// files are those that may have a value, by their names; nil means all.
	files map[string]bool
	// times are those that the record may be of.
	times usRange
}

// newSieve is the sieve of a query; false when it has none.
func newSieve(q *fleet.Query) (sieve, bool) {
	if q.Text != "" || q.Principal != "" || q.Resource != "" {
		return sieve{}, false // which meets does not judge
	}
	if s, ok := filterSieve(q.Filter); ok {
		s.times = newUSRange(fleet.Window{}) // a filter judges whole traces
		return s, true
	}
	return sieve{
		kinds: q.Kinds, column: []string{"error"}, has: func(v parquet.Value) bool { return len(v.ByteArray()) > 0 },
		times: newUSRange(q.Window),
	}, q.Errors
}

// filterSieve is what a filter asks of a span, if one of its parts that has to
// hold asks for the length of one or for a text as an annotation.
func filterSieve(f fleet.Filter) (sieve, bool) {
	spans := []fleet.Kind{fleet.KindSpan}
	switch f := f.(type) {
	case fleet.FilterAll:
		for _, part := range f {
			if s, ok := filterSieve(part); ok {
				return s, true
			}
		}
	case fleet.FilterService:
		return filterSieve(f.Where)
	case fleet.FilterTest:
		text, _ := f.Value.(string)
		switch {
		case f.Keyword == fleet.KeyResponseTime && f.Op != fleet.OpSet:
			low, high, outside := f.Range()
			return sieve{
				kinds: spans, column: []string{"duration_us"},
				has: func(v parquet.Value) bool { return (low <= v.Int64() && v.Int64() <= high) != outside },
				within: func(least, most parquet.Value) bool {
					return outside || least.Int64() <= high && low <= most.Int64()
				},
			}, true
		case f.Keyword == fleet.KeyAnnotation && f.Op == fleet.OpEqual && text != "":
			return sieve{kinds: spans, column: attributeColumn, text: text, has: func(v parquet.Value) bool {
				return string(v.ByteArray()) == text
			}}, true
		}
	}
	return sieve{}, false
}

// rows are the numbers of the rows of a column chunk that meet the condition.
func (s *sieve) rows(chunk *parquet.FileColumnChunk, repeated bool) ([]int64, error) {
	if v, same := sameValue(chunk, repeated); same && (v.IsNull() || !s.has(v)) {
		return nil, nil
	}
	if low, high, bounded := chunk.Bounds(); s.within != nil && bounded && !s.within(low, high) {
		return nil, nil
	}
	if filter := chunk.BloomFilter(); s.text != "" && filter != nil {
		if may, err := filter.Check(parquet.ByteArrayValue([]byte(s.text))); err != nil || !may {
			return nil, err
		}
	}
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }() // only read
	var out []int64
	for next := int64(0); ; {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if s.inPage(page) {
			out, err = s.values(out, next, page)
		}
		next += page.NumRows()
		parquet.Release(page)
		if err != nil {
			return nil, err
		}
	}
}

// inPage reports whether a page may have a value: of plain texts, those without
// the one that is looked for are passed over whole.
func (s *sieve) inPage(page parquet.Page) bool {
	if s.text == "" || page.Dictionary() != nil {
		return true
	}
	data := page.Data()
	texts, _ := data.ByteArray()
	return bytes.Contains(texts, []byte(s.text))
}

// values adds the numbers of the rows of a page, the first of which is next.
func (s *sieve) values(out []int64, next int64, page parquet.Page) ([]int64, error) {
	var buf [scanValues]parquet.Value
	values := page.Values()
	number := next - 1
	for {
		n, err := values.ReadValues(buf[:])
		for i := range buf[:n] {
			v := &buf[i]
			if v.RepetitionLevel() == 0 {
				number++
			}
			if !v.IsNull() && s.has(*v) && (len(out) == 0 || out[len(out)-1] != number) {
				out = append(out, number)
			}
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

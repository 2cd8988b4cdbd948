package columnfile

// dictionary numbers the values of a column chunk in the order of their coming.
type dictionary struct {
	codes  map[string]int32
	values []string
	seen   []int32 // the page that a value was last on, by its code
	page   int32
	last   int32   // the code of the value before
	after  []int32 // the value that came after a value the last time, by its code
}

// code is the number of a value, and whether it is the first time on this page.
func (d *dictionary) code(s string) (code int32, fresh bool) {
	if len(d.values) == 0 || d.values[d.last] != s {
		d.last = d.next(s)
	}
	fresh = d.seen[d.last] != d.page
	d.seen[d.last] = d.page
	return d.last, fresh
}

// repeated counts the values at the beginning that are the one before, which is on
// this page already.
func (d *dictionary) repeated(values []string) int {
	if len(d.values) == 0 || d.seen[d.last] != d.page {
		return 0
	}
	last := d.values[d.last]
	for i, s := range values {
		if s != last {
			return i
		}
	}
	return len(values)
}

// next is the code of a value that is not the one before. Names of attributes come
// in the same order again and again.
func (d *dictionary) next(s string) int32 {
	if len(d.values) == 0 {
		return d.find(s)
	}
	if code := d.after[d.last]; d.values[code] == s {
		return code
	}
	code := d.find(s)
	d.after[d.last] = code
	return code
}

func (d *dictionary) find(s string) int32 {
	if code, ok := d.codes[s]; ok {
		return code
	}
	if d.codes == nil {
		d.codes = map[string]int32{}
	}
	code := int32(len(d.values))
	d.codes[s] = code
	d.values, d.seen, d.after = append(d.values, s), append(d.seen, d.page-1), append(d.after, code)
	return code
}

// reset empties it.
func (d *dictionary) reset() {
	clear(d.codes)
	clear(d.values)
	d.values, d.seen, d.after, d.page, d.last = d.values[:0], d.seen[:0], d.after[:0], 0, 0
}

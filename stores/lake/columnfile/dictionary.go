package columnfile

// dictionary numbers the values of a column chunk in the order of their coming.
type dictionary struct {
	codes  map[string]int32
	values []string
	seen   []int32 // the page that a value was last on, by its code
	page   int32
	last   int32 // the code of the value before
}

// code is the number of a value, and whether it is the first time on this page.
func (d *dictionary) code(s string) (code int32, fresh bool) {
	if len(d.values) == 0 || d.values[d.last] != s {
		d.last = d.find(s)
	}
	fresh = d.seen[d.last] != d.page
	d.seen[d.last] = d.page
	return d.last, fresh
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
	d.values, d.seen = append(d.values, s), append(d.seen, d.page-1)
	return code
}

// reset empties it.
func (d *dictionary) reset() {
	clear(d.codes)
	clear(d.values)
	d.values, d.seen, d.page, d.last = d.values[:0], d.seen[:0], 0, 0
}

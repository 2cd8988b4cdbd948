package lake

import (
	"cmp"
	"slices"
	"strings"

	"muster/fleet"
)

// draft is a row on its way into a file: a record, which becomes a row when it is
// encoded, or a row that is there already. A row takes a kilobyte, so that those of
// a whole commit would cost more in memory that is new to the process than in
// what they hold.
type draft struct {
	record *fleet.Record // nil for a row
	row    *row
}

func (d draft) id() string {
	if d.record != nil {
		return text(d.record.ID)
	}
	return d.row.ID
}

func (d draft) trace() string {
	if d.record != nil {
		return text(d.record.Keys.Trace)
	}
	return d.row.Trace
}

func (d draft) timeUS() int64 {
	if d.record != nil {
		return d.record.TimeUS()
	}
	return d.row.TimeUS
}

func (d draft) partition() partition {
	if d.record != nil {
		return partition{newDayKey(d.record.Kind, d.record.TimeUS()), false}
	}
	return partition{newDayKey(fleet.Kind(d.row.Kind), d.row.TimeUS), d.row.Amends}
}

// textBytes is about how much text it has, before compression.
func (d draft) textBytes() int {
	if d.record != nil {
		return len(d.record.Raw) + len(d.record.Message)
	}
	return len(d.row.Raw) + len(d.row.Message)
}

// textBytes is about how much text drafts have, in bytes, before compression.
func textBytes(drafts []draft) int {
	n := 0
	for _, d := range drafts {
		n += d.textBytes()
	}
	return n
}

// settle makes a row of a record, that it may be changed.
func (d *draft) settle() *row {
	if d.record != nil {
		r := unliftedRow(d.record)
		*d = draft{row: &r}
	}
	return d.row
}

// partitioned sorts drafts out by the part of the table that they belong to.
func partitioned(drafts []draft) map[partition][]draft {
	parts := map[partition][]draft{}
	var last partition // most belong where the one before does
	var own []draft
	for _, d := range drafts {
		if p := d.partition(); p != last {
			if len(own) > 0 {
				parts[last] = own
			}
			last, own = p, parts[p]
		}
		own = append(own, d)
	}
	if len(own) > 0 {
		parts[last] = own
	}
	return parts
}

// compareRows is the order of rows in a file.
func compareRows(a, b *row) int {
	return compareDrafts(draft{row: a}, draft{row: b})
}

func compareDrafts(a, b draft) int {
	return cmp.Or(strings.Compare(a.trace(), b.trace()), cmp.Compare(a.timeUS(), b.timeUS()), strings.Compare(a.id(), b.id()))
}

// sortDrafts orders drafts as their rows lie in a file.
func sortDrafts(drafts []draft) {
	keys := make([]sortKey, len(drafts))
	for i, d := range drafts {
		keys[i] = newSortKey(d)
	}
	slices.SortFunc(keys, func(a, b sortKey) int {
		switch {
		case !a.whole || !b.whole:
			return compareDrafts(a.draft, b.draft)
		case a.high != b.high:
			return cmp.Compare(a.high, b.high)
		case a.low != b.low:
			return cmp.Compare(a.low, b.low)
		case a.timeUS != b.timeUS:
			return cmp.Compare(a.timeUS, b.timeUS)
		}
		return strings.Compare(a.draft.id(), b.draft.id())
	})
	for i := range keys {
		drafts[i] = keys[i].draft
	}
}

// sortKey has what orders most drafts at hand: the time, and the trace id as a
// number, which is in the order of its digits.
type sortKey struct {
	high, low uint64
	whole     bool // the trace id is 32 lower hexadecimal digits, or none
	timeUS    int64
	draft     draft
}

func newSortKey(d draft) sortKey {
	trace := d.trace()
	k := sortKey{timeUS: d.timeUS(), draft: d, whole: trace == ""}
	const digits = 16 // of a number
	if len(trace) == 2*digits {
		high, ok := hexNumber(trace[:digits])
		low, also := hexNumber(trace[digits:])
		k.high, k.low = high, low
		k.whole = ok && also && high|low != 0 // which is what no id looks like
	}
	return k
}

// hexNumber is the number of lower hexadecimal digits, of 16 at most.
func hexNumber(s string) (n uint64, ok bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// cut splits drafts into the files that they are written to.
func cut(drafts []draft) [][]draft {
	var out [][]draft
	start, size := 0, 0
	for i, d := range drafts {
		n := d.textBytes()
		if i > start && (i-start >= maxFileRows || size+n > maxFileBytes) {
			out = append(out, drafts[start:i])
			start, size = i, 0
		}
		size += n
	}
	return append(out, drafts[start:])
}

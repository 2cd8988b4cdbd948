package lake

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unsafe"
)

const (
	// idParts is how many parts a table has, which grow each by itself, so that
	// growing never takes twice the memory of all.
	idParts = 256
	// fileBits number the files of a kind and day. The other 44 bits of an entry
	// and the 8 that choose its part tell ids apart: among 20 million, one of
	// 200 million ids looks like another that it is not.
	fileBits = 20
	// mostFiles are numbered before a day is read anew, with new numbers: two
	// months of a commit each 5 seconds.
	mostFiles = 1<<fileBits - 1
	fileMask  = 1<<fileBits - 1
)

// idTable says which files may hold an id: all that do, and hardly ever another
// one. It is a hash table of 8 bytes an entry and 10.7 to 13.4 bytes an id
// (three quarters to three fifths of it are filled), without pointers, which
// the garbage collector passes over. What spill has written lies on the disk.
// The zero value is empty.
type idTable struct {
	parts   [idParts]idPart
	entries int // in memory
	size    int // of the parts, in bytes
	runs    []*idRun
}

// idPart holds entries near the place that the share of 1<<64 which they are
// has among them; 0 is none.
type idPart struct {
	entries []uint64
	count   int
}

// idEntry is an id of a file as it is kept, and the part that it belongs to.
func idEntry(h idHash, file int32) (entry uint64, part int) {
	return binary.LittleEndian.Uint64(h[:8])&^fileMask | uint64(file+1), int(h[15])
}

// bytes is the memory that the table takes.
func (t *idTable) bytes() int {
	n := int(unsafe.Sizeof(*t)) + t.size
	for _, r := range t.runs {
		n += r.bytes()
	}
	return n
}

// home is where an entry belongs among n.
func home(entry uint64, n int) int {
	at, _ := bits.Mul64(entry&^fileMask, uint64(n))
	return int(at)
}

// add notes that a file, below mostFiles, holds an id.
func (t *idTable) add(h idHash, file int32) {
	e, n := idEntry(h, file)
	p := &t.parts[n]
	if (p.count+1)*4 > len(p.entries)*3 {
		t.size += 8 * p.grow()
	}
	if p.insert(e) {
		t.entries++
	}
}

func (p *idPart) insert(e uint64) bool {
	for at := home(e, len(p.entries)); ; at++ {
		if at == len(p.entries) {
			at = 0
		}
		switch p.entries[at] {
		case 0:
			p.entries[at] = e
			p.count++
			return true
		case e:
			return false
		}
	}
}

// grow makes room and returns for how many entries. A quarter more each time
// leaves less of it empty than twice as much would; what moves lies in order,
// so that it costs little.
func (p *idPart) grow() int {
	const first = 8
	old := p.entries
	p.entries, p.count = make([]uint64, max(first, len(old)*5/4)), 0
	for _, e := range old {
		if e != 0 {
			p.insert(e)
		}
	}
	return len(p.entries) - len(old)
}

// files appends the files that may hold an id.
func (t *idTable) files(h idHash, out []int32) ([]int32, error) {
	e, n := idEntry(h, 0)
	out = t.parts[n].files(e, out)
	for _, r := range t.runs {
		var err error
		if out, err = r.files(e, n, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *idPart) files(e uint64, out []int32) []int32 {
	if len(p.entries) == 0 {
		return out
	}
	for at := home(e, len(p.entries)); ; at++ {
		if at == len(p.entries) {
			at = 0
		}
		switch o := p.entries[at]; {
		case o == 0:
			return out
		case o>>fileBits == e>>fileBits:
			out = append(out, int32(o&fileMask)-1)
		}
	}
}

// spill moves what is in memory to the disk.
func (t *idTable) spill() error {
	r, err := writeRun(&t.parts)
	if err != nil {
		return err
	}
	t.runs = append(t.runs, r)
	t.parts, t.entries, t.size = [idParts]idPart{}, 0, 0
	return nil
}

func (t *idTable) close() error {
	var errs []error
	for _, r := range t.runs {
		errs = append(errs, r.close())
	}
	t.runs = nil
	return errors.Join(errs...)
}

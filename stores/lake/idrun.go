package lake

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// blockEntries are read at once from a run: two kilobytes, which cost little
// more than one entry. The memory of a run is one entry of so many.
const blockEntries = 256

// idRun is a part of an idTable on the disk: its entries in order, part by part.
// It is a temporary file that nothing but this program reads, since the hashes
// mean nothing outside, and that is gone when the program ends, however it does.
type idRun struct {
	file    *os.File
	removed bool // its name
	// begins is the number of each part's first entry, and blocks the first
	// entry of each of its blocks.
	begins [idParts + 1]int64
	blocks [idParts][]uint64
	buf    [8 * blockEntries]byte
}

// writeRun writes parts to a new run.
func writeRun(parts *[idParts]idPart) (_ *idRun, err error) {
	file, err := os.CreateTemp("", "muster-ids-*")
	if err != nil {
		return nil, fmt.Errorf("keep ids on the disk: %w", err)
	}
	r := &idRun{file: file, removed: os.Remove(file.Name()) == nil} // else close sees to it
	w := bufio.NewWriterSize(file, 1<<16)
	var sorted []uint64
	for n := range parts {
		sorted = sorted[:0]
		for _, e := range parts[n].entries {
			if e != 0 {
				sorted = append(sorted, e)
			}
		}
		slices.Sort(sorted)
		r.begins[n+1] = r.begins[n] + int64(len(sorted))
		for i, e := range sorted {
			if i%blockEntries == 0 {
				r.blocks[n] = append(r.blocks[n], e)
			}
			binary.LittleEndian.PutUint64(r.buf[:8], e)
			if _, err := w.Write(r.buf[:8]); err != nil {
				return nil, errors.Join(fmt.Errorf("keep ids on the disk: %w", err), r.close())
			}
		}
	}
	if err := w.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("keep ids on the disk: %w", err), r.close())
	}
	return r, nil
}

// bytes is the memory that a run takes.
func (r *idRun) bytes() int {
	const empty = 16 << 10 // without blocks
	return empty + int(r.begins[idParts])/blockEntries*8
}

// files appends the files of a part's entries that have the id of e. Not
// concurrent.
func (r *idRun) files(e uint64, part int, out []int32) ([]int32, error) {
	blocks := r.blocks[part]
	from, _ := slices.BinarySearch(blocks, e&^fileMask)
	for at := max(0, from-1); at < len(blocks) && blocks[at]>>fileBits <= e>>fileBits; at++ {
		first := r.begins[part] + int64(at)*blockEntries
		buf := r.buf[:8*min(blockEntries, r.begins[part+1]-first)]
		if _, err := r.file.ReadAt(buf, 8*first); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read ids kept on the disk: %w", err)
		}
		for ; len(buf) > 0; buf = buf[8:] {
			if o := binary.LittleEndian.Uint64(buf); o>>fileBits == e>>fileBits {
				out = append(out, int32(o&fileMask)-1)
			}
		}
	}
	return out, nil
}

func (r *idRun) close() error {
	err := r.file.Close()
	if !r.removed {
		err = errors.Join(err, os.Remove(r.file.Name()))
	}
	return err
}

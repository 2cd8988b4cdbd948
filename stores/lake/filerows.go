package lake

import "fmt"

const (
	// cachedRows bounds the rows that fileRows keeps the places of: 20 to 34 MB.
	cachedRows = 400_000
	// cachedFileRows is the largest file of which all rows are kept.
	cachedFileRows = 100_000
)

// evidenceID is the part of a row that says which record it is, and which of
// its rows.
type evidenceID struct {
	ID        string `parquet:"id"`
	Revision  int32  `parquet:"revision"`
	Amendment int64  `parquet:"amendment"`
}

// fileRows keeps where the records of files lie in them, of the files that were
// read last: a stream that is read again goes over the same ones. The zero value
// is empty.
type fileRows struct {
	files map[string]*places // by identity
	order []string           // that read longest ago first
	rows  int
}

// of finds rows in a file that are not deleted; of the ids, at least the chosen
// ones.
func (c *fileRows) of(f files, file *planned, ids []idHash, chosen []int32) (*places, error) {
	name := file.identity()
	if p := c.files[name]; p != nil {
		return p, nil
	}
	if file.rows <= cachedFileRows {
		p, err := readPlaces(f, file, nil)
		if err == nil {
			c.keep(name, p)
		}
		return p, err
	}
	only := make(map[idHash]bool, len(chosen))
	for _, i := range chosen {
		only[ids[i]] = true
	}
	return readPlaces(f, file, only)
}

// readPlaces reads where the rows of a file lie; only those of some ids unless
// only is nil.
func readPlaces(f files, file *planned, only map[idHash]bool) (*places, error) {
	deleted, err := file.deletedRows(f)
	if err != nil {
		return nil, err
	}
	out := new(places)
	err = readParquet(f, file.name, func(number int64, r *evidenceID) error {
		h := hashID(r.ID)
		if deleted[number] || only != nil && !only[h] {
			return nil
		}
		p := place{revision: r.Revision, amendment: r.Amendment, number: number}
		if old, ok := out.get(h); !ok || p.newer(old) {
			out.set(h, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read live ids: %w", err)
	}
	return out, nil
}

func (c *fileRows) keep(name string, p *places) {
	if c.files == nil {
		c.files = map[string]*places{}
	}
	c.files[name] = p
	c.order = append(c.order, name)
	c.rows += p.len()
	for c.rows > cachedRows {
		c.rows -= c.files[c.order[0]].len()
		delete(c.files, c.order[0])
		c.order = c.order[1:]
	}
}

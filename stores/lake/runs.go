package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// mergeAtOnce is how many files are read side by side. Each takes a few
	// megabytes of pages; of more files some are merged to a temporary one first.
	mergeAtOnce = 32
	// sortBytes of text are sorted in memory when another engine wrote a file
	// that is not in our order. It bounds that memory, of some twice as much.
	sortBytes = 64 << 20
	// maker is who files of muster say that they were created by.
	maker = "muster"
)

// rowSource yields rows in the order of compareRows. The row that next returns
// is good until the next call; nil at the end.
type rowSource interface {
	next() (*row, error)
	close() error
}

// parquetRows reads the live rows of a file as they lie in it.
type parquetRows struct {
	name   string
	file   io.Closer
	maker  string // as the file has it
	reader *parquet.GenericReader[row]
	dead   bitmap
	buf    []row
	at, n  int
	number int64
	end    bool
}

func openRows(open func() (iceio.File, error), name string, dead bitmap) (*parquetRows, error) {
	file, err := open()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	footer, err := openFooter(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, errors.Join(err, file.Close()))
	}
	return &parquetRows{
		name: name, file: file, maker: footer.Metadata().CreatedBy, dead: dead,
		reader: parquet.NewGenericReader[row](footer), buf: make([]row, readRowsAtOnce),
	}, nil
}

// openFooter reads what a file says of itself, but for its filters.
// NewGenericReader alone would panic over a file that is none.
func openFooter(file iceio.File, options ...parquet.FileOption) (opened *parquet.File, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	defer damaged(&err)
	return parquet.OpenFile(file, info.Size(), append(options, parquet.SkipBloomFilters(true))...)
}

func (p *parquetRows) next() (*row, error) {
	for {
		if p.at == p.n {
			if p.end {
				return nil, nil
			}
			if err := p.fill(); err != nil {
				return nil, err
			}
			continue
		}
		r, number := &p.buf[p.at], p.number
		p.at++
		p.number++
		if !p.dead.has(number) {
			return r, nil
		}
	}
}

func (p *parquetRows) fill() error {
	clear(p.buf)
	n, err := readSome(p.reader, p.buf)
	p.at, p.n = 0, n
	if errors.Is(err, io.EOF) {
		p.end = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", p.name, err)
	}
	return nil
}

func (p *parquetRows) close() error { return errors.Join(p.reader.Close(), p.file.Close()) }

// sorted reports whether the file is one of ours, whose rows lie in the order
// of compareRows. Other engines write them as they come.
func (p *parquetRows) sorted() bool { return strings.HasPrefix(p.maker, maker+" ") }

// runs are sorted files, on their way to be merged into one sequence.
type runs struct {
	files  files
	limits limits
	temp   string // folder for runs of our own; "" until there is one
	count  int    // of own runs
	open   []func() (rowSource, error)
}

// add takes in a file of the lake.
func (r *runs) add(ctx context.Context, name string, dead bitmap) error {
	open := func() (*parquetRows, error) {
		return openRows(func() (iceio.File, error) { return r.files.Open(name) }, name, dead)
	}
	rows, err := open()
	if err != nil {
		return err
	}
	if rows.sorted() {
		r.open = append(r.open, func() (rowSource, error) { return open() })
		return rows.close()
	}
	return errors.Join(r.sort(ctx, rows), rows.close())
}

// sort cuts rows that lie in no order into own runs that do.
func (r *runs) sort(ctx context.Context, rows *parquetRows) error {
	var held []draft
	size := 0
	for {
		next, err := rows.next()
		if err != nil {
			return err
		}
		if next != nil {
			own := *next
			held = append(held, draft{row: &own})
			size += len(own.Raw) + len(own.Message)
		}
		if size >= r.limits.sortBytes || len(held) >= maxFileRows || next == nil {
			sortDrafts(held)
			if err := r.spill(ctx, &heldRows{held}); err != nil {
				return err
			}
			held, size = nil, 0
		}
		if next == nil {
			return nil
		}
	}
}

// heldRows are rows in memory.
type heldRows struct{ rows []draft }

func (h *heldRows) next() (*row, error) {
	if len(h.rows) == 0 {
		return nil, nil
	}
	r := h.rows[0].row
	h.rows = h.rows[1:]
	return r, nil
}

func (h *heldRows) close() error { return nil }

// spill writes rows to an own run on this machine's disk.
func (r *runs) spill(ctx context.Context, rows rowSource) (err error) {
	if r.temp == "" {
		if r.temp, err = os.MkdirTemp("", "muster-merge-*"); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("%s/%d.parquet", r.temp, r.count)
	r.count++
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	w := parquet.NewGenericWriter[row](file, parquet.MaxRowsPerRowGroup(rowsPerGroup),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.CreatedBy(maker, "1", ""))
	if err := errors.Join(copyRows(ctx, w, rows), w.Close(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	r.open = append(r.open, func() (rowSource, error) {
		return openRows(func() (iceio.File, error) { return os.Open(name) }, name, nil)
	})
	return nil
}

func copyRows(ctx context.Context, w *parquet.GenericWriter[row], rows rowSource) error {
	one := make([]row, 1)
	for {
		r, err := rows.next()
		if r == nil || err != nil {
			return err
		}
		one[0] = *r
		if _, err := w.Write(one); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// merge is one sequence of all runs. No more than limits.merge are ever open:
// of more the first are merged to an own one until they are few.
func (r *runs) merge(ctx context.Context) (*mergedRows, error) {
	for len(r.open) > r.limits.merge {
		first, err := openAll(r.open[:r.limits.merge])
		if err != nil {
			return nil, err
		}
		r.open = r.open[r.limits.merge:]
		err = r.spill(ctx, &popping{mergedRows: first})
		if err = errors.Join(err, first.close()); err != nil {
			return nil, err
		}
	}
	return openAll(r.open)
}

func openAll(open []func() (rowSource, error)) (*mergedRows, error) {
	sources := make([]rowSource, 0, len(open))
	for _, o := range open {
		s, err := o()
		if err != nil {
			return nil, errors.Join(err, closeAll(sources))
		}
		sources = append(sources, s)
	}
	m, err := mergeRows(sources)
	if err != nil {
		return nil, errors.Join(err, closeAll(sources))
	}
	return m, nil
}

func closeAll(sources []rowSource) error {
	var errs []error
	for _, s := range sources {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// popping is a merge as a source: a row is taken when the next one is asked for.
type popping struct {
	*mergedRows
	taken bool
}

func (p *popping) next() (*row, error) {
	if p.taken {
		p.taken = false
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	r := p.peek()
	p.taken = r != nil
	return r, nil
}

// close removes the own runs.
func (r *runs) close() error {
	if r.temp == "" {
		return nil
	}
	return os.RemoveAll(r.temp)
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"unsafe"

	"muster/fleet"
)

const (
	// importRecords and importBytes (of evidence) bound one commit of an import,
	// and with it the memory that records need (a CloudTrail event is about 2 KB,
	// its record about 5): those of one commit that is being written and one that
	// is being gathered. They make two row groups, which are encoded at once.
	importRecords = 30_000
	importBytes   = 48 << 20
	// firstRecords and firstBytes bound the first commit: nothing is written
	// while it is gathered.
	firstRecords = importRecords / 4
	firstBytes   = importBytes / 4
	// filesAhead is how many files are read before their turn, so that both
	// cores work: one file's records come in while others are joined and
	// written. It took a third off an import on two cores; more readers than this
	// only ran ahead of the commits, held more records, and left a core without
	// work later.
	filesAhead = 3
	// pageBytes is the least that the system maps of memory at a time, or more: then
	// some pages are written to twice.
	pageBytes = 4 << 10
	// growAfter is the share of a commit after which room for all of it is made
	// at once: growing by and by copies the records, of a kilobyte each, five
	// times, while a small import should not pay for a large one.
	growAfter = 10
)

// ReadFile reads the records of one file; it is collectors.ReadFile with its
// options bound. A bad file yields an error that names it and the position, and
// nothing before it. Several files are read at once. The next batch is asked for
// once the records of the one before have been copied.
type ReadFile func(ctx context.Context, path string) iter.Seq2[fleet.Batch, error]

// ImportProgress says how far an import is.
type ImportProgress struct {
	File        string
	Files       int // done
	TotalFiles  int
	Bytes       int64 // of the files done
	TotalBytes  int64
	Totals      Totals
	Unreadable  int // documents kept raw because they could not be understood
	FilesFailed int
}

// Import commits the records of files and of the files in folders. A file that
// cannot be read to its end leaves nothing behind; the others go on, and the
// errors of all are returned together. Importing again changes nothing.
func (l *Line) Import(ctx context.Context, paths []string, read ReadFile, progress func(ImportProgress)) (ImportProgress, error) {
	files, err := expand(paths)
	if err != nil {
		return ImportProgress{}, err
	}
	p := ImportProgress{TotalFiles: len(files)}
	for _, f := range files {
		p.TotalBytes += f.size
	}
	var errs []error
	im := importer{line: l}
	for f, r := range readAhead(ctx, files, read) {
		p.File = f.path
		progress(p)
		if err := im.file(ctx, f, r); err != nil {
			if im.lakeFailed || ctx.Err() != nil {
				_ = im.settle() // of a commit that was told to stop too
				p.Totals = im.totals
				return p, err
			}
			errs = append(errs, err)
			p.FilesFailed++
		}
		p.Files++
		p.Bytes += f.size
		p.Totals, p.Unreadable = im.totals, im.unreadable
	}
	err = errors.Join(im.flush(ctx), im.settle())
	p.Totals = im.totals
	if err != nil {
		return p, err
	}
	progress(p)
	return p, errors.Join(errs...)
}

type importFile struct {
	path string
	size int64
}

// expand lists the files to import, each once: those named, and all in the
// folders named, in the order of their names. Hidden files are passed over in
// folders, not when they are named.
func expand(paths []string) ([]importFile, error) {
	var files []importFile
	seen := map[string]bool{}
	add := func(path string, size int64) {
		if !seen[path] {
			seen[path] = true
			files = append(files, importFile{path, size})
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("import %s: neither a file nor a folder: a large file is read twice, so put what a pipe gives into a file", path)
		}
		if !info.IsDir() {
			add(filepath.Clean(path), info.Size())
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case p != path && d.Name()[0] == '.':
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			case d.Type().IsRegular():
				fi, err := d.Info()
				if err != nil {
					return err
				}
				add(filepath.Clean(p), fi.Size())
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("import folder %s: %w", path, err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("import folder %s: there is no file in it", path)
		}
	}
	return slices.Clip(files), nil
}

// reading is a file that is being read.
type reading struct {
	batches chan fleet.Batch
	copied  chan struct{} // what a batch holds is somewhere else: it may be used again
	err     error         // once batches is closed
}

// readAhead yields files in their order while the next ones are being read. A
// file that is yielded must be read to its end, or the loop be left.
func readAhead(ctx context.Context, files []importFile, read ReadFile) iter.Seq2[importFile, *reading] {
	return func(yield func(importFile, *reading) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		begun := make([]*reading, 0, len(files))
		for i, f := range files {
			for len(begun) < min(i+filesAhead, len(files)) {
				r := &reading{batches: make(chan fleet.Batch), copied: make(chan struct{}, 1)}
				path := files[len(begun)].path
				readers.Go(func() { r.run(ctx, read(ctx, path)) })
				begun = append(begun, r)
			}
			if !yield(f, begun[i]) {
				return
			}
			begun[i] = nil
		}
	}
}

func (r *reading) run(ctx context.Context, batches iter.Seq2[fleet.Batch, error]) {
	defer close(r.batches)
	for b, err := range batches {
		if err != nil {
			r.err = err
			return
		}
		select {
		case r.batches <- b:
		case <-ctx.Done():
			r.err = ctx.Err()
			return
		}
		select {
		case <-r.copied:
		case <-ctx.Done():
			r.err = ctx.Err()
			return
		}
	}
}

// importer gathers the records of files into commits of a good size. While one
// of them is being committed, the next is gathered.
type importer struct {
	line       *Line
	step       Step
	bytes      int            // of evidence in step
	taking     chan taken     // the commit that is under way; nil for none
	spare      []fleet.Record // room for the records of a step
	totals     Totals         // of the commits that are over
	unreadable int
	lakeFailed bool
}

// taken is how a commit ended.
type taken struct {
	totals Totals
	room   []fleet.Record // of its records, which nothing refers to any more
	err    error
}

// file takes the batches of one file.
func (im *importer) file(ctx context.Context, f importFile, r *reading) error {
	stream := "file/" + filepath.Base(f.path)
	for b := range r.batches {
		if len(im.step.Records) > importRecords/growAfter {
			im.step.Records = roomFor(im.step.Records, importRecords+importRecords/growAfter)
		}
		im.step.absorb(part{stream: stream, batch: b})
		im.unreadable += unreadable(&b)
		for i := range b.Records {
			im.bytes += len(b.Records[i].Raw)
		}
		r.copied <- struct{}{}
		if im.enough() {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
	}
	return r.err
}

// roomFor is records with room for n. New memory is written to at once: where the
// garbage collector, looking for pointers, reads a page before that, it is mapped
// twice, and the second time stops the other cores.
func roomFor(records []fleet.Record, n int) []fleet.Record {
	if cap(records) >= n {
		return records
	}
	records = slices.Grow(records, n-len(records))
	const pageRecords = max(1, pageBytes/int(unsafe.Sizeof(fleet.Record{})))
	for rest := records[len(records):cap(records)]; len(rest) > 0; rest = rest[min(pageRecords, len(rest)):] {
		rest[0].Revision = 0
	}
	return records
}

// enough reports whether what is gathered makes a commit.
func (im *importer) enough() bool {
	if im.taking == nil && im.totals.Commits == 0 {
		return len(im.step.Records) >= firstRecords || im.bytes >= firstBytes
	}
	return len(im.step.Records) >= importRecords || im.bytes >= importBytes
}

// unreadable counts the documents of a batch that are kept raw. Each has an
// entry in the ledger, so that a batch without entries has none.
func unreadable(b *fleet.Batch) int {
	n := 0
	if len(b.Ledger) > 0 {
		for i := range b.Records {
			if b.Records[i].Attributes.Get(fleet.AttrUnreadable) != "" {
				n++
			}
		}
	}
	return n
}

// flush begins to commit what is gathered, once the commit before is over. What
// comes of it is the answer of the next flush, or of settle.
func (im *importer) flush(ctx context.Context) error {
	if err := im.settle(); err != nil {
		return err
	}
	step, taking := im.step, make(chan taken, 1)
	im.step, im.bytes, im.spare, im.taking = Step{Records: im.spare}, 0, nil, taking
	go func() {
		t, err := im.line.Take(ctx, step)
		clear(step.Records)
		taking <- taken{t, step.Records[:0], err}
	}()
	return nil
}

// settle waits for the commit that is under way.
func (im *importer) settle() error {
	if im.taking == nil {
		return nil
	}
	done := <-im.taking
	im.taking, im.spare = nil, done.room
	if done.err != nil {
		im.lakeFailed = true
		return done.err
	}
	im.totals.add(done.totals)
	return nil
}

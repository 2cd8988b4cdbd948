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

	"muster/fleet"
)

const (
	// verifyBytes is the size from which a file is read once to its end before
	// any of it is committed. Smaller ones are held in memory as a whole, which
	// has the same effect: a file that breaks off leaves nothing behind.
	verifyBytes = 32 << 20
	// importRecords bounds one commit of an import, and with it the memory that
	// held records need (a CloudTrail event is about 2 KB, its record about 5).
	importRecords = 50_000
)

// ReadFile reads the records of one file; it is collectors.ReadFile with its
// options bound. A bad file ends in an error that names it and the position.
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
	im := importer{line: l, read: read}
	for _, f := range files {
		p.File = f.path
		progress(p)
		if err := im.file(ctx, f); err != nil {
			if im.lakeFailed || ctx.Err() != nil {
				return p, err
			}
			errs = append(errs, err)
			p.FilesFailed++
		}
		p.Files++
		p.Bytes += f.size
		p.Totals, p.Unreadable = im.totals, im.unreadable
	}
	if err := im.flush(ctx); err != nil {
		return p, err
	}
	p.Totals = im.totals
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

// importer gathers the records of small files into commits of a good size.
type importer struct {
	line       *Line
	read       ReadFile
	step       Step
	totals     Totals
	unreadable int
	lakeFailed bool
}

// file takes one file: whole into the step if it is small, else in commits of
// its own after a first reading has shown that it can be read to its end.
func (im *importer) file(ctx context.Context, f importFile) error {
	if f.size >= verifyBytes {
		for _, err := range im.read(ctx, f.path) {
			if err != nil {
				return err
			}
		}
	}
	var held Step
	unreadable := 0
	for b, err := range im.read(ctx, f.path) {
		if err != nil {
			return err
		}
		held.absorb(part{stream: "file/" + filepath.Base(f.path), batch: b})
		for i := range b.Records {
			if b.Records[i].Attributes[fleet.AttrUnreadable] != "" {
				unreadable++
			}
		}
		if f.size >= verifyBytes && len(held.Records) >= importRecords {
			if err := im.take(ctx, held); err != nil {
				return err
			}
			held = Step{}
		}
	}
	im.unreadable += unreadable
	im.step.Records = append(im.step.Records, held.Records...)
	im.step.Ledger = append(im.step.Ledger, held.Ledger...)
	if len(im.step.Records) < importRecords {
		return nil
	}
	return im.flush(ctx)
}

func (im *importer) flush(ctx context.Context) error {
	s := im.step
	im.step = Step{}
	return im.take(ctx, s)
}

func (im *importer) take(ctx context.Context, s Step) error {
	t, err := im.line.Take(ctx, s)
	if err != nil {
		im.lakeFailed = true
		return err
	}
	im.totals.add(t)
	return nil
}

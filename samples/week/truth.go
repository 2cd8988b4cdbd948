package week

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"muster/samples/truth"
)

// Truth writes truth.File without holding it in memory: a week's is a hundred
// megabytes. What grows with the load goes to files of their own at once; Write
// puts all together. Not concurrent.
type Truth struct {
	small    *truth.Recorder // labels, expectations, sessions, changes
	sections map[string]*section
	records  int // that the evidence makes
	err      error
}

// section is one list of the file.
type section struct {
	file  *os.File
	w     *bufio.Writer
	items int
}

// sections are the lists that grow with the load, in the file's order.
var sections = []string{"requests", "traces", "spans", "lines", "calls", "messages"}

// NewTruth begins the truth about the days from from to until, with its files
// in folder. Close removes them.
func NewTruth(folder string, seed uint64, from, until time.Time) (*Truth, error) {
	now := from.UTC().Truncate(time.Second)
	t := &Truth{sections: make(map[string]*section)}
	t.small = truth.NewRecorder(seed, func() time.Time { return now })
	now = until.UTC().Truncate(time.Second) // when the file is made
	for _, name := range sections {
		f, err := os.CreateTemp(folder, "truth-"+name+"-*")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("begin the truth: %w", err), t.Close())
		}
		t.sections[name] = &section{file: f, w: bufio.NewWriterSize(f, 64<<10)}
	}
	return t, nil
}

// Records is how many records the evidence so far makes.
func (t *Truth) Records() int { return t.records }

func (t *Truth) requestAnswered(q truth.Request) { t.add("requests", q) }
func (t *Truth) trace(v truth.Trace)             { t.add("traces", v) }
func (t *Truth) span(v truth.Span)               { t.records++; t.add("spans", v) }
func (t *Truth) line(v truth.Line)               { t.add("lines", v) }
func (t *Truth) call(v truth.Call)               { t.add("calls", v) }
func (t *Truth) message(v truth.Message)         { t.add("messages", v) }

// add writes an item; the first error stops all that follow.
func (t *Truth) add(name string, v any) {
	if t.err != nil {
		return
	}
	s := t.sections[name]
	if s.items > 0 {
		t.err = s.w.WriteByte(',')
	}
	s.items++
	b, err := json.Marshal(v)
	if err == nil {
		_, err = s.w.Write(append(b, '\n'))
	}
	t.err = errors.Join(t.err, err)
}

// Write writes the whole file, or nothing.
func (t *Truth) Write(path string) (err error) {
	if t.err != nil {
		return fmt.Errorf("write ground truth: %w", t.err)
	}
	head, err := json.Marshal(t.small.File())
	if err != nil {
		return fmt.Errorf("write ground truth: %w", err)
	}
	out, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write ground truth: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write ground truth %s: %w", path, err), os.Remove(out.Name()))
		}
	}()
	if err = errors.Join(t.fill(out, head), out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), path)
}

// fill copies head with each section in the place of its empty list. The lists
// are in this order, and nothing before them has one of their names.
func (t *Truth) fill(out io.Writer, head []byte) error {
	w := bufio.NewWriterSize(out, 256<<10)
	for _, name := range sections {
		mark := []byte(`"` + name + `":[`)
		at := bytes.Index(head, append(mark, ']'))
		if at < 0 {
			return fmt.Errorf("the truth has no empty list of %s", name)
		}
		at += len(mark)
		if _, err := w.Write(head[:at]); err != nil {
			return err
		}
		head = head[at:]
		if err := t.sections[name].copyTo(w); err != nil {
			return err
		}
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	return w.Flush()
}

func (s *section) copyTo(w io.Writer) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, s.file)
	return err
}

// Close removes the files of the lists.
func (t *Truth) Close() error {
	var errs []error
	for _, s := range t.sections {
		errs = append(errs, s.file.Close(), os.Remove(s.file.Name()))
	}
	return errors.Join(errs...)
}

package collectors

import (
	"io"
)

// window is the part of a stream that is looked at. What it once read is never
// written to again, so that records may share its bytes: a full window is
// followed by a new one.
type window struct {
	r       io.Reader
	buf     []byte
	at, end int   // what is unread lies between them
	err     error // of r, once what it read is used up
}

const (
	// firstWindow keeps small files cheap.
	firstWindow = 64 << 10
	// windowBytes holds some hundred documents. A record holds on to the window
	// that it was read from, so that this is also what one can cost.
	windowBytes = 512 << 10
	// emptyReads is when a reader that reads nothing is given up.
	emptyReads = 100
)

// unread is what is there.
func (w *window) unread() []byte { return w.buf[w.at:w.end] }

// more reads more behind what is there, and reports whether there was any.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	if w.end == len(w.buf) {
		size := windowBytes
		if w.buf == nil {
			size = firstWindow
		}
		rest := w.unread()
		w.buf = make([]byte, max(size, 2*len(rest)))
		w.at, w.end = 0, copy(w.buf, rest)
	}
	for range emptyReads {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// peek is the next n bytes, or what there is before an error, and the error.
func (w *window) peek(n int) ([]byte, error) {
	for w.end-w.at < n {
		if !w.more() {
			return w.unread(), w.err
		}
	}
	return w.buf[w.at : w.at+n], nil
}

// next takes a byte.
func (w *window) next() (byte, error) {
	if w.at == w.end && !w.more() {
		return 0, w.err
	}
	c := w.buf[w.at]
	w.at++
	return c, nil
}

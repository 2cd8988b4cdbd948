package lake

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// objectFile is a file that is being read. ReadAt may be called from several
// goroutines.
type objectFile struct {
	objects
	name, key string
	tail      *object
	offset    int64 // of Read and Seek

	mu     sync.Mutex
	blocks map[int64][]byte // by number
	order  []int64          // of blocks, that used longest ago first
}

// Stat implements fs.File.
func (f *objectFile) Stat() (fs.FileInfo, error) {
	return objectInfo{path.Base(f.key), f.tail.size, aws.ToTime(f.tail.head.LastModified)}, nil
}

// Size tells a reader of Parquet where the footer is.
func (f *objectFile) Size() int64 { return f.tail.size }

// Close implements io.Closer.
func (f *objectFile) Close() error { return nil }

// Read implements io.Reader.
func (f *objectFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.offset)
	f.offset += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (f *objectFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.tail.size
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.offset = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt.
func (f *objectFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	read := 0
	for read < len(p) {
		at := off + int64(read)
		if at >= f.tail.size {
			return read, io.EOF
		}
		block, start, err := f.block(at)
		if err != nil {
			return read, err
		}
		read += copy(p[read:], block[at-start:])
	}
	return read, nil
}

// block is the part of the file in memory that has an offset, and where it
// starts.
func (f *objectFile) block(at int64) ([]byte, int64, error) {
	if at >= f.tail.start {
		return f.tail.body, f.tail.start, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	number := at / blockBytes
	start := number * blockBytes
	if b, ok := f.blocks[number]; ok {
		f.used(number)
		return b, start, nil
	}
	end := min(start+blockBytes, f.tail.start) - 1
	o, err := f.get(f.ctx, f.key, fmt.Sprintf("bytes=%d-%d", start, end))
	if err != nil {
		return nil, 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	}
	if o.start != start || int64(len(o.body)) != end-start+1 {
		return nil, 0, &fs.PathError{Op: "read", Path: f.name, Err: fmt.Errorf("asked for bytes %d to %d and got %d from %d", start, end, len(o.body), o.start)}
	}
	if len(f.order) == cachedBlocks {
		delete(f.blocks, f.order[0])
		f.order = f.order[1:]
	}
	f.blocks[number] = o.body
	f.order = append(f.order, number)
	return o.body, start, nil
}

// used moves a block to the end of the order.
func (f *objectFile) used(number int64) {
	for i, n := range f.order {
		if n == number {
			f.order = append(append(f.order[:i:i], f.order[i+1:]...), number)
			return
		}
	}
}

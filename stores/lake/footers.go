package lake

import (
	"context"
	"fmt"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/parquet-go/parquet-go"
)

// maxFooters bounds the files that are kept open with what they say of
// themselves: some 100 kilobytes each, and a tenth of what a process may have
// open.
const maxFooters = 100

// footers keeps data files open, those that were used last. Files never change
// once they are written. The zero value is ready.
type footers struct {
	mu    sync.Mutex
	open  map[string]*openFile
	clock uint64 // counts uses
}

// openFile is a data file and its footer. Its fields beside parquet belong to
// footers.
type openFile struct {
	parquet *parquet.File
	own     bool // written with the columns of row, and no others
	file    iceio.File
	users   int
	used    uint64
	gone    bool // closed by its last user
}

// take opens a file or hands out the open one, until give.
func (c *footers) take(ctx context.Context, l *Lake, name string) (*openFile, error) {
	c.mu.Lock()
	if f := c.open[name]; f != nil {
		c.use(f)
		c.mu.Unlock()
		return f, nil
	}
	c.mu.Unlock()
	next, err := openEvidence(ctx, l, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.open[name]; f != nil { // another goroutine was faster
		_ = next.file.Close() // only read
		c.use(f)
		return f, nil
	}
	if c.open == nil {
		c.open = map[string]*openFile{}
	}
	c.open[name] = next
	c.use(next)
	c.evict()
	return next, nil
}

func (c *footers) use(f *openFile) {
	c.clock++
	f.used = c.clock
	f.users++
}

// give ends the use of a file.
func (c *footers) give(f *openFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.users--; f.gone && f.users == 0 {
		_ = f.file.Close() // only read
	}
}

// evict closes the files that were not used longest.
func (c *footers) evict() {
	for len(c.open) > maxFooters {
		oldest := ""
		for name, f := range c.open {
			if oldest == "" || f.used < c.open[oldest].used {
				oldest = name
			}
		}
		c.drop(oldest)
	}
}

func (c *footers) drop(name string) {
	f := c.open[name]
	delete(c.open, name)
	if f.gone = true; f.users == 0 {
		_ = f.file.Close() // only read
	}
}

// keep closes the files that a snapshot does not name any more.
func (c *footers) keep(named map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.open {
		if !named[name] {
			c.drop(name)
		}
	}
}

func (c *footers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.open {
		c.drop(name)
	}
}

// ownSchema is the columns that we write.
var ownSchema = sync.OnceValue(func() *parquet.Schema { return parquet.SchemaOf(row{}) })

func openEvidence(ctx context.Context, l *Lake, name string) (*openFile, error) {
	file, err := l.files(ctx).Open(name)
	if err != nil {
		return nil, err
	}
	footer, err := openFooter(file, parquet.SkipPageIndex(true)) // that is read when it is asked for
	if err != nil {
		_ = file.Close() // only read
		return nil, err
	}
	return &openFile{parquet: footer, own: parquet.EqualNodes(ownSchema(), footer.Schema()), file: file}, nil
}

package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"muster/fleet"
)

// FileOptions fills in what a file does not say, and says when it is read.
type FileOptions struct {
	Account, Region string
	LogGroup        string // of an export
	Execution       string // ARN, of the history of an execution
	// Turn, where there is one, is called before each document and may wait: for
	// work that is more urgent than reading ahead.
	Turn func()
}

// turn comes before each document.
func (o *FileOptions) turn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.Turn != nil {
		o.Turn()
	}
	return nil
}

// FileError says which file could not be read, and where in it.
type FileError struct {
	Path string
	// Offset is a byte position; of the decompressed stream when Unpacked.
	Offset   int64
	Unpacked bool
	// Item is the document at fault, counted from 1; 0 for the file as a whole.
	Item int
	Err  error
}

// Error names the file and the position.
func (e *FileError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "read %s: at byte %d", e.Path, e.Offset)
	if e.Unpacked {
		b.WriteString(" of the decompressed stream")
	}
	if e.Item > 0 {
		fmt.Fprintf(&b, ", in document %d", e.Item)
	}
	return b.String() + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Bounds on a batch from a file: enough for a good row group's share, little
// enough to hold several in memory.
const (
	fileBatchRecords = 1000
	fileBatchBytes   = 8 << 20
	// heldBytes is how much evidence of a file is held until its end is reached.
	// CloudTrail's files have a few megabytes; reading those twice took a third
	// longer.
	heldBytes = 16 << 20
)

// ReadFile yields the records of a file in any format of this package, told
// apart by content: CloudTrail files, arrays, single records and EventBridge
// events; X-Ray segment documents, daemon datagrams and answers of
// BatchGetTraces; log events one a line, subscription payloads, and the records of
// Kinesis and Firehose that carry them; Config snapshots, histories and items;
// exports of log groups and access logs of load balancers, which are text; the
// history of an execution of Step Functions, behind what DescribeExecution says of
// it. Any of
// them may be gzipped, in parts too, and twice.
//
// The whole file is checked before the first batch, so that a broken one yields
// a *FileError and nothing else. A file of up to heldBytes of evidence is read
// once for that and its records held; of a larger one the rest is read twice.
// Documents that are whole but cannot be understood are records kept raw, each
// with a ledger entry.
//
// A batch's slice is the consumer's until it asks for the next one; the records
// in it may be kept.
func ReadFile(ctx context.Context, path string, o FileOptions) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		var h holder
		b := batcher{yield: h.hold, origin: origin{o.Account, o.Region}, path: path, group: o.LogGroup, runs: pastRuns{given: o.Execution}}
		err := scanFile(path, b.reader(), func(d document) error {
			if err := o.turn(ctx); err != nil {
				return err
			}
			return h.take(d, &b)
		})
		if err == nil && !h.full {
			err = b.finish()
		}
		for _, held := range h.batches {
			if err == nil && !yield(held, nil) {
				return
			}
			giveRoom(held.Records)
		}
		if err == nil && h.full {
			b.yield = func(batch fleet.Batch, err error) bool {
				more := yield(batch, err)
				giveRoom(batch.Records)
				return more
			}
			err = readRest(ctx, o, h.documents, &b)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(fleet.Batch{}, err)
		}
	}
}

// errStopped ends a scan whose consumer wants no more.
var errStopped = errors.New("the consumer stopped")

// batcher gathers records into batches.
type batcher struct {
	origin
	path  string
	group string
	yield func(fleet.Batch, error) bool
	batch fleet.Batch
	bytes int
	runs  pastRuns
}

func (b *batcher) reader() *quickReader {
	return &quickReader{origin: b.origin, place: textPlace{b.path, b.group}}
}

func (b *batcher) add(d document) error {
	rs := d.records
	switch {
	case d.shape == shapeExecution, d.shape == shapeHistoryEvent:
		var err error
		if rs, err = b.runs.take(d, b.origin); err != nil {
			return &positionError{d.offset, d.item, err}
		}
	case !d.read:
		var err error
		if rs, err = parseDocument(d.body, d.shape, b.origin); err != nil {
			return &positionError{d.offset, d.item, err}
		}
	}
	for i := range rs {
		b.bytes += len(rs[i].Raw)
		if rs[i].Attributes.Get(fleet.AttrUnreadable) != "" {
			where := fmt.Sprintf("%s: at byte %d, in document %d", b.path, d.offset, d.item)
			b.batch.Ledger = append(b.batch.Ledger, unreadableEntry(&rs[i], where))
		}
	}
	if b.batch.Records == nil {
		b.batch.Records = takeRoom()
	}
	b.batch.Records = append(b.batch.Records, rs...)
	if len(b.batch.Records) >= fileBatchRecords || b.bytes >= fileBatchBytes {
		if !b.flush() {
			return errStopped
		}
	}
	return nil
}

// rooms keep the room of batches, a megabyte each, for the next ones: making and
// collecting it anew was a fifth of all that an import allocated.
var rooms sync.Pool

// roomRecords leaves room for the records of the document that fills a batch.
const roomRecords = fileBatchRecords + fileBatchRecords/8

func takeRoom() []fleet.Record {
	if room, ok := rooms.Get().(*[]fleet.Record); ok {
		return *room
	}
	return make([]fleet.Record, 0, roomRecords)
}

func giveRoom(batch []fleet.Record) {
	if cap(batch) == roomRecords { // not one that grew
		clear(batch)
		batch = batch[:0]
		rooms.Put(&batch)
	}
}

// finish hands over what is left at the end of a file.
func (b *batcher) finish() error {
	rs, err := b.runs.end(b.origin)
	if err != nil {
		return &FileError{Path: b.path, Err: err}
	}
	if len(rs) > 0 && b.batch.Records == nil {
		b.batch.Records = takeRoom()
	}
	b.batch.Records = append(b.batch.Records, rs...)
	b.flush()
	return nil
}

// flush hands over what is gathered and reports whether more is wanted.
func (b *batcher) flush() bool {
	if len(b.batch.Records) == 0 && len(b.batch.Ledger) == 0 {
		return true
	}
	placeStreamed(b.batch.Records)
	full := b.batch
	b.batch, b.bytes = fleet.Batch{}, 0
	return b.yield(full, nil)
}

package collectors

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"muster/fleet"
)

const (
	// trailOverlap is re-read before each window, by when files were delivered:
	// S3 lists a file at once, so this bridges clocks that differ.
	trailOverlap = 15 * time.Minute
	// trailDelay is how long after an event its file may be delivered. A window
	// that ends in the past is read that far on. CloudTrail takes about five
	// minutes and promises nothing.
	trailDelay = time.Hour
	// trailReach is where a collection without a start begins. A bucket keeps its
	// files for as long as its owner says, so this is a choice.
	trailReach = 90 * 24 * time.Hour
	// trailDays is how many days' folders before the window are looked into for
	// files that were delivered late.
	trailDays = 3
	// trailReads is how many files are read at once, and trailChunk after how
	// many the mark moves.
	trailReads = 4
	trailChunk = 200
	// trailTries is how often a file is fetched whose transfer breaks off.
	trailTries = 4
)

// trail reads the files that a trail delivers to its bucket, of one region.
type trail struct {
	source
	client *s3.Client
	bucket string
	folder string // "AWSLogs/111122223333/CloudTrail/us-east-1/"
	// any says that it is no trail's: objects lie in any folders below, and hold
	// evidence in any format that a file may have.
	any bool
}

// Collect yields the events of every file delivered in the window. A file is
// taken by when it was delivered, never by its name, so that old events in a
// late file are not missed.
func (t *trail) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := t.bounds(w, trailOverlap, trailReach)
		out := &output{s: &t.source, yield: yield, window: read}
		if err := t.collect(ctx, read, out); err != nil {
			out.end(fmt.Errorf("read files in s3://%s/%s: %w", t.bucket, t.folder, err))
		}
	}
}

func (t *trail) collect(ctx context.Context, read fleet.Window, out *output) error {
	files, err := t.files(ctx, read)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(files, trailChunk) {
		err := fanOut(ctx, trailReads, chunk, out, func(ctx context.Context, f types.Object, send func(fleet.Batch) error) error {
			_, err := t.file(ctx, &f, send)
			return err
		})
		if err != nil {
			return err
		}
		through := aws.ToTime(chunk[len(chunk)-1].LastModified)
		if through.Before(read.End) {
			if err := out.send(fleet.Batch{Through: through}); err != nil {
				return err
			}
		}
	}
	return out.finish()
}

// files lists what was delivered in the window, oldest delivery first.
func (t *trail) files(ctx context.Context, w fleet.Window) ([]types.Object, error) {
	until := w.End.Add(trailDelay) // now is the latest that anything was delivered
	folders := []string{t.folder}
	if !t.any {
		folders = t.days(w.Start, until)
	}
	var files []types.Object
	for _, folder := range folders {
		var objects []types.Object
		err := t.afresh(ctx, func() (err error) {
			objects, err = t.list(ctx, folder)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			at := aws.ToTime(o.LastModified)
			if !at.Before(w.Start) && !at.After(until) {
				files = append(files, o)
			}
		}
	}
	slices.SortFunc(files, func(a, b types.Object) int {
		return cmp.Or(aws.ToTime(a.LastModified).Compare(aws.ToTime(b.LastModified)),
			strings.Compare(aws.ToString(a.Key), aws.ToString(b.Key)))
	})
	return files, nil
}

// days are the folders of the days in which files of a window may lie.
func (t *trail) days(from, until time.Time) []string {
	var folders []string
	for day := from.UTC().AddDate(0, 0, -trailDays).Truncate(24 * time.Hour); !day.After(until); day = day.AddDate(0, 0, 1) {
		folders = append(folders, t.folder+day.Format("2006/01/02/"))
	}
	return folders
}

func (t *trail) list(ctx context.Context, prefix string) ([]types.Object, error) {
	in := &s3.ListObjectsV2Input{Bucket: &t.bucket, Prefix: &prefix}
	var objects []types.Object
	var p pager
	for {
		page, err := call(ctx, &t.source, "s3:ListBucket", t.client.ListObjectsV2, in)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			if t.wants(aws.ToString(o.Key)) {
				objects = append(objects, o)
			}
		}
		more, err := p.next(page.NextContinuationToken)
		if err != nil || !more {
			return objects, err
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

// fate is what became of a file that was to be read.
type fate int

const (
	fileRead   fate = iota // as far as it can be: a break in it is in the ledger
	fileGone               // it was deleted before
	fileDenied             // nobody may read it yet
)

// file hands over the events of one file. One that is broken, or that may not
// be read, is a ledger entry and does not stop the others.
func (t *trail) file(ctx context.Context, f *types.Object, send func(fleet.Batch) error) (fate, error) {
	key := aws.ToString(f.Key)
	for try := 0; ; try++ {
		err := t.read(ctx, key, send)
		var denied *deniedError
		var broken *positionError
		var gone *types.NoSuchKey
		switch {
		case err == nil:
			return fileRead, nil
		case errors.As(err, &gone): // expired between listing and reading
			return fileGone, nil
		case ctx.Err() != nil:
			return fileRead, ctx.Err()
		case errors.As(err, &denied):
			return fileDenied, send(unreadFile(f, "denied", denied.Error()))
		case errors.Is(err, errTransfer) && try+1 < trailTries:
			if err := t.wait(ctx, backoff(try)); err != nil {
				return fileRead, err
			}
		case errors.Is(err, errTransfer) || !errors.As(err, &broken):
			return fileRead, fmt.Errorf("read %s: %w", key, err)
		default:
			at := fmt.Sprintf("at byte %d of the decompressed stream", broken.offset)
			if broken.item > 0 {
				at += fmt.Sprintf(", in record %d", broken.item)
			}
			return fileRead, send(unreadFile(f, "unreadable", at+": "+broken.Error()))
		}
	}
}

// unreadFile is the ledger's word on a file whose events are not all known.
// Its events happened before it was delivered; how long before, it does not say.
func unreadFile(f *types.Object, reason, detail string) fleet.Batch {
	at := aws.ToTime(f.LastModified)
	return fleet.Batch{Ledger: []fleet.LedgerEntry{{
		Window:   fleet.Window{Start: at.Add(-trailDelay), End: at},
		Coverage: fleet.Partial, Reason: reason, Detail: aws.ToString(f.Key) + ": " + detail,
	}}}
}

// errTransfer marks a file of which fewer bytes came than S3 has.
var errTransfer = errors.New("the transfer broke off")

// read streams one file: download, gunzip, split, parse.
func (t *trail) read(ctx context.Context, key string, send func(fleet.Batch) error) error {
	object, err := call(ctx, &t.source, "s3:GetObject", t.client.GetObject, &s3.GetObjectInput{Bucket: &t.bucket, Key: &key})
	if err != nil {
		return err
	}
	defer object.Body.Close() // only read from
	body := &countingReader{r: object.Body}
	var b fleet.Batch
	_, err = scanStream(body, t.reader(key), func(d document) error {
		if err := checkDocument(d); err != nil {
			return err
		}
		rs, err := t.records(&d)
		if err != nil {
			return &positionError{d.offset, d.item, err}
		}
		b.Records = append(b.Records, rs...)
		if len(b.Records) < fileBatchRecords {
			return nil
		}
		full := b
		b = fleet.Batch{}
		return send(full)
	})
	if err != nil && object.ContentLength != nil && body.n < *object.ContentLength && body.err != nil {
		return fmt.Errorf("%w after %d of %d bytes: %w", errTransfer, body.n, *object.ContentLength, err)
	}
	if len(b.Records) > 0 { // what was whole stands, also before a break
		if e := send(b); e != nil {
			return e
		}
	}
	return err
}

// reader reads files of any format; a trail's are read the careful way.
func (t *trail) reader(key string) *quickReader {
	if !t.any {
		return nil
	}
	return &quickReader{origin: t.origin, place: textPlace{name: key}}
}

// records are those of one document.
func (t *trail) records(d *document) ([]fleet.Record, error) {
	switch {
	case d.read:
		return slices.Clone(d.records), nil
	case t.any:
		return parseDocument(bytes.Clone(d.body), d.shape, t.origin)
	case d.shape != shapeTrailEvent:
		return nil, errors.New("no CloudTrail record")
	}
	return []fleet.Record{parseTrailEvent(d.body, t.origin)}, nil
}

// countingReader counts what came, and keeps the error that ended it.
type countingReader struct {
	r   io.Reader
	n   int64
	err error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

// trailFolderKinds are the folders that a trail keeps events in, by what kind of
// event: management and data events in the first, which is always there.
var trailFolderKinds = []string{"CloudTrail", "CloudTrail-Insight", "CloudTrail-NetworkActivity"}

// trailFolder is where a trail delivers the events of one region.
type trailFolder struct {
	region, kind, path string
}

// trailFolders finds the folders that a trail delivers to, by kind and region. A
// trail of an organisation puts its id before the account.
func trailFolders(ctx context.Context, s *source, client *s3.Client) ([]trailFolder, error) {
	root := s.trailRoot()
	top, err := freshSubfolders(ctx, s, client, root)
	if err != nil {
		return nil, err
	}
	account := root + s.account + "/"
	for _, folder := range top {
		if strings.HasPrefix(strings.TrimPrefix(folder, root), "o-") {
			account = folder + s.account + "/"
		}
	}
	kinds, err := freshSubfolders(ctx, s, client, account)
	if err != nil {
		return nil, err
	}
	usual := account + trailFolderKinds[0] + "/"
	found := []trailFolder{{s.region, trailFolderKinds[0], usual + s.region + "/"}} // its first file may be yet to come
	for _, kind := range trailFolderKinds {
		folder := account + kind + "/"
		if !slices.Contains(kinds, folder) {
			continue
		}
		regions, err := freshSubfolders(ctx, s, client, folder)
		if err != nil {
			return nil, err
		}
		for _, r := range regions {
			f := trailFolder{strings.TrimSuffix(strings.TrimPrefix(r, folder), "/"), kind, r}
			if !slices.Contains(found, f) {
				found = append(found, f)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b trailFolder) int {
		return cmp.Or(slices.Index(trailFolderKinds, a.kind)-slices.Index(trailFolderKinds, b.kind), strings.Compare(a.region, b.region))
	})
	return found, nil
}

func freshSubfolders(ctx context.Context, s *source, client *s3.Client, prefix string) (folders []string, err error) {
	err = s.afresh(ctx, func() (err error) {
		folders, err = subfolders(ctx, s, client, prefix)
		return err
	})
	return folders, err
}

func subfolders(ctx context.Context, s *source, client *s3.Client, prefix string) ([]string, error) {
	in := &s3.ListObjectsV2Input{Bucket: &s.TrailBucket, Prefix: &prefix, Delimiter: aws.String("/")}
	var folders []string
	var p pager
	for {
		page, err := call(ctx, s, "s3:ListBucket", client.ListObjectsV2, in)
		if err != nil {
			return nil, fmt.Errorf("list s3://%s/%s: %w", s.TrailBucket, prefix, err)
		}
		for _, f := range page.CommonPrefixes {
			folders = append(folders, aws.ToString(f.Prefix))
		}
		more, err := p.next(page.NextContinuationToken)
		if err != nil || !more {
			return folders, err
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

func getObject(bucket, key string) *s3.GetObjectInput {
	return &s3.GetObjectInput{Bucket: &bucket, Key: &key}
}

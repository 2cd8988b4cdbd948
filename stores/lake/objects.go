package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// blockBytes is read at once. S3 takes some 30 ms to begin an answer, in which
	// it sends 3 MB: smaller reads would mostly wait, larger ones mostly read what
	// is not wanted. Nearly all files of a lake are smaller and come in one read.
	blockBytes = 4 << 20
	// cachedBlocks are kept of a file while it is open: a row group of evidence,
	// whose columns are read side by side, rarely spans more.
	cachedBlocks = 8
	// spoolBytes of a new file are kept in memory, and what is longer goes to a
	// temporary file: one upload needs its whole content, twice when it is
	// repeated.
	spoolBytes = 8 << 20
	// removeAtOnce is what S3 takes in one request.
	removeAtOnce = 1000
)

// objects is a bucket as Iceberg's file system. One answer of S3 is durable, and
// a name is seen by all readers once its upload is whole: that is all that
// Iceberg needs of its files.
type objects struct {
	*bucket
	ctx context.Context // iceberg's interfaces take none: that of the call that these files are for
}

// Open implements iceberg's IO. It reads the end of the file, where the footer
// of a Parquet file is.
func (o objects) Open(name string) (iceio.File, error) {
	key, err := o.key("open", name)
	if err != nil {
		return nil, err
	}
	tail := o.manifests.object(key)
	if tail == nil {
		tail, err = o.get(o.ctx, key, fmt.Sprintf("bytes=-%d", blockBytes))
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		if tail.start == 0 {
			o.manifests.keep(key, tail.body)
		}
	}
	return &objectFile{objects: o, name: name, key: key, tail: tail, blocks: map[int64][]byte{}}, nil
}

// ReadFile implements iceberg's ReadFileIO.
func (o objects) ReadFile(name string) ([]byte, error) {
	key, err := o.key("open", name)
	if err != nil {
		return nil, err
	}
	whole, err := o.get(o.ctx, key, "")
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return whole.body, nil
}

// Remove implements iceberg's IO.
func (o objects) Remove(name string) error {
	key, err := o.key("remove", name)
	if err != nil {
		return err
	}
	return o.remove(o.ctx, key)
}

// DeleteFiles implements iceberg's BulkRemovableIO.
func (o objects) DeleteFiles(ctx context.Context, names []string) ([]string, error) {
	var removed []string
	var errs []error
	for len(names) > 0 {
		n := min(len(names), removeAtOnce)
		done, err := o.deleteSome(ctx, names[:n])
		removed, names = append(removed, done...), names[n:]
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func (o objects) deleteSome(ctx context.Context, names []string) ([]string, error) {
	ids := make([]types.ObjectIdentifier, len(names))
	for i, name := range names {
		key, err := o.key("remove", name)
		if err != nil {
			return nil, err
		}
		ids[i].Key = &key
	}
	out, err := o.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &o.name, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return nil, o.explain("s3:DeleteObject", o.prefix, err)
	}
	var errs []error
	stayed := map[string]bool{}
	for _, e := range out.Errors {
		stayed[aws.ToString(e.Key)] = true
		errs = append(errs, fmt.Errorf("remove %s: %s: %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message)))
	}
	var removed []string
	for i, name := range names {
		if !stayed[*ids[i].Key] {
			removed = append(removed, name)
		}
	}
	return removed, errors.Join(errs...)
}

// WriteFile implements iceberg's WriteFileIO.
func (o objects) WriteFile(name string, content []byte) error {
	key, err := o.key("write", name)
	if err != nil {
		return err
	}
	return o.put(o.ctx, key, bytes.NewReader(content))
}

// Create implements iceberg's WriteFileIO. The object is there once it is closed.
func (o objects) Create(name string) (iceio.FileWriter, error) {
	key, err := o.key("write", name)
	if err != nil {
		return nil, err
	}
	return &upload{objects: o, key: key}, nil
}

// WalkDir implements iceberg's ListableIO. There are no folders on S3.
func (o objects) WalkDir(root string, fn fs.WalkDirFunc) error {
	key, err := o.key("list", root)
	if err != nil {
		return err
	}
	err = o.list(o.ctx, strings.TrimSuffix(key, "/")+"/", func(obj *types.Object) error {
		info := objectInfo{path.Base(*obj.Key), aws.ToInt64(obj.Size), aws.ToTime(obj.LastModified)}
		return fn(bucketScheme+o.name+"/"+*obj.Key, info, nil)
	})
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

// objectInfo is an object as a file that is listed.
type objectInfo struct {
	name     string
	size     int64
	modified time.Time
}

func (i objectInfo) Name() string               { return i.name }
func (i objectInfo) Size() int64                { return i.size }
func (i objectInfo) Mode() fs.FileMode          { return 0 }
func (i objectInfo) Type() fs.FileMode          { return 0 }
func (i objectInfo) ModTime() time.Time         { return i.modified }
func (i objectInfo) IsDir() bool                { return false }
func (i objectInfo) Sys() any                   { return nil }
func (i objectInfo) Info() (fs.FileInfo, error) { return i, nil }

// upload is a file that is being written.
type upload struct {
	objects
	key   string
	first bytes.Buffer
	rest  *os.File // nil while first is the whole
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	if u.rest == nil && u.first.Len()+len(p) <= spoolBytes {
		return u.first.Write(p)
	}
	if u.rest == nil {
		f, err := os.CreateTemp("", "muster-upload-")
		if err != nil {
			return 0, err
		}
		u.rest = f
		if _, err := u.first.WriteTo(f); err != nil {
			return 0, err
		}
	}
	return u.rest.Write(p)
}

// ReadFrom implements io.ReaderFrom.
func (u *upload) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{u}, r)
}

// Close uploads the file.
func (u *upload) Close() error {
	if u.rest == nil {
		err := u.put(u.ctx, u.key, bytes.NewReader(u.first.Bytes()))
		if err == nil {
			u.manifests.keep(u.key, u.first.Bytes())
		}
		return err
	}
	_, err := u.rest.Seek(0, io.SeekStart)
	if err == nil {
		err = u.put(u.ctx, u.key, u.rest)
	}
	return errors.Join(err, u.abort())
}

// abort forgets the file without uploading it.
func (u *upload) abort() error {
	u.first.Reset()
	if u.rest == nil {
		return nil
	}
	return errors.Join(u.rest.Close(), os.Remove(u.rest.Name()))
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	iceio "github.com/apache/iceberg-go/io"
)

const (
	// scheme starts every path inside the tables' metadata. It stands for the
	// lake's root, so that a lake can be moved or renamed: Iceberg itself would
	// write absolute paths.
	scheme = "lake://"
	// rootProperty hands the root to the catalog's own file access. It is a
	// property of the open catalog only and is never written to a table.
	rootProperty = "muster.root"
)

// files is where a lake's files lie. A name is that in the tables' metadata,
// beginning with Lake.base. What was written is durable, and no reader sees a
// part of it, when WriteFile or the Close of what Create gave returns nil.
type files interface {
	iceio.WriteFileIO
	iceio.ReadFileIO
	iceio.ListableIO
}

// init makes the scheme known to iceberg-go, whose catalog opens files by
// scheme. The factory keeps no state: the root comes with the catalog.
func init() {
	iceio.Register(strings.TrimSuffix(scheme, "://"), func(_ context.Context, _ *url.URL, props map[string]string) (iceio.IO, error) {
		root := props[rootProperty]
		if root == "" {
			return nil, errors.New("a lake path without a lake")
		}
		return folder{root}, nil
	})
}

// folder is a folder as Iceberg's file system. Whatever it wrote is on the disk,
// name included, when Close or WriteFile returns: iceberg-go's own local files
// are never synced, while the catalog's pointer to them is.
type folder struct{ root string }

// path is where a lake:// name lies on this machine.
func (f folder) path(name string) (string, error) {
	rest, ok := strings.CutPrefix(name, scheme)
	local := filepath.FromSlash(strings.TrimPrefix(rest, "/"))
	if !ok || !filepath.IsLocal(local) {
		return "", &fs.PathError{Op: "open", Path: name, Err: errors.New("not a path inside the lake")}
	}
	return filepath.Join(f.root, local), nil
}

// name is the lake:// name of a path below the root.
func (f folder) name(p string) (string, error) {
	rel, err := filepath.Rel(f.root, p)
	if err != nil {
		return "", err
	}
	return scheme + "/" + filepath.ToSlash(rel), nil
}

// Open implements iceberg's IO.
func (f folder) Open(name string) (iceio.File, error) {
	p, err := f.path(name)
	if err != nil {
		return nil, err
	}
	return os.Open(p)
}

// ReadFile implements iceberg's ReadFileIO.
func (f folder) ReadFile(name string) ([]byte, error) {
	p, err := f.path(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(p)
}

// Remove implements iceberg's IO. That another writer was faster is no error:
// two of them remove the metadata that both have left behind.
func (f folder) Remove(name string) error {
	p, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Create implements iceberg's WriteFileIO. The file is durable once it is closed.
func (f folder) Create(name string) (iceio.FileWriter, error) {
	p, err := f.path(name)
	if err != nil {
		return nil, err
	}
	if err := makeFolder(filepath.Dir(p)); err != nil {
		return nil, err
	}
	file, err := os.Create(p)
	if err != nil {
		return nil, err
	}
	return durableFile{file}, nil
}

// WriteFile implements iceberg's WriteFileIO. A file that could not be written
// whole is removed again.
func (f folder) WriteFile(name string, content []byte) error {
	w, err := f.Create(name)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, f.Remove(name))
	}
	return nil
}

// WalkDir implements iceberg's ListableIO.
func (f folder) WalkDir(root string, fn fs.WalkDirFunc) error {
	p, err := f.path(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(p, func(p string, d fs.DirEntry, err error) error {
		name, nameErr := f.name(p)
		if nameErr != nil {
			return nameErr
		}
		return fn(name, d, err)
	})
}

// durableFile syncs itself and then its name when it is closed.
type durableFile struct{ *os.File }

// ReadFrom hides os.File's own, which io.Copy would prefer but which gains
// nothing from the buffers that the writers above hand over.
func (d durableFile) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{d.File}, r)
}

// Close makes the file and its name durable.
func (d durableFile) Close() error {
	err := d.Sync()
	if err = errors.Join(err, d.File.Close()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(d.Name()))
}

// makeFolder makes a folder and its parents durable. It costs nothing when the
// folder is there.
func makeFolder(p string) error {
	if info, err := os.Stat(p); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(p); parent != p {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(p, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(p))
}

// syncFolder makes the names in a folder durable.
func syncFolder(p string) error {
	d, err := os.Open(p)
	if err != nil {
		return err
	}
	err = d.Sync()
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", p, err)
	}
	return nil
}

// location is the name of a table's folder in a lake whose names begin with base.
func location(base, tableName string) string { return base + "/" + tableName }

// dataName is the name of a data file of a table.
func dataName(base, tableName, file string) string {
	return location(base, tableName) + "/data/" + file
}

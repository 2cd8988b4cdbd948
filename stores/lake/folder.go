package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// folderState says what is at a root.
type folderState int

const (
	folderFree           folderState = iota // absent or empty
	folderLake                              // a lake
	folderWithoutCatalog                    // a lake whose catalog was moved away
)

// inspect says what is at root. Anything but a lake or an empty folder is an
// error, and so is a lake that is not there to be read.
func inspect(root string, readOnly bool) (folderState, error) {
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return folderFree, err
	}
	_, catalogErr := os.Stat(filepath.Join(root, catalogFile))
	_, metadataErr := os.Stat(filepath.Join(root, tableEvidence, "metadata"))
	switch {
	case catalogErr == nil:
		return folderLake, nil
	case metadataErr == nil && readOnly:
		return folderFree, fmt.Errorf("%s is missing: open the lake for writing once, which rebuilds it", catalogFile)
	case metadataErr == nil:
		return folderWithoutCatalog, nil
	case len(entries) > 0:
		return folderFree, fmt.Errorf("the folder is not empty and holds no lake (no %s): choose another folder", catalogFile)
	case readOnly:
		return folderFree, errors.New("there is no lake yet: collect or import into it first")
	default:
		return folderFree, nil
	}
}

// recoverCatalog fills an empty catalog with the newest metadata of each table.
// That is the last commit, or one that was complete but never acknowledged.
func recoverCatalog(ctx context.Context, cat *sqlCatalog) error {
	for _, l := range layouts() {
		newest, err := newestMetadata(filepath.Join(cat.folder.root, l.name, "metadata"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the table was not created yet
		}
		if err != nil {
			return fmt.Errorf("rebuild %s: %w", catalogFile, err)
		}
		_, err = cat.db.ExecContext(ctx, `insert into iceberg_tables
			(catalog_name, table_namespace, table_name, iceberg_type, metadata_location) values (?, ?, ?, 'TABLE', ?)`,
			catalogName, namespace, l.name, location(scheme, l.name)+"/metadata/"+newest)
		if err != nil {
			return fmt.Errorf("rebuild %s: %w", catalogFile, err)
		}
	}
	return nil
}

// newestMetadata is the file of the highest version, of several the one
// written last; fs.ErrNotExist when there is none.
func newestMetadata(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var name string
	var version int
	var written fs.FileInfo
	for _, e := range entries {
		number, _, ok := strings.Cut(e.Name(), "-")
		v, err := strconv.Atoi(number)
		if !ok || err != nil || !strings.HasSuffix(e.Name(), ".metadata.json") {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		if name == "" || v > version || v == version && info.ModTime().After(written.ModTime()) {
			name, version, written = e.Name(), v, info
		}
	}
	if name == "" {
		return "", fs.ErrNotExist
	}
	return name, nil
}

// explain adds to an error of the catalog what to do about it.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the low byte is SQLite's primary code
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged: move it away and open the lake again, which rebuilds it from the tables' own metadata: %w", catalogFile, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%s cannot be written: check the folder's permissions, or open it for reading only: %w", catalogFile, err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%s: the disk is full or broken: %w", catalogFile, err)
	default:
		return err
	}
}

package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icesql "github.com/apache/iceberg-go/catalog/sql"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	_ "modernc.org/sqlite" // the driver of the catalog
)

const (
	catalogFile = "catalog.db"
	catalogName = "muster"
	// busyWait is how long a commit waits for another program's turn at the
	// catalog. A turn takes a few milliseconds.
	busyWait = "10000" // milliseconds
)

// tables is the catalog of a lake: it knows where each table's metadata lies,
// and moves it from one state to the next. CommitTable of it returns
// table.ErrCommitFailed when another writer was faster and nothing was
// committed; after any other error the commit may be there or not.
type tables interface {
	table.CatalogIO
	// create makes a table that is not there; one that is stays as it is.
	create(ctx context.Context, l layout) error
	// pointer is the name of a table's metadata now.
	pointer(ctx context.Context, tableName string) (string, error)
	// files are those of the tables, as long as ctx lives.
	files(ctx context.Context) files
	close() error
}

// sqlCatalog is iceberg-go's SQL catalog with three things put right: tables use
// the lake's own durable files, a commit that lost a race says so, and metadata
// that is known is not parsed again, which was most of a commit: the file of a
// lake that commits every 5 seconds describes some 800 snapshots, an hour of them.
type sqlCatalog struct {
	*icesql.Catalog // does not close db, which it was given
	db              *sql.DB
	folder          folder
	known           knownMetadata
}

// openCatalog opens the catalog's file, creating it unless readOnly.
func openCatalog(root string, readOnly bool) (*sqlCatalog, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(root, catalogFile))}
	q := url.Values{"_pragma": {"busy_timeout(" + busyWait + ")", "synchronous(full)"}, "_txlock": {"immediate"}}
	if readOnly {
		q = url.Values{"_pragma": {"busy_timeout(" + busyWait + ")"}, "mode": {"ro"}}
	}
	dsn.RawQuery = q.Encode()
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	props := iceberg.Properties{rootProperty: root}
	if readOnly {
		props["init_catalog_tables"] = "false"
	}
	inner, err := icesql.NewCatalog(catalogName, db, icesql.SQLite, props)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read catalog: %w", err), db.Close())
	}
	return &sqlCatalog{Catalog: inner, db: db, folder: folder{root}}, nil
}

func (c *sqlCatalog) close() error { return errors.Join(c.Close(), c.db.Close()) }

func (c *sqlCatalog) files(context.Context) files { return c.folder }

// fs is the file access of every table.
func (c *sqlCatalog) fs(context.Context) (iceio.IO, error) { return c.folder, nil }

func (c *sqlCatalog) create(ctx context.Context, l layout) error {
	if err := c.CreateNamespace(ctx, table.Identifier{namespace}, nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return fmt.Errorf("create namespace: %w", err)
	}
	schema, spec := l.iceberg()
	_, err := c.CreateTable(ctx, table.Identifier{namespace, l.name}, schema,
		catalog.WithLocation(location(scheme, l.name)), catalog.WithProperties(tableProperties()), catalog.WithPartitionSpec(spec))
	if errors.Is(err, catalog.ErrTableAlreadyExists) {
		return nil
	}
	return err
}

// LoadTable implements catalog.Catalog.
func (c *sqlCatalog) LoadTable(ctx context.Context, id table.Identifier) (*table.Table, error) {
	name := id[len(id)-1]
	var err error
	for range loadTries {
		var loc string
		if loc, err = c.pointer(ctx, name); err != nil {
			return nil, err
		}
		var meta table.Metadata
		if meta, err = c.known.read(ctx, name, loc, c.fs); err == nil {
			return table.New(slices.Clone(id), meta, loc, c.fs, c), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, err
}

// CommitTable implements catalog.Catalog. SQLite moves the pointer if it still
// names the metadata that the requirements were checked against.
func (c *sqlCatalog) CommitTable(ctx context.Context, id table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	current, err := c.LoadTable(ctx, id)
	if err != nil {
		return nil, "", err
	}
	next, err := successor(current, reqs, updates)
	if err != nil {
		return nil, "", err
	}
	staged, err := stageMetadata(c.folder, next, current.MetadataLocation())
	if err != nil {
		return nil, "", err
	}
	name := id[len(id)-1]
	moved, err := c.move(ctx, name, current.MetadataLocation(), staged)
	if err != nil {
		return nil, "", fmt.Errorf("move table %s: %w", name, err) // it may have been moved: the sweep decides about the file
	}
	if !moved {
		err := fmt.Errorf("%w: table %s was moved meanwhile", table.ErrCommitFailed, name)
		return nil, "", errors.Join(err, c.folder.Remove(staged))
	}
	c.known.keep(name, staged, next)
	return next, staged, nil
}

// move points a table from one metadata file to the next; false when it was
// not at the first.
func (c *sqlCatalog) move(ctx context.Context, tableName, from, to string) (bool, error) {
	result, err := c.db.ExecContext(ctx, `update iceberg_tables set metadata_location = ?, previous_metadata_location = ?
		where catalog_name = ? and table_namespace = ? and table_name = ? and metadata_location = ?`,
		to, from, catalogName, namespace, tableName, from)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// pointer is where the catalog says that a table's metadata lies now.
func (c *sqlCatalog) pointer(ctx context.Context, tableName string) (string, error) {
	var loc string
	err := c.db.QueryRowContext(ctx,
		`select metadata_location from iceberg_tables where catalog_name = ? and table_namespace = ? and table_name = ?`,
		catalogName, namespace, tableName).Scan(&loc)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("%w: %s", catalog.ErrNoSuchTable, tableName)
	}
	return loc, err
}

package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

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

// sqlCatalog is iceberg-go's SQL catalog with two things put right: tables use
// the lake's own durable files, and a commit that lost a race says so.
type sqlCatalog struct {
	*icesql.Catalog // does not close db, which it was given
	db              *sql.DB
	folder          folder
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
	t, err := c.Catalog.LoadTable(ctx, id)
	if err != nil {
		return nil, err
	}
	return table.New(t.Identifier(), t.Metadata(), t.MetadataLocation(), c.fs, c), nil
}

// CommitTable implements catalog.Catalog. iceberg-go v0.7.0 names a conflict
// with ErrCommitFailed only when the pointer itself was lost in the last
// instant; when the snapshot moved a little earlier, only the text tells.
func (c *sqlCatalog) CommitTable(ctx context.Context, id table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	meta, loc, err := c.Catalog.CommitTable(ctx, id, reqs, updates)
	if err != nil && strings.HasPrefix(err.Error(), "requirement failed") {
		err = fmt.Errorf("%w: %w", table.ErrCommitFailed, err)
	}
	return meta, loc, err
}

// pointer is where the catalog says that a table's metadata lies now.
func (c *sqlCatalog) pointer(ctx context.Context, tableName string) (string, error) {
	var loc string
	err := c.db.QueryRowContext(ctx,
		`select metadata_location from iceberg_tables where catalog_name = ? and table_namespace = ? and table_name = ?`,
		catalogName, namespace, tableName).Scan(&loc)
	return loc, err
}

// Package lake keeps evidence in Apache Iceberg tables: Parquet files that we
// write ourselves, in a folder or on S3. A folder has a small SQLite catalog
// beside them, and a DuckDB reader over exactly the files that a snapshot names;
// on S3, AWS Glue is the catalog and Athena the reader. See the views in
// views.sql for what can be asked.
package lake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options are what a Lake needs from its surroundings.
type Options struct {
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: no log
	// ReadOnly opens a lake that exists and writes nothing to its folder.
	ReadOnly bool
	// Since is how far back Trace looks for an id, after 30 days; zero: in a
	// folder through all, on S3 no further.
	Since time.Time

	// The rest is for a lake on S3.

	AWS        aws.Config // with the region of the bucket and of Glue
	Database   string     // in Glue; "" is DefaultDatabase
	Encryption Encryption
	// Athena says how a lake on S3 is asked.
	Athena AthenaOptions
}

// Lake is a store in a folder or on S3. Its methods may be called from several
// goroutines, and several programs may have one lake open: a commit that was
// overtaken returns fleet.ErrConflict and changes nothing.
type Lake struct {
	root    string  // a folder, or s3://bucket/prefix
	base    string  // how the names in the metadata begin: lake:// or s3://bucket/prefix
	options Options // with every default filled in
	catalog tables
	reader  *reader       // of a folder
	athena  *athenaEngine // of a bucket

	commits     sync.Mutex // held during a commit to evidence
	commitCount int        // of this handle, under commits
	live        *liveIndex
	upkeep      upkeep

	mu    sync.Mutex
	heads map[string]*table.Table // by table name, as last loaded
	sets  map[string]bool         // of policies, that a run spells out
}

// Open opens the lake in a folder, or on S3 below s3://bucket/prefix, and creates
// it when there is none. A folder that holds anything else, and a prefix or a Glue
// database of another lake, is refused and left as it is.
func Open(ctx context.Context, root string, o Options) (*Lake, error) {
	onS3 := strings.HasPrefix(root, bucketScheme)
	if !onS3 {
		folder, err := filepath.Abs(root)
		if err != nil {
			return nil, fmt.Errorf("open lake %s: %w", root, err)
		}
		root = folder
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Lake{
		root: root, base: scheme, options: o, live: newLiveIndex(), heads: map[string]*table.Table{}, sets: map[string]bool{},
		upkeep: upkeep{snapshots: snapshotAge, slack: expireSlack, orphans: orphanAge},
	}
	if o.Database == "" {
		l.options.Database = DefaultDatabase
	}
	open := l.openFolder
	if onS3 {
		open = l.openBucket
	}
	if err := open(ctx); err != nil {
		return nil, fmt.Errorf("open lake %s: %w", root, errors.Join(err, l.Close()))
	}
	return l, nil
}

// openBucket opens a lake on S3.
func (l *Lake) openBucket(ctx context.Context) error {
	b, err := newBucket(l.root, l.options.AWS, l.options.Encryption)
	if err != nil {
		return err
	}
	l.root, l.base = b.base(), b.base()
	cat := newGlueCatalog(b, l.options.AWS, l.options.Database)
	l.catalog = cat
	l.athena = newAthenaEngine(l)
	if !l.options.ReadOnly {
		if err := cat.claim(ctx); err != nil {
			return err
		}
		if err := create(ctx, cat); err != nil {
			return err
		}
		if err := evolve(ctx, cat); err != nil {
			return err
		}
	}
	err = check(ctx, cat)
	if errors.Is(err, errNoTable) {
		return fmt.Errorf("there is no lake yet in Glue database %s of %s: collect or import into it first, or name its database with --glue-database: %w",
			l.options.Database, l.options.AWS.Region, err)
	}
	return err
}

func (l *Lake) openFolder(ctx context.Context) error {
	state, err := inspect(l.root, l.options.ReadOnly)
	if err != nil {
		return err
	}
	if l.reader, err = newReader(l.root); err != nil {
		return err
	}
	return explain(l.openTables(ctx, state))
}

func (l *Lake) openTables(ctx context.Context, state folderState) error {
	if state == folderFree {
		if err := makeFolder(l.root); err != nil {
			return err
		}
	}
	cat, err := openCatalog(l.root, l.options.ReadOnly)
	if err != nil {
		return err
	}
	l.catalog = cat
	if state == folderWithoutCatalog {
		if err := recoverCatalog(ctx, cat); err != nil {
			return err
		}
	}
	if !l.options.ReadOnly {
		if err := create(ctx, l.catalog); err != nil {
			return err
		}
		if err := evolve(ctx, l.catalog); err != nil {
			return err
		}
	}
	return check(ctx, l.catalog)
}

// Close lets go of the lake. Nothing is lost without it.
func (l *Lake) Close() error {
	var errs []error
	if l.reader != nil {
		errs = append(errs, l.reader.close())
	}
	errs = append(errs, l.live.close())
	if l.catalog != nil {
		errs = append(errs, l.catalog.close())
	}
	return errors.Join(errs...)
}

// files are those of the lake, as long as ctx lives.
func (l *Lake) files(ctx context.Context) files { return l.catalog.files(ctx) }

// head is a table as the catalog has it now. Loaded metadata is kept while the
// catalog's pointer stays the same.
func (l *Lake) head(ctx context.Context, name string) (*table.Table, error) {
	loc, err := l.catalog.pointer(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	l.mu.Lock()
	tbl := l.heads[name]
	l.mu.Unlock()
	if tbl != nil && tbl.MetadataLocation() == loc {
		return tbl, nil
	}
	tbl, err = l.catalog.LoadTable(ctx, table.Identifier{namespace, name})
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", name, err)
	}
	l.remember(name, tbl)
	return tbl, nil
}

func (l *Lake) remember(name string, tbl *table.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heads[name] = tbl
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
)

const (
	// DefaultDatabase is the Glue database of a lake on S3.
	DefaultDatabase = "muster"

	// The parameters by which every engine knows an Iceberg table in Glue.
	paramType     = "table_type"
	paramMetadata = "metadata_location"
	paramPrevious = "previous_metadata_location"
	typeIceberg   = "ICEBERG"
)

// glueNames are the tables that have another name in Glue: findings and runs
// are what people ask for, views over these.
var glueNames = map[string]string{tableFindings: "finding_states", tableRuns: "run_states"}

func glueName(tableName string) string {
	if n, ok := glueNames[tableName]; ok {
		return n
	}
	return tableName
}

// errNotOurs is about tables in a Glue database that this lake must not touch.
var errNotOurs = errors.New("choose another database with --glue-database")

// errNoTable says that Glue has no such table.
var errNoTable = errors.New("no such table in Glue")

// glueCatalog keeps tables in a database of AWS Glue. A commit is one
// UpdateTable that Glue refuses unless the table is at the version it was read
// at.
type glueCatalog struct {
	client   *glue.Client
	database string
	bucket   *bucket
	known    knownMetadata
}

func newGlueCatalog(b *bucket, cfg aws.Config, database string) *glueCatalog {
	return &glueCatalog{client: glue.NewFromConfig(cfg), database: database, bucket: b}
}

func (c *glueCatalog) close() error { return nil }

func (c *glueCatalog) files(ctx context.Context) files { return objects{c.bucket, ctx} }

// fs is the file access of every table.
func (c *glueCatalog) fs(ctx context.Context) (iceio.IO, error) { return c.files(ctx), nil }

// entry is what Glue knows of a table of this lake; errNoTable when nothing.
func (c *glueCatalog) entry(ctx context.Context, tableName string) (*types.Table, error) {
	name := glueName(tableName)
	out, err := c.client.GetTable(ctx, &glue.GetTableInput{DatabaseName: &c.database, Name: &name})
	if code(err) == "EntityNotFoundException" {
		return nil, fmt.Errorf("%w: %w", errNoTable, err)
	}
	if err != nil {
		return nil, c.explain("glue:GetTable", name, err)
	}
	t := out.Table
	if !strings.EqualFold(t.Parameters[paramType], typeIceberg) || t.Parameters[paramMetadata] == "" {
		return nil, fmt.Errorf("Glue table %s.%s is no Iceberg table: %w", c.database, name, errNotOurs) //nolint:staticcheck // a name
	}
	if !strings.HasPrefix(t.Parameters[paramMetadata], location(c.bucket.base(), tableName)+"/") {
		folder, _, _ := strings.Cut(t.Parameters[paramMetadata], "/metadata/")
		return nil, fmt.Errorf("Glue table %s.%s belongs to another lake, with its files in %s: %w", c.database, name, folder, errNotOurs) //nolint:staticcheck // a name
	}
	return t, nil
}

// pointer implements tables.
func (c *glueCatalog) pointer(ctx context.Context, tableName string) (string, error) {
	t, err := c.entry(ctx, tableName)
	if err != nil {
		return "", err
	}
	return t.Parameters[paramMetadata], nil
}

// LoadTable implements table.CatalogIO. Of the name only the last part counts:
// the database is the catalog's own.
func (c *glueCatalog) LoadTable(ctx context.Context, id table.Identifier) (*table.Table, error) {
	t, _, err := c.load(ctx, id[len(id)-1])
	return t, err
}

func (c *glueCatalog) load(ctx context.Context, tableName string) (*table.Table, *types.Table, error) {
	var err error
	for range loadTries {
		var entry *types.Table
		if entry, err = c.entry(ctx, tableName); err != nil {
			return nil, nil, err
		}
		name := entry.Parameters[paramMetadata]
		var meta table.Metadata
		if meta, err = c.metadata(ctx, tableName, name); err == nil {
			return table.New(table.Identifier{c.database, tableName}, meta, name, c.fs, c), entry, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, nil, err
}

func (c *glueCatalog) metadata(ctx context.Context, tableName, name string) (table.Metadata, error) {
	return c.known.read(ctx, tableName, name, c.fs)
}

// create implements tables. Metadata without an entry in Glue is that of a lake
// whose database was lost: the newest of it is the table.
func (c *glueCatalog) create(ctx context.Context, l layout) error {
	if _, err := c.entry(ctx, l.name); !errors.Is(err, errNoTable) {
		return err
	}
	name, err := c.newest(ctx, l.name)
	if err != nil {
		return err
	}
	if name == "" {
		return c.createNew(ctx, l)
	}
	meta, err := c.metadata(ctx, l.name, name)
	if err != nil {
		return err
	}
	return c.register(ctx, l.name, meta, name)
}

func (c *glueCatalog) createNew(ctx context.Context, l layout) error {
	schema, spec := l.iceberg()
	meta, err := table.NewMetadata(schema, spec, table.UnsortedSortOrder, location(c.bucket.base(), l.name), tableProperties())
	if err != nil {
		return err
	}
	name, err := stageMetadata(c.files(ctx), meta, "")
	if err != nil {
		return err
	}
	if err := c.register(ctx, l.name, meta, name); err != nil {
		return err
	}
	now, err := c.pointer(ctx, l.name)
	if err != nil || now == name {
		return err
	}
	if strings.HasPrefix(path.Base(now), "00000-") {
		return c.files(ctx).Remove(name) // another program was faster
	}
	return nil // what is there now may have grown from ours
}

// register names metadata to Glue, unless it has a table of that name.
func (c *glueCatalog) register(ctx context.Context, tableName string, meta table.Metadata, name string) error {
	_, err := c.client.CreateTable(ctx, &glue.CreateTableInput{
		DatabaseName: &c.database, TableInput: tableInput(nil, tableName, meta, name, ""),
	})
	if err != nil && code(err) != "AlreadyExistsException" { // by another program, or by a try whose answer was lost
		return c.explain("glue:CreateTable", glueName(tableName), err)
	}
	return nil
}

// newest is the metadata of the highest version of a table, of several the one
// written last; "" when there is none.
func (c *glueCatalog) newest(ctx context.Context, tableName string) (string, error) {
	var newest string
	version := 0
	var written time.Time
	err := c.files(ctx).WalkDir(location(c.bucket.base(), tableName)+"/metadata", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		v, ok := versionOf(name)
		if !ok || v == 0 { // tables were created and nothing came after it
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if v > version || v == version && info.ModTime().After(written) {
			newest, version, written = name, v, info.ModTime()
		}
		return nil
	})
	return newest, err
}

// tableInput is a table as Glue holds it. What others have noted about it stays.
func tableInput(old *types.Table, tableName string, meta table.Metadata, name, previous string) *types.TableInput {
	in := &types.TableInput{
		Name: aws.String(glueName(tableName)), TableType: aws.String("EXTERNAL_TABLE"), Parameters: map[string]string{},
		StorageDescriptor: &types.StorageDescriptor{Location: aws.String(meta.Location()), Columns: glueColumns(meta.CurrentSchema())},
	}
	if old != nil {
		in.Description, in.Owner, in.Retention = old.Description, old.Owner, old.Retention
		in.LastAccessTime, in.LastAnalyzedTime = old.LastAccessTime, old.LastAnalyzedTime
		maps.Copy(in.Parameters, old.Parameters)
	}
	in.Parameters[paramType], in.Parameters[paramMetadata] = typeIceberg, name
	if previous != "" {
		in.Parameters[paramPrevious] = previous
	}
	return in
}

// glueColumns are what the console and Lake Formation show of a table. Engines
// read the columns from the metadata.
func glueColumns(s *iceberg.Schema) []types.Column {
	columns := make([]types.Column, 0, s.NumFields())
	for _, f := range s.Fields() {
		columns = append(columns, types.Column{
			Name: aws.String(f.Name), Type: aws.String(glueType(f.Type)),
			Parameters: map[string]string{
				"iceberg.field.id": strconv.Itoa(f.ID), "iceberg.field.optional": strconv.FormatBool(!f.Required), "iceberg.field.current": "true",
			},
		})
	}
	return columns
}

func glueType(t iceberg.Type) string {
	switch t := t.(type) {
	case *iceberg.ListType:
		return "array<" + glueType(t.Element) + ">"
	case *iceberg.MapType:
		return "map<" + glueType(t.KeyType) + "," + glueType(t.ValueType) + ">"
	case iceberg.Int64Type:
		return "bigint"
	case iceberg.TimestampTzType:
		return "timestamp"
	default: // string, int and boolean are called the same
		return t.String()
	}
}

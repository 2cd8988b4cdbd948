package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// exportDone is written last, so that whoever waits for an export knows that it
// is whole. Engines read no file whose name begins with _.
const exportDone = "_SUCCESS"

// Export says what ExportHive writes, and where.
type Export struct {
	// To is a folder, or s3://bucket/prefix. It must be empty or absent.
	To     string
	Window fleet.Window
	Kinds  []fleet.Kind // none: all
	// AWS and Encryption are for a bucket, with its region.
	AWS        aws.Config
	Encryption Encryption
	// Each, when set, is told of every kind and day that was written.
	Each func(ExportedPart) error
}

// ExportedPart is a kind and day as exported.
type ExportedPart struct {
	Kind  string `json:"kind"`
	Day   string `json:"day"`
	Files int    `json:"files"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Exported is the sum of an export.
type Exported struct {
	Rows, Bytes int64
	// FirstDay and LastDay are those written, "" when there are none.
	FirstDay, LastDay string
}

// ExportHive writes the live records of a window as plain Parquet files, in
// folders kind=…/day=…, sorted by trace id. After an error nothing of it is left.
func (l *Lake) ExportHive(ctx context.Context, e Export) (Exported, error) {
	to, base, err := exportTo(ctx, &e)
	if err != nil {
		return Exported{}, fmt.Errorf("export to %s: %w", e.To, err)
	}
	x := exporter{lake: l, e: &e, to: to, base: base}
	if err := x.run(ctx); err != nil {
		var errs []error
		for _, name := range x.written {
			errs = append(errs, to.Remove(name))
		}
		return Exported{}, fmt.Errorf("export to %s: %w", e.To, errors.Join(append([]error{err}, errs...)...))
	}
	return x.done, nil
}

// exportTo opens the place to write to, if nothing is there yet, and says how
// the names of the files in it begin.
func exportTo(ctx context.Context, e *Export) (files, string, error) {
	if strings.HasPrefix(e.To, bucketScheme) {
		b, err := newBucket(e.To, e.AWS, e.Encryption)
		if err != nil {
			return nil, "", err
		}
		err = b.list(ctx, b.prefix, func(o *types.Object) error { return notEmpty(bucketScheme + b.name + "/" + aws.ToString(o.Key)) })
		return objects{b, ctx}, b.base(), err
	}
	if strings.Contains(e.To, "://") {
		return nil, "", errors.New("give a folder or s3://bucket/prefix")
	}
	root, err := filepath.Abs(e.To)
	if err != nil {
		return nil, "", err
	}
	place := folder{root}
	return place, scheme, empty(place, scheme+"/.")
}

func notEmpty(name string) error {
	return fmt.Errorf("there is %s already: give an empty place, since engines would read both", name)
}

// empty is an error unless nothing is there.
func empty(place files, root string) error {
	err := place.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return notEmpty(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

type exporter struct {
	lake    *Lake
	e       *Export
	to      files
	base    string
	written []string
	done    Exported
}

func (x *exporter) run(ctx context.Context) error {
	tbl, err := x.lake.head(ctx, tableEvidence)
	if err != nil {
		return err
	}
	filter := append(windowFilter(wholeDays(x.e.Window, 0)), iceberg.AlwaysTrue{}, iceberg.AlwaysTrue{})
	if len(x.e.Kinds) > 0 {
		filter = append(filter, iceberg.IsIn(iceberg.Reference(columnKind), kindNames(x.e.Kinds)...))
	}
	parts, _, err := planParts(ctx, tbl, iceberg.NewAnd(filter[0], filter[1], filter[2:]...))
	if err != nil {
		return err
	}
	for _, p := range parts {
		if len(x.e.Kinds) > 0 && !slices.Contains(x.e.Kinds, fleet.Kind(p.key.kind)) {
			continue
		}
		if err := x.part(ctx, p); err != nil {
			return fmt.Errorf("%s of %s: %w", p.key.kind, p.key.date(), err)
		}
	}
	name := x.base + "/" + exportDone
	x.written = append(x.written, name)
	return x.to.WriteFile(name, nil)
}

func (x *exporter) part(ctx context.Context, p *part) error {
	d, err := p.findDead(ctx, x.lake.files(ctx), marksAtOnce)
	if err != nil {
		return err
	}
	r := &runs{files: x.lake.files(ctx), limits: standardLimits}
	for i := range p.files {
		if err := r.add(ctx, p.files[i].name, d.rows[p.files[i].name]); err != nil {
			return errors.Join(err, r.close())
		}
	}
	rows, err := r.merge(ctx)
	if err != nil {
		return errors.Join(err, r.close())
	}
	done, err := x.write(ctx, p.key, rows)
	if err = errors.Join(err, rows.close(), r.close()); err != nil || done.Rows == 0 {
		return err
	}
	x.done.Rows += done.Rows
	x.done.Bytes += done.Bytes
	if x.done.FirstDay == "" {
		x.done.FirstDay = done.Day // parts come oldest first
	}
	x.done.LastDay = done.Day
	if x.e.Each != nil {
		return x.e.Each(done)
	}
	return nil
}

// write writes the rows of a part within the window, to as many files as it takes.
func (x *exporter) write(ctx context.Context, key dayKey, rows *mergedRows) (ExportedPart, error) {
	done := ExportedPart{Kind: key.kind, Day: key.date()}
	w := rewriter{keep: func(r *row) bool { return x.e.Window.Contains(time.UnixMicro(r.TimeUS)) }}
	options := []parquet.WriterOption{
		parquet.MaxRowsPerRowGroup(rowsPerGroup), parquet.SkipPageBounds(columnRaw),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("trace_id"))),
	}
	for {
		if err := w.skip(rows); err != nil || rows.peek() == nil {
			return done, err
		}
		name := fmt.Sprintf("%s/kind=%s/day=%s/part-%05d.parquet", x.base, fileSafe(key.kind), done.Day, done.Files)
		x.written = append(x.written, name)
		size, err := writeFile(x.to, name, options, func(p *parquet.GenericWriter[hiveRow]) error {
			n, err := x.fill(ctx, &w, p, rows)
			done.Rows += n
			return err
		})
		if err != nil {
			return done, err
		}
		done.Files++
		done.Bytes += size
	}
}

func (x *exporter) fill(ctx context.Context, w *rewriter, p *parquet.GenericWriter[hiveRow], rows *mergedRows) (int64, error) {
	buf := make([]hiveRow, 0, writeRowsAtOnce)
	n := int64(0)
	for r := rows.peek(); r != nil && p.Size() < largeBytes; r = rows.peek() {
		buf = append(buf, newHiveRow(r))
		if err := errors.Join(rows.advance(), w.skip(rows)); err != nil {
			return n, err
		}
		if len(buf) < writeRowsAtOnce && rows.peek() != nil {
			continue
		}
		if _, err := p.Write(buf); err != nil {
			return n, err
		}
		n += int64(len(buf))
		buf = buf[:0]
		if err := ctx.Err(); err != nil {
			return n, err
		}
	}
	if _, err := p.Write(buf); err != nil {
		return n, err
	}
	return n + int64(len(buf)), nil
}

// HiveTable is the statement that makes an export a table in Athena, which finds
// its folders by partition projection, without a crawler. The location is where
// the export lies on S3.
func HiveTable(name, location string, e Exported) string {
	kinds := make([]string, 0, len(fleet.Kinds()))
	for _, k := range fleet.Kinds() {
		kinds = append(kinds, string(k))
	}
	last := e.LastDay
	if day, err := time.Parse(time.DateOnly, last); err == nil && last == e.FirstDay {
		last = day.AddDate(0, 0, 1).Format(time.DateOnly) // Trino refuses a range of one day
	}
	location = strings.TrimSuffix(location, "/")
	return fmt.Sprintf("CREATE EXTERNAL TABLE `%s` (\n%s\n)\nPARTITIONED BY (`kind` string, `day` string)\nSTORED AS PARQUET\nLOCATION '%s/'\n"+
		`TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.kind.type' = 'enum',
  'projection.kind.values' = '%s',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy-MM-dd',
  'projection.day.range' = '%s,%s',
  'storage.location.template' = '%s/kind=${kind}/day=${day}/'
)`, name, hiveColumns(), location, strings.Join(kinds, ","), e.FirstDay, last, location)
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

const (
	namespace = "muster"

	tableEvidence = "evidence"
	tableFindings = "findings"
	tableRuns     = "runs"
	tableLedger   = "ledger"

	// versionProperty of "evidence" is the version of all four tables.
	versionProperty = "muster.schema-version"
	// schemaVersion is the version that this program reads and writes. 2 added the
	// optional columns of "runs": a program of version 1 would lose them when it
	// writes that table anew, and refuses the lake.
	schemaVersion = 2
	// checkpointPrefix starts the property that holds a stream's checkpoint, in
	// microseconds since 1970. Table properties change in the same swap as the
	// files, and unlike snapshot properties survive compaction and expiry.
	checkpointPrefix = "muster.checkpoint."
)

// errNewerLake says that a later muster wrote the lake.
var errNewerLake = errors.New("the lake was written by a newer muster: update this one")

// The columns that partition "evidence", and the ids of the partition fields.
const (
	columnKind   = "kind"
	columnTime   = "time"
	columnAmends = "amends"

	partitionKind   = 1000
	partitionDay    = 1001
	partitionAmends = 1002
)

// columnRaw holds the evidence itself.
const columnRaw = "raw"

// layout is a table as it is created.
type layout struct {
	name   string
	schema *parquet.Schema
	// partitioned is set for evidence; the other tables are small.
	partitioned bool
}

// layouts lists the tables. Evidence is last: a lake whose evidence exists is whole.
func layouts() []layout {
	return []layout{
		{name: tableFindings, schema: parquet.SchemaOf(findingRow{})},
		{name: tableRuns, schema: parquet.SchemaOf(runRow{})},
		{name: tableLedger, schema: parquet.SchemaOf(ledgerRow{})},
		{name: tableEvidence, schema: parquet.SchemaOf(row{}), partitioned: true},
	}
}

// tableProperties keep thousands of commits cheap: metadata files of the past
// are removed, and manifests are merged before they are many.
func tableProperties() iceberg.Properties {
	return iceberg.Properties{
		"format-version": "2",
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		// A few old metadata files help whoever has to repair a lake by hand.
		table.MetadataPreviousVersionsMaxKey: "10",
		table.ManifestMergeEnabledKey:        "true",
		// Planning opens every manifest; merging 50 at a time keeps a plan in
		// the low tens of milliseconds.
		table.ManifestMinMergeCountKey: "50",
		// What other engines' expiry takes when it is told nothing.
		table.MaxSnapshotAgeMsKey:   strconv.FormatInt(snapshotAge.Milliseconds(), 10),
		table.MinSnapshotsToKeepKey: "1",
		versionProperty:             strconv.Itoa(schemaVersion),
	}
}

// lacking are the properties that a table of an older muster has not. What
// somebody set to another value stays as it is.
func lacking(tbl *table.Table) iceberg.Properties {
	props := tableProperties()
	delete(props, "format-version") // of the metadata itself
	maps.DeleteFunc(props, func(k, _ string) bool {
		_, ok := tbl.Properties()[k]
		return ok
	})
	return props
}

// create makes the tables that are not there. Two programs may do so at once.
func create(ctx context.Context, cat tables) error {
	for _, l := range layouts() {
		if err := cat.create(ctx, l); err != nil {
			return fmt.Errorf("create table %s: %w", l.name, err)
		}
	}
	return nil
}

// iceberg is a layout as Iceberg has it.
func (l *layout) iceberg() (*iceberg.Schema, *iceberg.PartitionSpec) {
	schema := icebergSchema(l.schema)
	if !l.partitioned {
		return schema, iceberg.UnpartitionedSpec
	}
	spec := partitionSpec(schema)
	return schema, &spec
}

// check refuses a lake of a newer version, and one whose field ids are not
// those in the row structs: Iceberg would commit such files and read nothing.
func check(ctx context.Context, cat tables) error {
	for _, l := range layouts() {
		tbl, err := cat.LoadTable(ctx, table.Identifier{namespace, l.name})
		if err != nil {
			return fmt.Errorf("load table %s: %w", l.name, err)
		}
		if v := versionOfTable(tbl); v > schemaVersion {
			return fmt.Errorf("%w (its tables have version %d, this program knows up to %d)", errNewerLake, v, schemaVersion)
		}
		for _, f := range l.schema.Fields() {
			have, ok := tbl.Schema().FindFieldByName(f.Name())
			if !ok && f.Optional() {
				continue // a lake of before, that is opened for reading only
			}
			if !ok || have.ID != f.ID() {
				return fmt.Errorf("table %s: column %s is not the one that this program writes", l.name, f.Name())
			}
		}
	}
	return nil
}

func partitionSpec(s *iceberg.Schema) iceberg.PartitionSpec {
	field := func(column string, id int, name string, t iceberg.Transform) iceberg.PartitionField {
		f, _ := s.FindFieldByName(column)
		return iceberg.PartitionField{SourceIDs: []int{f.ID}, FieldID: id, Name: name, Transform: t}
	}
	return iceberg.NewPartitionSpec(
		field(columnKind, partitionKind, columnKind, iceberg.IdentityTransform{}),
		field(columnTime, partitionDay, "time_day", iceberg.DayTransform{}),
		field(columnAmends, partitionAmends, columnAmends, iceberg.IdentityTransform{}),
	)
}

// icebergSchema is the Iceberg schema of a row struct. Columns are required unless
// a later version added them.
func icebergSchema(s *parquet.Schema) *iceberg.Schema {
	fields := make([]iceberg.NestedField, 0, len(s.Fields()))
	for _, f := range s.Fields() {
		fields = append(fields, iceberg.NestedField{ID: f.ID(), Name: f.Name(), Type: icebergType(f), Required: !f.Optional()})
	}
	return iceberg.NewSchema(0, fields...)
}

func icebergType(n parquet.Node) iceberg.Type {
	if n.Leaf() {
		return icebergLeaf(n)
	}
	// A list or map node holds one repeated group: of the element, or of key and value.
	entry := n.Fields()[0].Fields()
	if len(entry) == 1 {
		return &iceberg.ListType{ElementID: entry[0].ID(), Element: icebergLeaf(entry[0]), ElementRequired: true}
	}
	return &iceberg.MapType{
		KeyID: entry[0].ID(), KeyType: icebergLeaf(entry[0]),
		ValueID: entry[1].ID(), ValueType: icebergLeaf(entry[1]), ValueRequired: true,
	}
}

func icebergLeaf(n parquet.Node) iceberg.Type {
	switch {
	case isTime(n):
		return iceberg.PrimitiveTypes.TimestampTz
	case n.Type().Kind() == parquet.Boolean:
		return iceberg.PrimitiveTypes.Bool
	case n.Type().Kind() == parquet.Int32:
		return iceberg.PrimitiveTypes.Int32
	case n.Type().Kind() == parquet.Int64:
		return iceberg.PrimitiveTypes.Int64
	default:
		return iceberg.PrimitiveTypes.String
	}
}

func isTime(n parquet.Node) bool {
	logical := n.Type().LogicalType()
	if logical == nil {
		return false
	}
	_, ok := logical.Value.(*format.TimestampType)
	return ok
}

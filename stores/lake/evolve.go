package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
)

// evolve gives the tables of an older muster the columns that came since, each by
// one commit of metadata alone: files that were written before have no value in
// them. Two programs may do so at once.
func evolve(ctx context.Context, cat tables) error {
	for _, l := range layouts() {
		if err := l.evolve(ctx, cat); err != nil {
			return fmt.Errorf("bring table %s to schema version %d: %w", l.name, schemaVersion, err)
		}
	}
	return nil
}

func (l *layout) evolve(ctx context.Context, cat tables) error {
	var err error
	for range smallTries {
		var tbl *table.Table
		if tbl, err = cat.LoadTable(ctx, table.Identifier{namespace, l.name}); err != nil {
			return err
		}
		missing := l.missing(tbl)
		if len(missing) == 0 || versionOfTable(tbl) > schemaVersion {
			return nil // which check refuses, if it is newer
		}
		if err = addColumns(ctx, tbl, missing); !errors.Is(err, table.ErrCommitFailed) {
			return err
		}
	}
	return err
}

// missing are the optional columns that a table has not.
func (l *layout) missing(tbl *table.Table) []parquet.Field {
	var out []parquet.Field
	for _, f := range l.schema.Fields() {
		if _, ok := tbl.Schema().FindFieldByName(f.Name()); !ok && f.Optional() {
			out = append(out, f)
		}
	}
	return out
}

// addColumns adds columns in the order of their field ids, which Iceberg counts on.
func addColumns(ctx context.Context, tbl *table.Table, columns []parquet.Field) error {
	tx := tbl.NewTransaction()
	update := tx.UpdateSchema(true, false)
	for _, f := range columns {
		update.AddColumn([]string{f.Name()}, icebergType(f), "", false, nil)
	}
	if err := update.Commit(); err != nil {
		return err
	}
	if err := tx.SetProperties(map[string]string{versionProperty: strconv.Itoa(schemaVersion)}); err != nil {
		return err
	}
	_, err := tx.Commit(ctx)
	return err
}

// versionOfTable is the schema version of a table; this program's where it says
// nothing.
func versionOfTable(tbl *table.Table) int {
	return tbl.Properties().GetInt(versionProperty, schemaVersion)
}

// grows reports whether a table has columns that files of an older muster lack.
func grows(tableName string) bool {
	return slices.ContainsFunc(layouts(), func(l layout) bool {
		return l.name == tableName && slices.ContainsFunc(l.schema.Fields(), parquet.Field.Optional)
	})
}

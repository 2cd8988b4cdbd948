package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

// errEqualityDeletes says that another program deleted rows in a way that this
// reader cannot apply.
var errEqualityDeletes = errors.New("the lake has equality deletes or deletion vectors, which muster does not read: compact the table with the engine that wrote them")

// planned is a data file to read, and the position deletes that apply to it.
type planned struct {
	name     string // lake://
	amends   bool
	sequence int64 // of the commit that wrote its rows here; 0 when unknown
	rows     int64
	deletes  []string
}

// identity changes when the live rows of the file do.
func (p planned) identity() string { return strings.Join(append([]string{p.name}, p.deletes...), "\n") }

// plan is what Iceberg plans for a filter: no file that can hold an answer is missing.
type plan struct {
	files    []planned
	snapshot fleet.Snapshot // where planQuery planned
}

// planFiles asks Iceberg which files of the current snapshot may hold rows
// that match.
func planFiles(ctx context.Context, tbl *table.Table, filter iceberg.BooleanExpression) (plan, error) {
	tasks, err := tbl.Scan(table.WithRowFilter(filter)).PlanFiles(ctx)
	if err != nil {
		return plan{}, fmt.Errorf("plan files: %w", err)
	}
	var p plan
	seen := make(map[string]bool, len(tasks))
	for _, t := range tasks {
		if len(t.EqualityDeleteFiles) > 0 || len(t.DeletionVectorFiles) > 0 {
			return plan{}, errEqualityDeletes
		}
		name := t.File.FilePath()
		if seen[name] {
			continue // one big file comes as several tasks
		}
		seen[name] = true
		f := planned{name: name, rows: t.File.Count()}
		f.amends, _ = t.File.Partition()[partitionAmends].(bool)
		if t.DataSequenceNumber != nil {
			f.sequence = *t.DataSequenceNumber
		}
		for _, d := range t.DeleteFiles {
			f.deletes = append(f.deletes, d.FilePath())
		}
		slices.Sort(f.deletes)
		p.files = append(p.files, f)
	}
	slices.SortFunc(p.files, func(a, b planned) int { return strings.Compare(a.name, b.name) })
	return p, nil
}

// deletion is a row of a position delete file.
type deletion struct {
	Path string `parquet:"file_path"`
	Pos  int64  `parquet:"pos"`
}

// deletedRows are the numbers of the rows that are deleted.
func (p planned) deletedRows(f files) (map[int64]bool, error) {
	deleted := map[int64]bool{}
	for _, name := range p.deletes {
		err := readParquet(f, name, func(_ int64, d *deletion) error {
			if d.Path == p.name {
				deleted[d.Pos] = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read deletes: %w", err)
		}
	}
	return deleted, nil
}

//go:build !noduckdb

package lake

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"muster/fleet"
)

// folderEngine is DuckDB over the files that Iceberg plans for each query.
type folderEngine struct{ lake *Lake }

// engine is what answers this lake's SQL.
func (l *Lake) engine() engine {
	if l.athena != nil {
		return l.athena
	}
	return folderEngine{l}
}

func (e folderEngine) evidence(ctx context.Context, q *fleet.Query, _ bool) (evidence, error) {
	p, err := e.lake.planQuery(ctx, q)
	if err != nil {
		return evidence{}, err
	}
	return e.of(p)
}

// of is what planned files hold.
func (e folderEngine) of(p plan) (out evidence, err error) {
	l := e.lake
	out.snapshot = p.snapshot
	if out.rows, err = l.reader.source(tableEvidence, p.files); err != nil {
		return out, err
	}
	if amending := p.amending(); len(amending) > 0 {
		out.amends, err = l.reader.source(tableEvidence, amending)
	}
	return out, err
}

// list is the column itself: the driver hands over lists and maps as they are.
func (folderEngine) list(column string) string { return column }

func (e folderEngine) rows(ctx context.Context, text string, args []any) (answer, error) {
	return e.lake.reader.db.QueryContext(ctx, text, args...)
}

// keptTable is a temporary table, which is seen by one connection only.
type keptTable struct{ conn *sql.Conn }

func (e folderEngine) keep(ctx context.Context, text string) (keptRows, error) {
	conn, err := e.lake.reader.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "create or replace temp table kept as "+text); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return keptTable{conn}, nil
}

func (keptTable) relation() string { return "kept" }

func (t keptTable) rows(ctx context.Context, text string) (answer, error) {
	return t.conn.QueryContext(ctx, text)
}

func (t keptTable) close() error {
	// Not of a caller's context: the pool must not keep the table.
	_, err := t.conn.ExecContext(context.Background(), "drop table if exists kept")
	return errors.Join(err, t.conn.Close())
}

func (e keptFiles) evidence(ctx context.Context, q *fleet.Query, _ bool) (evidence, error) {
	folder, ok := e.engine.(folderEngine)
	if !ok {
		return evidence{}, errors.New("only a folder's files can be chosen")
	}
	p, err := folder.lake.planQuery(ctx, q)
	if err != nil {
		return evidence{}, err
	}
	if p.snapshot != fleet.Snapshot(e.snapshot) {
		return evidence{}, errAll // files were chosen at another snapshot
	}
	p.files = slices.DeleteFunc(p.files, func(f planned) bool { return !e.names[f.name] })
	return folder.of(p)
}

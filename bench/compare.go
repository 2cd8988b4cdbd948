package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/go-cmp/cmp"

	"muster/stores/lake"
)

// digestQuery says what a set of records is, whatever its order: for each kind
// the number of records, and for each group of columns the sum of the rows'
// hashes. Both sides have the same DuckDB, so that equal rows hash the same.
const digestQuery = `select kind, count(*)::varchar as n,
  sum(hash(id, time_us, duration_us))::varchar as times,
  sum(hash(id, trace_id, trace_via, trace_sure))::varchar as traces,
  sum(hash(id, correlation_id, correlation_via, correlation_sure))::varchar as correlations,
  sum(hash(id, request_id, request_scope, span_id, parent_id, access_key_id))::varchar as keys,
  sum(hash(id, service, name, error, message, principal, account, region))::varchar as words,
  sum(hash(id, event_source, event_name, source_ip, user_agent, read_only, http_method, http_status, log_group))::varchar as lifted,
  sum(hash(id, array_to_string(resources, ' '), list_sort(map_entries(attributes))::varchar))::varchar as attributes,
  sum(hash(id, raw))::varchar as raw
from %s group by kind order by kind`

// digest is a row of digestQuery by the names of its columns.
type digest map[string]any

// lakeDigest is the digest of all records of a lake.
func lakeDigest(ctx context.Context, l *lake.Lake) (out []digest, err error) {
	rows, err := l.SQL(ctx, fmt.Sprintf(digestQuery, "records"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		out = append(out, named(rows.Columns(), rows.Values()))
	}
	return out, rows.Err()
}

// peerDigest is the digest of the Parquet files that the peer wrote.
func peerDigest(ctx context.Context, folder string) (out []digest, err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, fmt.Sprintf(digestQuery, "read_parquet('"+filepath.Join(folder, "*.parquet")+"')"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		out = append(out, named(columns, values))
	}
	return out, rows.Err()
}

func named(columns []string, values []any) digest {
	d := digest{}
	for i, c := range columns {
		d[c] = values[i]
	}
	return d
}

// compare reports where the two sides' records differ.
func compare(ctx context.Context, l *lake.Lake, peerFolder string) error {
	ours, err := lakeDigest(ctx, l)
	if err != nil {
		return err
	}
	theirs, err := peerDigest(ctx, peerFolder)
	if err != nil {
		return err
	}
	if d := cmp.Diff(theirs, ours); d != "" || len(ours) == 0 {
		return fmt.Errorf("DuckDB's script (-) and muster (+) give different records:\n%s", d)
	}
	return nil
}

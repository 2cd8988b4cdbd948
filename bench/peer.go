package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the peer: the same job in DuckDB's SQL
)

//go:embed peers/duckdb.sql
var peerScript string

// runPeer does the job of an import in DuckDB: files of a corpus to three
// Parquet files in an empty folder.
func runPeer(ctx context.Context, corpus, out string) (err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // temporary settings are a connection's own
	defer func() { err = errors.Join(err, db.Close()) }()
	script := strings.NewReplacer("$corpus", corpus, "$out", out).Replace(peerScript)
	for statement := range strings.SplitSeq(script, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%w\nin: %s", err, statement)
		}
	}
	return nil
}

package correlate

import _ "embed"

//go:embed resolve.sql
var resolveSQL string

// SQL is the ladder as one SELECT over a relation named "seen": resolve.sql,
// where its columns are listed. It is Trino's dialect and runs unchanged on
// Athena and on DuckDB.
func SQL() string { return resolveSQL }

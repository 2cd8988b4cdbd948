// Package dashboards holds what muster ships for other people's screens: saved
// queries for the lake, in SQL that DuckDB, Trino and Athena all read.
package dashboards

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed sql/*.sql
var files embed.FS

// Queries are the names of the saved queries, in order.
func Queries() []string {
	entries, err := files.ReadDir("sql")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".sql")
	}
	return names
}

// Query is the text of a saved query. It begins with a comment that says which
// question it answers.
func Query(name string) (string, error) {
	text, err := files.ReadFile(path.Join("sql", name+".sql"))
	if err != nil {
		return "", fmt.Errorf("no saved query %q: there are %s", name, strings.Join(Queries(), ", "))
	}
	return string(text), nil
}

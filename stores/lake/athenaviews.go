package lake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// errNoViews is returned where views are made on the spot.
var errNoViews = errors.New("a lake in a folder needs no views made: muster sql makes them for each query")

// View is a view over the lake's tables, as a statement for Athena or Trino.
type View struct{ Name, SQL string }

var (
	viewStart = regexp.MustCompile(`(?m)^CREATE VIEW (\w+) AS\b`)
	viewTime  = regexp.MustCompile(`moment\(([^)]*)\)`)
)

// Views are the views of a lake on S3, each after those that it stands on.
func Views() []View {
	var out []View
	for _, text := range statements(views) {
		name := viewStart.FindStringSubmatch(text)[1]
		text = viewStart.ReplaceAllString(text, "CREATE OR REPLACE VIEW $1 AS")
		out = append(out, View{name, viewTime.ReplaceAllString(text, "CAST($1 AS timestamp)")})
	}
	return out
}

// Relation is a table of the lake, by the name that views and queries use.
type Relation struct{ Name, Location string }

// Relations are the tables that the views stand on.
func (l *Lake) Relations() []Relation {
	var out []Relation
	for _, t := range layouts() {
		out = append(out, Relation{relations[t.name], location(l.base, t.name)})
	}
	return out
}

// Applied is what ApplyViews did with a view.
type Applied struct {
	Name string
	Was  bool // it was there, and was replaced
}

// ApplyViews makes the views through Athena, or makes them anew. Doing it again
// changes nothing but what a newer muster says otherwise. It stops at the first
// that Athena refuses; those before it stand.
func (l *Lake) ApplyViews(ctx context.Context) ([]Applied, error) {
	if l.athena == nil {
		return nil, errNoViews
	}
	there, err := l.athena.relationNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the views of database %s: %w", l.athena.database, err)
	}
	var done []Applied
	for _, v := range Views() {
		if _, err := l.athena.run(ctx, withoutComments(v.SQL), nil); err != nil {
			return done, fmt.Errorf("make view %s: %w", v.Name, err)
		}
		done = append(done, Applied{v.Name, there[v.Name]})
	}
	return done, nil
}

// relationNames are the tables and views of the database.
func (e *athenaEngine) relationNames(ctx context.Context) (map[string]bool, error) {
	text := "select table_name from information_schema.tables where table_schema = ?"
	rows, err := e.run(ctx, text, []any{e.database})
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names[name] = true
	}
	return names, rows.Err()
}

// withoutComments leaves out the lines that are comments: Athena reads the first
// word of a text to tell what it is.
func withoutComments(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			out = append(out, line)
		}
	}
	return strings.TrimSpace(strings.Join(out, ""))
}

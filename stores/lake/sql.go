package lake

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed views.sql
var views string

// relations names the tables as views.sql calls them.
var relations = map[string]string{
	tableEvidence: "evidence", tableFindings: "finding_states", tableRuns: "run_states", tableLedger: "ledger",
}

// ErrNotQuery is returned by SQL for a text that is not one single query.
var ErrNotQuery = errors.New("only one single query (SELECT, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN) is allowed")

// SQL runs one query over the lake as it is now: the views in views.sql and the
// relations under them. On a folder it reads the lake's data files and nothing
// else; on a bucket it reads what Athena lets its caller read, and the views are
// those that ApplyViews made. It writes nothing. Close the rows.
func (l *Lake) SQL(ctx context.Context, text string) (*Rows, error) {
	rows, err := l.engine().sql(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	return rows, nil
}

// statements splits our own SQL, in which no text holds a semicolon.
func statements(text string) []string {
	var out []string
	for s := range strings.SplitSeq(text, ";") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// quote is s as a SQL text. In both dialects nothing but the quote itself means
// anything in one, so that doubling it is all there is to do.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/fleet"
	"muster/stores/lake"
)

func (a *app) sqlCommand() *cobra.Command {
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "sql TEXT",
		Short: "Ask the lake in SQL",
		Long: `Run SQL over the lake: the views records, spans, logs, api_calls, changes, verdicts
and traces, and the tables findings, runs and ledger. It can read the lake and
nothing else. TEXT "-" reads it from standard input.`,
		Example: `  muster sql "select kind, count(*) from records group by kind order by 1"
  muster sql --csv "select * from traces limit 10"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := args[0]
			if text == "-" {
				in, err := io.ReadAll(a.stdin)
				if err != nil {
					return fmt.Errorf("read the query from standard input: %w", err)
				}
				text = string(in)
			}
			store, err := a.openLake(cmd.Context(), true)
			if err != nil {
				return err
			}
			defer store.Close()
			rows, err := store.SQL(cmd.Context(), text)
			if err != nil {
				return err
			}
			defer rows.Close()
			switch {
			case asJSON:
				return writeJSON(a.stdout, rows)
			case asCSV:
				return writeCSV(a.stdout, rows)
			default:
				return a.writeTable(rows)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "CSV with a header")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	return cmd
}

func writeJSON(w io.Writer, rows *lake.Rows) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	columns := rows.Columns()
	for rows.Next() {
		obj := make(map[string]any, len(columns))
		for i, v := range rows.Values() {
			obj[columns[i]] = jsonValue(v)
		}
		if err := enc.Encode(obj); err != nil {
			return err
		}
	}
	return rows.Err()
}

func writeCSV(w io.Writer, rows *lake.Rows) error {
	out := csv.NewWriter(w)
	if err := out.Write(rows.Columns()); err != nil {
		return err
	}
	for rows.Next() {
		if err := out.Write(texts(rows.Values())); err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return rows.Err()
}

func (a *app) writeTable(rows *lake.Rows) error {
	t := newTable(rows.Columns())
	for rows.Next() {
		t.add(texts(rows.Values()))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return t.print(a.stdout, a.width())
}

func texts(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = sqlText(v)
	}
	return out
}

// sqlText spells a value for a table or CSV: lists and maps as JSON.
func sqlText(v any) string {
	switch v := jsonValue(v).(type) {
	case nil:
		return ""
	case string:
		return v
	case []any, map[string]any:
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return fmt.Sprint(v)
		}
		return strings.TrimSpace(b.String())
	default:
		return fmt.Sprint(v)
	}
}

// jsonValue turns what an engine hands over into what JSON can spell.
func jsonValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		return fleet.FormatTime(v)
	case []byte:
		return fleet.EncodeRaw(v)
	case []any:
		for i := range v {
			v[i] = jsonValue(v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = jsonValue(v[k])
		}
		return v
	default:
		return v
	}
}

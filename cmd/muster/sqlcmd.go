package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/dashboards"
	"muster/fleet"
	"muster/stores/lake"
)

func (a *app) sqlCommand() *cobra.Command {
	var asJSON, asCSV bool
	var saved string
	cmd := &cobra.Command{
		Use:   "sql {TEXT | --saved NAME}",
		Short: "Ask the lake in SQL",
		Long: `Run SQL over the lake: the views records, spans, logs, api_calls, changes, verdicts
and traces, and the tables findings, runs and ledger. On a folder it can read the
lake and nothing else. On S3 it runs in Athena, on the views that "muster lake views
--apply" made, and says on standard error what it read and cost; there, give a
condition on "day" or time_us, so that only that is read. TEXT "-" reads it from
standard input. --saved runs one of the
queries that muster ships: ` + strings.Join(dashboards.Queries(), ", ") + `.`,
		Example: `  muster sql "select kind, count(*) from records group by kind order by 1"
  muster sql --csv "select * from traces limit 10"
  muster sql --saved slowest-operations`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.queryText(saved, args)
			if err != nil {
				return err
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
			if err := a.writeRows(rows, asJSON, asCSV); err != nil {
				return err
			}
			return tellCost(a.stderr, rows)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "CSV with a header")
	cmd.Flags().StringVar(&saved, "saved", "", "`name` of a shipped query to run instead of TEXT")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	if err := cmd.RegisterFlagCompletionFunc("saved", cobra.FixedCompletions(dashboards.Queries(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func (a *app) writeRows(rows *lake.Rows, asJSON, asCSV bool) error {
	switch {
	case asJSON:
		return writeJSON(a.stdout, rows)
	case asCSV:
		return writeCSV(a.stdout, rows)
	default:
		return a.writeTable(rows)
	}
}

// queryText is the query that the arguments mean: one of the shipped ones, the
// text itself, or what standard input holds.
func (a *app) queryText(saved string, args []string) (string, error) {
	switch {
	case saved != "" && len(args) > 0, saved == "" && len(args) == 0:
		return "", errors.New("give either the text of a query or --saved with a name")
	case saved != "":
		return dashboards.Query(saved)
	case args[0] != "-":
		return args[0], nil
	}
	in, err := io.ReadAll(a.stdin)
	if err != nil {
		return "", fmt.Errorf("read the query from standard input: %w", err)
	}
	return string(in), nil
}

// writeJSON prints one object a row, its members in the order of the columns.
func writeJSON(w io.Writer, rows *lake.Rows) error {
	names := rows.Columns()
	var b strings.Builder
	for rows.Next() {
		b.Reset()
		for i, v := range rows.Values() {
			name, err := jsonText(names[i])
			if err != nil {
				return err
			}
			value, err := jsonText(jsonValue(v))
			if err != nil {
				return fmt.Errorf("column %s: %w", name, err)
			}
			b.WriteByte("{,"[min(i, 1)])
			b.WriteString(name + ":" + value)
		}
		b.WriteString("}\n")
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return rows.Err()
}

func jsonText(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
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
		text, err := jsonText(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return text
	default:
		return fmt.Sprint(v)
	}
}

// jsonValue turns what an engine hands over into what JSON can spell.
func jsonValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		return fleet.FormatTime(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64) // JSON has no number for them
		}
		return v
	case float32:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return jsonValue(f)
		}
		return v
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

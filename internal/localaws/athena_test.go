package localaws

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"muster/internal/localaws/trino"
)

func TestAthenaWithoutAnEngineSaysSo(t *testing.T) {
	s := start(t, Options{})
	client := athena.NewFromConfig(client(t, s, "AKIDREADER"))
	_, err := client.StartQueryExecution(t.Context(), &athena.StartQueryExecutionInput{QueryString: aws.String("SELECT 1")})
	var refused *types.InvalidRequestException
	if !errors.As(err, &refused) || !strings.Contains(aws.ToString(refused.Message), "--trino") {
		t.Errorf("got %v, want a hint at --trino", err)
	}
}

func TestValuesReadAsAthenaPrintsThem(t *testing.T) {
	varchar := trino.Signature{Name: "varchar"}
	of := func(name string, parts ...trino.Signature) trino.Signature {
		s := trino.Signature{Name: name}
		for i := range parts {
			s.Parameters = append(s.Parameters, trino.Argument{Type: &parts[i]})
		}
		return s
	}
	named := of("row", varchar, varchar)
	named.Parameters[0].Field, named.Parameters[1].Field = "id", "name"
	for _, test := range []struct {
		value any
		of    trino.Signature
		want  string
	}{
		{"a, b", varchar, "a, b"},
		{json.Number("1.0E20"), of("double"), "1.0E20"},
		{true, of("boolean"), "true"},
		{"2026-11-25 23:59:59.999999", of("timestamp"), "2026-11-25 23:59:59.999"},
		{"2026-11-25 23:59:59.999999 UTC", of("timestamp with time zone"), "2026-11-25 23:59:59.999 UTC"},
		{"2026-11-25 23:59:59", of("timestamp"), "2026-11-25 23:59:59"},
		{"YWJj", of("varbinary"), "61 62 63"},
		{[]any{"a", nil}, of("array", varchar), "[a, null]"},
		{[]any{[]any{"x"}, []any{}}, of("array", of("array", varchar)), "[[x], []]"},
		{map[string]any{"b": "2", "a": "1"}, of("map", varchar, varchar), "{a=1, b=2}"},
		{[]any{"1", "x"}, named, "{id=1, name=x}"},
		{[]any{"1", "x"}, of("row", varchar, varchar), "{1, x}"},
		{[]any{"2026-11-25 23:59:59.999999"}, of("array", of("timestamp")), "[2026-11-25 23:59:59.999]"},
	} {
		if got := athenaText(test.value, test.of); got != test.want {
			t.Errorf("%v as %s: got %q, want %q", test.value, test.of.Name, got, test.want)
		}
	}
}

func TestStatementsAreClassifiedAsAthenaDoes(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1":                              "DML SELECT",
		"-- SELECT\nSHOW TABLES":                "UTILITY SHOW_TABLES",
		"/* SHOW */ (SELECT 1)":                 "DML SELECT",
		"WITH a AS (SELECT 1) SELECT * FROM a":  "DML SELECT",
		"CREATE OR REPLACE VIEW v AS SELECT 1":  "DDL CREATE_VIEW",
		"explain (type validate) select 1":      "DML EXPLAIN",
		"ALTER TABLE t EXECUTE optimize":        "DDL ",
		"CREATE SCHEMA IF NOT EXISTS something": "DDL CREATE_DATABASE",
		"-- nothing else":                       "DDL ",
	} {
		if kind, substatement := classifySQL(sql); kind+" "+substatement != want {
			t.Errorf("%q is %s %s, want %s", sql, kind, substatement, want)
		}
	}
}

package advancedquery

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func resources(t *testing.T) (out []map[string]any) {
	t.Helper()
	for _, text := range []string{
		`{"resourceId":"orders","resourceType":"AWS::DynamoDB::Table","configuration":{"size":5,"keys":[{"name":"a"},{"name":"b"}]},"tags":[]}`,
		`{"resourceId":"sg-1","resourceType":"AWS::EC2::SecurityGroup","configuration":{"open":true,"size":12}}`,
		`{"resourceId":"sg-2","resourceType":"AWS::EC2::SecurityGroup","configuration":{"open":false,"size":7}}`,
	} {
		var r map[string]any
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestRun(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT resourceId`: `{"resourceId":"orders"} {"resourceId":"sg-1"} {"resourceId":"sg-2"}`,
		`select resourceId, configuration.size where resourceType = 'AWS::EC2::SecurityGroup' and configuration.size > 10`: `{"configuration":{"size":12},"resourceId":"sg-1"}`,
		`SELECT resourceId WHERE resourceType LIKE 'AWS::EC2::%' ORDER BY resourceId DESC`:                                 `{"resourceId":"sg-2"} {"resourceId":"sg-1"}`,
		`SELECT resourceId WHERE configuration.keys.name = 'b'`:                                                            `{"resourceId":"orders"}`,
		`SELECT configuration.keys.name WHERE resourceId = 'orders'`:                                                       `{"configuration":{"keys":[{"name":"a"},{"name":"b"}]}}`,
		`SELECT resourceId WHERE configuration.open = true`:                                                                `{"resourceId":"sg-1"}`,
		`SELECT resourceId WHERE NOT (configuration.open = TRUE OR resourceId IN ('orders'))`:                              `{"resourceId":"sg-2"}`,
		`SELECT resourceId WHERE configuration.size BETWEEN 6 AND 12 AND resourceId NOT LIKE '%2'`:                         `{"resourceId":"sg-1"}`,
		`SELECT resourceType, COUNT(*) GROUP BY resourceType ORDER BY COUNT(*) DESC`:                                       `{"COUNT(*)":2,"resourceType":"AWS::EC2::SecurityGroup"} {"COUNT(*)":1,"resourceType":"AWS::DynamoDB::Table"}`,
		`SELECT COUNT(*) WHERE resourceId <> 'orders';`:                                                                    `{"COUNT(*)":2}`,
		`SELECT resourceId WHERE resourceId = 'it''s'`:                                                                     ``,
	} {
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got, err := q.Run(resources(t))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", query, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, query := range []string{
		"", "resourceId", "SELECT", "SELECT a,", "SELECT a WHERE", "SELECT a WHERE b", "SELECT a WHERE b =", "SELECT a WHERE b = c", "SELECT a WHERE b = 'c", "SELECT a WHERE (b = 1",
		"SELECT a WHERE b IN 1", "SELECT a WHERE b IN (1", "SELECT a WHERE b BETWEEN 1", "SELECT a WHERE b NOT = 1", "SELECT MAX(a)", "SELECT a, COUNT(*)", "SELECT a GROUP BY a", "SELECT a ORDER a",
		"SELECT a x", "SELECT a WHERE " + strings.Repeat("(", maxDepth+1), strings.Repeat("a", MaxExpression+1),
	} {
		var syntax *SyntaxError
		if _, err := Parse(query); !errors.As(err, &syntax) {
			t.Errorf("%.60q was taken: %v", query, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`SELECT a.b, COUNT(*) WHERE c LIKE '%x_' AND NOT d IN (1, 'e') OR f BETWEEN 1 AND 2 GROUP BY a.b ORDER BY COUNT(*) DESC`)
	f.Add(`SELECT * WHERE configuration.keys.name = 'b'`)
	f.Fuzz(func(t *testing.T, query string) {
		if q, err := Parse(query); err == nil {
			if _, err := q.Run(resources(t)); err != nil {
				t.Error(err)
			}
		}
	})
}

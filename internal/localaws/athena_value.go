package localaws

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"muster/internal/localaws/trino"
)

// columnInfo is a column as GetQueryResults tells it. Athena's results belong to
// no table.
type columnInfo struct {
	CatalogName, SchemaName, TableName string
	Name, Label, Type                  string
	Precision, Scale                   int64
	Nullable                           string
	CaseSensitive                      bool
}

// precisions are Athena's numbers for types whose own have none.
var precisions = map[string]int64{
	"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "double": 17, "float": 17,
	"timestamp": 3, "time": 3, "varbinary": 1 << 30, "varchar": 1<<31 - 1,
}

// columnInfoOf names a column's type as Athena does: without its parameters,
// which are the precision and scale.
func columnInfoOf(c trino.Column) columnInfo {
	info := columnInfo{CatalogName: "hive", Name: c.Name, Label: c.Name, Type: c.Signature.Name, Nullable: "UNKNOWN"}
	if info.Type == "real" {
		info.Type = "float"
	}
	info.Precision = precisions[info.Type]
	info.CaseSensitive = info.Type == "varchar" || info.Type == "char"
	if p := c.Signature.Parameters; len(p) > 0 && (info.CaseSensitive || info.Type == "decimal") {
		info.Precision = p[0].Number
		if len(p) > 1 {
			info.Scale = p[1].Number
		}
	}
	return info
}

// athenaText is a value as Athena prints it: strings bare even within others,
// arrays in brackets, maps and rows in braces, times cut to milliseconds.
func athenaText(value any, of trino.Signature) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case string:
		return athenaString(v, of)
	case []any:
		if of.Name == "row" {
			return rowText(v, of)
		}
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = athenaText(e, parameter(of, 0))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		// The engine's order is lost in JSON: by key, so that it is always the same.
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, athenaText(k, parameter(of, 0))+"="+athenaText(v[k], parameter(of, 1)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(value)
}

func rowText(values []any, of trino.Signature) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = athenaText(v, parameter(of, i))
		if i < len(of.Parameters) && of.Parameters[i].Field != "" {
			parts[i] = of.Parameters[i].Field + "=" + parts[i]
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// parameter is the type of a type's part; the zero type where there is none.
func parameter(of trino.Signature, i int) trino.Signature {
	if i < len(of.Parameters) && of.Parameters[i].Type != nil {
		return *of.Parameters[i].Type
	}
	return trino.Signature{}
}

// athenaString is a value that the engine wrote as a JSON string.
func athenaString(v string, of trino.Signature) string {
	switch of.Name {
	case "timestamp", "timestamp with time zone":
		return toMilliseconds(v)
	case "varbinary":
		raw, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return v
		}
		return fmt.Sprintf("% x", raw)
	}
	return v
}

// toMilliseconds cuts the fraction of a second to three digits. Results of
// Athena have been seen with three digits and with six; whoever relies on the
// other three is found out here.
func toMilliseconds(v string) string {
	dot := strings.IndexByte(v, '.')
	if dot < 0 {
		return v
	}
	end := dot + 1
	for end < len(v) && v[end] >= '0' && v[end] <= '9' {
		end++
	}
	return v[:min(dot+4, end)] + v[end:]
}

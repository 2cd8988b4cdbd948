package lake

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/substrait"
)

// third_party/substrait has only some of Substrait's functions.
func TestIcebergFindsTheFunctionsOfItsFilters(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "text", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 2, Name: "number", Type: iceberg.PrimitiveTypes.Float64},
	)
	text, number := iceberg.Reference("text"), iceberg.Reference("number")
	for name, e := range map[string]iceberg.BooleanExpression{
		"and": iceberg.NewAnd(iceberg.EqualTo(text, "a"), iceberg.EqualTo(number, 1.0)),
		"or":  iceberg.NewOr(iceberg.EqualTo(text, "a"), iceberg.EqualTo(number, 1.0)),
		"=":   iceberg.EqualTo(text, "a"), "<>": iceberg.NotEqualTo(text, "a"),
		"<": iceberg.LessThan(text, "a"), "<=": iceberg.LessThanEqual(text, "a"),
		">": iceberg.GreaterThan(text, "a"), ">=": iceberg.GreaterThanEqual(text, "a"),
		"null": iceberg.IsNull(text), "not null": iceberg.NotNull(text),
		"nan": iceberg.IsNaN(number), "not nan": iceberg.NotNaN(number),
		"in": iceberg.IsIn(text, "a", "b"), "not in": iceberg.NotIn(text, "a", "b"),
		"starts": iceberg.StartsWith(text, "a"), "does not start": iceberg.NotStartsWith(text, "a"),
	} {
		bound, err := iceberg.BindExpr(schema, e, true)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := substrait.ConvertExpr(schema, bound, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package audit

import (
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// costLimit bounds one evaluation, in CEL's cost units of roughly 100 ns: half
// a second at most, and far above what the largest story costs a condition that
// looks at each record once.
const costLimit = 5_000_000

// expression is one compiled CEL expression.
type expression struct {
	program cel.Program
	typ     *cel.Type
	ast     *cel.Ast
}

// eval evaluates over variables by name. It returns an error for what cannot be
// known when a policy is loaded: an index out of range, a key that is not
// there, a text that is no number, or a cost above the limit.
func (e *expression) eval(vars map[string]any) (ref.Val, error) {
	v, _, err := e.program.Eval(vars)
	return v, err
}

// constant is the value of an expression that depends on nothing; nil where it
// names a variable, which there is none of yet, or fails.
func (e *expression) constant() ref.Val {
	if v, err := e.eval(map[string]any{}); err == nil && !types.IsUnknownOrError(v) {
		return v
	}
	return nil
}

// wants checks the type of an expression and says what it should be.
type wants struct {
	ok   func(*cel.Type) bool
	name string
}

var (
	isAnything = wants{func(*cel.Type) bool { return true }, "anything"}
	isBool     = wants{func(t *cel.Type) bool { return t.IsExactType(cel.BoolType) }, "true or false"}
	isInt      = wants{func(t *cel.Type) bool { return t.IsExactType(cel.IntType) }, "a whole number"}
	isString   = wants{func(t *cel.Type) bool { return t.IsExactType(cel.StringType) }, "a text"}
	isList     = wants{func(t *cel.Type) bool { return t.Kind() == cel.ListKind }, "a list"}
	isStrings  = wants{func(t *cel.Type) bool { return t.IsExactType(cel.ListType(cel.StringType)) }, "a list of strings"}
)

// expression compiles a field of the document. It returns nil, with the problem
// noted, when the expression is wrong.
func (c *compiler) expression(field string, src text, want wants) *expression {
	ast, issues := c.env.Compile(src.value)
	if err := issues.Err(); err != nil {
		for _, e := range issues.Errors() {
			line := src.line
			if src.block {
				line += e.Location.Line() - 1
			}
			c.problem(line, c.remedy(e.Message), "%s: %s", field, e.Message)
		}
		return nil
	}
	if !want.ok(ast.OutputType()) {
		c.problem(src.line, "", "%s gives %s where %s is wanted", field, ast.OutputType(), want.name)
		return nil
	}
	program, err := c.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(costLimit))
	if err != nil {
		c.problem(src.line, "", "%s: %v", field, err)
		return nil
	}
	return &expression{program, ast.OutputType(), ast}
}

var (
	undefinedField = regexp.MustCompile(`^undefined field '(\w+)'`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '(\w+)'`)
)

// remedy is what to do about a message of the CEL compiler.
func (c *compiler) remedy(message string) string {
	if m := undefinedField.FindStringSubmatch(message); m != nil {
		if near := nearest(m[1], fieldNames()); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
		return "known fields: " + strings.Join(fieldNames(), ", ")
	}
	if m := undeclared.FindStringSubmatch(message); m != nil {
		names := make([]string, 0, len(c.env.Variables()))
		for _, v := range c.env.Variables() {
			if variableName.MatchString(v.Name()) && !strings.Contains(coreTypes, " "+v.Name()+" ") {
				names = append(names, v.Name())
			}
		}
		return "known variables: " + strings.Join(names, ", ")
	}
	return ""
}

// coreTypes are variables that CEL declares itself: the names of its types.
const coreTypes = " bool bytes double duration int list map null_type string timestamp type uint "

// nearest is the name that takes the fewest edits to reach, if it is not more
// than every third letter.
func nearest(name string, names []string) string {
	best, fewest := "", len(name)/3+1
	for _, n := range names {
		if d := edits(name, n); d < fewest {
			best, fewest = n, d
		}
	}
	return best
}

// edits counts the letters to insert, remove or replace on the way from a to b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

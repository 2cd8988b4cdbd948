package lake

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// athenaParameter bounds an execution parameter, in characters.
	athenaParameter = 1024
	// athenaText bounds the text of a query, in bytes.
	athenaText = 262_144
)

// bind turns the arguments of a text into execution parameters, which Athena
// puts in place of its question marks as they are: literals. One that is too
// long for a parameter stands in the text itself.
func bind(sql string, args []any) (string, []string, error) {
	parts := strings.Split(sql, "?")
	if len(parts)-1 != len(args) && len(args) > 0 {
		return "", nil, fmt.Errorf("the query has %d question marks for %d arguments", len(parts)-1, len(args))
	}
	if len(args) == 0 {
		return sql, nil, checkLength(sql)
	}
	var b strings.Builder
	var parameters []string
	for i, part := range parts {
		b.WriteString(part)
		if i == len(args) {
			break
		}
		s, ok := args[i].(string)
		if !ok {
			return "", nil, fmt.Errorf("argument %d is %T, not text", i+1, args[i])
		}
		if l := quote(text(s)); utf8.RuneCountInString(l) > athenaParameter {
			b.WriteString(l)
		} else {
			b.WriteByte('?')
			parameters = append(parameters, l)
		}
	}
	return b.String(), parameters, checkLength(b.String())
}

func checkLength(sql string) error {
	if len(sql) > athenaText {
		return fmt.Errorf("the query has %d bytes and Athena takes %d: ask for fewer ids at a time", len(sql), athenaText)
	}
	return nil
}

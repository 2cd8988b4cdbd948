// Package pattern reads CloudWatch Logs filter patterns and matches messages
// with them: terms (ERROR, -debug, ?optional, "a phrase", %regex%), JSON
// ({ $.errorCode = "Access*" && $.n > 3 }) and space-delimited fields
// ([ip, user, ..., status = 5*, bytes]).
//
// It follows AWS's page "Filter pattern syntax". Where that page leaves
// something open the comment at the place says so.
package pattern

import (
	"fmt"
	"strings"
)

// maxLength is the most characters that AWS takes.
const maxLength = 1024

// maxRegexes is the most regular expressions in one JSON or space-delimited
// pattern.
const maxRegexes = 2

// A Pattern decides about messages. The zero Pattern wants every one. Safe for
// concurrent use.
type Pattern struct{ matcher matcher }

// matcher is one of the three kinds; nil matches everything.
type matcher interface{ match(message string) bool }

// A SyntaxError says why a text is no filter pattern.
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return e.Reason }

func errorf(format string, args ...any) error { return &SyntaxError{fmt.Sprintf(format, args...)} }

// Parse reads a pattern; the error is a *SyntaxError. A blank text and [] are the
// pattern that wants every message.
func Parse(text string) (*Pattern, error) {
	if n := len([]rune(text)); n > maxLength {
		return nil, errorf("the pattern has %d characters and may have %d", n, maxLength)
	}
	trimmed := strings.TrimSpace(text)
	var m matcher
	var err error
	switch {
	case trimmed == "":
		return &Pattern{}, nil
	case strings.HasPrefix(trimmed, "{"):
		m, err = parseDocument(trimmed)
	case strings.HasPrefix(trimmed, "["):
		m, err = parseFields(trimmed)
	default:
		m, err = parseTerms(trimmed)
	}
	if err != nil {
		return nil, err
	}
	return &Pattern{m}, nil
}

// Match reports whether the pattern wants a message.
func (p *Pattern) Match(message string) bool {
	return p.matcher == nil || p.matcher.match(message)
}

package pattern

import (
	"regexp"
	"strings"
)

// regex is a regular expression that is found somewhere in a text.
type regex struct{ *regexp.Regexp }

func (r regex) in(message string) bool { return r.MatchString(message) }

// regexSymbols are the characters beside letters and digits that AWS takes: the
// first ones stand for themselves, the others are operators. There are no
// groups.
const regexSymbols = ":_#=@/;,-" + `^$?[]{}|\*+.`

// cutRegex splits behind the %…% that a text begins with. \% is a percent sign.
func cutRegex(text string) (one term, rest string, err error) {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && text[i+1] < 0x80:
			i++
		case c == '%':
			r, err := compile(text[1:i])
			return r, text[i+1:], err
		case !regexCharacter(c):
			return nil, "", errorf("the regular expression in %s has a character that is not supported: %q", text, c)
		}
	}
	return nil, "", errorf("a regular expression is not closed: %s", text)
}

func regexCharacter(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(regexSymbols, c) >= 0
}

func compile(text string) (regex, error) {
	if text == "" {
		return regex{}, errorf("a regular expression is empty")
	}
	r, err := regexp.Compile(text)
	if err != nil {
		return regex{}, errorf("the regular expression %%%s%% cannot be read: %v", text, err)
	}
	return regex{r}, nil
}

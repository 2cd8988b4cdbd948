package lake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/fleet"
)

// leastSubject is the shortest text, in bytes, that can stand for a person:
// anything shorter stands in evidence of everybody.
const leastSubject = 3

// subject finds a person in evidence: a text that stands there whole, whatever
// its letters' case, and not as a part of a longer name or address.
type subject struct {
	// spellings are the text in lower case as it is, and as JSON may write it.
	spellings []string
}

func newSubject(text string) (*subject, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if len(text) < leastSubject || !utf8.ValidString(text) {
		return nil, fmt.Errorf("erase: the subject must have at least %d characters", leastSubject)
	}
	if strings.ContainsAny(text, "\n\r") {
		return nil, errors.New("erase: the subject must be one line")
	}
	all := map[string]bool{text: true}
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if err := e.Encode(text); err != nil {
			return nil, err
		}
		quoted := strings.ToLower(strings.TrimSuffix(b.String(), "\n"))
		quoted = quoted[1 : len(quoted)-1]
		all[quoted] = true
		all[strings.ReplaceAll(quoted, "/", `\/`)] = true
		all[asciiJSON(quoted)] = true
	}
	s := &subject{}
	for spelling := range maps.Keys(all) {
		s.spellings = append(s.spellings, spelling)
	}
	return s, nil
}

// asciiJSON is a JSON text as writers that keep to ASCII have it.
func asciiJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// in reports whether the subject stands in a text.
func (s *subject) in(text string) bool {
	if len(text) < leastSubject {
		return false
	}
	text = strings.ToLower(text)
	for _, spelling := range s.spellings {
		for from := 0; ; {
			at := strings.Index(text[from:], spelling)
			if at < 0 {
				break
			}
			at += from
			if !joined(reverse(text[:at])) && !joined(text[at+len(spelling):]) {
				return true
			}
			from = at + 1
		}
	}
	return false
}

// reverse yields the last bytes of a text, last first: as many as joined needs.
func reverse(s string) string {
	switch n := len(s); n {
	case 0, 1:
		return s
	default:
		return string([]byte{s[n-1], s[n-2]})
	}
}

// joined reports whether what is next to a text makes it a part of a longer
// name: a letter or digit, or one of . - + @ with a letter or digit after it.
func joined(next string) bool {
	if next == "" {
		return false
	}
	if word(next[0]) {
		return true
	}
	return strings.IndexByte(".-+@", next[0]) >= 0 && len(next) > 1 && word(next[1])
}

func word(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= utf8.RuneSelf
}

// columns are the columns of a row that name the subject: all text columns are
// looked into, the values of attributes as one, and evidence as it was before it
// was encoded.
func (s *subject) columns(r *row) []string {
	var out []string
	note := func(column string, texts ...string) {
		if slices.ContainsFunc(texts, s.in) {
			out = append(out, column)
		}
	}
	note("id", r.ID)
	note("principal", r.Principal)
	note("origin", r.Origin)
	note("source_ip", r.SourceIP)
	note("user_agent", r.UserAgent)
	note("service", r.Service)
	note("name", r.Name)
	note("error", r.Error)
	note("message", r.Message)
	note("resources", r.Resources...)
	note("correlation_id", r.Correlation, r.SeenCorrelation)
	note("request_id", r.Request, r.SeenRequest)
	note("message_ids", r.Messages...)
	note("access_key_id", r.AccessKey, r.IssuedKey)
	note("event_name", r.EventName, r.EventSource)
	note("log_group", r.LogGroup)
	for _, v := range r.Attributes {
		if s.in(v) {
			out = append(out, "attributes")
			break
		}
	}
	note("raw", string(fleet.DecodeRaw(r.Raw)))
	return out
}

package collectors

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// cause is why a span failed: exceptions, or the id of one in another segment.
type cause struct {
	id         string
	Exceptions []struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"exceptions"`
	Message string `json:"message"`
}

func readCause(doc json.RawMessage) (cause, error) {
	var c cause
	switch doc = bytes.TrimSpace(doc); {
	case len(doc) == 0 || string(doc) == "null":
		return c, nil
	case doc[0] == '"':
		return c, json.Unmarshal(doc, &c.id)
	case doc[0] == '{':
		return c, json.Unmarshal(doc, &c)
	}
	return c, fmt.Errorf("cause %s is neither an exception id nor an object", clip(string(doc), maxIDBytes))
}

func (c *cause) text() string {
	for _, e := range c.Exceptions {
		if e.Message != "" {
			return e.Message
		}
	}
	return firstOf(c.Message, c.kind())
}

func (c *cause) kind() string {
	if len(c.Exceptions) == 0 {
		return ""
	}
	return c.Exceptions[0].Type
}

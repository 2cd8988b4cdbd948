// Package insights reads and runs queries of CloudWatch Logs Insights: the
// commands fields, display, filter, parse, stats, sort, limit and dedup, with the
// operators and functions that queries about one fleet's evidence need. Anything
// else is refused when the query is read: an answer that ignored a part of it
// would be a wrong one.
package insights

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultLimit is how many rows a query without limit has, and MaxLimit the most.
const (
	DefaultLimit = 10_000
	MaxLimit     = 100_000
)

// timeFormat is how Insights shows times.
const timeFormat = "2006-01-02 15:04:05.000"

// An Event is a log event as a query sees it.
type Event struct {
	Time, Ingested time.Time
	Message        string
	Stream         string
	Log            string // account:group
	Pointer        string // finds the event again
}

// A Field is one cell of a result.
type Field struct {
	Name  string `json:"field"`
	Value string `json:"value"`
}

// A SyntaxError says why a text is no query.
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return e.Reason }

func errorf(format string, args ...any) error { return &SyntaxError{fmt.Sprintf(format, args...)} }

// row is an event under way through the commands. Values are string, float64 or
// bool; a name that is not there has no value.
type row struct {
	event  *Event
	values map[string]any
	parsed bool // the message was looked into for JSON
}

// get is the value of a field: made by the query, of the event itself, or found
// in a message that is JSON.
func (r *row) get(name string) (any, bool) {
	if v, ok := r.values[name]; ok {
		return v, v != nil
	}
	if r.event == nil {
		return nil, false
	}
	switch name {
	case "@timestamp":
		return float64(r.event.Time.UnixMilli()), true
	case "@ingestionTime":
		return float64(r.event.Ingested.UnixMilli()), true
	case "@message":
		return r.event.Message, true
	case "@logStream":
		return r.event.Stream, true
	case "@log":
		return r.event.Log, true
	case "@ptr":
		return r.event.Pointer, true
	}
	if !r.parsed {
		r.parsed = true
		r.discover()
		v, ok := r.values[name]
		return v, ok && v != nil
	}
	return nil, false
}

// maxDiscovered is how many fields Insights finds in an event.
const maxDiscovered = 200

// discover adds the fields of a message that is JSON: a.b.0.c.
func (r *row) discover() {
	if m := strings.TrimSpace(r.event.Message); !strings.HasPrefix(m, "{") {
		return
	}
	var doc map[string]any
	d := json.NewDecoder(strings.NewReader(r.event.Message))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return
	}
	left := maxDiscovered
	for name, v := range doc {
		r.flatten(name, v, &left)
	}
}

func (r *row) flatten(name string, v any, left *int) {
	if *left <= 0 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			r.flatten(name+"."+k, member, left)
		}
		return
	case []any:
		for i, element := range v {
			r.flatten(name+"."+strconv.Itoa(i), element, left)
		}
		return
	case nil:
		return
	}
	*left--
	if _, made := r.values[name]; made {
		return // by the query, which comes first
	}
	switch v := v.(type) {
	case json.Number:
		// As written: nanoseconds since 1970 do not fit into a float.
		r.values[name] = v.String()
	case bool:
		r.values[name] = strconv.FormatBool(v)
	default:
		r.values[name] = v
	}
}

// show is a value as a result has it.
func show(name string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float64:
		if name == "@timestamp" || name == "@ingestionTime" || strings.HasPrefix(name, "bin(") {
			return time.UnixMilli(int64(v)).UTC().Format(timeFormat)
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case moment:
		return time.UnixMilli(int64(v)).UTC().Format(timeFormat)
	}
	return fmt.Sprint(v)
}

// moment is a time in milliseconds that shows as one under any name.
type moment float64

// number reads a value as one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case moment:
		return float64(v), true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}

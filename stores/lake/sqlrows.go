package lake

import (
	"encoding/hex"
	"time"
)

// Rows are the answer to a text of SQL. Not for several goroutines at once.
type Rows struct {
	rows    answer
	columns []string
	types   []string // the engine's, by column
	values  []any
	err     error
	done    func() error
	cost    *Cost // nil: it costs nothing
}

// Columns are the names of the answer's columns.
func (r *Rows) Columns() []string { return r.columns }

// Next reads the next row; false at the end and after an error.
func (r *Rows) Next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	r.values = make([]any, len(r.columns))
	targets := make([]any, len(r.columns))
	for i := range targets {
		targets[i] = &r.values[i]
	}
	if r.err = r.rows.Scan(targets...); r.err != nil {
		return false
	}
	for i, v := range r.values {
		r.values[i] = ofType(r.types[i], plain(v))
	}
	return true
}

// ofType spells what Go's types have no room for: a day without a time, a time
// without a day, an id of 16 bytes.
func ofType(name string, v any) any {
	switch v := v.(type) {
	case time.Time:
		switch name {
		case "DATE":
			return v.Format(time.DateOnly)
		case "TIME":
			return v.Format("15:04:05.000000")
		}
	case []byte:
		if name == "UUID" && len(v) == 16 {
			h := hex.EncodeToString(v)
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		}
	}
	return v
}

// Values are the row that Next read: nil, bool, numbers, string, []byte,
// time.Time, []any and map[string]any. They stay valid.
func (r *Rows) Values() []any { return r.values }

// Err is the error that ended the rows.
func (r *Rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}

// Cost is what the answer costs; nil on a folder, where it costs nothing.
func (r *Rows) Cost() *Cost { return r.cost }

// Close ends the query and lets go of its engine.
func (r *Rows) Close() error { return r.done() }

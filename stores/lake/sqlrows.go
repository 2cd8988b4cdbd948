package lake

import "database/sql"

// Rows are the answer to a text of SQL. Not for several goroutines at once.
type Rows struct {
	rows    *sql.Rows
	columns []string
	values  []any
	err     error
	done    func() error
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
		r.values[i] = plain(v)
	}
	return true
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

// Close ends the query and lets go of its engine.
func (r *Rows) Close() error { return r.done() }

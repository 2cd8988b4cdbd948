//go:build noduckdb

package lake

import (
	"context"
	"errors"

	"muster/fleet"
)

// errNoReader is returned by every question: writing needs no engine, but
// reading a folder does.
var errNoReader = errors.New("this muster was built without the folder reader (build tag noduckdb): use one that has it")

// reader stands in for DuckDB in a build without cgo.
type reader struct {
	inventories inventories
	footers     footers
	sketches    sketches
}

// ready says that there is no engine to read with.
func (*reader) ready() bool { return false }

func newReader(string) (*reader, error) { return &reader{}, nil }

func (*reader) close() error { return nil }

// engine is what answers this lake's SQL: a bucket's needs no cgo.
func (l *Lake) engine() engine {
	if l.athena != nil {
		return l.athena
	}
	return noEngine{}
}

// noEngine answers nothing.
type noEngine struct{}

func (noEngine) evidence(context.Context, *fleet.Query, bool) (evidence, error) {
	return evidence{}, errNoReader
}

func (noEngine) list(column string) string { return column }

func (noEngine) rows(context.Context, string, []any) (answer, error) { return nil, errNoReader }

func (noEngine) keep(context.Context, string) (keptRows, error) { return nil, errNoReader }

func (noEngine) sql(context.Context, string) (*Rows, error) { return nil, errNoReader }

func plain(v any) any { return v }

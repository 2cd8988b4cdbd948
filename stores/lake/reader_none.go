//go:build noduckdb

package lake

import (
	"context"
	"errors"
	"iter"

	"muster/fleet"
)

// errNoReader is returned by every question: writing needs no engine, but
// reading a folder does.
var errNoReader = errors.New("this muster was built without the folder reader (build tag noduckdb): use one that has it")

// reader stands in for DuckDB in a build without cgo.
type reader struct{}

func newReader(string) (*reader, error) { return &reader{}, nil }

func (*reader) close() error { return nil }

// Records is not in this build.
func (*Lake) Records(context.Context, fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) { yield(fleet.Record{}, errNoReader) }
}

// Traces is not in this build.
func (*Lake) Traces(context.Context, fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) { yield(fleet.Summary{}, errNoReader) }
}

// Trace is not in this build.
func (*Lake) Trace(context.Context, string) (fleet.Trace, error) { return fleet.Trace{}, errNoReader }

// SQL is not in this build.
func (*Lake) SQL(context.Context, string) (*Rows, error) { return nil, errNoReader }

func plain(v any) any { return v }

// Recompute is not in this build.
func (*Lake) Recompute(context.Context, Recompute) (Recomputed, error) {
	return Recomputed{}, errNoReader
}

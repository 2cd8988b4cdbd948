//go:build !unix

package main

import (
	"context"
	"errors"
	"io"
)

// runExplorer needs a pseudo-terminal.
func runExplorer(context.Context, io.Writer) error {
	return errors.New("the explorer is measured in a pseudo-terminal, which this system has not")
}

// Command muster assembles a microservice fleet's evidence on AWS and inspects it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"muster/fleet"
	"muster/internal/heap"
)

// Exit codes that scripts can rely on.
const (
	exitOK        = 0
	exitFindings  = 1 // findings at or above --fail-on; a demo that was not right
	exitFailure   = 2
	exitNotJudged = 3 // audit --strict: something could not be judged
	exitCancelled = 130
)

const interrupted = "interrupted: what was committed stays, and the next run goes on from there"

// exitError is an outcome that is no failure to run: it carries its exit code.
type exitError struct {
	code   int
	reason string
}

func (e *exitError) Error() string { return e.reason }

func main() {
	heap.Bound()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it can run in process, many times.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.reason != "" {
			fmt.Fprintln(stderr, "muster: "+exit.reason)
		}
		return exit.code
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "muster: "+interrupted)
		return exitCancelled
	default:
		complain(stderr, err)
		return exitFailure
	}
}

// complain prints an error, which may be several, one a line. What they quote
// of ids, names and answers comes from outside and cannot move the cursor.
func complain(stderr io.Writer, err error) {
	for line := range strings.SplitSeq("muster: "+err.Error(), "\n") {
		fmt.Fprintln(stderr, fleet.Printable(line))
	}
}

package explore

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/colorprofile"

	"muster/fleet"
)

// Print writes the explorer's screens to a pipe: the list of traces when id is
// empty, else the dossier of id, all of it. Lines are width cells wide, 80 when
// width is zero, and carry no colours unless w is a terminal or the environment
// asks for them (CLICOLOR_FORCE).
func Print(ctx context.Context, w io.Writer, r fleet.Reader, width int, id string) error {
	if width <= 0 {
		width = 80
	}
	block, err := printed(ctx, r, width, id)
	if err != nil {
		return err
	}
	return printBlock(w, block, width)
}

// printBlock writes lines with the colours that w takes.
func printBlock(w io.Writer, block []line, width int) error {
	out := colorprofile.NewWriter(w, os.Environ())
	t := newTheme(true)
	for _, l := range block {
		if _, err := fmt.Fprintln(out, t.paint([]line{l}, width)); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

func printed(ctx context.Context, r fleet.Reader, width int, id string) ([]line, error) {
	if id == "" {
		return printedList(ctx, r, width)
	}
	t, err := r.Trace(ctx, id)
	if err != nil {
		return nil, err // it names the id, and how far was looked
	}
	d := &dossier{trace: &t, trees: plant(&t)}
	prior, err := priors(ctx, r, t.Records)
	if err != nil {
		return nil, err
	}
	d.trees.compare(prior)
	out := append(dossierHead(d, width), waterHead(d.trees, width))
	rows := outline(d.trees, t.Findings, nil, nil)
	for i := range rows {
		out = append(out, waterRow(d.trees, &rows[i], width, false))
	}
	return out, nil
}

func printedList(ctx context.Context, r fleet.Reader, width int) ([]line, error) {
	// Times are shown with their day, since what is printed is read later.
	const day = "01-02 15:04:05"
	cols := listColumns(width, len(day), func(t time.Time) string { return t.UTC().Format(day) }, nil)
	out := []line{listHead(cols)}
	for s, err := range r.Traces(ctx, fleet.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("list traces: %w", err)
		}
		out = append(out, listRow(cols, &s, false))
	}
	return out, nil
}

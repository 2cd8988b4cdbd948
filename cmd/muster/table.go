package main

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"muster/fleet"
)

// table lines up columns by cells, so wide characters do not shift them. When
// it is wider than the screen its widest columns give way first. Text from
// outside is made printable.
type table struct {
	rows [][]string
	keep map[int]bool
}

// leastColumn is what a column keeps when the table has to shrink, in cells.
const leastColumn = 8

// newTable begins a table. The columns numbered in keep, times and ids to copy,
// never give way.
func newTable(header []string, keep ...int) *table {
	t := &table{keep: map[int]bool{}}
	for _, i := range keep {
		t.keep[i] = true
	}
	t.add(header)
	return t
}

func (t *table) add(cells []string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fleet.Printable(c)
	}
	t.rows = append(t.rows, row)
}

// empty reports whether there is nothing below the names of the columns.
func (t *table) empty() bool { return len(t.rows) == 1 }

// columns are the widths of the columns in a table of width cells; a width of 0
// cuts nothing.
func (t *table) columns(width int) []int {
	ws := make([]int, len(t.rows[0]))
	total := 2 * (len(ws) - 1)
	for i := range ws {
		for _, row := range t.rows {
			ws[i] = max(ws[i], ansi.StringWidth(row[i]))
		}
		total += ws[i]
	}
	for ; width > 0 && total > width; total-- {
		widest := -1
		for i, w := range ws {
			if !t.keep[i] && w > leastColumn && (widest < 0 || w > ws[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		ws[widest]--
	}
	return ws
}

func (t *table) print(w io.Writer, width int) error {
	var b strings.Builder
	ws := t.columns(width)
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			c = ansi.Truncate(c, ws[i], "…")
			line.WriteString(c)
			line.WriteString(strings.Repeat(" ", ws[i]-ansi.StringWidth(c)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

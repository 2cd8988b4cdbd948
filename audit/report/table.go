package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// Table writes findings for a terminal, worst first and then newest first,
// whatever order they come in, and a line that counts them. Lines are as long
// as they need to be; see TableWidth.
func Table(w io.Writer, fs []fleet.Finding) error { return TableWidth(w, fs, 0) }

// minMessage is how many cells a message needs beside the other columns to be
// read at a glance; with fewer it gets a line of its own.
const minMessage = 40

// TableWidth is Table for a terminal of so many cells: what does not fit is cut
// with an ellipsis, and on a narrow terminal each message has its own line. A
// width of zero or less cuts nothing. Text from outside is made printable.
func TableWidth(w io.Writer, fs []fleet.Finding, width int) error {
	out := bufio.NewWriter(w)
	if len(fs) == 0 {
		fmt.Fprintln(out, "no findings")
		return out.Flush()
	}
	rows := [][]string{{"SEVERITY", "STATUS", "COUNT", "LAST SEEN", "POLICY", "WHERE", "WHAT"}}
	for _, f := range sorted(fs) {
		rows = append(rows, row(f))
	}
	t := newTable(rows, width)
	for _, r := range rows {
		t.write(out, r)
	}
	fmt.Fprintln(out, summary(fs))
	return out.Flush()
}

// screen is the report for a terminal: the table, what was not judged, and how
// many policies judged.
func screen(w io.Writer, r *Report) error {
	if err := TableWidth(w, r.Findings, r.Width); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, id := range slices.Sorted(maps.Keys(r.Run.NotJudged)) {
		fmt.Fprintf(out, "not judged: %s: %s\n", fleet.Printable(id), fleet.Printable(r.Run.NotJudged[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(r.Waiting)) {
		fmt.Fprintf(out, "waiting: %s: %d could still be put right by late evidence\n", fleet.Printable(id), r.Waiting[id])
	}
	fmt.Fprintf(out, "judged by %d policies\n", r.Run.Policies-len(r.Run.NotJudged))
	return out.Flush()
}

func sorted(fs []fleet.Finding) []fleet.Finding {
	out := slices.Clone(fs)
	slices.SortStableFunc(out, func(a, b fleet.Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
			b.LastSeen.Compare(a.LastSeen),
			cmp.Compare(a.Fingerprint, b.Fingerprint),
		)
	})
	return out
}

// maxWhere keeps a long ARN from pushing out what happened to it.
const maxWhere = 44

func row(f fleet.Finding) []string {
	where := f.Service
	if f.Resource != "" {
		where = shortResource(f.Resource)
	}
	cells := []string{
		string(f.Severity), string(f.Status), strconv.Itoa(f.Count),
		spellTime(f.LastSeen), f.Policy, where, cmp.Or(f.Message, f.Title),
	}
	for i := range cells {
		cells[i] = fleet.Printable(cells[i])
	}
	cells[5] = cut(cells[5], maxWhere)
	return cells
}

// shortResource is the part of a name that tells resources apart:
// "SecurityGroup/sg-1" of a canonical name, what follows the account of an ARN.
func shortResource(s string) string {
	if rest, ok := strings.CutPrefix(s, "AWS::"); ok {
		if _, kind, ok := strings.Cut(rest, "::"); ok {
			return kind
		}
	}
	if parts := strings.SplitN(s, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[5]
	}
	return s
}

// spellTime leaves out the fractions of a second, which nobody reads in a table.
func spellTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// table is the widths of the columns of one report.
type table struct {
	cells []int // of every column but the last
	width int   // of the terminal; 0 for none
	below bool  // the last column has a line of its own
}

const gutter = "  "

func newTable(rows [][]string, width int) table {
	t := table{cells: make([]int, len(rows[0])-1), width: max(width, 0)}
	for _, r := range rows {
		for i := range t.cells {
			t.cells[i] = max(t.cells[i], cells(r[i]))
		}
	}
	left := t.width
	for _, n := range t.cells {
		left -= n + len(gutter)
	}
	t.below = t.width > 0 && left < minMessage
	return t
}

func (t table) write(w io.Writer, r []string) {
	var b strings.Builder
	last := len(r) - 1
	for i, n := range t.cells {
		pad := strings.Repeat(" ", n-cells(r[i]))
		if r[i] != "" && r[i][0] >= '0' && r[i][0] <= '9' {
			b.WriteString(pad + r[i]) // numbers stand right
		} else {
			b.WriteString(r[i] + pad)
		}
		if i < last {
			b.WriteString(gutter)
		}
	}
	if t.below {
		t.line(w, b.String())
		t.line(w, gutter+r[last])
		return
	}
	t.line(w, b.String()+r[last])
}

func (t table) line(w io.Writer, s string) {
	s = strings.TrimRight(s, " ")
	if t.width > 0 {
		s = cut(s, t.width)
	}
	fmt.Fprintln(w, s) // to a bufio.Writer, whose Flush has the error
}

// summary counts the findings by severity, worst first. Resolved ones stand no
// longer and are counted apart.
func summary(fs []fleet.Finding) string {
	count, resolved := map[fleet.Severity]int{}, 0
	for _, f := range fs {
		if f.Status == fleet.StatusResolved {
			resolved++
			continue
		}
		count[f.Severity]++
	}
	var parts []string
	for _, s := range slices.Backward(fleet.Severities()) {
		if n := count[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if resolved > 0 {
		parts = append(parts, fmt.Sprintf("%d resolved", resolved))
	}
	noun := "findings"
	if len(fs) == 1 {
		noun = "finding"
	}
	return fmt.Sprintf("%d %s: %s", len(fs), noun, strings.Join(parts, ", "))
}

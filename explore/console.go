package explore

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// mostAnswered is how many rows of an answer are kept: more than anyone scrolls
// through, and small beside the lake. Who needs all of them has `muster sql`.
const mostAnswered = 10_000

// widestCell is how many cells a column has at most while others need room.
const widestCell = 40

// Table is the answer to a query, in text.
type Table struct {
	Columns []string
	Rows    [][]string
	More    bool   // there are more rows than these
	Note    string // what it read and cost, where that is known
}

// console is the screen of SQL on the lake.
type console struct {
	env    *env
	ask    func(ctx context.Context, query string, limit int) (Table, error)
	save   func(ctx context.Context, file string, t Table) error
	keymap consoleKeys

	opened  bool
	query   string
	history []string
	stop    context.CancelFunc // of the query under way
	asked   int
	busy    bool
	err     error
	table   *Table
	widths  []int
	left    int // the first column that shows
	at      scroll
}

type consoleKeys struct{ edit, again, export, copyRow, left, right key.Binding }

func newConsole(e *env, a Actions, query string) *console {
	return &console{env: e, ask: a.SQL, save: a.SaveTable, query: query, keymap: consoleKeys{
		edit:    bind("↵ /", "write a query", "enter", "/", "i"),
		again:   bind("x", "run again", "x"),
		left:    bind("← →", "columns", "left", "h"),
		right:   bind("", "", "right", "l"),
		export:  bind("e", "export as CSV or JSON", "e"),
		copyRow: bind("y", "copy row", "y"),
	}}
}

func (c *console) keys() []group {
	k := c.keymap
	return []group{{"sql", []key.Binding{k.edit, k.again, k.left, k.export, k.copyRow}}, c.env.move.group()}
}

// load asks for a query when the console opens. A refresh runs nothing: a query
// may take long, and cost money.
func (c *console) load() tea.Cmd {
	if c.opened {
		return nil
	}
	c.opened = true
	if c.query != "" {
		return c.run(c.query)
	}
	return c.edit()
}

func (c *console) edit() tea.Cmd {
	return say(askMsg{label: "sql", value: c.query, history: c.history, complete: completeSQL, then: func(s string) tea.Cmd {
		if s == "" {
			return nil
		}
		return c.run(s)
	}})
}

type consoleAnswer struct {
	to    *console
	asked int
	table Table
	err   error
}

func (a consoleAnswer) deliver() { a.to.take(a) }

// run asks a query; one that is under way is given up.
func (c *console) run(query string) tea.Cmd {
	c.giveUp()
	c.query = query
	if len(c.history) == 0 || c.history[len(c.history)-1] != query {
		c.history = append(c.history, query)
	}
	if c.ask == nil {
		c.err = errors.New("SQL runs on a lake, a folder or s3://, and this store is none: give --store the lake, or the demo's folder")
		return nil
	}
	c.asked++
	c.busy, c.err = true, nil
	asked, ask := c.asked, c.ask
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	return c.env.run(func(all context.Context) tea.Msg {
		defer stop()
		defer context.AfterFunc(all, stop)()
		t, err := ask(ctx, query, mostAnswered)
		return consoleAnswer{c, asked, t, err}
	})
}

// giveUp ends the query under way, and reports whether there was one.
func (c *console) giveUp() bool {
	if !c.busy {
		return false
	}
	c.stop()
	c.asked++ // its answer comes too late
	c.busy = false
	return true
}

func (c *console) take(a consoleAnswer) {
	if a.asked != c.asked {
		return
	}
	c.busy, c.err = false, a.err
	if a.err != nil {
		return
	}
	c.table, c.left = &a.table, 0
	c.widths = make([]int, len(a.table.Columns))
	for i, name := range a.table.Columns {
		c.widths[i] = cellWidth(clean(name))
	}
	for _, r := range a.table.Rows[:min(len(a.table.Rows), 1000)] { // more would not change much, and take long
		for i := range min(len(r), len(c.widths)) {
			c.widths[i] = max(c.widths[i], cellWidth(clean(clip(r[i], widestCell))))
		}
	}
	for i := range c.widths {
		c.widths[i] = max(1, min(c.widths[i], widestCell))
	}
	c.at = scroll{height: max(c.at.height, 1)}
	c.at.resize(len(a.table.Rows), c.at.height)
}

func (c *console) press(msg tea.KeyPressMsg) tea.Cmd {
	k := c.keymap
	switch {
	case key.Matches(msg, k.edit):
		return c.edit()
	case key.Matches(msg, k.again) && c.query != "":
		return c.run(c.query)
	case c.table == nil:
	case c.at.press(msg, c.env.move):
	case key.Matches(msg, k.left):
		c.left = max(c.left-1, 0)
	case key.Matches(msg, k.right):
		c.left = max(min(c.left+1, len(c.widths)-1), 0)
	case key.Matches(msg, k.copyRow) && c.at.cursor < len(c.table.Rows):
		return say(copyMsg{strings.Join(c.table.Rows[c.at.cursor], "\t")})
	case key.Matches(msg, k.export):
		return say(askMsg{label: "export to (.csv or .json)", value: "answer.csv", then: c.export})
	}
	return nil
}

// export writes the answer into a new file.
func (c *console) export(file string) tea.Cmd {
	if file == "" || c.table == nil {
		return nil
	}
	if c.save == nil {
		return say(flashMsg{"export is not available here: muster sql --csv writes the same"})
	}
	t, save := *c.table, c.save
	return c.env.run(func(ctx context.Context) tea.Msg {
		if err := save(ctx, file, t); err != nil {
			return flashMsg{"✗ " + err.Error()}
		}
		return flashMsg{fmt.Sprintf("wrote %s to %s", plural(len(t.Rows), "row", "rows"), file)}
	})
}

// Write writes the answer in the format that a file's name ends in.
func (t *Table) Write(w io.Writer, name string) error {
	switch {
	case strings.HasSuffix(name, ".csv"):
		return t.writeCSV(w)
	case strings.HasSuffix(name, ".json"):
		return t.writeJSON(w)
	}
	return fmt.Errorf("export to %s: the name says no format: end it in .csv or .json", name)
}

func (t *Table) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(t.Columns); err != nil {
		return err
	}
	return out.WriteAll(t.Rows)
}

// writeJSON writes an object a line, its members in the order of the columns.
func (t *Table) writeJSON(w io.Writer) error {
	for _, r := range t.Rows {
		parts := make([]string, 0, len(r))
		for i := range min(len(r), len(t.Columns)) {
			name, err := json.Marshal(t.Columns[i])
			if err != nil {
				return err
			}
			value, err := json.Marshal(r[i])
			if err != nil {
				return err
			}
			parts = append(parts, string(name)+":"+string(value))
		}
		if _, err := io.WriteString(w, "{"+strings.Join(parts, ",")+"}\n"); err != nil {
			return err
		}
	}
	return nil
}

// resize leaves room for the query, a rule and the titles.
func (c *console) resize(_, h int) {
	n := 0
	if c.table != nil {
		n = len(c.table.Rows)
	}
	c.at.resize(n, h-3)
}

func (c *console) loading() bool { return c.busy }
func (c *console) escape() bool  { return c.giveUp() }
func (c *console) title() string { return "sql" }

func (c *console) status() string {
	switch {
	case c.busy:
		return "esc gives the query up"
	case c.table == nil:
		return ""
	}
	parts := []string{ordinal(min(c.at.cursor+1, len(c.table.Rows)), len(c.table.Rows)) + " rows"}
	if c.table.More {
		parts = append(parts, fmt.Sprintf("only the first %d are shown", mostAnswered))
	}
	if c.table.Note != "" {
		parts = append(parts, c.table.Note)
	}
	return strings.Join(parts, " · ")
}

func (c *console) view(w, h int) []line {
	head := []line{{own(faint, " sql "), foreignTo(strong, c.query, w)}, text(faint, strings.Repeat("─", w))}
	body := h - len(head)
	switch {
	case c.err != nil:
		return append(head, trouble("The query was not answered.", c.err, w, body)...)
	case c.busy:
		return append(head, centred([]line{text(faint, "asking… esc gives it up")}, w, body)...)
	case c.table == nil:
		return append(head, centred([]line{
			text(strong, "Ask the lake in SQL."), nil,
			text(plain, "↵ writes a query, tab completes it, ↑ brings earlier ones back"),
			text(faint, "views: records spans logs api_calls changes verdicts traces; tables: findings runs ledger"),
		}, w, body)...)
	case len(c.table.Rows) == 0:
		return append(head, c.row(c.table.Columns, false, faint), text(faint, " no row"))
	}
	out := slices.Concat(head, []line{c.row(c.table.Columns, false, faint)})
	from, to := c.at.shown()
	for i := from; i < to; i++ {
		out = append(out, c.row(c.table.Rows[i], i == c.at.cursor, plain))
	}
	return out
}

func (c *console) row(values []string, on bool, how role) line {
	l := line{mark(on)}
	for i := c.left; i < min(len(values), len(c.widths)); i++ {
		l = append(l, cell(how, values[i], c.widths[i]), own(plain, "  "))
	}
	if on {
		return l.as(chosen)
	}
	return l
}

// sqlWords are what the console completes: what the lake has, then SQL's own.
var sqlWords = append(strings.Fields(`records spans logs api_calls changes verdicts traces findings runs ledger
	id revision kind time time_us duration_us account region service name resources principal error message trace_id span_id
	parent_id request_id message_ids correlation_id trace_via trace_sure correlation_via correlation_sure seen_trace_id
	seen_request_id seen_correlation_id event_source event_name source_ip user_agent read_only http_method http_status
	log_group attributes raw day policy severity status fingerprint first_seen last_seen evidence`),
	strings.Fields(`select from where group by order limit having join left on and or not in like is null distinct count
	sum avg min max approx_percentile case when then else end as with union all desc asc between cast element_at
	json_extract_scalar regexp_like`)...)

// completeSQL offers the lines in which the word before the cursor is complete.
func completeSQL(s string) []string {
	at := strings.LastIndexFunc(s, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) + 1
	word := strings.ToLower(s[at:])
	var out []string
	for _, w := range sqlWords {
		if strings.HasPrefix(w, word) && w != word && word != "" && !slices.Contains(out, s[:at]+w) {
			out = append(out, s[:at]+w)
		}
	}
	return out
}

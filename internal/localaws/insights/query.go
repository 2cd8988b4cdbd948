package insights

import (
	"cmp"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Query is a query that was read. Safe for concurrent use.
type Query struct {
	steps   []step
	shown   []column // of the last fields or display; nil: the usual ones
	grouped bool     // stats made the rows
	sorted  bool
	limit   int
	filters int // steps up to the last filter on events
}

// step passes rows on, changes or drops them.
type step func(rows []*row) []*row

type column struct {
	name  string
	value expression
}

// Result is what a query found.
type Result struct {
	Rows    [][]Field
	Scanned int // events
	Matched int // events that passed every filter
	Bytes   int // of messages scanned
}

// parser reads tokens.
type parser struct {
	tokens []token
	depth  int
}

func (p *parser) peek() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	return p.tokens[0]
}

func (p *parser) take() token {
	t := p.peek()
	if len(p.tokens) > 0 {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) symbol(s string) bool {
	if t := p.peek(); t.kind == symbol && t.text == s {
		p.take()
		return true
	}
	return false
}

func (p *parser) word(w string) bool {
	if t := p.peek(); t.kind == name && strings.EqualFold(t.text, w) {
		p.take()
		return true
	}
	return false
}

func (p *parser) unexpected() error {
	if t := p.peek(); t.kind != end {
		return errorf("unexpected symbol found %s", t.text)
	}
	return errorf("the query ends too early")
}

// Parse reads a query; the error is a *SyntaxError.
func Parse(query string) (*Query, error) {
	tokens, err := scan(query)
	if err != nil {
		return nil, err
	}
	p, q := &parser{tokens: tokens}, &Query{limit: DefaultLimit}
	for {
		command := p.take()
		if command.kind != name {
			return nil, errorf("unexpected symbol found %q: a command was expected", command.text)
		}
		read, ok := commands[strings.ToLower(command.text)]
		if !ok {
			return nil, errorf("unknown command %s", command.text)
		}
		if err := read(p, q); err != nil {
			return nil, err
		}
		if p.symbol("|") {
			continue
		}
		if p.peek().kind != end {
			return nil, p.unexpected()
		}
		return q, nil
	}
}

var commands = map[string]func(*parser, *Query) error{
	"fields": readFields, "display": readFields, "filter": readFilter, "parse": readParse,
	"stats": readStats, "sort": readSort, "limit": readLimit, "head": readLimit, "dedup": readDedup,
}

// columns reads expressions with their names: a, f(b) as c.
func (p *parser) columns() ([]column, error) {
	var out []column
	for {
		from := p.tokens
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		c := column{written(from[:len(from)-len(p.tokens)]), e}
		if p.word("as") {
			t := p.take()
			if t.kind != name {
				return nil, errorf("as needs a name, not %q", t.text)
			}
			c.name = t.text
		}
		out = append(out, c)
		if !p.symbol(",") {
			return out, nil
		}
	}
}

// written is an expression as its column is called.
func written(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		switch t.kind {
		case text:
			b.WriteString(strconv.Quote(t.text))
		case regex:
			b.WriteString("/" + t.text + "/")
		default:
			b.WriteString(t.text)
		}
	}
	return b.String()
}

func readFields(p *parser, q *Query) error {
	columns, err := p.columns()
	if err != nil {
		return err
	}
	for _, c := range columns {
		if !slices.ContainsFunc(q.shown, func(o column) bool { return o.name == c.name }) {
			q.shown = append(q.shown, c)
		}
	}
	q.steps = append(q.steps, func(rows []*row) []*row {
		for _, r := range rows {
			for _, c := range columns {
				if v, ok := c.value(r); ok {
					r.values[c.name] = v
				}
			}
		}
		return rows
	})
	return nil
}

func readFilter(p *parser, q *Query) error {
	e, err := p.expression()
	if err != nil {
		return err
	}
	q.steps = append(q.steps, func(rows []*row) []*row {
		return slices.DeleteFunc(rows, func(r *row) bool { return !truth(e, r) })
	})
	if !q.grouped {
		q.filters = len(q.steps)
	}
	return nil
}

// readParse reads parse field "with * for" as a, b and parse field /(?<a>…)/.
func readParse(p *parser, q *Query) error {
	field := "@message"
	if t := p.peek(); t.kind == name {
		field = p.take().text
	}
	t := p.take()
	var re *regexp.Regexp
	var names []string
	var err error
	switch t.kind {
	case regex:
		re, err = regexp.Compile(t.text)
		if err == nil {
			names = re.SubexpNames()[1:]
		}
	case text:
		glob := "(?s)" + strings.ReplaceAll(regexp.QuoteMeta(t.text), `\*`, "(.*?)")
		if strings.HasSuffix(t.text, "*") {
			glob += "$" // the last star takes all that is left
		}
		re, err = regexp.Compile(glob)
		if !p.word("as") {
			return p.unexpected()
		}
		for {
			n := p.take()
			if n.kind != name {
				return errorf("parse needs names behind as, not %q", n.text)
			}
			names = append(names, n.text)
			if !p.symbol(",") {
				break
			}
		}
		if err == nil && len(names) != re.NumSubexp() {
			return errorf("parse has %d names for %d stars", len(names), re.NumSubexp())
		}
	default:
		return errorf("parse needs a text or a /regular expression/, not %q", t.text)
	}
	if err != nil {
		return errorf("the pattern of parse cannot be read: %v", err)
	}
	q.steps = append(q.steps, func(rows []*row) []*row {
		for _, r := range rows {
			v, _ := r.get(field)
			for i, found := range re.FindStringSubmatch(show("", v)) {
				if i > 0 && names[i-1] != "" {
					r.values[names[i-1]] = found
				}
			}
		}
		return rows
	})
	return nil
}

func readSort(p *parser, q *Query) error {
	type key struct {
		value      expression
		descending bool
	}
	var keys []key
	for {
		e, err := p.sum()
		if err != nil {
			return err
		}
		k := key{value: e}
		if p.word("desc") {
			k.descending = true
		} else {
			p.word("asc")
		}
		keys = append(keys, k)
		if !p.symbol(",") {
			break
		}
	}
	q.sorted = true
	q.steps = append(q.steps, func(rows []*row) []*row {
		slices.SortStableFunc(rows, func(a, b *row) int {
			for _, k := range keys {
				order := compareValues(k.value, a, b)
				if k.descending {
					order = -order
				}
				if order != 0 {
					return order
				}
			}
			return 0
		})
		return rows
	})
	return nil
}

// compareValues orders numbers by size and texts by their bytes; what has no
// value comes first.
func compareValues(e expression, a, b *row) int {
	va, okA := e(a)
	vb, okB := e(b)
	if !okA || !okB {
		return int(flag(okA)) - int(flag(okB))
	}
	x, numA := number(va)
	y, numB := number(vb)
	if numA && numB {
		return cmp.Compare(x, y)
	}
	return strings.Compare(show("", va), show("", vb))
}

func readLimit(p *parser, q *Query) error {
	t := p.take()
	n, err := strconv.Atoi(t.text)
	if err != nil || n < 1 || n > MaxLimit {
		return errorf("limit needs a number from 1 to %d, not %q", MaxLimit, t.text)
	}
	q.limit = n
	return nil
}

func readDedup(p *parser, q *Query) error {
	columns, err := p.columns()
	if err != nil {
		return err
	}
	q.steps = append(q.steps, func(rows []*row) []*row {
		seen := make(map[string]bool)
		return slices.DeleteFunc(rows, func(r *row) bool {
			k := keyOf(columns, r)
			was := seen[k]
			seen[k] = true
			return was
		})
	})
	return nil
}

// keyOf joins what a row has in columns.
func keyOf(columns []column, r *row) string {
	var b strings.Builder
	for _, c := range columns {
		v, ok := c.value(r)
		b.WriteString(strconv.FormatBool(ok) + "\x00" + show(c.name, v) + "\x00")
	}
	return b.String()
}

// Run answers the query; limit, if not zero, is the request's own.
func (q *Query) Run(events iter.Seq[Event], limit int) Result {
	var out Result
	var rows []*row
	for e := range events {
		out.Scanned++
		out.Bytes += len(e.Message)
		rows = append(rows, &row{event: &e, values: map[string]any{}})
	}
	for i, s := range q.steps {
		if i == q.filters {
			out.Matched = len(rows)
		}
		rows = s(rows)
	}
	if len(q.steps) == q.filters {
		out.Matched = len(rows)
	}
	if !q.sorted && !q.grouped {
		slices.SortStableFunc(rows, func(a, b *row) int { return b.event.Time.Compare(a.event.Time) })
	}
	rows = rows[:min(len(rows), cmp.Or(limit, q.limit), q.limit)]
	shown := q.shown
	if len(shown) == 0 {
		for _, name := range []string{"@timestamp", "@message"} {
			shown = append(shown, column{name, func(r *row) (any, bool) { return r.get(name) }})
		}
	}
	for _, r := range rows {
		out.Rows = append(out.Rows, r.fields(shown, q.grouped))
	}
	return out
}

// fields are the cells of a row; one that has no value is left out. Rows that
// are events end with their pointer.
func (r *row) fields(columns []column, grouped bool) []Field {
	out := []Field{}
	for _, c := range columns {
		v, ok := r.values[c.name]
		if !ok {
			v, ok = c.value(r)
		}
		if ok && v != nil {
			out = append(out, Field{c.name, show(c.name, v)})
		}
	}
	if !grouped {
		out = append(out, Field{"@ptr", r.event.Pointer})
	}
	return out
}

package lake

import (
	"fmt"
	"strconv"
	"strings"

	"muster/fleet"
)

// filterColumns are what a filter asks of a span, as columns of the table
// evidence, called r. Attributes that are absent are ”.
var filterColumns = []string{
	"r.id", "r.trace_id", "r.span_id", "r.parent_id", "r.time_us", "r.duration_us", "r.service", "r.name", "r.account",
	"r.error", "r.message", "r.resources", "r.source_ip", "r.user_agent", "r.http_method", "r.http_status", "r.attributes",
	ownAttribute(fleet.AttrSpanType) + " <> 'subsegment' as segment",
	ownAttribute(fleet.AttrNamespace) + " as namespace",
	ownAttribute(fleet.AttrSegmentName) + " as segment_name",
	ownAttribute(fleet.AttrOrigin) + " as origin",
	ownAttribute(fleet.AttrHTTPURL) + " as http_url",
	ownAttribute(fleet.AttrUser) + " as user_id",
	ownAttribute(fleet.AttrInferred) + " = 'true' as inferred",
	ownAttribute(fleet.AttrInProgress) + " = 'true' as unfinished",
}

// ownAttribute is an attribute that this program names.
func ownAttribute(name string) string {
	return "coalesce(element_at(r.attributes, '" + name + "'), '')"
}

// filterSpansSQL names the spans that a filter judges. Entry is the earliest
// span without a parent, else the earliest span; stands tells a node's own
// segment and a call that stands for what recorded nothing of its own.
const filterSpansSQL = `with seen as (%s),
spans as (select s.*,
	not s.segment and s.namespace in ('aws', 'remote') as outgoing,
	case when not s.segment and s.namespace in ('aws', 'remote') and s.segment_name <> '' then s.segment_name
		when not s.segment and s.namespace in ('aws', 'remote') then s.name else s.service end as node,
	s.segment or s.namespace = 'aws' or s.namespace = 'remote' and a.trace_id is null as stands,
	row_number() over (partition by s.trace_id order by case when s.parent_id = '' then 0 else 1 end, s.time_us, s.id) = 1 as entry
from seen s left join (select distinct trace_id, parent_id from seen where segment and parent_id <> '') a
	on a.trace_id = s.trace_id and a.parent_id = s.span_id)
`

// filterSQL selects the ids of the traces that meet a filter, out of the spans
// that a text of SQL selects with filterColumns. One text serves DuckDB and
// Trino. What people wrote is only ever an argument, and all arguments are text
// in a WHERE: each condition on a span is a numbered question there, and what
// holds of a trace is said of the numbers that were found.
func filterSQL(f fleet.Filter, spans string, args []any) (text string, all []any) {
	var c filterCompiler
	holds := c.trace(f)
	all = append(all, args...)
	numbers := []string{"0"} // so that a trace of which nothing holds is there too
	asked := []string{"u.question = 0"}
	for i, q := range c.questions {
		numbers = append(numbers, strconv.Itoa(i+1))
		asked = append(asked, fmt.Sprintf("u.question = %d and (%s)", i+1, q.text))
		all = append(all, q.args...)
	}
	found := []string{"select c.trace_id, c.time_us, c.duration_us, u.question from spans c cross join unnest(array[" +
		strings.Join(numbers, ", ") + "]) as u(question)\nwhere " + strings.Join(asked, "\n\tor ")}
	for _, j := range c.joins {
		found = append(found, "select c.trace_id, c.time_us, c.duration_us, "+j.text)
		all = append(all, j.args...)
	}
	return fmt.Sprintf(filterSpansSQL, spans) + "select trace_id from (" + strings.Join(found, "\nunion all ") + ") f group by trace_id having " + holds, all
}

// sqlText is SQL with its arguments in their order.
type sqlText struct {
	text string
	args []any
}

func sqlOf(text string, args ...any) sqlText { return sqlText{text, args} }

// and joins conditions, as many as there are.
func (s sqlText) and(more ...sqlText) sqlText {
	return joinSQL(append([]sqlText{s}, more...), " and ", "true")
}

// joinSQL writes conditions with a word between them.
func joinSQL(parts []sqlText, word, empty string) sqlText {
	if len(parts) == 0 {
		return sqlOf(empty)
	}
	texts, args := make([]string, len(parts)), []any(nil)
	for i, p := range parts {
		texts[i] = p.text
		args = append(args, p.args...)
	}
	return sqlText{"(" + strings.Join(texts, word) + ")", args}
}

// filterCompiler gathers what is to be asked of each span, called c.
type filterCompiler struct {
	questions []sqlText
	// joins are the questions about two spans at once: from the number on.
	joins []sqlText
}

// found is the condition on a trace that a question holds of one of its spans.
func (c *filterCompiler) found(q sqlText) string {
	c.questions = append(c.questions, q)
	return "bool_or(question = " + strconv.Itoa(len(c.questions)) + ")"
}

// trace writes a condition on a trace, which is never null.
func (c *filterCompiler) trace(f fleet.Filter) string {
	switch f := f.(type) {
	case fleet.FilterAll:
		return c.joined(f, " and ", "true")
	case fleet.FilterAny:
		return c.joined(f, " or ", "false")
	case fleet.FilterNot:
		return "not " + c.trace(f.Of)
	case fleet.FilterService:
		return c.found(sqlOf("c.stands").and(nodeSQL("c.", "node", f.Node), spanSQL("c.", f.Where)))
	case fleet.FilterEdge:
		return c.edge(&f)
	case fleet.FilterTest:
		switch {
		case f.Keyword == fleet.KeyDuration:
			// Every span answers question 0, and others nothing that is not there.
			return rangeSQL("max(time_us + duration_us) - min(time_us)", f)
		case f.Keyword.OfAnySpan():
			return c.found(testSQL("c.", f))
		}
		return c.found(sqlOf("c.entry").and(testSQL("c.", f)))
	}
	return "false"
}

func (c *filterCompiler) joined(parts []fleet.Filter, word, empty string) string {
	texts := make([]sqlText, len(parts))
	for i, p := range parts {
		texts[i].text = c.trace(p)
	}
	return joinSQL(texts, word, empty).text
}

// edge writes that a trace has a call: one that names its goal, or a span that
// a segment, called t, answered.
func (c *filterCompiler) edge(f *fleet.FilterEdge) string {
	from := leadsFromSQL(f.From)
	found := c.found(sqlOf("c.outgoing").and(from, nodeSQL("c.", "node", f.To), spanSQL("c.", f.Where)))
	number := strconv.Itoa(len(c.questions))
	either := joinSQL([]sqlText{spanSQL("t.", f.Where), sqlOf("c.outgoing").and(spanSQL("c.", f.Where))}, " or ", "")
	answered := sqlOf("c.span_id <> '' and t.segment").and(from, nodeSQL("t.", "service", f.To), either)
	answered.text = number + " from spans c join spans t on t.trace_id = c.trace_id and t.parent_id = c.span_id where " + answered.text
	c.joins = append(c.joins, answered)
	return found
}

// nodeSQL is what a node is asked for.
func nodeSQL(of, name string, n fleet.FilterNode) sqlText {
	var parts []sqlText
	for _, p := range []struct{ column, value string }{{name, n.Name}, {"origin", n.Type}, {"account", n.Account}} {
		if p.value != "" {
			parts = append(parts, sqlOf(of+p.column+" = ?", p.value))
		}
	}
	return joinSQL(parts, " and ", "true")
}

// leadsFromSQL is what is asked of the service of a span c. A type is that of
// one of the service's segments in the trace.
func leadsFromSQL(n fleet.FilterNode) sqlText {
	out := nodeSQL("c.", "service", fleet.FilterNode{Name: n.Name, Account: n.Account})
	if n.Type == "" {
		return out
	}
	return out.and(sqlOf(`c.trace_id || '/' || c.service in
		(select trace_id || '/' || service from spans where segment and origin = ?)`, n.Type))
}

// spanSQL is a condition on one span, whose columns begin with of. It is never
// null.
func spanSQL(of string, f fleet.Filter) sqlText {
	all := func(parts []fleet.Filter) []sqlText {
		out := make([]sqlText, len(parts))
		for i, p := range parts {
			out[i] = spanSQL(of, p)
		}
		return out
	}
	switch f := f.(type) {
	case nil:
		return sqlOf("true")
	case fleet.FilterAll:
		return joinSQL(all(f), " and ", "true")
	case fleet.FilterAny:
		return joinSQL(all(f), " or ", "false")
	case fleet.FilterNot:
		p := spanSQL(of, f.Of)
		return sqlText{"not " + p.text, p.args}
	case fleet.FilterTest:
		return testSQL(of, f)
	}
	return sqlOf("false")
}

package sigma

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"muster/internal/document"
)

// Correlation looks at the events of several rules, or at many of one.
type Correlation struct {
	// Type is event_count, value_count, temporal or temporal_ordered.
	Type string
	// GroupBy are the fields, or aliases, whose values the events must share.
	GroupBy  []string
	Timespan time.Duration
	// Generate says that the rules are judged alone, too.
	Generate bool

	field  string // of value_count
	bounds []bound
	of     []part
}

// part is one of the rules of a correlation.
type part struct {
	name  string // as the correlation calls it
	rule  *Rule  // after Link
	line  int
	group []string // the fields for GroupBy in the events of this rule
}

// bound is one criterion of a count.
type bound struct {
	order string // gt, gte, lt, lte, eq, neq
	than  int
}

var (
	types  = []string{"event_count", "value_count", "temporal", "temporal_ordered"}
	orders = []string{"gt", "gte", "lt", "lte", "eq", "neq"}
)

func (p *parser) correlation(n *yaml.Node) *Correlation {
	c := &Correlation{}
	fields := p.mapping(n, "correlation")
	if fields == nil {
		return c
	}
	known := []string{"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"}
	for name, v := range fields {
		if !slices.Contains(known, name) {
			p.problem(v, "known here: "+strings.Join(known, ", "), "correlation: unknown field %q", name)
		}
	}
	if c.Type = p.text(fields["type"]); !slices.Contains(types, c.Type) {
		p.problem(n, "use one of "+strings.Join(types, ", "), "unknown type of correlation %q", c.Type)
		return c
	}
	c.GroupBy = p.texts(fields["group-by"])
	c.Generate = p.text(fields["generate"]) == "true"
	c.Timespan = p.timespan(n, fields["timespan"])
	p.parts(c, n, fields["rules"])
	if fields["aliases"] != nil {
		p.aliases(c, fields["aliases"])
	}
	p.bounds(c, n, fields["condition"])
	return c
}

var timespan = regexp.MustCompile(`^([1-9][0-9]{0,5})([smhd])$`)

func (p *parser) timespan(n, at *yaml.Node) time.Duration {
	m := timespan.FindStringSubmatch(p.text(at))
	if m == nil {
		p.problem(cmp.Or(at, n), "write it as 30s, 15m, 2h or 1d", "the timespan is missing or wrong")
		return 0
	}
	count, err := strconv.Atoi(m[1])
	if err != nil {
		return 0 // cannot be: these are digits
	}
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]]
	return time.Duration(count) * unit
}

func (p *parser) parts(c *Correlation, n, rules *yaml.Node) {
	if rules == nil {
		p.problem(n, "name the rules by their name or id", "a correlation needs rules")
		return
	}
	for _, e := range p.elements(rules) {
		name := p.text(e)
		if slices.ContainsFunc(c.of, func(o part) bool { return o.name == name }) {
			p.problem(e, "remove it", "the rule %q is named twice", name)
		}
		c.of = append(c.of, part{name: name, line: e.Line, group: slices.Clone(c.GroupBy)})
	}
	if len(c.of) == 0 {
		p.problem(rules, "name the rules by their name or id", "a correlation needs rules")
	}
	if strings.HasPrefix(c.Type, "temporal") && len(c.of) < 2 {
		p.problem(rules, "name another, or count events", "%s needs two rules or more", c.Type)
	}
}

func (p *parser) aliases(c *Correlation, n *yaml.Node) {
	aliases, _ := p.pairs(n, "aliases")
	for _, alias := range aliases {
		at := slices.Index(c.GroupBy, alias.key.Value)
		if at < 0 {
			p.problem(alias.key, "add it to group-by or remove it", "the alias %q is not used", alias.key.Value)
			continue
		}
		names, _ := p.pairs(alias.value, "an alias")
		for _, kv := range names {
			i := slices.IndexFunc(c.of, func(o part) bool { return o.name == kv.key.Value })
			if i < 0 {
				p.problem(kv.key, "use the name that stands under rules", "the alias %q is for %q, which is none of the rules", alias.key.Value, kv.key.Value)
				continue
			}
			c.of[i].group[at] = p.text(kv.value)
		}
	}
}

// maxCount bounds what a correlation counts to, and so what it holds.
const maxCount = 100_000

func (p *parser) bounds(c *Correlation, n, condition *yaml.Node) {
	if condition == nil {
		if !strings.HasPrefix(c.Type, "temporal") {
			p.problem(n, "add condition: {gte: 10}", "%s needs a condition", c.Type)
		}
		c.bounds = []bound{{"gte", len(c.of)}}
		return
	}
	pairs, _ := p.pairs(condition, "the condition of a correlation")
	for _, kv := range pairs {
		name := kv.key.Value
		if name == "field" && c.Type == "value_count" {
			c.field = p.text(kv.value)
			continue
		}
		if !slices.Contains(orders, name) {
			p.problem(kv.key, "use "+strings.Join(orders, ", "), "unknown criterion %q", name)
			continue
		}
		than, err := strconv.Atoi(p.text(kv.value))
		if err != nil || than < 0 || than > maxCount {
			p.problem(kv.value, fmt.Sprintf("write a whole number up to %d", maxCount), "%s: %q is no count", name, kv.value.Value)
		}
		c.bounds = append(c.bounds, bound{name, than})
	}
	if c.Type == "value_count" && c.field == "" {
		p.problem(condition, "add field, whose values are counted", "value_count needs a field")
	}
	if len(c.bounds) == 0 {
		p.problem(condition, "add gte, or another criterion", "the condition counts up to nothing")
	}
}

// rising reports whether more events can only make the condition true.
func (c *Correlation) rising() bool {
	return !slices.ContainsFunc(c.bounds, func(b bound) bool { return b.order != "gt" && b.order != "gte" })
}

// Absent reports whether the correlation holds against the fleet that something
// did not come, which needs proof that everything was read.
func (c *Correlation) Absent() bool {
	return !c.rising() || slices.ContainsFunc(c.of, func(o part) bool {
		return o.rule != nil && o.rule.Correlation != nil && o.rule.Correlation.Absent()
	})
}

func (c *Correlation) enough(count int) bool {
	return !slices.ContainsFunc(c.bounds, func(b bound) bool { return !b.holds(count) })
}

func (b bound) holds(count int) bool {
	switch b.order {
	case "gt":
		return count > b.than
	case "gte":
		return count >= b.than
	case "lt":
		return count < b.than
	case "lte":
		return count <= b.than
	case "eq":
		return count == b.than
	}
	return count != b.than
}

// Parts are the rules that the correlation looks at, after Link.
func (c *Correlation) Parts() []*Rule {
	var out []*Rule
	for _, o := range c.of {
		out = append(out, o.rule)
	}
	return out
}

// Link finds the rules that correlations name, by name or id, and says which
// rules are judged alone: not those that are only a part of a correlation.
func Link(rules []*Rule) (alone []*Rule, err error) {
	var problems []error
	byName := map[string]*Rule{}
	for _, r := range rules {
		for _, name := range []string{r.Name, r.ID} {
			if other := byName[name]; other != nil && other != r {
				problems = append(problems, &Error{
					File: r.File, Line: r.Line, Rule: r.Title, Problem: fmt.Sprintf("the name or id %q is also that of %s:%d", name, other.File, other.Line),
					Remedy: "give one of the two another",
				})
			} else if name != "" {
				byName[name] = r
			}
		}
	}
	problems = append(problems, filter(rules, byName)...)
	hidden, shown := map[*Rule]bool{}, map[*Rule]bool{}
	for _, r := range rules {
		if r.Correlation == nil {
			continue
		}
		for i := range r.Correlation.of {
			o := &r.Correlation.of[i]
			if o.rule = byName[o.name]; o.rule == nil {
				problems = append(problems, &Error{
					File: r.File, Line: o.line, Rule: r.Title, Problem: fmt.Sprintf("there is no rule %q", o.name),
					Remedy: "name a rule of the same folder by its name or id",
				})
			}
			hidden[o.rule] = true
			if r.Correlation.Generate {
				shown[o.rule] = true
			}
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for _, r := range rules {
		if r.Correlation != nil && r.within(r, map[*Rule]bool{}) {
			return nil, &Error{File: r.File, Line: r.Line, Rule: r.Title, Problem: "the correlation looks at itself"}
		}
		if r.filters == nil && (!hidden[r] || shown[r]) {
			alone = append(alone, r)
		}
	}
	return alone, nil
}

// filter narrows the rules that filters name.
func filter(rules []*Rule, byName map[string]*Rule) []error {
	var problems []error
	for _, f := range rules {
		for _, name := range f.filters {
			of := []*Rule{byName[name]}
			if name == "any" {
				of = slices.DeleteFunc(slices.Clone(rules), func(r *Rule) bool {
					return r.filters != nil || r.Correlation != nil ||
						r.Product != f.Product || r.Category != f.Category || r.Service != f.Service
				})
			}
			for _, r := range of {
				if r == nil || r.Correlation != nil || r.filters != nil {
					problems = append(problems, &Error{
						File: f.File, Line: f.lines[name], Rule: f.Title, Problem: fmt.Sprintf("there is no rule %q on single events", name),
						Remedy: "name a rule of the same folder by its name or id",
					})
					continue
				}
				r.Condition = document.All{r.Condition, f.Condition}
			}
		}
	}
	return problems
}

// within reports whether r is a part of a rule, or of its parts.
func (r *Rule) within(of *Rule, seen map[*Rule]bool) bool {
	if of.Correlation == nil || seen[of] {
		return false
	}
	seen[of] = true
	for _, p := range of.Correlation.of {
		if p.rule == r || r.within(p.rule, seen) {
			return true
		}
	}
	return false
}

// valueOf is the first text, number or truth value at a field; false for none.
func valueOf(d *document.Document, field string) (string, bool) {
	for _, v := range document.Field(field).Find(d, nil) {
		if k := v.Kind(); k == document.String || k == document.Number || k == document.Bool {
			return v.Text(), true
		}
	}
	return "", false
}

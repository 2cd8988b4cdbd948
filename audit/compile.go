package audit

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"muster/fleet"
)

// defaultWait gives a subject time to be put right before its silence counts:
// longer than a retry of a queue consumer, shorter than anyone's patience.
const defaultWait = time.Minute

// compiler turns one document into a Policy and keeps what is wrong with it.
type compiler struct {
	file     string
	doc      *policyDocument
	env      *cel.Env
	problems []error
}

func compile(file string, doc *policyDocument) (Policy, error) {
	c := &compiler{file: file, doc: doc}
	p := Policy{
		ID: doc.ID.value, Title: doc.Title.value, Severity: fleet.Severity(doc.Severity.value),
		Rationale: doc.Rationale.value, Remedy: doc.Remedy.value, Remediate: doc.Remediate.value, On: Subject(doc.On.value),
		Wait: defaultWait, File: file, cases: doc.Tests, Language: CEL,
	}
	c.facts(&p)
	if len(c.problems) == 0 {
		c.expressions(&p)
	}
	return p, errors.Join(c.problems...)
}

func (c *compiler) problem(line int, remedy, format string, args ...any) {
	c.problems = append(c.problems, &LoadError{
		File: c.file, Line: cmp.Or(line, c.doc.ID.line), Policy: c.doc.ID.value,
		Problem: fmt.Sprintf(format, args...), Remedy: remedy,
	})
}

// policyID keeps ids fit for command lines, file names and URLs.
var policyID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// topicARN is the name of an SNS topic in any partition.
var topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)

// sources are the first parts of the names of the streams.
var sources = []string{"xray", "logs", "cloudtrail", "trail", "config", "verdicts", "executions"}

// facts checks everything that is no expression.
func (c *compiler) facts(p *Policy) {
	for _, f := range []struct {
		name string
		text text
	}{
		{"id", c.doc.ID},
		{"title", c.doc.Title},
		{"severity", c.doc.Severity},
		{"rationale", c.doc.Rationale},
		{"remedy", c.doc.Remedy},
		{"on", c.doc.On},
		{"when", c.doc.When},
		{"message", c.doc.Message},
	} {
		if f.text.value == "" {
			c.problem(f.text.line, "fill it in", "%s is missing", f.name)
		}
	}
	if p.ID != "" && !policyID.MatchString(p.ID) {
		c.problem(c.doc.ID.line, "use lower-case letters, digits and single hyphens", "id %q cannot be used", p.ID)
	}
	if p.Severity != "" && p.Severity.Rank() == 0 {
		c.problem(c.doc.Severity.line, "use one of "+commas(fleet.Severities()), "unknown severity %q", p.Severity)
	}
	if p.On != "" && !slices.Contains(Subjects(), p.On) {
		c.problem(c.doc.On.line, "use one of "+commas(Subjects()), "policies cannot be on %q", p.On)
	}
	if t := c.doc.Remediate; t.value != "" && !topicARN.MatchString(t.value) {
		c.problem(t.line, "name an SNS topic, such as arn:aws:sns:eu-central-1:111122223333:close-port", "remediate %q is no topic", t.value)
	}
	for _, s := range c.doc.Absence {
		if !slices.Contains(sources, s.value) {
			c.problem(s.line, "use some of "+commas(sources), "absence: unknown source %q", s.value)
		}
		p.Absence = append(p.Absence, s.value)
	}
	p.Concern = c.doc.Concern.value
	p.Controls, p.References, p.Tags = texted(c.doc.Controls), texted(c.doc.Refs), texted(c.doc.Tags)
	c.wait(p)
	c.selection(p)
}

func (c *compiler) wait(p *Policy) {
	w := c.doc.Wait
	if w.value == "" {
		return
	}
	if len(p.Absence) == 0 {
		c.problem(w.line, "remove it, or name under absence the sources whose silence counts",
			"wait is of no use to a policy of presence")
	}
	d, err := time.ParseDuration(w.value)
	if err != nil || d < 0 {
		c.problem(w.line, `write it as "90s" or "15m"`, "wait %q is no duration", w.value)
		return
	}
	p.Wait = d
}

func (c *compiler) selection(p *Policy) {
	s := c.doc.Select
	if len(s.EventSource)+len(s.EventName) > 0 && p.On != OnAPICall {
		c.problem(append(s.EventSource, s.EventName...)[0].line, "remove it, or put the policy on api_call",
			"select works on API calls only")
	}
	for _, v := range append(s.EventSource, s.EventName...) {
		if v.value == "" {
			c.problem(v.line, "remove it, or the whole list to take every event", "select: an empty value")
		}
	}
	p.selects = selection{sources: values(s.EventSource), names: values(s.EventName)}
}

// expressions compiles in the order in which the parts are evaluated, so that
// each may use what was named before it.
func (c *compiler) expressions(p *Policy) {
	c.group(p)
	env, err := environment(p.On)
	if err != nil {
		c.problem(0, "", "prepare the expression language: %v", err)
		return
	}
	c.env = env
	c.definitions(p)
	if c.doc.Each.value != "" {
		p.each = c.expression("each", c.doc.Each, isList)
		if p.each == nil {
			return
		}
		c.variable(elementVariable, p.each.typ.Parameters()[0], c.doc.Each.line)
	}
	p.when = c.expression("when", c.doc.When, isBool)
	if c.doc.Evidence.value != "" {
		p.found = c.expression("evidence", c.doc.Evidence, isStrings)
	} else if p.On.story() || p.On == OnFleet {
		c.problem(c.doc.When.line, "add evidence: a CEL list of the ids of the records that show it",
			"a policy on a %s must say what its evidence is", p.On)
	}
	p.message = c.template("message", c.doc.Message)
	p.service = c.template("service", c.doc.Service)
	p.scope = c.template("resource", c.doc.Resource)
	p.key = c.template("key", c.doc.Key)
	if c.doc.Count.value != "" {
		p.count = c.expression("count", c.doc.Count, isInt)
	}
	if len(c.problems) == 0 {
		p.hasten()
	}
}

// group compiles what a policy on groups puts records together by: an
// expression over one record.
func (c *compiler) group(p *Policy) {
	switch by := c.doc.By; {
	case p.On != OnGroup && by.value != "":
		c.problem(by.line, "remove it, or put the policy on group", "by works on groups only")
	case p.On != OnGroup:
	case by.value == "":
		c.problem(c.doc.On.line, `add by, such as by: r.attr("aggregate_id")`, "a policy on groups must say by what")
	default:
		env, err := environment(OnChange)
		if err != nil {
			c.problem(0, "", "prepare the expression language: %v", err)
			return
		}
		c.env = env
		p.by = c.expression("by", by, isString)
	}
}

func (c *compiler) definitions(p *Policy) {
	n := &c.doc.Define
	if n.Kind == 0 {
		return
	}
	if n.Kind != yaml.MappingNode {
		c.problem(n.Line, "", "define must be a mapping of names to expressions")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var src text
		name := n.Content[i].Value
		if !variableName.MatchString(name) || slices.Contains(reserved, name) {
			c.problem(n.Content[i].Line, "use another name, in lower-case letters, digits and underscores",
				"define: the name %q cannot be used", name)
			continue
		}
		if err := src.UnmarshalYAML(n.Content[i+1]); err != nil {
			c.problem(n.Content[i+1].Line, "", "define %s: %v", name, err)
			continue
		}
		e := c.expression("define "+name, src, isAnything)
		if e == nil {
			continue
		}
		p.define = append(p.define, definition{name, e, e.constant()})
		c.variable(name, e.typ, n.Content[i].Line)
	}
}

// variableName is what CEL takes as the name of a variable.
var variableName = regexp.MustCompile(`^[a-z_][a-zA-Z0-9_]*$`)

// variable makes a name known to the expressions that follow.
func (c *compiler) variable(name string, typ *cel.Type, line int) {
	env, err := c.env.Extend(cel.Variable(name, typ))
	if err != nil {
		c.problem(line, "use another name", "define %s: %v", name, err)
		return
	}
	c.env = env
}

// texted are the values of a list, in its order.
func texted(ts []text) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.value)
	}
	return out
}

// values are the values of a list, each once, in alphabetical order.
func values(ts []text) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.value)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func commas[S ~string](ss []S) string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

package sigma

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/internal/document"
)

// Rule is a Sigma rule, or a correlation of rules.
type Rule struct {
	ID, Name, Title, Description string
	Author, License              string
	// Level is informational, low, medium, high or critical; "" when the rule
	// has none.
	Level                            string
	Tags, References, FalsePositives []string
	Product, Category, Service       string // of the log; all "" for a correlation
	File                             string
	Line                             int

	// Condition is that of a rule on single events; nil for a correlation.
	Condition document.Condition
	// Correlation is nil for a rule on single events.
	Correlation *Correlation

	// filters are the names and ids of the rules that this is a filter of: its
	// Condition must be true of their events, too. [any] is of all on the same log.
	filters []string
	lines   map[string]int // of these names
}

// Levels lists the levels, mildest first.
func Levels() []string { return []string{"informational", "low", "medium", "high", "critical"} }

// Unjudged says why the rule cannot be run on CloudTrail events, "" when it can.
func (r *Rule) Unjudged() string {
	switch {
	case r.Correlation != nil:
		for _, of := range r.Correlation.of {
			if why := of.rule.Unjudged(); why != "" {
				return fmt.Sprintf("it correlates %q: %s", cmp.Or(of.rule.Title, of.name), why)
			}
		}
		return ""
	case r.Product == "aws" && (r.Service == "cloudtrail" || r.Service == "") && r.Category == "":
		return ""
	}
	parts := strings.Join(strings.Fields(r.Product+" "+r.Category+" "+r.Service), "/")
	return fmt.Sprintf("the rule is on the log %s, and Sigma rules are run on aws/cloudtrail", parts)
}

// Error says what is wrong with a rule, and where.
type Error struct {
	File    string
	Line    int    // from 1; 0 when the problem has no line
	Rule    string // its title, "" when there is none
	Problem string
	Remedy  string
}

// Error spells the problem on one line, the place first.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Rule != "" {
		s += "rule " + strconv.Quote(e.Rule) + ": "
	}
	s += e.Problem
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Is reports whether one of the documents of a YAML file is a Sigma rule.
func Is(data []byte) bool {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if dec.Decode(&n) != nil {
			return false
		}
		if len(n.Content) == 0 || n.Content[0].Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i < len(n.Content[0].Content); i += 2 {
			switch n.Content[0].Content[i].Value {
			case "detection", "correlation", "logsource", "filter":
				return true
			}
		}
	}
}

// Placeholders are the values of the names that the modifier expand replaces.
type Placeholders map[string][]string

// Parse reads the rules of a YAML file, one a document. All that is wrong is
// reported at once, each an *Error inside the error. Correlations are of use
// once Link has found the rules that they name.
func Parse(file string, data []byte, values Placeholders) ([]*Rule, error) {
	var (
		rules    []*Rule
		problems []error
	)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			problems = append(problems, yamlError(file, err))
			break
		}
		if len(n.Content) == 0 || isNull(n.Content[0]) {
			continue // a document of nothing, as behind a last "---"
		}
		p := &parser{file: file, values: values}
		if r := p.rule(n.Content[0]); len(p.problems) == 0 {
			rules = append(rules, r)
		}
		problems = append(problems, p.problems...)
	}
	return rules, errors.Join(problems...)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func yamlError(file string, err error) error {
	e := &Error{File: file, Line: 1, Problem: err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Line = n
		}
		e.Problem = m[2]
	}
	return e
}

// parser reads one rule and keeps what is wrong with it.
type parser struct {
	file     string
	title    string
	values   Placeholders
	nodes    int // visited, aliases each time
	problems []error
}

func (p *parser) problem(n *yaml.Node, remedy, format string, args ...any) {
	p.problems = append(p.problems, &Error{
		File: p.file, Line: n.Line, Rule: p.title, Problem: fmt.Sprintf(format, args...), Remedy: remedy,
	})
}

func (p *parser) rule(n *yaml.Node) *Rule {
	r := &Rule{File: p.file, Line: n.Line}
	fields := p.mapping(n, "a rule")
	if fields == nil {
		return r
	}
	p.title = p.text(fields["title"])
	r.Title, r.ID, r.Name = p.title, p.text(fields["id"]), p.text(fields["name"])
	r.Description, r.Author, r.License = p.text(fields["description"]), p.text(fields["author"]), p.text(fields["license"])
	r.Tags, r.References, r.FalsePositives = p.texts(fields["tags"]), p.texts(fields["references"]), p.texts(fields["falsepositives"])
	if r.Title == "" && r.Name == "" {
		p.problem(n, "say in a few words what the rule finds", "title is missing")
	}
	if r.Level = strings.ToLower(p.text(fields["level"])); r.Level != "" && !slices.Contains(Levels(), r.Level) {
		p.problem(fields["level"], "use one of "+strings.Join(Levels(), ", "), "unknown level %q", r.Level)
	}
	switch {
	case fields["action"] != nil:
		p.problem(fields["action"], "give each rule a document of its own, whole", "collections (action) are of Sigma 1")
	case fields["filter"] != nil:
		p.logsource(r, n, fields["logsource"])
		p.filter(r, fields["filter"])
	case fields["correlation"] != nil:
		r.Correlation = p.correlation(fields["correlation"])
		if p.text(fields["generate"]) == "true" {
			r.Correlation.Generate = true
		}
	case fields["detection"] == nil:
		p.problem(n, "add detection, with selections and a condition", "detection is missing")
	default:
		p.logsource(r, n, fields["logsource"])
		r.Condition = p.detection(fields["detection"])
	}
	return r
}

// filter is a detection with the rules that it narrows.
func (p *parser) filter(r *Rule, n *yaml.Node) {
	pairs, ok := p.pairs(n, "filter")
	if !ok {
		return
	}
	rest := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	r.lines = map[string]int{}
	for _, kv := range pairs {
		if kv.key.Value != "rules" {
			rest.Content = append(rest.Content, kv.key, kv.value)
			continue
		}
		for _, e := range p.elements(kv.value) {
			name := p.text(e)
			r.filters = append(r.filters, name)
			r.lines[name] = e.Line
		}
	}
	if len(r.filters) == 0 {
		p.problem(n, "name the rules by their name or id, or write any", "a filter needs rules")
	}
	r.Condition = p.detection(rest)
}

func (p *parser) logsource(r *Rule, rule, n *yaml.Node) {
	if n == nil {
		p.problem(rule, "add logsource, with product: aws and service: cloudtrail", "logsource is missing")
		return
	}
	fields := p.mapping(n, "logsource")
	r.Product, r.Category, r.Service = p.text(fields["product"]), p.text(fields["category"]), p.text(fields["service"])
	if fields != nil && r.Product+r.Category+r.Service == "" {
		p.problem(n, "add product: aws and service: cloudtrail", "logsource says nothing")
	}
}

// maxNodes bounds what a rule may have once its aliases are followed, which may
// multiply without end. The largest rule of SigmaHQ has some thousands.
const maxNodes = 50_000

// follow is the node behind an alias.
func (p *parser) follow(n *yaml.Node) *yaml.Node {
	if p.nodes++; p.nodes == maxNodes {
		p.problem(n, "", "the rule has more than %d values", maxNodes)
	}
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// full reports whether too much was visited to go on.
func (p *parser) full() bool { return p.nodes >= maxNodes }

// mapping is the values of a mapping by their keys, nil for something else.
func (p *parser) mapping(n *yaml.Node, what string) map[string]*yaml.Node {
	pairs, ok := p.pairs(n, what)
	if !ok {
		return nil
	}
	out := map[string]*yaml.Node{}
	for _, kv := range pairs {
		out[kv.key.Value] = kv.value
	}
	return out
}

type pair struct{ key, value *yaml.Node }

// pairs are the members of a mapping in order.
func (p *parser) pairs(n *yaml.Node, what string) ([]pair, bool) {
	if n = p.follow(n); n.Kind != yaml.MappingNode {
		p.problem(n, "write it as names and values", "%s must be a mapping", what)
		return nil, false
	}
	var out []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && !p.full(); i += 2 {
		k := p.follow(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			p.problem(k, "use a text", "%s has a name that is no text", what)
			continue
		}
		if seen[k.Value] {
			p.problem(k, "remove one, or join their values in a list", "%s has %q twice", what, k.Value)
		}
		seen[k.Value] = true
		out = append(out, pair{k, p.follow(n.Content[i+1])})
	}
	return out, true
}

// text is a scalar as it is written, "" for none.
func (p *parser) text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	if n = p.follow(n); n.Kind != yaml.ScalarNode {
		p.problem(n, "", "a single text is wanted here")
		return ""
	}
	if isNull(n) {
		return ""
	}
	return strings.TrimSpace(n.Value)
}

// texts are the scalars of a list; a single one stands for a list of it.
func (p *parser) texts(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, e := range p.elements(n) {
		if s := p.text(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// elements are those of a list; anything else is a list of itself.
func (p *parser) elements(n *yaml.Node) []*yaml.Node {
	if n = p.follow(n); n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	out := make([]*yaml.Node, 0, len(n.Content))
	for _, e := range n.Content {
		if p.full() {
			return nil
		}
		out = append(out, p.follow(e))
	}
	return out
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

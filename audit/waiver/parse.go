package waiver

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Problem says what is wrong with a file of waivers, where, and what to do.
type Problem struct {
	File   string
	Line   int // from 1; 0 when the problem has no line
	Cause  string
	Remedy string
}

// Error spells the problem on one line, the place first.
func (p *Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place += ":" + strconv.Itoa(p.Line)
	}
	if p.Remedy == "" {
		return place + ": " + p.Cause
	}
	return place + ": " + p.Cause + "; " + p.Remedy
}

// maxBytes bounds a file of waivers: thousands of them are no exceptions.
const maxBytes = 1 << 20

// Parse reads a file of waivers: a list under "waivers". All that is wrong is
// reported at once, each a *Problem inside the error.
func Parse(file string, data []byte) ([]Waiver, error) {
	p := &parser{file: file}
	if len(data) > maxBytes {
		return nil, &Problem{File: file, Cause: fmt.Sprintf("has more than %d bytes", maxBytes), Remedy: "is it a file of waivers?"}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, p.broken(err)
	}
	var out []Waiver
	if len(doc.Content) == 1 {
		out = p.document(doc.Content[0])
	} else {
		p.wrong(1, "is empty", "write a list of waivers under \"waivers\"")
	}
	if len(p.problems) > 0 {
		return nil, errors.Join(p.problems...)
	}
	return out, nil
}

type parser struct {
	file     string
	problems []error
	lines    map[string]int // of the ids
}

func (p *parser) wrong(line int, cause, remedy string) {
	p.problems = append(p.problems, &Problem{p.file, line, cause, remedy})
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// broken is what the YAML library says, with its line where the others have it.
func (p *parser) broken(err error) error {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.Replace(text, m[0], "", 1)
	}
	return &Problem{p.file, line, "is no YAML: " + strings.ReplaceAll(text, "\n", " "), ""}
}

func (p *parser) document(n *yaml.Node) []Waiver {
	if n.Kind != yaml.MappingNode {
		p.wrong(n.Line, "must be a mapping with the key \"waivers\"", "")
		return nil
	}
	p.lines = map[string]int{}
	var out []Waiver
	found := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value != "waivers" {
			p.wrong(key.Line, fmt.Sprintf("there is no field %q", key.Value), "the only one is \"waivers\"")
			continue
		}
		found = true
		if value.Kind != yaml.SequenceNode {
			p.wrong(value.Line, "\"waivers\" must be a list", "")
			continue
		}
		for _, item := range value.Content {
			out = append(out, p.waiver(item))
		}
	}
	if !found && len(p.problems) == 0 {
		p.wrong(n.Line, "has no list \"waivers\"", "")
	}
	return out
}

// fields are those of a waiver, in the order in which they are documented.
var fields = []string{
	"id", "owner", "reason", "policy", "fingerprint", "account", "region", "resource", "service", "tags", "expires", "age",
}

func (p *parser) waiver(n *yaml.Node) Waiver {
	w := Waiver{File: p.file, Line: n.Line}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		p.wrong(n.Line, "a waiver must be a mapping", "its fields are "+strings.Join(fields, ", "))
		return w
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if given[key.Value] {
			p.wrong(key.Line, fmt.Sprintf("%q is given twice", key.Value), "")
			continue
		}
		given[key.Value] = true
		p.field(&w, key, value)
	}
	for _, name := range []string{"id", "owner", "reason", "expires"} {
		if !given[name] {
			p.wrong(n.Line, fmt.Sprintf("a waiver without %q", name), "every waiver has id, owner, reason and expires")
		}
	}
	if len(w.Policies)+len(w.Fingerprints)+len(w.Services)+len(w.Accounts)+len(w.Regions)+len(w.Resources)+len(w.Tags) == 0 {
		p.wrong(n.Line, "a waiver without a scope", "say what it covers: "+strings.Join(fields[3:10], ", "))
	}
	if first, taken := p.lines[w.ID]; taken && w.ID != "" {
		p.wrong(n.Line, fmt.Sprintf("the id %q is taken on line %d", w.ID, first), "give one of the two another id")
	}
	p.lines[w.ID] = n.Line
	return w
}

func (p *parser) field(w *Waiver, key, value *yaml.Node) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch key.Value {
	case "id":
		w.ID = p.text(key, value)
	case "owner":
		w.Owner = p.text(key, value)
	case "reason":
		w.Reason = p.text(key, value)
	case "policy":
		w.Policies = p.list(key, value)
	case "fingerprint":
		w.Fingerprints = p.list(key, value)
	case "account":
		w.Accounts = p.list(key, value)
	case "region":
		w.Regions = p.list(key, value)
	case "resource":
		w.Resources = p.list(key, value)
	case "service":
		w.Services = p.list(key, value)
	case "tags":
		w.Tags = p.tags(key, value)
	case "expires":
		w.Expires = p.day(key, value)
	case "age":
		w.Age = p.age(key, value)
	default:
		p.wrong(key.Line, fmt.Sprintf("there is no field %q", key.Value), "a waiver has "+strings.Join(fields, ", "))
	}
}

func (p *parser) text(key, n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" || n.Tag == "!!null" {
		p.wrong(n.Line, fmt.Sprintf("%q must be a text", key.Value), "")
		return ""
	}
	return strings.TrimSpace(n.Value)
}

// list is one text or several. Numbers are taken as they are written, so that an
// account need not be in quotes, unless its zeros in front have another meaning.
func (p *parser) list(key, n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		if s := p.text(key, n); s != "" {
			return []string{s}
		}
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.wrong(n.Line, fmt.Sprintf("%q must be a text or a list of texts", key.Value), "")
		return nil
	}
	var out []string
	for _, item := range n.Content {
		out = append(out, p.text(key, item))
	}
	return out
}

func (p *parser) tags(key, n *yaml.Node) map[string]string {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		p.wrong(n.Line, fmt.Sprintf("%q must be a mapping of names to values", key.Value), "tags: {env: test}")
		return nil
	}
	out := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out[n.Content[i].Value] = p.text(n.Content[i], n.Content[i+1])
	}
	return out
}

// day is the end of a day.
func (p *parser) day(key, n *yaml.Node) time.Time {
	t, err := time.Parse(time.DateOnly, n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		p.wrong(n.Line, fmt.Sprintf("%q is %q", key.Value, n.Value), "write the last day on which the waiver holds as 2026-12-31")
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

// age is days or hours: 30d, 12h.
func (p *parser) age(key, n *yaml.Node) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if days, isDays := strings.CutSuffix(n.Value, "d"); isDays {
		var count int
		count, err = strconv.Atoi(days)
		d = time.Duration(min(count, maxAgeDays)) * 24 * time.Hour
	}
	if err != nil || d <= 0 || n.Kind != yaml.ScalarNode {
		p.wrong(n.Line, fmt.Sprintf("%q is %q", key.Value, n.Value), "write how old a finding may become as 30d or 12h")
		return 0
	}
	return d
}

// maxAgeDays keeps days within what a duration can hold.
const maxAgeDays = 36500

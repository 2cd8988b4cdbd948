package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/fleet"
	"muster/internal/pattern"
)

// patternFile is a file of CloudWatch Logs filter patterns: one, a list, or what
// "aws logs describe-metric-filters" prints.
type patternFile struct {
	list  []*yaml.Node
	plain bool  // no mapping: the text of one pattern
	err   error // what ended the reading: io.EOF when all is well
}

// patternKeys are the names under which a pattern stands: ours, and AWS's.
var patternKeys = []string{"pattern", "filterPattern"}

// patternDocument is a pattern in a file. All but the pattern may be missing.
// The last lines are what AWS and the CIS benchmark's lists have beside it.
type patternDocument struct {
	ID         text       `yaml:"id"`
	Title      text       `yaml:"title"`
	Severity   text       `yaml:"severity"` // default: medium
	Rationale  text       `yaml:"rationale"`
	Remedy     text       `yaml:"remedy"`
	Tags       []text     `yaml:"tags"`
	References []text     `yaml:"references"`
	Concern    text       `yaml:"concern"`
	Controls   []text     `yaml:"controls"`
	Tests      []testCase `yaml:"tests"`
	Pattern    text       `yaml:"pattern"`

	line int

	FilterPattern text `yaml:"filterPattern"`
	FilterName    text `yaml:"filterName"`
	CIS           text `yaml:"cis_v1_5"`
	From          text `yaml:"from"`
}

// ignored are names of AWS and of the lists that say nothing about events.
var ignored = []string{
	"metricTransformations", "creationTime", "logGroupName", "applyOnTransformedLogs",
	"fieldSelectionCriteria", "emitSystemFieldDimensions", "check",
}

// patternsOf finds the patterns of a file; false when it holds something else.
func patternsOf(name string, data []byte) (patternFile, bool) {
	if path.Ext(name) == ".pattern" {
		return patternFile{plain: true}, true
	}
	if !bytes.Contains(data, []byte("attern")) { // most files
		return patternFile{}, false
	}
	var (
		f     patternFile
		found bool
	)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if f.err = dec.Decode(&n); f.err != nil {
			break
		}
		if len(n.Content) == 0 {
			continue
		}
		nodes := patternNodes(n.Content[0])
		f.list = append(f.list, nodes...)
		found = found || slices.ContainsFunc(nodes, hasPattern)
	}
	return f, found
}

// patternNodes are what holds a pattern each, if this is a file of them.
func patternNodes(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	if list := member(n, "metricFilters"); list != nil && list.Kind == yaml.SequenceNode {
		return list.Content
	}
	return []*yaml.Node{n}
}

func hasPattern(n *yaml.Node) bool {
	return slices.ContainsFunc(patternKeys, func(key string) bool { return member(n, key) != nil })
}

// member is a value of a mapping, nil for none.
func member(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// load makes policies of the patterns, and says what is wrong with the others.
func (f patternFile) load(name string, data []byte) ([]loaded, error) {
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if f.plain {
		doc := plainPattern(string(data))
		l, err := doc.policy(name, stem)
		return []loaded{l}, err
	}
	var (
		out      []loaded
		problems []error
	)
	if !errors.Is(f.err, io.EOF) {
		problems = yamlProblems(name, "", f.err)
	}
	for i, n := range f.list {
		doc, err := decodePattern(name, n)
		if err == nil {
			fallback := stem
			if len(f.list) > 1 {
				fallback += "-" + strconv.Itoa(i+1)
			}
			var l loaded
			if l, err = doc.policy(name, fallback); err == nil {
				out = append(out, l)
			}
		}
		problems = append(problems, err)
	}
	return out, errors.Join(problems...)
}

// plainPattern reads a file that is a pattern as it is, below lines that begin
// with # and of which the first is the title.
func plainPattern(data string) patternDocument {
	var doc patternDocument
	line := 1
	for strings.HasPrefix(data, "#") {
		comment, rest, _ := strings.Cut(data, "\n")
		if doc.Title.value == "" {
			doc.Title = text{value: strings.TrimSpace(strings.TrimLeft(comment, "#")), line: line}
		}
		data = rest
		line++
	}
	doc.Pattern = text{value: strings.TrimSpace(data), line: line}
	return doc
}

// decodePattern is strict about names, so that a misspelt one is found.
func decodePattern(file string, n *yaml.Node) (patternDocument, error) {
	var doc patternDocument
	if n.Kind != yaml.MappingNode {
		return doc, &LoadError{File: file, Line: n.Line, Problem: "this is no filter pattern", Remedy: "give each a mapping with pattern in it"}
	}
	known := knownFields("patternDocument")
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(known, k.Value) && !slices.Contains(ignored, k.Value) {
			return doc, &LoadError{
				File: file, Line: k.Line, Problem: fmt.Sprintf("unknown field %q of a filter pattern", k.Value),
				Remedy: "known here: " + strings.Join(known, ", "),
			}
		}
	}
	doc.line = n.Line
	if err := n.Decode(&doc); err != nil {
		return doc, errors.Join(yamlProblems(file, doc.ID.value, err)...)
	}
	return doc, nil
}

func (d *patternDocument) policy(file, fallback string) (loaded, error) {
	source := d.Pattern
	if source.value == "" {
		source = d.FilterPattern
	}
	control := ""
	if d.CIS.value != "" {
		control = "cis-1.5-" + d.CIS.value
	}
	p := Policy{
		ID:       cmp.Or(d.ID.value, slug(cmp.Or(d.FilterName.value, control, fallback))),
		Severity: cmp.Or(fleet.Severity(d.Severity.value), fleet.Medium), Rationale: d.Rationale.value, Remedy: d.Remedy.value,
		On: OnAPICall, Language: FilterPattern, File: file,
	}
	if p.Title = cmp.Or(d.Title.value, d.FilterName.value); p.Title == "" && d.CIS.value != "" {
		p.Title = "CIS AWS Foundations 1.5, control " + d.CIS.value
	}
	p.Title = cmp.Or(p.Title, "An event matches the filter pattern "+fallback)
	p.Tags, p.References, p.Controls = texted(d.Tags), texted(d.References), texted(d.Controls)
	p.Concern, p.cases = d.Concern.value, d.Tests
	problem := func(line int, remedy, format string, args ...any) (loaded, error) {
		return loaded{}, &LoadError{File: file, Line: line, Policy: p.ID, Problem: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	switch {
	case source.value == "":
		return problem(cmp.Or(d.Pattern.line, source.line, d.line), "write a filter pattern", "the pattern is empty, and would match every event")
	case !policyID.MatchString(p.ID):
		return problem(cmp.Or(d.ID.line, source.line), "use lower-case letters, digits and single hyphens", "id %q cannot be used", p.ID)
	case p.Severity.Rank() == 0:
		return problem(d.Severity.line, "use one of "+commas(fleet.Severities()), "unknown severity %q", p.Severity)
	}
	compiled, err := pattern.Parse(source.value)
	if err != nil {
		return problem(source.line, "see AWS's page \"Filter pattern syntax\"", "the pattern cannot be read: %v", err)
	}
	p.detects = &detection{condition: compiled.Condition()}
	return loaded{policy: p, line: source.line}, nil
}

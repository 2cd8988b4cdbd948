package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// policyDocument is a policy as it stands in its file.
type policyDocument struct {
	ID        text       `yaml:"id"`
	Title     text       `yaml:"title"`
	Severity  text       `yaml:"severity"`
	Rationale text       `yaml:"rationale"`
	Remedy    text       `yaml:"remedy"`
	Remediate text       `yaml:"remediate"`
	Concern   text       `yaml:"concern"`
	Controls  []text     `yaml:"controls"`
	Tags      []text     `yaml:"tags"`
	Refs      []text     `yaml:"references"`
	On        text       `yaml:"on"`
	Absence   []text     `yaml:"absence"`
	Wait      text       `yaml:"wait"`
	Select    selectors  `yaml:"select"`
	By        text       `yaml:"by"`
	Define    yaml.Node  `yaml:"define"` // a mapping, whose order counts
	Each      text       `yaml:"each"`
	When      text       `yaml:"when"`
	Evidence  text       `yaml:"evidence"`
	Message   text       `yaml:"message"`
	Service   text       `yaml:"service"`
	Resource  text       `yaml:"resource"`
	Key       text       `yaml:"key"`
	Count     text       `yaml:"count"`
	Tests     []testCase `yaml:"tests"`
}

type selectors struct {
	EventSource []text `yaml:"event_source"`
	EventName   []text `yaml:"event_name"`
}

// text is a scalar that knows the line on which it stands.
type text struct {
	value string
	line  int
	// block says that the lines of the value are lines of the file.
	block bool
}

// UnmarshalYAML takes a scalar of any type as it is written.
func (t *text) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: a single text is wanted here", n.Line)}}
	}
	t.value, t.line = strings.TrimSpace(n.Value), n.Line
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		t.line++ // the text begins below its "|" or ">"
		t.block = n.Style&yaml.LiteralStyle != 0
	}
	return nil
}

type loaded struct {
	policy Policy
	line   int
}

// loadFile reads the policies of one file. With an error it still returns those
// that are sound, so that duplicates among them are found in the same pass.
func loadFile(name string, raw []byte) ([]loaded, error) {
	var (
		out      []loaded
		problems []error
	)
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	for {
		var doc policyDocument
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			problems = append(problems, placed(raw, yamlProblems(name, doc.ID.value, err))...)
			if _, ok := errors.AsType[*yaml.TypeError](err); ok {
				continue // the rest of the file can still be read
			}
			break
		}
		p, err := compile(name, &doc)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		out = append(out, loaded{p, doc.ID.line})
	}
	if len(out) == 0 && len(problems) == 0 {
		problems = append(problems, &LoadError{
			File: name, Problem: "the file holds no policy", Remedy: "fill it or remove it",
		})
	}
	return out, errors.Join(problems...)
}

func readBounded(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d bytes, so hardly a policy", maxFileBytes)
	}
	return raw, nil
}

var (
	yamlLine    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	yamlUnknown = regexp.MustCompile(`^field (.*) not found in type audit\.(\w+)$`)
)

// yamlProblems turns what the YAML decoder says into errors that name file,
// line and remedy.
func yamlProblems(file, policy string, err error) []error {
	lines := []string{err.Error()}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		lines = typed.Errors
	}
	var out []error
	for _, s := range lines {
		e := &LoadError{File: file, Policy: policy, Problem: s}
		if m := yamlLine.FindStringSubmatch(s); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Problem = m[2]
		}
		if m := yamlUnknown.FindStringSubmatch(e.Problem); m != nil {
			e.Problem = fmt.Sprintf("unknown field %q", m[1])
			e.Remedy = "known here: " + strings.Join(knownFields(m[2]), ", ")
		}
		out = append(out, e)
	}
	return out
}

// placed gives problems without a line that of the first character which YAML
// does not allow: its decoder says of those not where they are.
func placed(raw []byte, problems []error) []error {
	line := 1
	for text := string(raw); text != ""; {
		c, size := utf8.DecodeRuneInString(text)
		if c == utf8.RuneError && size == 1 || unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' {
			break
		}
		if c == '\n' {
			line++
		}
		text = text[size:]
	}
	for _, err := range problems {
		if e, ok := errors.AsType[*LoadError](err); ok && e.Line == 0 {
			e.Line = line
		}
	}
	return problems
}

// knownFields lists the YAML names of one of the structs that a policy file is
// decoded into.
func knownFields(name string) []string {
	for _, t := range []reflect.Type{
		reflect.TypeFor[policyDocument](), reflect.TypeFor[selectors](),
		reflect.TypeFor[testCase](), reflect.TypeFor[testRecord](), reflect.TypeFor[patternDocument](),
	} {
		if t.Name() != name {
			continue
		}
		var out []string
		for f := range t.Fields() {
			if name := f.Tag.Get("yaml"); name != "" {
				out = append(out, name)
			}
		}
		return out
	}
	return nil
}

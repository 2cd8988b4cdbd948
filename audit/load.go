package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"muster/audit/sigma"
)

// Load reads the policies of a file system, in the order of their paths: every
// *.yaml and *.yml file, in which our own policies, Sigma rules and filter
// patterns are told apart by their content, every *.pattern, and those *.json
// that are lists of filter patterns. A file holds one policy, or several in
// documents of their own. All that is wrong is reported at once, each a
// *LoadError inside the error.
func Load(fsys fs.FS) ([]Policy, error) {
	files, err := policyFiles(fsys)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	l := &loader{owner: map[string]string{}, values: sigma.Placeholders{}, versions: map[string]string{}}
	files = slices.DeleteFunc(files, l.placeholders)
	for _, f := range files {
		l.file(f)
	}
	l.link()
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	if len(l.policies) == 0 {
		return nil, errors.New("no policy found: a policy is a file that ends in .yaml, .yml or .pattern")
	}
	return l.policies, nil
}

// policyFile is a file that may hold policies.
type policyFile struct {
	name string
	data []byte
	err  error // it could not be read
}

func policyFiles(fsys fs.FS) ([]policyFile, error) {
	var out []policyFile
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		ext := path.Ext(name)
		if !slices.Contains([]string{".yaml", ".yml", ".json", ".pattern"}, ext) {
			return nil
		}
		data, err := readBounded(fsys, name)
		if ext == ".json" {
			// Most JSON is something else, and none of ours to complain about.
			if _, ok := patternsOf(name, data); !ok {
				return nil
			}
		}
		out = append(out, policyFile{name, data, err})
		return nil
	})
	return out, err
}

// loader gathers the policies of a folder, and what is wrong with them.
type loader struct {
	policies []Policy
	rules    []*sigma.Rule
	values   sigma.Placeholders
	owner    map[string]string // the files of the policies, by id
	versions map[string]string // by file
	problems []error
}

// versionDigits are those of a policy's version, hex: enough to tell the states of
// one file apart.
const versionDigits = 8

// placeholders takes a file that gives values to the placeholders of Sigma
// rules, and reports whether it was one.
func (l *loader) placeholders(f policyFile) bool {
	if f.err != nil || !bytes.Contains(f.data, []byte("placeholders:")) {
		return false
	}
	var doc map[string]yaml.Node
	if yaml.Unmarshal(f.data, &doc) != nil || len(doc) != 1 {
		return false
	}
	n, ok := doc["placeholders"]
	if !ok {
		return false
	}
	var values map[string][]string
	if err := n.Decode(&values); err != nil {
		l.problems = append(l.problems, yamlProblems(f.name, "", err)...)
	}
	for name, vs := range values {
		l.values[name] = append(l.values[name], vs...)
	}
	return true
}

func (l *loader) file(f policyFile) {
	if f.err != nil {
		l.problems = append(l.problems, &LoadError{File: f.name, Problem: f.err.Error()})
		return
	}
	sum := sha256.Sum256(f.data)
	l.versions[f.name] = hex.EncodeToString(sum[:])[:versionDigits]
	if sigma.Is(f.data) {
		rules, err := sigma.Parse(f.name, f.data, l.values)
		l.rules = append(l.rules, rules...)
		l.problem(asLoadErrors(err))
		return
	}
	var (
		found []loaded
		err   error
	)
	if patterns, ok := patternsOf(f.name, f.data); ok {
		found, err = patterns.load(f.name, f.data)
	} else {
		found, err = loadFile(f.name, f.data)
	}
	l.problem(err)
	for _, one := range found {
		l.add(one)
	}
}

func (l *loader) problem(err error) {
	if err != nil {
		l.problems = append(l.problems, err)
	}
}

// link makes policies of the Sigma rules, once all of them are there.
func (l *loader) link() {
	if len(l.problems) > 0 {
		return // what is missing may be what is wrong
	}
	alone, err := sigma.Link(l.rules)
	l.problem(asLoadErrors(err))
	for _, r := range alone {
		l.add(sigmaPolicy(r))
	}
}

func (l *loader) add(one loaded) {
	p := one.policy
	if first, taken := l.owner[p.ID]; taken {
		l.problems = append(l.problems, &LoadError{
			File: p.File, Line: one.line, Policy: p.ID,
			Problem: "this id is taken by " + first, Remedy: "give one of the two another id",
		})
		return
	}
	l.owner[p.ID] = p.File
	p.Version = l.versions[p.File]
	l.policies = append(l.policies, p)
}

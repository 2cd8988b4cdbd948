package audit

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"muster/fleet"
)

// Subject is what a policy looks at, one at a time.
type Subject string

// The subjects. A journey is the records of one correlation id, or of one trace
// where there is none. A request is the spans that show one request id of an
// AWS service, whatever their traces; a message is the spans that sent it and
// show the id that it was given.
const (
	OnAPICall Subject = "api_call"
	OnChange  Subject = "change"
	OnTrace   Subject = "trace"
	OnJourney Subject = "journey"
	OnRequest Subject = "request"
	OnMessage Subject = "message"
)

// Subjects lists every Subject.
func Subjects() []Subject {
	return []Subject{OnAPICall, OnChange, OnTrace, OnJourney, OnRequest, OnMessage}
}

// story reports whether the subject is made of many records.
func (s Subject) story() bool {
	return s == OnTrace || s == OnJourney || s == OnRequest || s == OnMessage
}

// Policy is one compiled rule. It is immutable, and may be used by several
// goroutines at once.
type Policy struct {
	ID        string
	Title     string
	Severity  fleet.Severity
	Rationale string
	Remedy    string
	On        Subject
	// Absence lists the sources ("xray", "logs", "trail", "cloudtrail",
	// "config") whose silence the policy believes. Empty for a policy of
	// presence, which needs no proof that everything was read.
	Absence []string
	// Wait is how long after its newest record a subject may still be put
	// right. Only a policy of absence waits.
	Wait time.Duration
	// File is where the policy was read from, as a path in its file system.
	File string

	selects selection
	define  []definition
	each    *expression // nil: the subject itself is held against the condition
	when    *expression
	found   *expression // the ids of the evidence; nil: of the record itself
	message template
	service template
	scope   template // the resource
	key     template
	cases   []testCase
}

// definition names an expression for those that follow it.
type definition struct {
	name string
	expr *expression
}

//go:embed policies/*.yaml
var shipped embed.FS

// Shipped is the catalogue that comes with the program.
func Shipped() fs.FS {
	sub, err := fs.Sub(shipped, "policies")
	if err != nil {
		panic(err) // the pattern of go:embed above would not have compiled
	}
	return sub
}

// maxFileBytes bounds a policy file. The largest shipped one has 3 KB; a file
// this large was meant for something else.
const maxFileBytes = 1 << 20

// Load reads every *.yaml and *.yml file of a file system, in the order of
// their paths. A file holds one policy, or several in documents of their own.
// All that is wrong is reported at once, each a *LoadError inside the error.
func Load(fsys fs.FS) ([]Policy, error) {
	var (
		policies []Policy
		problems []error
		owner    = map[string]string{}
	)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ext := path.Ext(name); d.IsDir() || (ext != ".yaml" && ext != ".yml") {
			return nil
		}
		loaded, err := loadFile(fsys, name)
		if err != nil {
			problems = append(problems, err)
		}
		for _, l := range loaded {
			if first, taken := owner[l.policy.ID]; taken {
				problems = append(problems, &LoadError{
					File: name, Line: l.line, Policy: l.policy.ID,
					Problem: "this id is taken by " + first, Remedy: "give one of the two another id",
				})
				continue
			}
			owner[l.policy.ID] = name
			policies = append(policies, l.policy)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if len(policies) == 0 {
		return nil, errors.New("no policy found: a policy is a file that ends in .yaml or .yml")
	}
	return policies, nil
}

// LoadError says what is wrong with a policy, where, and what to do about it.
type LoadError struct {
	File    string
	Line    int    // from 1; 0 when the problem has no line
	Policy  string // its id, "" when there is none yet
	Problem string
	Remedy  string
}

// Error spells the problem on one line, the place first.
func (e *LoadError) Error() string {
	s := e.File
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Policy != "" {
		s += ": policy " + e.Policy
	}
	s += ": " + e.Problem
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

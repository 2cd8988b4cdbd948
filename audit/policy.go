package audit

import (
	"embed"
	"fmt"
	"io/fs"
	"time"

	"cel.dev/cel-go/common/types/ref"

	"muster/fleet"
)

// Subject is what a policy looks at, one at a time.
type Subject string

// The subjects. A journey is the records of one correlation id, or of one trace
// where there is none. A request is the spans that show one request id of an
// AWS service, whatever their traces; a message is the spans that sent it and
// show the id that it was given; a delivery is the spans and log lines that show
// the id of one message, whoever sent or received it, and the API call that sent it. A group is the records for
// which the policy's own expression gives the same text. The fleet is everything of
// the window together. A verdict is what a rule of AWS Config says of a resource,
// with the change and the API call behind it.
const (
	OnAPICall Subject = "api_call"
	OnChange  Subject = "change"
	OnTrace   Subject = "trace"
	OnJourney Subject = "journey"
	OnRequest Subject = "request"
	OnMessage Subject = "message"

	OnDelivery Subject = "delivery"
	OnGroup    Subject = "group"
	OnFleet    Subject = "fleet"
	OnVerdict  Subject = "verdict"
)

// Subjects lists every Subject.
func Subjects() []Subject {
	return []Subject{OnAPICall, OnChange, OnTrace, OnJourney, OnRequest, OnMessage, OnDelivery, OnGroup, OnFleet, OnVerdict}
}

// story reports whether the subject is made of many records.
func (s Subject) story() bool {
	return s == OnTrace || s == OnJourney || s == OnRequest || s == OnMessage || s == OnDelivery || s == OnGroup
}

// joined reports whether the subject rests on joins: what belongs to it was put
// together by the ladder, or shows what it was joined to. API calls and verdicts
// are told by what they say themselves.
func (s Subject) joined() bool { return s != OnAPICall && s != OnVerdict }

// Policy is one compiled rule. It is immutable, and may be used by several
// goroutines at once.
type Policy struct {
	ID        string
	Title     string
	Severity  fleet.Severity
	Rationale string
	Remedy    string
	// Remediate is the ARN of the SNS topic that starts a program which puts
	// things right; "" for none. Nothing is sent there unless a person approves.
	Remediate string
	On        Subject
	// Absence lists the sources ("xray", "logs", "trail", "cloudtrail",
	// "config") whose silence the policy believes. Empty for a policy of
	// presence, which needs no proof that everything was read.
	Absence []string
	// Wait is how long after its newest record a subject may still be put
	// right. Only a policy of absence waits.
	Wait time.Duration
	// Tags are such as attack.t1530. References are addresses of what to read.
	Tags, References []string
	// Concern is the part of the field that the policy covers, as in
	// docs/concerns.md, and Controls the controls of benchmarks.
	Concern  string
	Controls []string
	// Author and License are those of a rule that others wrote.
	Author, License string
	Language        Language
	// File is where the policy was read from, as a path in its file system, and
	// Version the first digits of a hash of that file.
	File, Version string

	selects selection
	by      *expression // on a group: what it is of
	define  []definition
	each    *expression // nil: the subject itself is held against the condition
	when    *expression
	quick   *quickTruth // what closures know of when; nil: nothing
	plain   bool        // closures know all that there is to say of a record that the condition holds for
	found   *expression // the ids of the evidence; nil: of the record itself
	message template
	service template
	scope   template // the resource
	key     template
	count   *expression // how often it happened; nil: once
	cases   []testCase

	detects *detection // nil for CEL; all from selects to key is empty then
}

// Unjudged says why the policy cannot be judged on any evidence; "" when it can.
func (p *Policy) Unjudged() string {
	if p.detects == nil {
		return ""
	}
	return p.detects.unjudged
}

// definition names an expression for those that follow it.
type definition struct {
	name string
	expr *expression
	// constant is its value where it depends on no subject; nil where it does.
	constant ref.Val
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

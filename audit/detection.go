package audit

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"muster/audit/sigma"
	"muster/fleet"
	"muster/internal/document"
)

// Language is what a policy is written in.
type Language string

// The languages.
const (
	CEL           Language = "CEL"
	Sigma         Language = "Sigma"
	FilterPattern Language = "filter pattern"
)

// detection is what a policy asks of CloudTrail's events that is not written in
// CEL: a condition on each event, or a correlation.
type detection struct {
	condition   document.Condition
	correlation *sigma.Correlation
	unjudged    string // why it cannot be run; "" when it can
}

// sigmaLevels are the severities of Sigma's levels. A rule without a level is
// taken for a medium one.
var sigmaLevels = map[string]fleet.Severity{
	"informational": fleet.Info, "low": fleet.Low, "": fleet.Medium, "medium": fleet.Medium,
	"high": fleet.High, "critical": fleet.Critical,
}

// sigmaPolicy is a Sigma rule as a policy.
func sigmaPolicy(r *sigma.Rule) loaded {
	stem := strings.TrimSuffix(path.Base(r.File), path.Ext(r.File))
	var absence []string
	if r.Correlation != nil && r.Correlation.Absent() {
		absence = []string{"cloudtrail", "trail"}
	}
	return loaded{line: r.Line, policy: Policy{
		Absence:  absence,
		ID:       slug(cmp.Or(r.ID, r.Name, stem)),
		Title:    cmp.Or(r.Title, r.Name),
		Severity: sigmaLevels[r.Level], Rationale: r.Description, Remedy: sigmaRemedy(r), On: OnAPICall,
		Tags: r.Tags, References: r.References, Author: r.Author, License: r.License,
		Language: Sigma, File: r.File,
		detects: &detection{condition: r.Condition, correlation: r.Correlation, unjudged: r.Unjudged()},
	}}
}

// sigmaRemedy is what a rule has to say to who reads its findings.
func sigmaRemedy(r *sigma.Rule) string {
	var parts []string
	if len(r.FalsePositives) > 0 {
		parts = append(parts, "Harmless when: "+strings.Join(r.FalsePositives, " / "))
	}
	if len(r.Tags) > 0 {
		parts = append(parts, "Tags: "+strings.Join(r.Tags, ", "))
	}
	if len(r.References) > 0 {
		parts = append(parts, "References: "+strings.Join(r.References, " "))
	}
	return strings.Join(parts, "\n")
}

var notInID = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes an id of any text.
func slug(s string) string {
	return strings.Trim(notInID.ReplaceAllString(strings.ToLower(s), "-"), "-")
}

// asLoadErrors are the errors of the room of Sigma rules as this room's.
func asLoadErrors(err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, asLoadErrors(e))
		}
		return errors.Join(out...)
	}
	if e, ok := errors.AsType[*sigma.Error](err); ok {
		problem := e.Problem
		if e.Rule != "" {
			problem = fmt.Sprintf("rule %q: %s", e.Rule, e.Problem)
		}
		return &LoadError{File: e.File, Line: e.Line, Problem: problem, Remedy: e.Remedy}
	}
	return err
}

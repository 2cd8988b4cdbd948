package report

import (
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/audit"
	"muster/fleet"
)

// sarifSchema is OASIS's own address of SARIF 2.1.0's schema.
const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Automation  sarifAutomation   `json:"automationDetails"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string             `json:"id"`
		Short      sarifText          `json:"shortDescription"`
		Full       *sarifText         `json:"fullDescription,omitempty"`
		Help       *sarifText         `json:"help,omitempty"`
		HelpURI    string             `json:"helpUri,omitempty"`
		Default    sarifConfiguration `json:"defaultConfiguration"`
		Properties sarifRuleBag       `json:"properties"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifRuleBag struct {
		Severity string   `json:"security-severity"` // as code scanning reads it: 0.0 to 10.0
		Tags     []string `json:"tags,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifAutomation struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Start         string              `json:"startTimeUtc,omitempty"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string          `json:"level"`
		Message sarifText       `json:"message"`
		Rule    *sarifReference `json:"associatedRule,omitempty"`
	}
	sarifReference struct {
		ID    string `json:"id"`
		Index int    `json:"index"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Count        int                `json:"occurrenceCount"`
		Baseline     string             `json:"baselineState"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Provenance   sarifProvenance    `json:"provenance"`
		Properties   sarifBag           `json:"properties"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification,omitempty"`
	}
	sarifProvenance struct {
		First string `json:"firstDetectionTimeUtc"`
		Last  string `json:"lastDetectionTimeUtc"`
	}
	sarifBag struct {
		Severity fleet.Severity `json:"severity"`
		Status   fleet.Status   `json:"status"`
		Account  string         `json:"account,omitempty"`
		Region   string         `json:"region,omitempty"`
		Trace    string         `json:"trace_id,omitempty"`
		Evidence []string       `json:"evidence"`
		Remedy   string         `json:"remedy,omitempty"`
	}
)

// sarif writes SARIF 2.1.0: a rule for every policy, a result for every finding,
// a suppression for every waiver, a notification for what was not judged.
func sarif(w io.Writer, r *Report) error {
	rules, index := sarifRules(r)
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "muster", Version: r.Version, Rules: rules}},
		Automation: sarifAutomation{"muster/audit/" + r.Run.ID},
		Invocations: []sarifInvocation{{
			Successful: true, Start: sarifTime(r.Run.Started), Notifications: sarifNotJudged(r, index),
		}},
		Results: []sarifResult{},
	}
	for _, f := range sorted(r.Findings) {
		run.Results = append(run.Results, sarifFinding(r, &f, index[f.Policy]))
	}
	return document(w, sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

// sarifRules are the policies that judged, and those that only findings name.
func sarifRules(r *Report) ([]sarifRule, map[string]int) {
	rules, index := []sarifRule{}, map[string]int{}
	add := func(p *audit.Policy) {
		if _, ok := index[p.ID]; ok {
			return
		}
		index[p.ID] = len(rules)
		rule := sarifRule{
			ID: p.ID, Short: sarifText{p.Title}, Full: sarifOptional(p.Rationale), Help: sarifOptional(p.Remedy),
			Default:    sarifConfiguration{sarifLevel(p.Severity)},
			Properties: sarifRuleBag{Severity: securitySeverity(p.Severity), Tags: p.Tags},
		}
		if len(p.References) > 0 && strings.HasPrefix(p.References[0], "http") {
			rule.HelpURI = p.References[0]
		}
		rules = append(rules, rule)
	}
	for i := range r.Policies {
		add(&r.Policies[i])
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		add(&audit.Policy{ID: f.Policy, Title: f.Title, Severity: f.Severity, Remedy: f.Remedy})
	}
	return rules, index
}

func sarifOptional(s string) *sarifText {
	if s == "" {
		return nil
	}
	return &sarifText{s}
}

func sarifFinding(r *Report, f *fleet.Finding, rule int) sarifResult {
	s := r.scene(f)
	out := sarifResult{
		RuleID: f.Policy, RuleIndex: rule, Level: sarifLevel(f.Severity), Message: sarifText{what(f)},
		Fingerprints: map[string]string{"muster/v1": f.Fingerprint}, Count: max(f.Count, 1), Baseline: sarifBaseline(f.Status),
		Provenance: sarifProvenance{sarifTime(f.FirstSeen), sarifTime(f.LastSeen)},
		Properties: sarifBag{f.Severity, f.Status, s.Account, s.Region, f.Trace, slices.Concat([]string{}, f.Evidence), f.Remedy},
	}
	var l sarifLocation
	if s.ARN != "" {
		l.Physical = &sarifPhysical{sarifArtifact{uri(s.ARN)}}
	}
	if f.Resource != "" {
		l.Logical = append(l.Logical, sarifLogical{f.Resource, "resource"})
	}
	if f.Service != "" {
		l.Logical = append(l.Logical, sarifLogical{f.Service, "service"})
	}
	if l.Physical != nil || l.Logical != nil {
		out.Locations = []sarifLocation{l}
	}
	if f.Status == fleet.StatusWaived {
		out.Suppressions = []sarifSuppression{{"external", "accepted", r.Waived[f.Fingerprint]}}
	}
	return out
}

func sarifNotJudged(r *Report, index map[string]int) []sarifNotification {
	var out []sarifNotification
	for _, id := range slices.Sorted(maps.Keys(r.Run.NotJudged)) {
		n := sarifNotification{Level: "warning", Message: sarifText{"not judged: " + r.Run.NotJudged[id]}}
		if i, ok := index[id]; ok {
			n.Rule = &sarifReference{id, i}
		}
		out = append(out, n)
	}
	return out
}

func sarifLevel(s fleet.Severity) string {
	switch s {
	case fleet.Critical, fleet.High:
		return "error"
	case fleet.Medium:
		return "warning"
	}
	return "note"
}

// securitySeverity is what code scanning sorts by: over 9.0 is critical, from
// 7.0 high, from 4.0 medium, from 0.1 low.
func securitySeverity(s fleet.Severity) string {
	switch s {
	case fleet.Critical:
		return "9.5"
	case fleet.High:
		return "8.0"
	case fleet.Medium:
		return "5.5"
	case fleet.Low:
		return "2.0"
	}
	return "0.0"
}

func sarifBaseline(s fleet.Status) string {
	switch s {
	case fleet.StatusNew:
		return "new"
	case fleet.StatusResolved:
		return "absent"
	case fleet.StatusReopened:
		return "updated"
	}
	return "unchanged"
}

func sarifTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// uri spells an ARN as a URI: what a URI cannot hold is written in percent.
func uri(arn string) string {
	var b strings.Builder
	for i := range len(arn) {
		c := arn[i]
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}%#?[]", rune(c)) {
			b.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b.WriteString("%" + string([]byte{digits[c>>4], digits[c&15]}))
	}
	return b.String()
}

// Package report writes what an audit found, for people and for programs.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"muster/audit"
	"muster/audit/scene"
	"muster/fleet"
)

// Report is what one audit found, with the evidence of it.
type Report struct {
	Run fleet.Run
	// Version is muster's.
	Version string
	// Policies are those that judged.
	Policies []audit.Policy
	// Findings are to be reported, in any order.
	Findings []fleet.Finding
	// Waiting counts by policy what could still be put right by late evidence.
	Waiting map[string]int
	// Waived says by fingerprint who waived a finding, until when and why.
	Waived map[string]string
	// Evidence has the records of the findings by id, and Changes the newest
	// change of their resources. What the store no longer has is missing.
	Evidence, Changes map[string]fleet.Record
	// Traces has the records of the findings' traces, for waterfalls.
	Traces map[string][]fleet.Record
	// Width is that of the terminal in cells, 0 for none; for a table only.
	Width int
}

// format is one way to write a report.
type format struct {
	write func(io.Writer, *Report) error
	// needs says what is to be read for it beside the findings.
	evidence, traces bool
}

var formats = map[string]format{
	"table":    {write: screen},
	"json":     {write: func(w io.Writer, r *Report) error { return JSON(w, sorted(r.Findings)) }},
	"ocsf":     {write: ocsf, evidence: true},
	"asff":     {write: asff, evidence: true},
	"sarif":    {write: sarif, evidence: true},
	"junit":    {write: junit, evidence: true},
	"markdown": {write: markdown, evidence: true},
	"html":     {write: page, evidence: true, traces: true},
}

// Formats lists the formats in the order in which people read of them.
func Formats() []string {
	return []string{"table", "json", "ocsf", "asff", "sarif", "junit", "markdown", "html"}
}

// Needs reports what a format wants to be read beside the findings.
func Needs(name string) (evidence, traces bool) {
	f := formats[name]
	return f.evidence, f.traces
}

// Write writes a report in one of the formats.
func Write(w io.Writer, name string, r *Report) error {
	f, ok := formats[name]
	if !ok {
		return fmt.Errorf("format %q: give one of %s", name, strings.Join(Formats(), ", "))
	}
	return f.write(w, r)
}

// scene is where a finding of the report happened.
func (r *Report) scene(f *fleet.Finding) scene.Scene { return scene.Of(f, r.Evidence, r.Changes) }

// what says what happened, in one line.
func what(f *fleet.Finding) string { return cmp.Or(f.Message, f.Title, f.Policy) }

// policy is one of the report by id; nil when it is not among them.
func (r *Report) policy(id string) *audit.Policy {
	i := slices.IndexFunc(r.Policies, func(p audit.Policy) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Policies[i]
}

// JSON writes one finding a line, with the names that fleet.Finding gives.
func JSON(w io.Writer, fs []fleet.Finding) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // the lines are for programs, not for pages
	for i := range fs {
		if err := enc.Encode(fs[i]); err != nil {
			return fmt.Errorf("write finding %s: %w", fs[i].Fingerprint, err)
		}
	}
	return nil
}

// document writes one JSON document, indented for people who look into it.
func document(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Skipped *junitSkipped `xml:"skipped"`
		Failure *junitFailure `xml:"failure"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit writes a suite for every policy: a failure for each finding, a skipped
// case for what is waived or was not judged, and else one case that passes.
func junit(w io.Writer, r *Report) error {
	all := junitSuites{Name: "muster audit"}
	for _, id := range policyIDs(r) {
		s := junitPolicy(r, id)
		all.Tests, all.Failures, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", " ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// policyIDs are those that judged, and those that only findings name.
func policyIDs(r *Report) []string {
	var ids []string
	for i := range r.Policies {
		ids = append(ids, r.Policies[i].ID)
	}
	for i := range r.Findings {
		ids = append(ids, r.Findings[i].Policy)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func junitPolicy(r *Report, id string) junitSuite {
	s := junitSuite{Name: id, Timestamp: r.Run.Started.UTC().Format("2006-01-02T15:04:05")}
	for _, f := range sorted(r.Findings) {
		if f.Policy != id {
			continue
		}
		c := junitCase{Class: id, Name: shorten(fleet.Printable(what(&f)), asffTitle), Time: "0"}
		switch f.Status {
		case fleet.StatusResolved:
		case fleet.StatusWaived:
			c.Skipped = &junitSkipped{"waived: " + r.Waived[f.Fingerprint]}
			s.Skipped++
		default:
			c.Failure = &junitFailure{fleet.Printable(what(&f)), string(f.Severity), junitStory(r, &f)}
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	if why, ok := r.Run.NotJudged[id]; ok {
		s.Cases = append(s.Cases, junitCase{Class: id, Name: "judged", Time: "0", Skipped: &junitSkipped{why}})
		s.Skipped++
	}
	if len(s.Cases) == 0 {
		s.Cases = []junitCase{{Class: id, Name: "no finding", Time: "0"}}
	}
	s.Tests = len(s.Cases)
	return s
}

func junitStory(r *Report, f *fleet.Finding) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, fleet.Printable(value))
		}
	}
	s := r.scene(f)
	line("severity", string(f.Severity))
	line("status", string(f.Status))
	line("count", fmt.Sprint(f.Count))
	line("first seen", fleet.FormatTime(f.FirstSeen))
	line("last seen", fleet.FormatTime(f.LastSeen))
	line("resource", f.Resource)
	line("service", f.Service)
	line("account", s.Account)
	line("region", s.Region)
	line("trace", fleet.FormatTraceID(f.Trace))
	line("remedy", f.Remedy)
	line("evidence", strings.Join(f.Evidence, " "))
	line("fingerprint", f.Fingerprint)
	return b.String()
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

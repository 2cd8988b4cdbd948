package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"muster/fleet"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	// pageTemplate escapes everything that comes from outside by where it stands.
	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

type (
	pageData struct {
		Style                 template.CSS
		Script                template.JS
		StyleHash, ScriptHash string
		Summary, Span         string
		RunID, Version        string
		Judged                int
		Charts                []chart
		Columns               []pageColumn
		Findings              []pageFinding
		NotJudged, Waiting    []fact
	}
	pageColumn struct{ Name, Class string }
	fact       struct{ Name, Value string }

	pageFinding struct {
		Anchor, Severity, Status, LastSeen string
		Policy, Where, What                string
		Rank, Count                        int
		Open                               bool
		Facts                              []fact
		Proofs                             []pageProof
		Waterfall                          *waterfall
	}
	pageProof struct{ Time, Kind, Name, Who, What, Joined, ID string }
)

// openFindings is how many of the worst findings are unfolded at first.
const openFindings = 3

// page writes one HTML file that needs nothing else and asks no network: its
// policy lets only its own style and script run, both named by their hash.
func page(w io.Writer, r *Report) error {
	d := pageData{
		Style: template.CSS(pageStyle), Script: template.JS(pageScript), //nolint:gosec // both are our own files
		StyleHash: contentHash(pageStyle), ScriptHash: contentHash(pageScript),
		Summary: "no findings", Span: span(r), RunID: r.Run.ID, Version: r.Version,
		Judged: r.Run.Policies - len(r.Run.NotJudged), Charts: charts(r),
		Columns: []pageColumn{
			{"Severity", ""}, {"Status", "wide"}, {"Count", "wide"}, {"Last seen", "wide"}, {"Policy", ""}, {"Where", "wide"}, {"What", ""},
		},
	}
	if len(r.Findings) > 0 {
		d.Summary = summary(r.Findings)
	}
	for i, f := range sorted(r.Findings) {
		p := pageOf(r, &f)
		p.Open = i < openFindings
		d.Findings = append(d.Findings, p)
	}
	for _, id := range slices.Sorted(maps.Keys(r.Run.NotJudged)) {
		d.NotJudged = append(d.NotJudged, fact{fleet.Printable(id), fleet.Printable(r.Run.NotJudged[id])})
	}
	for _, id := range slices.Sorted(maps.Keys(r.Waiting)) {
		d.Waiting = append(d.Waiting, fact{fleet.Printable(id), strconv.Itoa(r.Waiting[id])})
	}
	return pageTemplate.Execute(w, d)
}

// contentHash is how a content security policy names a text.
func contentHash(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(h[:])
}

func pageOf(r *Report, f *fleet.Finding) pageFinding {
	cells := row(*f)
	s := r.scene(f)
	out := pageFinding{
		Anchor: "finding-" + f.Fingerprint, Severity: string(f.Severity), Rank: f.Severity.Rank(), Status: cells[1], Count: f.Count,
		LastSeen: cells[3], Policy: cells[4], Where: cells[5], What: cells[6],
	}
	var references []string
	if p := r.policy(f.Policy); p != nil {
		references = p.References
		out.add("Why it matters", p.Rationale)
	}
	out.add("What to do", f.Remedy)
	out.add("Waived", r.Waived[f.Fingerprint])
	out.add("Status", fmt.Sprintf("%s, count %d, first seen %s, last seen %s", f.Status, f.Count, spellTime(f.FirstSeen), spellTime(f.LastSeen)))
	out.add("Resource", f.Resource)
	out.add("Service", f.Service)
	out.add("Account", strings.TrimSpace(s.Account+" "+s.Region))
	out.add("Who", strings.Join(s.Principals, ", "))
	out.add("References", strings.Join(references, " "))
	out.add("Fingerprint", f.Fingerprint)
	for _, rec := range s.Records {
		out.Proofs = append(out.Proofs, pageProof{
			Time: fleet.FormatTime(rec.Time), Kind: string(rec.Kind), Name: fleet.Printable(rec.Name), Who: fleet.Printable(rec.Principal),
			What: fleet.Printable(strings.TrimSpace(rec.Message + " " + rec.Error)), Joined: joined(rec), ID: fleet.Printable(rec.ID),
		})
	}
	if gone := len(f.Evidence) - len(s.Records); gone > 0 && r.Evidence != nil {
		out.add("Evidence", fmt.Sprintf("%d of %d records are no longer in the store", gone, len(f.Evidence)))
	}
	out.Waterfall = newWaterfall(f, r.Traces[f.Trace])
	return out
}

func (p *pageFinding) add(name, value string) {
	if value = fleet.Printable(value); value != "" {
		p.Facts = append(p.Facts, fact{name, value})
	}
}

// joined says how a record belongs to its trace, and how surely.
func joined(rec *fleet.Record) string {
	l := rec.Keys.TraceLink
	if rec.Keys.Trace == "" || l.Via == "" {
		return ""
	}
	if l.Via == fleet.RungSeen {
		return "shows its trace"
	}
	return "by " + string(l.Via) + ", " + string(l.Sure)
}

package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"muster/fleet"
)

// markdown writes a summary for pull requests and job pages: a table, then what
// to do about each finding, folded up.
func markdown(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "## muster audit\n\n%s\n\n", span(r))
	if len(r.Findings) == 0 {
		fmt.Fprintf(out, "**No findings.** Judged by %d policies.\n", r.Run.Policies-len(r.Run.NotJudged))
	} else {
		fmt.Fprintf(out, "**%s.** Judged by %d policies.\n\n", summary(r.Findings), r.Run.Policies-len(r.Run.NotJudged))
		fmt.Fprint(out, "| severity | status | count | last seen | policy | where | what |\n| --- | --- | ---: | --- | --- | --- | --- |\n")
		for _, f := range sorted(r.Findings) {
			cells := row(f)
			for i := range cells {
				cells[i] = escapeMarkdown(cells[i])
			}
			fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.Run.NotJudged)) {
		fmt.Fprintf(out, "\n- not judged: %s: %s", escapeMarkdown(id), escapeMarkdown(r.Run.NotJudged[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(r.Waiting)) {
		fmt.Fprintf(out, "\n- waiting: %s: %d could still be put right by late evidence", escapeMarkdown(id), r.Waiting[id])
	}
	if len(r.Run.NotJudged)+len(r.Waiting) > 0 {
		fmt.Fprintln(out)
	}
	for _, f := range sorted(r.Findings) {
		markdownFinding(out, r, &f)
	}
	return out.Flush()
}

func markdownFinding(out io.Writer, r *Report, f *fleet.Finding) {
	fmt.Fprintf(out, "\n<details><summary>%s: %s</summary>\n\n", f.Severity, escapeMarkdown(what(f)))
	s := r.scene(f)
	for _, l := range []struct{ name, value string }{
		{"Policy", f.Policy},
		{"Waived", r.Waived[f.Fingerprint]},
		{"Remedy", f.Remedy},
		{"Resource", f.Resource},
		{"Service", f.Service},
		{"Account", s.Account},
		{"Region", s.Region},
		{"Who", strings.Join(s.Principals, ", ")},
		{"Trace", fleet.FormatTraceID(f.Trace)},
		{"Evidence", strings.Join(f.Evidence, ", ")},
		{"Fingerprint", f.Fingerprint},
	} {
		if l.value != "" {
			fmt.Fprintf(out, "- %s: %s\n", l.name, escapeMarkdown(l.value))
		}
	}
	fmt.Fprint(out, "\n</details>\n")
}

// span says what was judged, in words.
func span(r *Report) string {
	from, to := spellTime(r.Run.Window.Start), spellTime(r.Run.Window.End)
	switch {
	case from == "" && to == "":
		return "Everything in the store, judged at " + spellTime(r.Run.Started)
	case to == "":
		return "From " + from + ", judged at " + spellTime(r.Run.Started)
	case from == "":
		return "Until " + to + ", judged at " + spellTime(r.Run.Started)
	}
	return "From " + from + " until " + to + ", judged at " + spellTime(r.Run.Started)
}

// escapeMarkdown makes text from outside plain: no markup, HTML, link or mention
// of a person comes out of it.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, c := range fleet.Printable(s) {
		switch {
		case c == '&':
			b.WriteString("&amp;")
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_{}[]()#|~!", c):
			b.WriteRune('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	return addresses.Replace(b.String())
}

// addresses are kept from becoming links by themselves.
var addresses = strings.NewReplacer("://", "&#58;//", "www.", "www&#46;")

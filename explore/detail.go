package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"muster/fleet"
)

// mostRaw bounds how much raw evidence is laid out, in bytes: as much as a
// CloudTrail event has at most. More is read elsewhere than on a screen.
const mostRaw = 256 << 10

// mostPreviewed bounds the ids of a preview: more fit on no screen.
const mostPreviewed = 50

// nameWidth is the column of field names.
const nameWidth = 14

// sheet builds the lines of a detail pane of w cells.
type sheet struct {
	w     int
	lines []line
}

// section begins a part with a title.
func (s *sheet) section(title string) {
	if len(s.lines) > 0 {
		s.lines = append(s.lines, nil)
	}
	s.lines = append(s.lines, text(strong, " "+title))
}

// field is a name and its value from outside, wrapped under itself. An empty
// value leaves the field out.
func (s *sheet) field(name string, how role, value string, after ...piece) {
	if value == "" {
		return
	}
	name = clean(name)
	lines := wrap(clean(value), max(s.w-nameWidth-3, 8))
	// A long name gets a line of its own.
	if cellWidth(name) > nameWidth {
		s.lines = append(s.lines, line{own(faint, "  "+name)})
		name = ""
	}
	for i, v := range lines {
		l := line{own(faint, "  "+fit(name, nameWidth)+" "), own(how, v)}
		if i == len(lines)-1 {
			for _, p := range after {
				l = append(l, own(plain, "  "), p)
			}
		}
		if l.width() > s.w && len(after) > 0 { // no room beside the value
			s.lines = append(s.lines, l[:2], append(line{own(plain, blanks(nameWidth+1))}, l[2:]...))
		} else {
			s.lines = append(s.lines, l)
		}
		name = ""
	}
}

// block is text of several lines.
func (s *sheet) block(how role, body string) {
	for l := range strings.SplitSeq(body, "\n") {
		for _, v := range wrap(clean(l), max(s.w-2, 8)) {
			s.lines = append(s.lines, line{own(plain, "  "), own(how, v)})
		}
	}
}

// recordSheet is everything about a record, in w cells.
func recordSheet(n *node, w int) []line {
	r, s := n.rec, &sheet{w: w}
	head := line{own(plain, " "), sign(r.Kind), own(plain, " ")}
	s.lines = append(s.lines, append(head, what(r, s.w).as(strong)...))
	s.what(n)
	if n.before != nil {
		s.section("what differs from the item before")
		s.diff(diffItems(n.before, r))
	}
	s.inspect(n)
	s.joins(n)
	s.who(r)
	s.touched(r)
	s.attributes(r)
	s.raw(r)
	return s.lines
}

func (s *sheet) what(n *node) {
	r := n.rec
	s.field("kind", plain, strings.TrimPrefix(kindName(r.Kind, 1), "1 "))
	s.field("error", bad, r.Error)
	s.field("message", plain, r.Message)
	s.field("name", plain, r.Name)
	s.field("time", plain, instant(r.Time))
	if !n.moment().Equal(r.Time) {
		s.field("", faint, "to the second only; drawn where its span began")
	}
	if r.Kind == fleet.KindSpan {
		s.field("took", plain, took(r.Duration))
	}
	s.pathField(n)
	s.field("service", service, r.Service)
	s.field("id", plain, r.ID)
	if r.Revision > 0 {
		s.field("revision", plain, fmt.Sprint(r.Revision))
	}
}

// joins are the keys, each with the link that gave it.
func (s *sheet) joins(n *node) {
	r := n.rec
	k := &r.Keys
	s.section("keys")
	s.field("trace", plain, fleet.FormatTraceID(k.Trace), linkPieces(k.TraceLink)...)
	s.field("span", plain, k.Span)
	s.field("parent", plain, k.Parent)
	s.field("request", plain, k.Request, append(linkPieces(k.RequestLink), foreign(faint, scopeName(k.Scope)))...)
	s.field("journey", plain, k.Correlation, linkPieces(k.CorrelationLink)...)
	s.field("messages", plain, strings.Join(k.Messages, "\n"))
	s.field("access key", plain, k.AccessKey)
	s.field("issued key", plain, k.IssuedKey)
	switch {
	case n.placed == byTime:
		s.field("shown under", caution, "its service's span at that time: context, not a join")
	case n.placed == outside:
		s.field("place", faint, string(n.placed))
	case n.placed != "":
		s.field("placed by", faint, string(n.placed))
	}
}

// linkPieces say how a key was joined, and how surely.
func linkPieces(l fleet.Link) []piece {
	switch {
	case l == fleet.Link{}:
		return nil
	case l.Sure == fleet.Inferred:
		return []piece{foreign(caution, "≈ "+string(l.Via)+", "+string(l.Sure))}
	}
	return []piece{foreign(good, "= "+string(l.Via)+", "+string(l.Sure))}
}

func scopeName(s fleet.Scope) string {
	if s == "" {
		return ""
	}
	return "of " + string(s)
}

func (s *sheet) who(r *fleet.Record) {
	if r.Principal == "" && r.Keys.Origin == "" && r.Account == "" && r.Region == "" {
		return
	}
	s.section("who and where")
	s.field("principal", plain, r.Principal)
	s.field("origin", plain, r.Keys.Origin, linkPieces(r.Keys.OriginLink)...)
	s.field("account", plain, r.Account)
	s.field("region", plain, r.Region)
}

func (s *sheet) touched(r *fleet.Record) {
	if len(r.Resources) == 0 {
		return
	}
	s.section("resources")
	for _, res := range r.Resources {
		s.block(plain, res)
	}
}

func (s *sheet) attributes(r *fleet.Record) {
	if len(r.Attributes) == 0 {
		return
	}
	s.section("attributes")
	s.fields(r.Attributes)
}

func (s *sheet) fields(of fleet.Attributes) {
	for k, v := range of.All() {
		s.field(k, plain, v)
	}
}

// raw is the evidence itself, JSON indented.
func (s *sheet) raw(r *fleet.Record) {
	if len(r.Raw) == 0 {
		return
	}
	s.section("evidence")
	body := string(r.Raw)
	var pretty bytes.Buffer
	if len(body) <= mostRaw && json.Indent(&pretty, r.Raw, "", "  ") == nil {
		body = pretty.String()
	}
	shown := head(body, mostRaw)
	s.block(plain, shown)
	if rest := len(body) - len(shown); rest > 0 {
		s.lines = append(s.lines, text(faint, fmt.Sprintf("  … %d more bytes", rest)))
	}
}

// findingSheet is everything about a finding but its evidence, in w cells.
func findingSheet(f *fleet.Finding, w int) []line {
	s := &sheet{w: w}
	s.lines = append(s.lines, line{
		own(plain, " "),
		foreign(severityRole(f.Severity), shout(f.Severity)), own(plain, "  "), foreign(strong, f.Title),
	})
	s.field("message", plain, f.Message)
	s.field("remedy", plain, f.Remedy)
	s.lines = append(s.lines, nil)
	s.field("policy", plain, f.Policy)
	s.field("status", plain, string(f.Status))
	s.field("seen", plain, fmt.Sprintf("%s, last %s", plural(f.Count, "time", "times"), instant(f.LastSeen)))
	s.field("first", plain, instant(f.FirstSeen))
	s.field("service", service, f.Service)
	s.field("resource", plain, f.Resource)
	s.field("trace", plain, fleet.FormatTraceID(f.Trace))
	s.field("fingerprint", faint, f.Fingerprint)
	return s.lines
}

// findingPreview is a finding beside the list, with the ids of its evidence.
func findingPreview(f *fleet.Finding, w int) []line {
	s := &sheet{w: w, lines: findingSheet(f, w)}
	if len(f.Evidence) > 0 {
		s.section("evidence")
		s.block(faint, strings.Join(f.Evidence[:min(len(f.Evidence), mostPreviewed)], "\n"))
	}
	return s.lines
}

package week

import (
	"strconv"
	"strings"

	"muster/samples/truth"
)

// span is a segment or subsegment while its request runs.
type span struct {
	id, name   string
	start, end int64
	// outcome is "error", "fault" or "" for what went well.
	outcome string
	// members are further members, each with a comma before it.
	members     string
	annotations []string // name, value, name, value
	cause       *cause
	subs        []*span
}

// cause is an error as the X-Ray SDK writes it down.
type cause struct{ id, kind, message string }

func (w *Week) newSpan(name string, at int64) *span {
	return &span{id: w.random.hex(16), name: name, start: at}
}

func (s *span) annotate(name, value string) {
	for i := 0; i < len(s.annotations); i += 2 {
		if s.annotations[i] == name {
			s.annotations[i+1] = value
			return
		}
	}
	s.annotations = append(s.annotations, name, value)
}

// send writes a segment document, and the truth about the spans in it. Nested
// subsegments have the root's id as their parent, as the SDK writes them.
func (w *Week) send(root *span, service, trace, parent string) {
	d := document{w, service, trace, root.id}
	w.segments = d.append(w.segments, root, parent)
	w.segments = append(w.segments, '\n')
}

// sendEach writes a document for each span, as the collector of OpenTelemetry
// does: below the segment they are subsegments that are sent alone.
func (w *Week) sendEach(s *span, service, trace, parent string) {
	subs := s.subs
	s.subs = nil
	w.send(s, service, trace, parent)
	for _, sub := range subs {
		sub.members = `,"type":"subsegment"` + sub.members
		w.sendEach(sub, service, trace, s.id)
	}
}

// document is a segment document that is being written.
type document struct {
	w                    *Week
	service, trace, root string
}

func (d document) append(b []byte, s *span, parent string) []byte {
	d.w.truth.span(truth.Span{Trace: d.trace, ID: s.id, Service: d.service, Name: s.name})
	b = append(b, `{"trace_id":"1-`...)
	b = append(append(append(b, d.trace[:8]...), '-'), d.trace[8:]...)
	b = append(append(b, `","id":"`...), s.id...)
	b = appendString(append(b, `","name":`...), s.name)
	b = appendSeconds(append(b, `,"start_time":`...), s.start)
	b = appendSeconds(append(b, `,"end_time":`...), s.end)
	if parent != "" {
		b = append(append(append(b, `,"parent_id":"`...), parent...), '"')
	}
	if s.outcome != "" {
		b = append(append(append(b, `,"`...), s.outcome...), `":true`...)
	}
	b = append(b, s.members...)
	if c := s.cause; c != nil {
		b = append(append(b, `,"cause":{"working_directory":"/srv","exceptions":[{"id":"`...), c.id...)
		b = appendString(append(b, `","type":`...), c.kind)
		b = appendString(append(b, `,"message":`...), c.message)
		b = append(b, `,"stack":[{"path":"github.com/aws/aws-xray-sdk-go/v2@v2.0.1/xray/capture.go","line":48,"label":"Capture"}]}]}`...)
	}
	for i := 0; i < len(s.annotations); i += 2 {
		if i == 0 {
			b = append(b, `,"annotations":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(appendString(b, s.annotations[i]), ':')
		b = appendString(b, s.annotations[i+1])
	}
	if len(s.annotations) > 0 {
		b = append(b, '}')
	}
	for i, sub := range s.subs {
		if i == 0 {
			b = append(b, `,"subsegments":[`...)
		} else {
			b = append(b, ',')
		}
		b = d.append(b, sub, d.root)
	}
	if len(s.subs) > 0 {
		b = append(b, ']')
	}
	return append(b, `,"Dummy":false}`...)
}

// appendSeconds spells a time as the X-Ray SDK does: seconds with a fraction.
func appendSeconds(b []byte, at int64) []byte {
	b = strconv.AppendInt(b, at/second, 10)
	fraction := strconv.FormatInt(second+at%second, 10)[1:]
	return append(append(b, '.'), fraction...)
}

// appendString appends s as JSON. The week's text is ASCII.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	if !strings.ContainsAny(s, "\"\\\n\t") {
		return append(append(b, s...), '"')
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

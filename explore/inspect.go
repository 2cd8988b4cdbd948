package explore

import (
	"encoding/json"
	"fmt"
	"strings"

	"muster/fleet"
)

// mostFrames bounds the frames of a stack that are laid out; the whole stack is
// in the evidence below.
const mostFrames = 50

// segmentDocument is what of X-Ray's document the inspector lays out by itself.
type segmentDocument struct {
	Cause json.RawMessage // a cause, or the id of an exception elsewhere
	SQL   map[string]any
	AWS   map[string]any
}

// cause is why a span failed.
type cause struct {
	Exceptions []struct {
		Type, Message string
		Remote        bool
		Stack         []struct {
			Path, Label string
			Line        int
		}
	}
}

// inspect lays out what a span's document says of its exceptions, its SQL and
// its AWS call, and the CloudTrail events of it.
func (s *sheet) inspect(n *node) {
	if n.rec.Kind != fleet.KindSpan {
		return
	}
	var doc segmentDocument
	if json.Unmarshal(n.rec.Raw, &doc) == nil {
		s.exceptions(doc.Cause)
		s.document("SQL", doc.SQL)
		s.document("AWS call", doc.AWS)
	}
	events := false
	for _, k := range n.kids {
		if k.rec == nil || k.rec.Kind != fleet.KindAPICall {
			continue
		}
		if !events {
			s.section("CloudTrail")
			events = true
		}
		r := k.rec
		s.field("event", plain, r.Name+" "+r.Error)
		s.field("at", plain, instant(r.Time))
		s.field("principal", plain, r.Principal)
		s.field("from", plain, r.Attributes.Get(fleet.AttrSourceIP))
		s.field("id", faint, r.ID)
	}
}

func (s *sheet) exceptions(raw []byte) {
	var c cause
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	for _, e := range c.Exceptions {
		s.section("exception")
		where := ""
		if e.Remote {
			where = " (of the callee)"
		}
		s.field("type", bad, e.Type+where)
		s.field("message", plain, e.Message)
		for i, f := range e.Stack {
			if i == mostFrames {
				s.block(faint, fmt.Sprintf("… %d more frames", len(e.Stack)-i))
				break
			}
			s.block(faint, strings.TrimSpace(fmt.Sprintf("at %s  %s:%d", f.Label, f.Path, f.Line)))
		}
	}
}

// document lays out the fields of a part of the document.
func (s *sheet) document(title string, fields map[string]any) {
	if len(fields) == 0 {
		return
	}
	s.section(title)
	flat := map[string]string{}
	flatten("", fields, flat)
	s.fields(fleet.AttributesFrom(flat))
}

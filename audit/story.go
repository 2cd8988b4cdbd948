package audit

import (
	"slices"
	"time"

	"muster/fleet"
)

// story is a trace, a journey, a request or a message as expressions see it. All
// lists are in the order of time.
type story struct {
	ID             string    `cel:"id" doc:"the trace id, or the id of the journey, the request or the message"`
	TraceIDs       []string  `cel:"trace_ids" doc:"of its records"`
	CorrelationIDs []string  `cel:"correlation_ids" doc:"of its records; in a trace more than one only when they show more than one"`
	Start          time.Time `cel:"start" doc:"of the first span, or of the first record where there are no spans"`
	Seconds        float64   `cel:"seconds" doc:"from the start to the end of the last span, or to the last record where there are no spans"`
	Rooted         bool      `cel:"rooted" doc:"a finished span without a parent is there; a story without one was seen in part only"`
	Service        string    `cel:"service" doc:"of the first such span, else of the first record"`
	Name           string    `cel:"name" doc:"of the first such span, else of the first record"`
	Services       []string  `cel:"services" doc:"of its records"`

	Records []*record `cel:"records" doc:"all of them"`
	Spans   []*record `cel:"spans" doc:"segments and subsegments"`
	Logs    []*record `cel:"logs" doc:"log lines"`
	Calls   []*record `cel:"calls" doc:"API calls"`
	Changes []*record `cel:"changes" doc:"changes of resources"`
	Errors  []*record `cel:"errors" doc:"the records with an error"`

	Dependencies []*dependency `cel:"dependencies" doc:"the spans that call another service or an AWS API"`
	Repeated     []*repeat     `cel:"repeated" doc:"calls of one operation on one target under one parent, two and more"`
	Fans         []*fan        `cel:"fans" doc:"the requests that a service was asked, with the services that it called for each"`
	Breaks       []*gap        `cel:"breaks" doc:"calls whose other end began a trace of its own"`
}

// newStory builds the view of records that are in the order of fleet.Compare.
func newStory(id string, rs []*fleet.Record) *story {
	s := &story{ID: id, Start: rs[0].Time, Service: rs[0].Service, Name: rs[0].Name}
	for _, r := range rs {
		s.add(view(r))
	}
	slices.Sort(s.TraceIDs)
	s.TraceIDs = slices.Compact(s.TraceIDs)
	slices.Sort(s.CorrelationIDs)
	s.CorrelationIDs = slices.Compact(s.CorrelationIDs)
	slices.Sort(s.Services)
	s.Services = slices.Compact(s.Services)
	s.extent(rs)
	tree := newTree(s.Spans)
	s.Dependencies = tree.dependencies()
	s.Repeated = tree.repeated(s.Dependencies)
	s.Fans = tree.fans(s.Dependencies)
	s.Breaks = tree.breaks(s.Dependencies)
	return s
}

func (s *story) add(v *record) {
	s.Records = append(s.Records, v)
	switch v.src.Kind {
	case fleet.KindSpan:
		s.Spans = append(s.Spans, v)
		if !s.Rooted && v.ParentID == "" && v.attr(fleet.AttrInProgress) != "true" {
			s.Rooted, s.Service, s.Name = true, v.Service, v.Name
		}
	case fleet.KindLog:
		s.Logs = append(s.Logs, v)
	case fleet.KindAPICall:
		s.Calls = append(s.Calls, v)
	case fleet.KindChange:
		s.Changes = append(s.Changes, v)
	}
	if v.Error != "" {
		s.Errors = append(s.Errors, v)
	}
	if v.TraceID != "" {
		s.TraceIDs = append(s.TraceIDs, v.TraceID)
	}
	if v.CorrelationID != "" {
		s.CorrelationIDs = append(s.CorrelationIDs, v.CorrelationID)
	}
	if v.Service != "" {
		s.Services = append(s.Services, v.Service)
	}
}

func (s *story) extent(rs []*fleet.Record) {
	end := rs[len(rs)-1].End()
	if len(s.Spans) > 0 {
		s.Start = s.Spans[0].Time
		end = s.Start
		for _, v := range s.Spans {
			if e := v.src.End(); e.After(end) {
				end = e
			}
		}
	}
	s.Seconds = end.Sub(s.Start).Seconds()
}

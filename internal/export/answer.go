// Package export spells a dossier for other programs: as one JSON object with
// where its time went, and as OpenTelemetry's traces (OTLP in JSON), which Jaeger,
// Tempo and the collector take.
package export

import (
	"encoding/json"
	"io"

	"muster/criticalpath"
	"muster/fleet"
)

// Answer is a dossier for scripts, with where its time went.
type Answer struct {
	Trace        string           `json:"trace_id"`
	Correlation  string           `json:"correlation_id"`
	Records      []fleet.Record   `json:"records"`
	Findings     []fleet.Finding  `json:"findings"`
	Related      []string         `json:"related"`
	CriticalPath []PathPart       `json:"critical_path"`
	SelfUS       map[string]int64 `json:"self_us"`
}

// PathPart is a part of a span that the end of its request waited for.
type PathPart struct {
	ID         string `json:"id"`
	Trace      string `json:"trace_id"`
	Service    string `json:"service"`
	Name       string `json:"name"`
	Time       string `json:"time"`
	TimeUS     int64  `json:"time_us"`
	DurationUS int64  `json:"duration_us"`
}

// JSON writes a dossier as one object in one line.
func JSON(w io.Writer, t fleet.Trace) error { return json.NewEncoder(w).Encode(NewAnswer(t)) }

// NewAnswer is the dossier for scripts.
func NewAnswer(t fleet.Trace) Answer {
	a := Answer{
		Trace: t.ID, Correlation: t.Correlation,
		// None of them is null.
		Records: append([]fleet.Record{}, t.Records...), Findings: append([]fleet.Finding{}, t.Findings...),
		Related: append([]string{}, t.Related...), CriticalPath: []PathPart{}, SelfUS: map[string]int64{},
	}
	p := criticalpath.Of(t.Records)
	for _, x := range p.Parts {
		r := &t.Records[x.Span]
		a.CriticalPath = append(a.CriticalPath, PathPart{
			ID: r.ID, Trace: r.Keys.Trace, Service: r.Service, Name: r.Name,
			Time: fleet.FormatTime(x.Start), TimeUS: x.Start.UnixMicro(), DurationUS: x.End.Sub(x.Start).Microseconds(),
		})
	}
	for i := range t.Records {
		if t.Records[i].Kind == fleet.KindSpan {
			a.SelfUS[t.Records[i].ID] = p.Self[i].Microseconds()
		}
	}
	return a
}

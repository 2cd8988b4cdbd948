package main

import (
	"muster/criticalpath"
	"muster/fleet"
)

// traceAnswer is a dossier for scripts, with where its time went.
type traceAnswer struct {
	Trace        string           `json:"trace_id"`
	Correlation  string           `json:"correlation_id"`
	Records      []fleet.Record   `json:"records"`
	Findings     []fleet.Finding  `json:"findings"`
	Related      []string         `json:"related"`
	CriticalPath []pathPart       `json:"critical_path"`
	SelfUS       map[string]int64 `json:"self_us"`
}

// pathPart is a part of a span that the end of its request waited for.
type pathPart struct {
	ID         string `json:"id"`
	Trace      string `json:"trace_id"`
	Service    string `json:"service"`
	Name       string `json:"name"`
	Time       string `json:"time"`
	TimeUS     int64  `json:"time_us"`
	DurationUS int64  `json:"duration_us"`
}

func newTraceAnswer(t fleet.Trace) traceAnswer {
	a := traceAnswer{
		Trace: t.ID, Correlation: t.Correlation,
		// None of them is null.
		Records: append([]fleet.Record{}, t.Records...), Findings: append([]fleet.Finding{}, t.Findings...),
		Related: append([]string{}, t.Related...), CriticalPath: []pathPart{}, SelfUS: map[string]int64{},
	}
	p := criticalpath.Of(t.Records)
	for _, x := range p.Parts {
		r := &t.Records[x.Span]
		a.CriticalPath = append(a.CriticalPath, pathPart{
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

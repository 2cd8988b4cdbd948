package audit

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"muster/fleet"
)

// memory is a Source in memory that honours the query's window and kinds.
type memory struct {
	records  []fleet.Record
	findings map[string]fleet.Finding
	broken   error // ends every sequence
}

func (m *memory) Records(_ context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		fleet.Sort(m.records)
		for _, r := range m.records {
			if slices.Contains(q.Kinds, r.Kind) && q.Window.Contains(r.Time) && !yield(r, nil) {
				return
			}
		}
		if m.broken != nil {
			yield(fleet.Record{}, m.broken)
		}
	}
}

func (m *memory) Findings(context.Context, fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(yield func(fleet.Finding, error) bool) {
		for _, f := range m.findings {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// keep stores findings as a store does: the newest state wins.
func (m *memory) keep(fs []fleet.Finding) {
	if m.findings == nil {
		m.findings = map[string]fleet.Finding{}
	}
	for _, f := range fs {
		m.findings[f.Fingerprint] = f
	}
}

// noon is when the tests' records begin.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return noon.Add(seconds(s)) }

// call is an API call.
func call(id string, t time.Time, event string) fleet.Record {
	return fleet.Record{
		ID: id, Kind: fleet.KindAPICall, Time: t, Account: "1", Region: "r",
		Attributes: fleet.AttributesOf(fleet.AttrEventSource, "x.amazonaws.com", fleet.AttrEventName, event),
	}
}

// line is a log line of a trace, which is its own journey.
func line(id, trace string, t time.Time, message string) fleet.Record {
	return fleet.Record{
		ID: id, Kind: fleet.KindLog, Time: t, Account: "1", Service: "orders", Message: message,
		Keys: fleet.Keys{Trace: trace},
	}
}

// policy is a whole policy with the given lines in place of the defaults for
// what every policy must say.
func policy(lines string) string {
	out := lines
	for _, field := range []string{
		"id: p", "title: T", "severity: low", "rationale: R", "remedy: M", "on: api_call", "when: 'true'", "message: m",
	} {
		name, _, _ := strings.Cut(field, ":")
		if !strings.HasPrefix(lines, name+":") && !strings.Contains(lines, "\n"+name+":") {
			out = strings.TrimSuffix(out, "\n") + "\n" + field + "\n"
		}
	}
	return out
}

func load(t testing.TB, lines ...string) []Policy {
	t.Helper()
	files := fstest.MapFS{}
	for i, s := range lines {
		files[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(policy(s))}
	}
	ps, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func judge(t *testing.T, ps []Policy, in Input) Result {
	t.Helper()
	result, err := Judge(t.Context(), ps, in)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// read is a ledger that says how one stream was read.
func read(stream string, from, to time.Time, c fleet.Coverage, reason string) fleet.LedgerEntry {
	return fleet.LedgerEntry{Stream: stream, Window: fleet.Window{Start: from, End: to}, Coverage: c, Reason: reason}
}

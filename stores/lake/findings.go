package lake

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"muster/fleet"
)

// findingRow is a fleet.Finding as the table "findings" holds it: one row per
// state that it was saved in.
type findingRow struct {
	Fingerprint string   `parquet:"fingerprint,id(1)"`
	Policy      string   `parquet:"policy,id(2),dict"`
	Title       string   `parquet:"title,id(3),dict"`
	Severity    string   `parquet:"severity,id(4),dict"`
	Status      string   `parquet:"status,id(5),dict"`
	FirstSeen   int64    `parquet:"first_seen,id(6),timestamp(microsecond)"`
	LastSeen    int64    `parquet:"last_seen,id(7),timestamp(microsecond)"`
	Count       int64    `parquet:"count,id(8)"`
	Message     string   `parquet:"message,id(9)"`
	Remedy      string   `parquet:"remedy,id(10)"`
	Resource    string   `parquet:"resource,id(11)"`
	Service     string   `parquet:"service,id(12),dict"`
	Trace       string   `parquet:"trace_id,id(13)"`
	Evidence    []string `parquet:"evidence,id(14),list" parquet-element:",id(15)"`
	// Saved is the sequence number of the commit that wrote the row: the newest
	// row of a fingerprint is its state.
	Saved int64 `parquet:"saved,id(16)"`
}

// runRow is a fleet.Run as the table "runs" holds it.
type runRow struct {
	ID          string            `parquet:"id,id(1)"`
	Started     int64             `parquet:"started,id(2),timestamp(microsecond)"`
	Ended       int64             `parquet:"ended,id(3),timestamp(microsecond)"`
	WindowStart int64             `parquet:"window_start_us,id(4)"` // 0: open
	WindowEnd   int64             `parquet:"window_end_us,id(5)"`   // 0: open
	Policies    int64             `parquet:"policies,id(6)"`
	Findings    int64             `parquet:"findings,id(7)"`
	NotJudged   map[string]string `parquet:"not_judged,id(8)" parquet-key:",id(9)" parquet-value:",id(10)"`
	Saved       int64             `parquet:"saved,id(11)"`

	// Since schema version 2; null in rows of before, as in those that have none.
	Renewed int64  `parquet:"renewed,id(12),optional,timestamp(microsecond)"`
	Program string `parquet:"program,id(13),optional,zstd"`
	// Set names the versions of the policies, and Versions spells them out, in the
	// first run that ended with them: "id@version" with spaces between.
	Set      string `parquet:"policy_set,id(14),optional,dict"`
	Versions string `parquet:"policy_versions,id(15),optional,zstd"`
}

func (l *Lake) findings() smallTable[findingRow] {
	return smallTable[findingRow]{
		lake: l, name: tableFindings,
		stamp: func(r *findingRow, seq int64) { r.Saved = seq },
		fold: func(rows []findingRow) []findingRow {
			return newest(rows, func(r *findingRow) (string, int64) { return r.Fingerprint, r.Saved })
		},
	}
}

func (l *Lake) runs() smallTable[runRow] {
	return smallTable[runRow]{
		lake: l, name: tableRuns,
		stamp: func(r *runRow, seq int64) { r.Saved = seq },
		fold: func(rows []runRow) []runRow {
			return spellOnce(rows, newest(rows, func(r *runRow) (string, int64) { return r.ID, r.Saved }))
		},
	}
}

// newest keeps the row of each key that was saved last, of one commit the last.
func newest[T any](rows []T, key func(*T) (string, int64)) []T {
	at := map[string]int{}
	var out []T
	for i := range rows {
		k, saved := key(&rows[i])
		j, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, rows[i])
			continue
		}
		if _, before := key(&out[j]); saved >= before {
			out[j] = rows[i]
		}
	}
	return out
}

// SaveFindings keeps the state of findings, which replaces what is known by the
// same fingerprints, and then the run that found them. After a crash between
// the two the run is missing; saving both again changes nothing else.
func (l *Lake) SaveFindings(ctx context.Context, run fleet.Run, findings []fleet.Finding) error {
	if l.options.ReadOnly {
		return errReadOnly
	}
	rows := make([]findingRow, len(findings))
	for i := range findings {
		rows[i] = newFindingRow(&findings[i])
	}
	if err := l.findings().add(ctx, l.findings().fold(rows)); err != nil {
		return fmt.Errorf("save findings: %w", err)
	}
	row := newRunRow(&run)
	known, err := l.knowsSet(ctx, row.Set)
	if err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	if !known {
		row.Versions = spellVersions(run.Versions)
	}
	if err := l.runs().add(ctx, []runRow{row}); err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	return nil
}

func newFindingRow(f *fleet.Finding) findingRow {
	return findingRow{
		Fingerprint: text(f.Fingerprint), Policy: text(f.Policy), Title: text(f.Title),
		Severity: string(f.Severity), Status: string(f.Status),
		FirstSeen: microseconds(f.FirstSeen), LastSeen: microseconds(f.LastSeen), Count: int64(f.Count),
		Message: text(f.Message), Remedy: text(f.Remedy), Resource: text(f.Resource), Service: text(f.Service),
		Trace: text(f.Trace), Evidence: texts(f.Evidence),
	}
}

func (r *findingRow) finding() fleet.Finding {
	return fleet.Finding{
		Fingerprint: r.Fingerprint, Policy: r.Policy, Title: r.Title,
		Severity: fleet.Severity(r.Severity), Status: fleet.Status(r.Status),
		FirstSeen: fromMicroseconds(r.FirstSeen), LastSeen: fromMicroseconds(r.LastSeen), Count: int(r.Count),
		Message: r.Message, Remedy: r.Remedy, Resource: r.Resource, Service: r.Service,
		Trace: r.Trace, Evidence: orNil(r.Evidence),
	}
}

func newRunRow(r *fleet.Run) runRow {
	w := runRow{
		ID: text(r.ID), Started: microseconds(r.Started), Ended: microseconds(r.Ended),
		WindowStart: microseconds(r.Window.Start), WindowEnd: microseconds(r.Window.End),
		Policies: int64(r.Policies), Findings: int64(r.Findings), NotJudged: map[string]string{},
		Renewed: microseconds(r.Renewed), Program: text(r.Program), Set: setOf(r.Versions),
	}
	for k, v := range r.NotJudged {
		w.NotJudged[text(k)] = text(v)
	}
	return w
}

// Findings yields the newest state of the findings that meet a query, worst
// first, then last seen first. Of a query's fields, Window means last seen in
// it, and IDs fingerprints; the keys of records other than Trace, and
// Principal, Kinds and Errors, say nothing about findings and are left aside.
func (l *Lake) Findings(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(yield func(fleet.Finding, error) bool) {
		all, err := l.allFindings(ctx)
		if err != nil {
			yield(fleet.Finding{}, err)
			return
		}
		n := 0
		for i := range all {
			if !wanted(&q, &all[i]) {
				continue
			}
			if n++; q.Limit > 0 && n > q.Limit {
				return
			}
			if !yield(all[i], nil) {
				return
			}
		}
	}
}

func (l *Lake) allFindings(ctx context.Context) ([]fleet.Finding, error) {
	rows, err := l.findings().rows(ctx)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	rows = l.findings().fold(rows)
	all := make([]fleet.Finding, len(rows))
	for i := range rows {
		all[i] = rows[i].finding()
	}
	slices.SortFunc(all, func(a, b fleet.Finding) int {
		return cmp.Or(b.Severity.Rank()-a.Severity.Rank(), b.LastSeen.Compare(a.LastSeen), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	return all, nil
}

func wanted(q *fleet.Query, f *fleet.Finding) bool {
	trace, isTrace := fleet.ParseTraceID(q.Trace)
	if !isTrace {
		trace = q.Trace
	}
	text := strings.ToLower(q.Text)
	return q.Window.Contains(f.LastSeen) &&
		(len(q.IDs) == 0 || slices.Contains(q.IDs, f.Fingerprint)) &&
		(q.Service == "" || q.Service == f.Service) &&
		(trace == "" || trace == f.Trace) &&
		(q.Resource == "" || q.Resource == f.Resource) &&
		(text == "" || strings.Contains(strings.ToLower(f.Title+"\n"+f.Message), text)) &&
		f.Severity.Rank() >= q.MinSeverity.Rank() &&
		(len(q.Status) == 0 || slices.Contains(q.Status, f.Status))
}

// findingsAbout are the findings that name a dossier's trace, a related one of
// the same records, or the resource, or whose evidence is among its records.
func (l *Lake) findingsAbout(ctx context.Context, t *fleet.Trace, resource string) ([]fleet.Finding, error) {
	all, err := l.allFindings(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	ids, traces := map[string]bool{}, map[string]bool{t.ID: t.ID != ""}
	for i := range t.Records {
		ids[t.Records[i].ID] = true
		if t.ID != "" && t.Records[i].Keys.Trace != "" {
			traces[t.Records[i].Keys.Trace] = true
		}
	}
	var out []fleet.Finding
	for _, f := range all {
		if traces[f.Trace] || resource != "" && f.Resource == resource ||
			slices.ContainsFunc(f.Evidence, func(id string) bool { return ids[id] }) {
			out = append(out, f)
		}
	}
	return out, nil
}

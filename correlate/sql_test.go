package correlate

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// answers is one row of resolve.sql.
type answers struct {
	ID                                           string
	Trace, TraceVia, TraceSure                   string
	Request, Scope, RequestVia, RequestSure      string
	Correlation, CorrelationVia, CorrelationSure string
	Origin                                       string
}

func openDuckDB(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatalf("open DuckDB: %v", err)
	}
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	t.Cleanup(func() { db.Close() })
	return db
}

// seenRow has the columns of the relation "seen" that resolve.sql reads.
type seenRow struct {
	ID                string   `json:"id"`
	Kind              string   `json:"kind"`
	TimeUS            int64    `json:"time_us"`
	Account           string   `json:"account"`
	Region            string   `json:"region"`
	Resources         []string `json:"resources"`
	Error             string   `json:"error"`
	ReadOnly          bool     `json:"read_only"`
	EventCategory     string   `json:"event_category"`
	SeenTraceID       string   `json:"seen_trace_id"`
	SeenRequestID     string   `json:"seen_request_id"`
	SeenRequestScope  string   `json:"seen_request_scope"`
	MessageIDs        []string `json:"message_ids"`
	SeenCorrelationID string   `json:"seen_correlation_id"`
	AccessKeyID       string   `json:"access_key_id"`
	IssuedKeyID       string   `json:"issued_key_id"`
	Principal         string   `json:"principal"`
}

const seenStructure = `[{"id":"VARCHAR","kind":"VARCHAR","time_us":"BIGINT","account":"VARCHAR","region":"VARCHAR",
	"resources":["VARCHAR"],"error":"VARCHAR","read_only":"BOOLEAN","event_category":"VARCHAR",
	"seen_trace_id":"VARCHAR","seen_request_id":"VARCHAR","seen_request_scope":"VARCHAR","message_ids":["VARCHAR"],
	"seen_correlation_id":"VARCHAR","access_key_id":"VARCHAR","issued_key_id":"VARCHAR","principal":"VARCHAR"}]`

// seenRows spells records as rows of "seen".
func seenRows(rs []fleet.Record) []seenRow {
	rows := make([]seenRow, len(rs))
	for i := range rs {
		r := &rs[i]
		rows[i] = seenRow{
			ID: r.ID, Kind: string(r.Kind), TimeUS: r.TimeUS(), Account: r.Account, Region: r.Region,
			Resources: append([]string{}, r.Resources...), Error: r.Error,
			ReadOnly:      r.Attributes.Get(fleet.AttrReadOnly) == "true",
			EventCategory: r.Attributes.Get(fleet.AttrEventCategory),
			SeenTraceID:   r.Seen.Trace, SeenRequestID: r.Seen.Request, SeenRequestScope: string(r.Seen.Scope),
			MessageIDs: append([]string{}, r.Seen.Messages...), SeenCorrelationID: r.Seen.Correlation,
			AccessKeyID: r.Seen.AccessKey, IssuedKeyID: r.Seen.IssuedKey, Principal: r.Principal,
		}
	}
	return rows
}

// loadSeen makes records the relation "seen".
func loadSeen(t testing.TB, db *sql.DB, rs []fleet.Record) {
	t.Helper()
	doc, err := json.Marshal(seenRows(rs))
	if err != nil {
		t.Fatalf("spell rows: %v", err)
	}
	insert := `INSERT INTO seen SELECT unnest(from_json_strict(?::JSON, '` + seenStructure + `'), recursive := true)`
	create := `CREATE OR REPLACE TABLE seen AS SELECT unnest(from_json_strict('[]'::JSON, '` + seenStructure + `'), recursive := true)`
	if _, err := db.ExecContext(t.Context(), create); err != nil {
		t.Fatalf("create seen: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), insert, string(doc)); err != nil {
		t.Fatalf("load seen: %v", err)
	}
}

// resolveInSQL runs resolve.sql over "seen".
func resolveInSQL(t testing.TB, db *sql.DB) []answers {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM ("+SQL()+") AS resolved ORDER BY id")
	if err != nil {
		t.Fatalf("run resolve.sql: %v", err)
	}
	defer rows.Close()
	var out []answers
	for rows.Next() {
		var a answers
		if err := rows.Scan(&a.ID, &a.Trace, &a.TraceVia, &a.TraceSure, &a.Request, &a.Scope, &a.RequestVia, &a.RequestSure,
			&a.Correlation, &a.CorrelationVia, &a.CorrelationSure, &a.Origin); err != nil {
			t.Fatalf("read resolve.sql: %v", err)
		}
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("read resolve.sql: %v", err)
	}
	return out
}

// resolveInGo spells what Resolve says as resolve.sql does.
func resolveInGo(rs []fleet.Record) []answers {
	var out []answers
	for _, r := range resolved(rs) {
		k := r.Keys
		out = append(out, answers{
			r.ID, k.Trace, string(k.TraceLink.Via), string(k.TraceLink.Sure),
			k.Request, string(k.Scope), string(k.RequestLink.Via), string(k.RequestLink.Sure),
			k.Correlation, string(k.CorrelationLink.Via), string(k.CorrelationLink.Sure), k.Origin,
		})
	}
	slices.SortFunc(out, func(a, b answers) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// TestResolveIsResolveSQL compares row for row. Several sets, with keys of their
// own, share a query, which costs the same for one as for many.
func TestResolveIsResolveSQL(t *testing.T) {
	const queries, setsPerQuery = 40, 10
	db := openDuckDB(t)
	links := map[string]int{}
	for q := range queries {
		var rs []fleet.Record
		for seed := q * setsPerQuery; seed < (q+1)*setsPerQuery; seed++ {
			s := newSets(uint64(seed))
			set := s.records(5 + s.IntN(115))
			inSlot(set, seed, 0)
			rs = append(rs, set...)
		}
		for _, precision := range []time.Duration{time.Microsecond, time.Millisecond} {
			for i := range rs {
				rs[i].Time = rs[i].Time.Truncate(precision)
			}
			inGo := resolveInGo(rs)
			loadSeen(t, db, rs)
			if diff := cmp.Diff(inGo, resolveInSQL(t, db)); diff != "" {
				t.Fatalf("at %v, Go (-) and SQL (+) differ; an id ends in the seed of its set:\n%s", precision, diff)
			}
			for _, a := range inGo {
				links["trace "+a.TraceVia+" "+a.TraceSure]++
				links["request "+a.RequestVia+" "+a.RequestSure]++
				links["correlation "+a.CorrelationVia+" "+a.CorrelationSure]++
				if a.Origin != "" {
					links["origin"]++
				}
			}
		}
	}
	for _, want := range []string{
		"trace seen exact", "trace request exact", "trace request inferred", "trace message exact",
		"request seen exact", "request touch inferred", "correlation seen exact", "correlation trace exact",
		"correlation trace inferred", "correlation message exact", "correlation message inferred", "origin",
	} {
		if links[want] < 100 {
			t.Errorf("the random sets have %d links %q, too few to prove anything", links[want], want)
		}
	}
}

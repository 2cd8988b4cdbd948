//go:build engines

package correlate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/engines"
	"muster/internal/localaws/trino"
)

// engine is the Trino of all tests here.
var engine *engines.Trino

func TestMain(m *testing.M) {
	code, err := withTrino(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withTrino(run func() int) (code int, err error) {
	ctx := context.Background()
	moto, err := engines.StartMoto(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, moto.Close()) }()
	if engine, err = engines.StartTrino(ctx, moto); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return run(), nil
}

// seenOnTrino is the relation "seen" in a schema of Trino's memory, so that
// resolve.sql finds it there by its name alone.
type seenOnTrino struct {
	t      *testing.T
	client trino.Client
}

func newSeenOnTrino(t *testing.T) *seenOnTrino {
	t.Helper()
	s := &seenOnTrino{t, trino.Client{URL: engine.URL(), Catalog: "memory", Schema: "default"}}
	s.run("DROP TABLE IF EXISTS seen")
	s.run("CREATE TABLE seen (" + seenColumns + ")")
	t.Cleanup(func() { s.run("DROP TABLE seen") })
	return s
}

func (s *seenOnTrino) run(statement string) trino.Result {
	s.t.Helper()
	result, err := s.client.Run(context.WithoutCancel(s.t.Context()), statement, nil)
	if err != nil {
		s.t.Fatalf("%.200s: %v", statement, err)
	}
	return result
}

const seenColumns = `id varchar, kind varchar, time_us bigint, account varchar, region varchar, resources array(varchar),
	error varchar, read_only boolean, event_category varchar, seen_trace_id varchar, seen_request_id varchar,
	seen_request_scope varchar, message_ids array(varchar), seen_correlation_id varchar, access_key_id varchar,
	issued_key_id varchar, principal varchar`

// insertSize bounds a statement's text, in bytes; Trino's own bound is a million
// characters.
const insertSize = 800_000

// load makes the rows the relation's only ones.
func (s *seenOnTrino) load(rows []seenRow) {
	s.t.Helper()
	s.run("TRUNCATE TABLE seen")
	var batch []string
	size := 0
	flush := func() {
		if len(batch) == 0 {
			return
		}
		doc := strings.ReplaceAll("["+strings.Join(batch, ",")+"]", "'", "''")
		s.run("INSERT INTO seen SELECT * FROM UNNEST(CAST(json_parse('" + doc + "') AS array(row(" + seenColumns + "))))")
		batch, size = batch[:0], 0
	}
	for _, r := range rows {
		doc, err := json.Marshal([]any{
			r.ID, r.Kind, r.TimeUS, r.Account, r.Region, r.Resources, r.Error, r.ReadOnly, r.EventCategory, r.SeenTraceID,
			r.SeenRequestID, r.SeenRequestScope, r.MessageIDs, r.SeenCorrelationID, r.AccessKeyID, r.IssuedKeyID, r.Principal,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if size+len(doc) > insertSize {
			flush()
		}
		batch, size = append(batch, string(doc)), size+len(doc)
	}
	flush()
}

// cut cuts the times of what is loaded to a precision.
func (s *seenOnTrino) cut(precision time.Duration) {
	s.t.Helper()
	s.run(fmt.Sprintf("CREATE TABLE cut AS SELECT id, kind, time_us - time_us %% %d AS time_us, %s FROM seen",
		precision.Microseconds(), seenRest))
	s.run("DROP TABLE seen")
	s.run("ALTER TABLE cut RENAME TO seen")
}

// seenRest are the columns of "seen" after the time.
const seenRest = "account, region, resources, error, read_only, event_category, seen_trace_id, seen_request_id, " +
	"seen_request_scope, message_ids, seen_correlation_id, access_key_id, issued_key_id, principal"

// resolve runs resolve.sql as it is.
func (s *seenOnTrino) resolve() []answers {
	s.t.Helper()
	result := s.run(SQL())
	out := make([]answers, len(result.Rows))
	for i, row := range result.Rows {
		a := &out[i]
		for c, field := range []*string{
			&a.ID, &a.Trace, &a.TraceVia, &a.TraceSure, &a.Request, &a.Scope, &a.RequestVia, &a.RequestSure,
			&a.Correlation, &a.CorrelationVia, &a.CorrelationSure, &a.Origin,
		} {
			*field, _ = row[c].(string)
		}
	}
	slices.SortFunc(out, func(a, b answers) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// sameOnAll holds Resolve to resolve.sql on DuckDB and on Trino, row for row, at
// both precisions, and returns how many rows have a joined key.
func sameOnAll(t *testing.T, s *seenOnTrino, rs []fleet.Record) (joined int) {
	t.Helper()
	db := openDuckDB(t)
	for _, precision := range []time.Duration{time.Microsecond, time.Millisecond} {
		for i := range rs {
			rs[i].Time = rs[i].Time.Truncate(precision)
		}
		inGo := resolveInGo(rs)
		loadSeen(t, db, rs)
		if diff := cmp.Diff(inGo, resolveInSQL(t, db)); diff != "" {
			t.Fatalf("at %v, Go (-) and DuckDB (+) differ:\n%.4000s", precision, diff)
		}
		if precision == time.Microsecond {
			s.load(seenRows(rs))
		} else {
			s.cut(precision)
		}
		if diff := cmp.Diff(inGo, s.resolve()); diff != "" {
			t.Fatalf("at %v, Go (-) and Trino (+) differ:\n%.4000s", precision, diff)
		}
		for _, a := range inGo {
			if joinedBy(a.TraceVia) || joinedBy(a.RequestVia) || joinedBy(a.CorrelationVia) || a.Origin != "" {
				joined++
			}
		}
	}
	return joined
}

func joinedBy(via string) bool { return via != "" && via != "seen" }

// TestResolveIsResolveSQLOnTrino compares 1,000 random sets, row for row. They
// share a statement, with keys of their own: most of what it costs is to plan it.
func TestResolveIsResolveSQLOnTrino(t *testing.T) {
	var rs []fleet.Record
	for seed := range 1000 {
		random := newSets(uint64(seed))
		set := random.records(5 + random.IntN(115))
		inSlot(set, seed, 0)
		rs = append(rs, set...)
	}
	if joined := sameOnAll(t, newSeenOnTrino(t), rs); joined < len(rs)/2 {
		t.Errorf("%d of %d rows have a joined key, too few to prove anything", joined, len(rs))
	}
}

// TestInvictusIsTheSameOnTrino takes the CloudTrail of a real attack, as the
// collector reads it.
func TestInvictusIsTheSameOnTrino(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus(t, "cloudtrail-invictus"), "*_CloudTrail_*.json"))
	if err != nil {
		t.Fatal(err)
	}
	once := map[string]fleet.Record{}
	for _, path := range paths {
		for batch, err := range collectors.ReadFile(t.Context(), path, collectors.FileOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range batch.Records {
				once[r.ID] = r
			}
		}
	}
	if joined := sameOnAll(t, newSeenOnTrino(t), slices.Collect(maps.Values(once))); joined == 0 {
		t.Error("no key was joined")
	}
}

// TestNezhaIsTheSameOnTrino takes spans and logs of a real system, a fifth of
// them removed. One log in ten shows its span's id as a request id in place of
// its trace id.
func TestNezhaIsTheSameOnTrino(t *testing.T) {
	dir := corpus(t, "nezha-trainticket")
	var rs []fleet.Record
	for seed, m := range minutes(t, dir)[:2] {
		rs = append(rs, nezha(t, dir, m.Minute, fifth(seed))...)
	}
	for i := range rs {
		r := &rs[i]
		if r.Seen.Span != "" {
			r.Seen.Request, r.Seen.Scope = strings.Clone(r.Seen.Span), fleet.ScopeLambda
		}
		if r.Kind == fleet.KindLog && i%10 == 0 {
			r.Seen.Trace = ""
		}
	}
	if joined := sameOnAll(t, newSeenOnTrino(t), rs); joined < 100 {
		t.Errorf("%d of %d rows have a joined key, too few to prove anything", joined, len(rs))
	}
}

//go:build engines && !noduckdb

package lake

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/google/go-cmp/cmp"

	"muster/correlate"
	"muster/dashboards"
	"muster/fleet"
	"muster/internal/engines"
	"muster/internal/localaws"
	"muster/stores/storetest"
)

// athenaDatabase is the Glue database that Trino's own client names.
const athenaDatabase = engines.Database

// athenaPlace is an S3 and Glue with a Trino over them, and Athena's API to it.
type athenaPlace struct {
	trino      *engines.Trino
	s3, athena string
	made       int
}

func startAthena(t *testing.T) *athenaPlace {
	t.Helper()
	moto, err := engines.StartMoto(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := moto.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	trino, err := engines.StartTrino(t.Context(), moto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trino.Close(); err != nil {
			t.Error(err)
		}
	})
	api, err := localaws.Start(t.Context(), localaws.Options{TrinoURL: trino.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := moto.MakeBucket(t.Context(), "athena-lakes"); err != nil {
		t.Fatal(err)
	}
	return &athenaPlace{trino: trino, s3: moto.URL(), athena: api.Endpoint()}
}

// open opens a new lake in a database, by default one of its own. Ids are looked
// for in the 30 days before the end of March 2026.
func (p *athenaPlace) open(t *testing.T, database string) *Lake {
	t.Helper()
	p.made++
	if database == "" {
		database = fmt.Sprintf("fleet%d", p.made)
	}
	cfg := testAWS(p.s3)
	client := &http.Client{Transport: &http.Transport{}}
	cfg.HTTPClient = client
	l, err := Open(t.Context(), fmt.Sprintf("s3://athena-lakes/fleet%d", p.made), Options{
		AWS: cfg, Database: database, Now: func() time.Time { return time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	// Athena's endpoint is another than that of the rest, which the environment
	// would say.
	api := cfg.Copy()
	api.BaseEndpoint = &p.athena
	l.athena.api = athena.NewFromConfig(api)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	})
	return l
}

// TestAthena holds a lake on S3, read through Athena's API and answered by its
// engine, to what a lake in a folder is held to.
func TestAthena(t *testing.T) {
	p := startAthena(t)
	t.Run("Contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Store { return p.open(t, "") })
	})
	t.Run("ReadsNoMoreThanAsked", p.readsNoMoreThanAsked)
	t.Run("HostileTextIsText", p.hostileTextIsText)
	t.Run("ViewsAndSavedQueries", p.viewsAndSavedQueries)
	t.Run("Recompute", p.recomputes)
	t.Run("Segments", func(t *testing.T) { countsSegments(t, p.open(t, "")) })
}

// told hears what Athena is asked.
type told struct {
	athenaAPI
	mu   sync.Mutex
	last athena.StartQueryExecutionInput
}

func (a *told) StartQueryExecution(ctx context.Context, in *athena.StartQueryExecutionInput, o ...func(*athena.Options)) (*athena.StartQueryExecutionOutput, error) {
	a.mu.Lock()
	a.last = *in
	a.mu.Unlock()
	return a.athenaAPI.StartQueryExecution(ctx, in, o...)
}

// processed is how many rows the engine reads to answer what was asked last.
func (a *told) processed(t *testing.T, p *athenaPlace) int64 {
	t.Helper()
	a.mu.Lock()
	text := *a.last.QueryString
	if len(a.last.ExecutionParameters) > 0 {
		text = "execute immediate " + quote(text) + " using " + strings.Join(a.last.ExecutionParameters, ", ")
	}
	a.mu.Unlock()
	r, err := p.trino.Query(t.Context(), text)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return r.Stats.ProcessedRows
}

// readsNoMoreThanAsked fills two days of three kinds, a commit for each hour, and
// asks for one hour of one of them.
func (p *athenaPlace) readsNoMoreThanAsked(t *testing.T) {
	l := p.open(t, athenaDatabase)
	hear := &told{athenaAPI: l.athena.api}
	l.athena.api = hear
	const perHour = 20
	// The amending row is read as itself and as what may amend others, and Trino
	// counts one row of its own.
	const more = 3
	start := noon.Truncate(24 * time.Hour)
	n := 0
	for _, hours := range [][2]int{{0, 6}, {6, 12}, {12, 13}, {13, 24}, {24, 48}} {
		var rs []fleet.Record
		for h := hours[0]; h < hours[1]; h++ {
			for _, kind := range []fleet.Kind{fleet.KindSpan, fleet.KindLog, fleet.KindAPICall} {
				for range perHour {
					n++
					r := logLines(n, 1)[0]
					r.Kind, r.Time = kind, start.Add(time.Duration(h)*time.Hour+time.Duration(n)*time.Microsecond)
					rs = append(rs, r)
				}
			}
		}
		add(t, l, rs, nil)
	}
	first := live(t, l)[0]
	fresh, err := l.Fresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Commit(t.Context(), fleet.Commit{
		Base: fresh.Base, Amendments: []fleet.Amendment{{Ref: fleet.Ref{ID: first.ID, Kind: first.Kind, Time: first.Time}, Keys: first.Keys}},
	}); err != nil {
		t.Fatal(err)
	}
	hour := fleet.Window{Start: start.Add(12 * time.Hour), End: start.Add(13 * time.Hour)}
	all := int64(n) + 1
	for _, tt := range []struct {
		name string
		most int64 // rows read
		ask  func() (int, error)
		want int
	}{
		{"an hour of a kind", perHour + more, func() (int, error) {
			rs, err := collect(l.Records(t.Context(), fleet.Query{Window: hour, Kinds: []fleet.Kind{fleet.KindSpan}}))
			return len(rs), err
		}, perHour},
		{"an hour", 3*perHour + more, func() (int, error) {
			rs, err := collect(l.Records(t.Context(), fleet.Query{Window: hour}))
			return len(rs), err
		}, 3 * perHour},
		{"all", all + more, func() (int, error) {
			rs, err := collect(l.Records(t.Context(), fleet.Query{}))
			return len(rs), err
		}, n},
	} {
		got, err := tt.ask()
		read := hear.processed(t, p)
		if err != nil || got != tt.want || read > tt.most || read < int64(tt.want) {
			t.Errorf("%s: got %d records, error %v, from %d rows of %d; want %d from at most %d", tt.name, got, err, read, all, tt.want, tt.most)
		}
	}
	p.prunesThroughViews(t, l, perHour, all, more)
}

func (p *athenaPlace) prunesThroughViews(t *testing.T, l *Lake, perHour int, all, more int64) {
	t.Helper()
	if _, err := l.ApplyViews(t.Context()); err != nil {
		t.Fatal(err)
	}
	for text, most := range map[string]int64{
		"select count(*) from spans where day = date '2026-03-14'":                                                                                                 int64(24*perHour) + more,
		fmt.Sprintf("select count(*) from logs where time_us >= %d and time_us < %d", noon.UnixMicro(), noon.Add(time.Hour).UnixMicro()):                           int64(perHour) + more,
		"select count(*) from evidence where kind = 'span' and \"time\" >= timestamp '2026-03-14 12:00:00 UTC' and \"time\" < timestamp '2026-03-14 13:00:00 UTC'": int64(perHour) + more,
	} {
		r, err := p.trino.Query(t.Context(), text)
		if err != nil || r.Stats.ProcessedRows > most {
			t.Errorf("%s: reads %d rows of %d, error %v, want at most %d", text, r.Stats.ProcessedRows, all, err, most)
		}
	}
}

// hostileTextIsText asks with text that would end a literal, wherever text from
// outside is asked with, and finds the table as it was.
func (p *athenaPlace) hostileTextIsText(t *testing.T) {
	l := p.open(t, "")
	hostile := []string{
		"' or true --", "'; drop table evidence; --", `\' or true --`, "'' or ''=''", "?", "'?' or ?", "a\x00b", "\u2019 or true --", "%' --", "$1 {} ${x}\n--",
		strings.Repeat("' or true --", 200),
	}
	var rs []fleet.Record
	for i, id := range hostile {
		r := logLines(i, 1)[0]
		r.ID, r.Service, r.Message, r.Principal = id, id, id, id
		r.Resources = []string{id}
		r.Seen = fleet.Keys{Request: id, Correlation: id, Messages: []string{id}}
		r.Keys = r.Seen
		rs = append(rs, r)
	}
	add(t, l, rs, nil)
	own := func(name, text string, got []fleet.Record, err error) {
		t.Helper()
		if err != nil || len(got) != 1 || got[0].ID != text {
			t.Errorf("%s %.30q: got %d records, error %v, want its own", name, text, len(got), err)
		}
	}
	for i, text := range hostile {
		got, err := collect(l.Records(t.Context(), fleet.Query{
			IDs: []string{text, "nobody"}, Service: text, Principal: text, Text: strings.ToUpper(text), Resource: text, Request: text, Correlation: text,
		}))
		own("all of it", text, got, err)
		if i%4 == 0 {
			opened, err := l.Trace(t.Context(), text)
			own("dossier", text, opened.Records, err)
		}
	}
	if got := live(t, l); len(got) != len(hostile) {
		t.Errorf("%d records are left of %d", len(got), len(hostile))
	}
}

func (p *athenaPlace) viewsAndSavedQueries(t *testing.T) {
	l := p.open(t, "")
	fill(t, l)
	if _, err := ask(t, l, "select * from records"); err == nil || !strings.Contains(err.Error(), "muster lake views --apply") {
		t.Errorf("before there are views: error %v, want how to make them", err)
	}
	for _, was := range []bool{false, true} {
		done, err := l.ApplyViews(t.Context())
		if err != nil || len(done) != len(Views()) || done[0].Was != was {
			t.Fatalf("got %+v, error %v, want all, there before: %t", done, err, was)
		}
	}
	for _, tt := range []struct {
		text string
		want [][]any
	}{
		{"select count(*) from records;", [][]any{{int64(5)}}},
		{"select correlation_id from logs", [][]any{{"C"}}},
		{"select (select count(*) from spans), (select count(*) from api_calls), (select count(*) from changes), (select count(*) from verdicts)", [][]any{{int64(1), int64(1), int64(1), int64(1)}}},
		{"select spans, logs, json_format(cast(services as json)), duration_us, correlation_id, time from traces", [][]any{{int64(1), int64(1), `["orders"]`, int64(3000), "C", noon}}},
		{"select status from findings", [][]any{{"open"}}},
		{"select count(*) from runs", [][]any{{int64(1)}}},
		{"select stream, coverage from ledger", [][]any{{"s", "complete"}}},
		{"select time, day, element_at(attributes, 'tier'), regexp_like(message, '^a line'), null from spans", [][]any{{noon, "2026-03-14", "gold", true, nil}}},
		{"select id from records where false", nil},
	} {
		got, err := ask(t, l, tt.text)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", tt.text, err, diff)
		}
	}
	for _, name := range dashboards.Queries() {
		text, err := dashboards.Query(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t, l, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"drop table evidence", "explain analyze delete from evidence", "select 1; drop table evidence"} {
		if _, err := ask(t, l, text); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	rows, err := l.SQL(t.Context(), "select count(*) from records where message <> ''")
	if err != nil {
		t.Fatal(err)
	}
	if c := rows.Cost(); c == nil || c.Scanned == 0 || c.Dollars <= 0 {
		t.Errorf("the answer costs %+v", c)
	}
}

// recomputes is TestRecomputeJoinsWhatWasNeverJoined with resolve.sql in Trino.
func (p *athenaPlace) recomputes(t *testing.T) {
	l := p.open(t, "")
	rs := unjoined(20)
	add(t, l, alone(rs), nil)
	done, err := l.Recompute(t.Context(), Recompute{})
	if err != nil || done.Looked != len(rs) || done.Amended != done.Differ || done.Differ < len(rs)/2 {
		t.Fatalf("got %+v, error %v, want most of %d joined", done, err, len(rs))
	}
	correlate.Resolve(rs)
	if diff := cmp.Diff(byIdentity(rs), byIdentity(live(t, l))); diff != "" {
		t.Errorf("the joins are not those of Resolve, want (-) and got (+):\n%s", diff)
	}
	again, err := l.Recompute(t.Context(), Recompute{})
	if err != nil || again != (Recomputed{Looked: len(rs)}) {
		t.Errorf("a second time: %+v, error %v, want no difference", again, err)
	}
	names, err := l.athena.relationNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		if strings.HasPrefix(name, keptPrefix) {
			t.Errorf("table %s is left", name)
		}
	}
}

package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// athenaEngine is Athena over the tables of a bucket.
type athenaEngine struct {
	*athenaClient
	lake *Lake
}

func newAthenaEngine(l *Lake) *athenaEngine {
	o := &l.options
	return &athenaEngine{newAthenaClient(o.AWS, o.Athena, o.Database, l.root, o.Logger), l}
}

// evidence prunes by what Iceberg keeps of whole files: kind, time and whether
// they amend. The conditions on time are wider than what is asked for by less
// than a millisecond, which Athena may cut times to; time_us decides.
func (e *athenaEngine) evidence(ctx context.Context, q *fleet.Query, hold bool) (evidence, error) {
	out := evidence{}
	table := relations[tableEvidence]
	if hold {
		tbl, err := e.lake.head(ctx, tableEvidence)
		if err != nil {
			return out, err
		}
		snapshot := snapshotID(tbl)
		out.snapshot = fleet.Snapshot(snapshot)
		if snapshot != 0 {
			table = fmt.Sprintf("%s for version as of %d", table, snapshot)
		}
	}
	fine, coarse := between(q.Window), between(wholeDays(q.Window, 0))
	if len(q.Kinds) > 0 {
		kinds := make([]string, len(q.Kinds))
		for i, k := range kindNames(q.Kinds) {
			kinds[i] = quote(text(k))
		}
		of := "kind in (" + strings.Join(kinds, ", ") + ")"
		fine, coarse = append(fine, of), append(coarse, of)
	}
	coarse = append(coarse, "amends")
	out.rows = "(select * from " + table
	if len(fine) > 0 {
		out.rows += " where " + strings.Join(fine, " and ")
	}
	out.rows += ")"
	out.amends = "(select * from " + table + " where " + strings.Join(coarse, " and ") + ") e"
	return out, nil
}

// between are conditions on the column that the table is partitioned by.
func between(w fleet.Window) []string {
	var out []string
	moment := func(t time.Time) string { return "timestamp '" + t.UTC().Format("2006-01-02 15:04:05.000") + " UTC'" }
	if !w.Start.IsZero() {
		out = append(out, `"time" >= `+moment(w.Start)) // Format cuts
	}
	if !w.End.IsZero() {
		out = append(out, `"time" < `+moment(w.End.Add(time.Millisecond-time.Microsecond)))
	}
	return out
}

// list is a column as JSON: Athena's own spelling of lists cannot be taken apart.
func (*athenaEngine) list(column string) string { return "json_format(cast(" + column + " as json))" }

func (e *athenaEngine) rows(ctx context.Context, text string, args []any) (answer, error) {
	return e.run(ctx, text, args)
}

// readOnlyWords begin the texts that only read.
var readOnlyWords = regexp.MustCompile(`(?i)^((select|with|values|table|show|describe|desc)\b|\()`)

var (
	sqlComment = regexp.MustCompile(`^(\s+|--[^\n]*(\n|$)|/\*(?s:.*?)\*/)`)
	// explainWord is what may stand before a query, without its options.
	explainWord = regexp.MustCompile(`(?is)^explain\b\s*(analyze\b\s*)?(verbose\b\s*)?(\(\s*(?:type|format)\b[^)]*\)\s*)?`)
)

// sql runs a text from outside if it is a query. What it may read is what its
// caller may read in Athena; that it writes nothing is for muster to see to,
// since the caller may well be one who may write.
func (e *athenaEngine) sql(ctx context.Context, text string) (*Rows, error) {
	text = strings.TrimRight(text, "; \t\r\n")
	if !readsOnly(text) {
		return nil, ErrNotQuery
	}
	a, err := e.run(ctx, text, nil)
	if err != nil {
		return nil, err
	}
	if err := a.peek(); err != nil {
		return nil, err
	}
	columns := make([]string, len(a.columns))
	for i, c := range a.columns {
		columns[i] = *c.Name
	}
	return &Rows{rows: a, columns: columns, types: make([]string, len(columns)), done: a.Close, cost: a.cost()}, nil
}

// readsOnly reports whether a text is a query. Athena itself refuses more than
// one statement at a time, and WITH can only begin a query there.
func readsOnly(text string) bool {
	text = skipComments(text)
	if loc := explainWord.FindStringIndex(text); loc != nil {
		text = skipComments(text[loc[1]:])
	}
	return readOnlyWords.MatchString(text)
}

func skipComments(text string) string {
	for {
		loc := sqlComment.FindStringIndex(text)
		if loc == nil || loc[1] == 0 {
			return text
		}
		text = text[loc[1]:]
	}
}

// seenRow is a row of what seenSQL selects.
type seenRow struct {
	ID              string   `parquet:"id,id(1)"`
	RecordID        string   `parquet:"record_id,id(2)"`
	Kind            string   `parquet:"kind,id(3)"`
	TimeUS          int64    `parquet:"time_us,id(4)"`
	Account         string   `parquet:"account,id(5)"`
	Region          string   `parquet:"region,id(6)"`
	Resources       []string `parquet:"resources,id(7),list" parquet-element:",id(8)"`
	Error           string   `parquet:"error,id(9)"`
	ReadOnly        bool     `parquet:"read_only,id(10)"`
	EventCategory   string   `parquet:"event_category,id(11)"`
	SeenTrace       string   `parquet:"seen_trace_id,id(12)"`
	SeenRequest     string   `parquet:"seen_request_id,id(13)"`
	SeenScope       string   `parquet:"seen_request_scope,id(14)"`
	Messages        []string `parquet:"message_ids,id(15),list" parquet-element:",id(16)"`
	SeenCorrelation string   `parquet:"seen_correlation_id,id(17)"`
	AccessKey       string   `parquet:"access_key_id,id(18)"`
	IssuedKey       string   `parquet:"issued_key_id,id(19)"`
	Principal       string   `parquet:"principal,id(20)"`
	Trace           string   `parquet:"trace_id,id(21)"`
	TraceVia        string   `parquet:"trace_via,id(22)"`
	TraceSure       string   `parquet:"trace_sure,id(23)"`
	Request         string   `parquet:"request_id,id(24)"`
	RequestScope    string   `parquet:"request_scope,id(25)"`
	RequestVia      string   `parquet:"request_via,id(26)"`
	RequestSure     string   `parquet:"request_sure,id(27)"`
	Correlation     string   `parquet:"correlation_id,id(28)"`
	CorrelationVia  string   `parquet:"correlation_via,id(29)"`
	CorrelationSure string   `parquet:"correlation_sure,id(30)"`
	Origin          string   `parquet:"origin,id(31)"`
	Asked           bool     `parquet:"asked,id(32)"`
}

// keptPrefix begins the names of tables that hold what a recomputation reads.
const keptPrefix = "muster_resolve_"

// athenaTable is a table that lasts until it is closed. resolve.sql reads its
// relation some forty times; as a subquery each time would be charged for.
type athenaTable struct {
	*athenaEngine
	name string
}

// keep makes an Iceberg table as our own are made, since the statements that
// make one in Athena and in Trino differ, and fills it in the engine.
func (e *athenaEngine) keep(ctx context.Context, text string) (keptRows, error) {
	t := athenaTable{e, keptPrefix + strings.ToLower(rand.Text())}
	err := e.lake.catalog.create(ctx, layout{name: t.name, schema: parquet.SchemaOf(seenRow{})})
	if err != nil {
		return nil, fmt.Errorf("make table %s: %w", t.name, err)
	}
	if _, err := e.run(ctx, "insert into "+t.name+" "+text, nil); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t athenaTable) relation() string { return t.name }

func (t athenaTable) rows(ctx context.Context, text string) (answer, error) {
	return t.run(ctx, text, nil)
}

// close removes the table with its files, which both engines do for Iceberg.
func (t athenaTable) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := t.run(ctx, "drop table "+t.name, nil); err != nil {
		return fmt.Errorf("remove table %s: %w: remove it and its files by hand", t.name, err)
	}
	return nil
}

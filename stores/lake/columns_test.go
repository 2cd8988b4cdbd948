package lake

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// variedRecords are records that fill every column, some of them with nothing.
func variedRecords(n int) []fleet.Record {
	random := rand.New(rand.NewPCG(5, 6))
	word := func(most int) string {
		if k := random.IntN(most + 1); k > 0 {
			return fmt.Sprintf("word-%d é", k)
		}
		return ""
	}
	words := func() []string {
		out := make([]string, random.IntN(4))
		for i := range out {
			out[i] = word(9)
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	names := []string{
		fleet.AttrEventSource, fleet.AttrEventName, fleet.AttrSourceIP, fleet.AttrUserAgent, fleet.AttrReadOnly,
		fleet.AttrHTTPMethod, fleet.AttrHTTPStatus, fleet.AttrLogGroup, "own", "another", "", "z",
	}
	rs := make([]fleet.Record, n)
	for i := range rs {
		var attributes fleet.Attributes
		for range random.IntN(8) {
			attributes.Set(names[random.IntN(len(names))], []string{"", "true", "false", "200", "0200", "GET", word(99)}[random.IntN(7)])
		}
		keys := fleet.Keys{
			Trace: fmt.Sprintf("%032x", random.IntN(n)), Span: word(n), Parent: word(n), Request: word(n), Scope: fleet.ScopeAWS, Messages: words(),
			Correlation: word(n), AccessKey: word(9), IssuedKey: word(9), Origin: word(9),
			TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact},
		}
		rs[i] = fleet.Record{
			ID: fmt.Sprint("id-", i), Revision: random.IntN(3), Kind: fleet.KindAPICall, Time: noon.Add(time.Duration(random.IntN(1000)) * time.Millisecond),
			Duration: time.Duration(random.IntN(9)) * time.Second, Account: word(3), Region: word(3), Service: word(9), Name: word(99),
			Resources: words(), Principal: word(9), Error: word(2), Message: word(n), Seen: keys, Keys: keys,
			Attributes: attributes, Raw: []byte(`{"a":"` + strings.Repeat(word(n), random.IntN(40)) + `"}`),
		}
	}
	return rs
}

// evidenceFile is what is in a file, and how.
type evidenceFile struct {
	Schema  string
	Rows    []row
	Columns map[string]columnFacts
}

// columnFacts are what a reader finds rows by, of one column.
type columnFacts struct {
	Encodings, Compression string
	Values                 int64
	Low, High              string // of all row groups
	Filtered               bool   // by a bloom filter, which knows all values
	Pages                  bool   // bounds of pages are there
}

func readEvidenceFile(t *testing.T, l *Lake, name string) evidenceFile {
	t.Helper()
	f, err := l.files(t.Context()).Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	out := evidenceFile{Schema: file.Schema().String(), Columns: map[string]columnFacts{}}
	err = readParquet(l.files(t.Context()), name, func(_ int64, r *row) error { out.Rows = append(out.Rows, *r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range file.Metadata().RowGroups {
		if n := g.NumRows; n > mostRowsPerGroup || len(g.SortingColumns) != 1 {
			t.Errorf("row group %d of %s has %d rows and is sorted by %v", i, name, n, g.SortingColumns)
		}
		for j, c := range g.Columns {
			path := strings.Join(c.MetaData.PathInSchema, ".")
			facts := columnFacts{
				Encodings: fmt.Sprint(c.MetaData.Encoding), Compression: c.MetaData.Codec.String(), Values: c.MetaData.NumValues,
				Low: string(c.MetaData.Statistics.MinValue), High: string(c.MetaData.Statistics.MaxValue),
				Filtered: file.RowGroups()[i].ColumnChunks()[j].BloomFilter() != nil, Pages: len(file.ColumnIndexes()[j].MinValues) > 0,
			}
			if path == columnRaw {
				facts.Pages = false // parquet-go's own writer says that all of them are empty text
			}
			if before, ok := out.Columns[path]; ok {
				facts.Values += before.Values
				facts.Low, facts.High = min(facts.Low, before.Low), max(facts.High, before.High)
			}
			out.Columns[path] = facts
		}
	}
	rest := out.Rows
	for i, g := range file.RowGroups() {
		holds := g.ColumnChunks()[0].BloomFilter()
		own := rest[:g.NumRows()]
		rest = rest[len(own):]
		for _, r := range own {
			if ok, err := holds.Check(parquet.ValueOf(r.ID)); err != nil || !ok {
				t.Fatalf("the filter of row group %d misses id %s: %v", i, r.ID, err)
			}
		}
	}
	return out
}

// A file of evidence is the same whether parquet-go's own writer takes the rows
// or they are encoded by column, and whatever files were encoded before it.
func TestEvidenceEncoderWritesWhatTheGenericWriterDoes(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := variedRecords(2*mostRowsPerGroup + 500)
	whole := make([]row, len(rs))
	rows := make([]draft, len(rs))
	for i := range rs {
		whole[i] = newRow(&rs[i])
		rows[i] = draft{record: &rs[i]}
		switch i % 5 {
		case 0: // as it comes from another file
			own := whole[i]
			rows[i] = draft{row: &own}
		case 1:
			rows[i].settle()
		}
	}
	sortDrafts(rows)
	slices.SortFunc(whole, func(a, b row) int { return compareRows(&a, &b) })
	for i, n := range []int{7, len(rows), 7, len(rows) / 2, 7} {
		name := func(s string) string { return dataName(l.base, tableEvidence, fmt.Sprint(s, i, ".parquet")) }
		if _, err := writeParquet(l.files(t.Context()), name("generic"), whole[:n], evidenceOptions(whole[0].Kind)...); err != nil {
			t.Fatal(err)
		}
		size, _, err := writeEvidence(l.files(t.Context()), name("columns"), rows[:n])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(readEvidenceFile(t, l, name("generic")), readEvidenceFile(t, l, name("columns"))); diff != "" {
			t.Fatalf("file %d of %d rows, %d bytes (-generic +columns):\n%.4000s", i, n, size, diff)
		}
	}
}

func TestEvidenceEncoderSortsAttributes(t *testing.T) {
	r := row{Attributes: map[string]string{"b": "2"}, Unlifted: fleet.AttributesOf(
		"c\xff", "3", "c\ufffd", "4", "a", "1", fleet.AttrHTTPMethod, "GET", fleet.AttrHTTPStatus, "200", fleet.AttrReadOnly, "true",
	)}
	var g groupEncoder
	g.sortAttributes([]*row{&r, {}})
	got := map[string]string{}
	for _, p := range g.pairs {
		got[p.Name] = p.Value
	}
	if v := got["c\ufffd"]; v != "3" && v != "4" {
		t.Errorf("got %q for a name of two spellings", v)
	}
	delete(got, "c\ufffd")
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, got); diff != "" || len(g.pairs) != 4-1 || !slices.IsSortedFunc(g.pairs, func(a, b fleet.Attribute) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("got %v (-want +got):\n%s", g.pairs, diff)
	}
	if !slices.Equal(g.ends, []int{3, 3}) || r.HTTPMethod != "GET" || r.HTTPStatus != 200 || !r.ReadOnly {
		t.Errorf("rows end at %v; the columns are %q, %d, %t", g.ends, r.HTTPMethod, r.HTTPStatus, r.ReadOnly)
	}
}

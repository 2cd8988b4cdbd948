package lake

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestCommitThenRead(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	l, err := Open(ctx, t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Log("open", time.Since(start))
	at := time.Now().UTC().Truncate(time.Microsecond)
	var rs []fleet.Record
	for i := range 500 {
		k := fleet.Keys{Trace: fmt.Sprintf("%032x", i/10+1), Span: fmt.Sprintf("%016x", i), Messages: []string{"m1"}, TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}}
		rs = append(rs, fleet.Record{ID: fmt.Sprint("r", i), Kind: fleet.Kinds()[i%5], Time: at.Add(time.Duration(i) * time.Millisecond), Name: "x'y", Resources: []string{"AWS::S3::Bucket/x"},
			Seen: fleet.Keys{Trace: k.Trace, Span: k.Span, Messages: k.Messages}, Keys: k, Attributes: map[string]string{"a": "b", "http_status": "200"}, Raw: []byte("{\"x\":1}")})
	}
	start = time.Now()
	f, err := l.Fresh(ctx, rs)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("fresh", time.Since(start))
	start = time.Now()
	if err := l.Commit(ctx, fleet.Commit{Base: f.Base, Records: f.Records, Checkpoints: map[string]time.Time{"s": at}, Ledger: []fleet.LedgerEntry{{Stream: "s", Coverage: fleet.Complete}}}); err != nil {
		t.Fatal(err)
	}
	t.Log("commit", time.Since(start))
	start = time.Now()
	got, err := collect(l.Records(ctx, fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Log("records", time.Since(start))
	if d := cmp.Diff(rs, got); d != "" {
		t.Error(d)
	}
	f2, _ := l.Fresh(ctx, rs)
	t.Log(f2.Base, f2.Dropped)
	start = time.Now()
	tr, err := l.Trace(ctx, fmt.Sprintf("%032x", 3))
	t.Log("trace", time.Since(start), len(tr.Records), err)
	start = time.Now()
	ts, err := collect(l.Traces(ctx, fleet.Query{Limit: 3}))
	t.Log("traces", time.Since(start), ts, err)
	start = time.Now()
	a := fleet.Amendment{Ref: fleet.Ref{ID: rs[7].ID, Kind: rs[7].Kind, Time: rs[7].Time}, Keys: rs[7].Keys}
	a.Keys.Correlation = "C"
	if err := l.Commit(ctx, fleet.Commit{Base: f2.Base, Amendments: []fleet.Amendment{a}}); err != nil {
		t.Fatal(err)
	}
	t.Log("amend", time.Since(start))
	tr, err = l.Trace(ctx, "C")
	t.Log(len(tr.Records), err)
	got, err = collect(l.Records(ctx, fleet.Query{}))
	t.Log(len(got), err)
}

//go:build !noduckdb

package lake

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/correlate"
	"muster/fleet"
)

// unjoined is evidence of n stories, one an hour, with a join of every rung in
// each. Ids repeat on another day and on another kind.
func unjoined(n int) []fleet.Record {
	var rs []fleet.Record
	for i := range n {
		story := noon.Add(time.Duration(i) * time.Hour)
		trace := func(k int) string { return fmt.Sprintf("%032x", 2*i+k+1) }
		asked, message := fmt.Sprint("request-", i), fmt.Sprint("message-", i)
		key, next := fmt.Sprint("ASIA", i), fmt.Sprint("ASIA", i+1)
		add := func(id string, kind fleet.Kind, seconds int, k fleet.Keys) *fleet.Record {
			if k.Request != "" {
				k.Scope = fleet.ScopeAWS
			}
			rs = append(rs, fleet.Record{
				ID: fmt.Sprintf("%s-%d", id, i%24), Kind: kind, Time: story.Add(time.Duration(seconds) * time.Second),
				Account: "1", Region: "r", Seen: k,
			})
			return &rs[len(rs)-1]
		}
		add("same", fleet.KindSpan, 0, fleet.Keys{Trace: trace(0), Request: asked, Messages: []string{message}})
		add("same", fleet.KindLog, 0, fleet.Keys{Request: asked})
		add("write", fleet.KindAPICall, 1, fleet.Keys{Request: asked, AccessKey: key}).Resources = []string{"AWS::S3::Bucket/b"}
		add("change", fleet.KindChange, 60, fleet.Keys{}).Resources = []string{"AWS::S3::Bucket/b"}
		add("consumer", fleet.KindSpan, 2, fleet.Keys{Trace: trace(1), Messages: []string{message}})
		add("named", fleet.KindLog, 3, fleet.Keys{Trace: trace(1), Correlation: fmt.Sprint("journey-", i)})
		add("issued", fleet.KindAPICall, 4, fleet.Keys{AccessKey: key, IssuedKey: next}).Principal = fmt.Sprint("role-", i)
	}
	return rs
}

// alone resolves each record as if there were no other.
func alone(rs []fleet.Record) []fleet.Record {
	for i := range rs {
		correlate.Resolve(rs[i : i+1])
	}
	return rs
}

func live(t *testing.T, l *Lake) []fleet.Record {
	t.Helper()
	rs, err := collect(l.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// byIdentity are the resolved keys of each record.
func byIdentity(rs []fleet.Record) map[fleet.Ref]fleet.Keys {
	keys := map[fleet.Ref]fleet.Keys{}
	for i := range rs {
		keys[fleet.Ref{ID: rs[i].ID, Kind: rs[i].Kind, Time: rs[i].Time}] = rs[i].Keys
	}
	return keys
}

func TestRecomputeJoinsWhatWasNeverJoined(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := unjoined(60)
	add(t, l, alone(rs), nil)
	dry, err := l.Recompute(t.Context(), Recompute{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	done, err := l.Recompute(t.Context(), Recompute{Each: func(Difference) error { told++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	want := Recomputed{Looked: len(rs), Differ: dry.Differ, Amended: dry.Differ}
	if done != want || told != done.Differ || done.Differ < len(rs)/2 {
		t.Errorf("got %+v and was told of %d, want %+v: most of them joined", done, told, want)
	}
	correlate.Resolve(rs)
	if diff := cmp.Diff(byIdentity(rs), byIdentity(live(t, l))); diff != "" {
		t.Errorf("the joins are not those of Resolve, want (-) and got (+):\n%s", diff)
	}
	again, err := l.Recompute(t.Context(), Recompute{})
	if err != nil || again != (Recomputed{Looked: len(rs)}) {
		t.Errorf("a second time: %+v, error %v, want no difference", again, err)
	}
}

// TestRecomputeFindsNothingInWhatIsJoined is the check that the verb exists for:
// Resolve and resolve.sql say the same of what the table has kept.
func TestRecomputeFindsNothingInWhatIsJoined(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := unjoined(60)
	correlate.Resolve(rs)
	add(t, l, rs, nil)
	var differences []Difference
	done, err := l.Recompute(t.Context(), Recompute{DryRun: true, Each: func(d Difference) error {
		differences = append(differences, d)
		return nil
	}})
	if err != nil || done != (Recomputed{Looked: len(rs)}) {
		t.Errorf("got %+v, error %v, want no difference:\n%s", done, err, cmp.Diff(nil, differences))
	}
}

// TestRecomputeOfAWindowKeepsWhatRestsOnMore: sessions reach further back than
// the horizon here, and must not be taken back for want of evidence.
func TestRecomputeOfAWindowKeepsWhatRestsOnMore(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := unjoined(10)
	correlate.Resolve(rs)
	alone(rs[len(rs)-5 : len(rs)-4]) // the last write was never joined to others
	add(t, l, rs, nil)
	w := fleet.Window{Start: noon.Add(9 * time.Hour), End: noon.Add(10 * time.Hour)}
	done, err := l.Recompute(t.Context(), Recompute{Window: w, Horizon: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if done.Looked != 7 || done.Amended == 0 || done.Beyond == 0 {
		t.Errorf("got %+v, want 7 looked at, the write amended, and sessions left alone", done)
	}
	if rest, err := l.Recompute(t.Context(), Recompute{Window: w, Horizon: 24 * time.Hour}); err != nil || rest.Beyond != 0 {
		t.Errorf("with a horizon that holds all: %+v, error %v, want none beyond", rest, err)
	}
	if last, err := l.Recompute(t.Context(), Recompute{}); err != nil || last.Differ != 0 {
		t.Errorf("in the end: %+v, error %v, want no difference", last, err)
	}
}

func TestRecomputeOfALakeForReadingOnly(t *testing.T) {
	root := t.TempDir()
	add(t, openLake(t, root), alone(unjoined(1)), nil)
	l, err := Open(t.Context(), root, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if done, err := l.Recompute(t.Context(), Recompute{DryRun: true}); err != nil || done.Differ == 0 || done.Amended != 0 {
		t.Errorf("dry: %+v, error %v", done, err)
	}
	if _, err := l.Recompute(t.Context(), Recompute{}); !errors.Is(err, errReadOnly) {
		t.Errorf("got %v, want %v", err, errReadOnly)
	}
}

// TestRecomputeStartsOverWhenOvertaken lets another writer bring the span of a
// request between the reading and the commit.
func TestRecomputeStartsOverWhenOvertaken(t *testing.T) {
	root := t.TempDir()
	l, other := openLake(t, root), openLake(t, root)
	rs := unjoined(2)
	add(t, l, alone(rs[1:7]), nil) // without the span
	r := Recompute{}
	fresh, err := l.Fresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	add(t, other, alone(rs[:1]), nil)
	w := differences{Lake: l, Recompute: &r, base: fresh.Base}
	ref := fleet.Ref{ID: rs[1].ID, Kind: rs[1].Kind, Time: rs[1].Time}
	if err := errors.Join(w.take(t.Context(), Difference{Ref: ref}), w.flush(t.Context())); !errors.Is(err, fleet.ErrConflict) {
		t.Errorf("a difference on an old snapshot: %v, want %v", err, fleet.ErrConflict)
	}
	if _, err := l.Recompute(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, got := range live(t, other) {
		if got.Kind == fleet.KindLog && got.ID == rs[1].ID && got.Keys.Trace != rs[0].Seen.Trace {
			t.Errorf("trace %q, want that of the other writer's span", got.Keys.Trace)
		}
	}
}

package truth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/samples/truth"
)

func score(t *testing.T, s *store) truth.Report {
	t.Helper()
	r, err := truth.Score(t.Context(), s, known())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestScoreOfAPerfectStore(t *testing.T) {
	r := score(t, resolved())
	if !r.OK() {
		t.Errorf("problems: %q", r.Problems())
	}
	for _, c := range []struct {
		name      string
		got, want truth.Total
	}{
		{"seen", r.Seen, truth.Total{Right: 4}},
		// Three records by trace, five by journey, and the origin of four calls.
		{"exact", r.Exact, truth.Total{Right: 3 + 5 + 4}},
		{"inferred", r.Inferred, truth.Total{Right: 4}},
		{"findings", r.Findings, truth.Total{Right: 2}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if r.TracesFound != 2 || r.JourneysWhole != 1 {
		t.Errorf("found %d traces and %d whole journeys, want 2 and 1", r.TracesFound, r.JourneysWhole)
	}
}

// find returns the record with an id, to be spoiled.
func (s *store) find(id string) *fleet.Record {
	for i := range s.records {
		if s.records[i].ID == id {
			return &s.records[i]
		}
	}
	panic("no record " + id)
}

func (s *store) drop(id string) {
	for i := range s.records {
		if s.records[i].ID == id {
			s.records = append(s.records[:i], s.records[i+1:]...)
			return
		}
	}
	panic("no record " + id)
}

func TestScoreFailsWhatIsWrong(t *testing.T) {
	gateway := fleet.SpanID(traceA, spanA)
	for _, c := range []struct {
		name  string
		spoil func(*store)
		want  string // in a problem
	}{
		{"a log line joined to another trace", func(s *store) { s.find("l2").Keys.Trace = traceB }, "exact joins are wrong"},
		{"a startup line joined to a trace", func(s *store) { s.find("l3").Keys = fleet.Keys{Trace: traceA, TraceLink: exact} }, "exact joins are wrong"},
		{"a call not joined", func(s *store) { s.find("c1").Keys.Trace = "" }, "recall of exact joins"},
		{"a retried attempt joined to another trace", func(s *store) {
			s.find("c2").Keys = fleet.Keys{Trace: traceB, TraceLink: exact}
		}, "exact joins are wrong"},
		{"a journey that is another's", func(s *store) { s.find("c4").Keys.Correlation = "j-2" }, "exact joins are wrong"},
		{"a consumer without its journey", func(s *store) { s.find(fleet.SpanID(traceB, spanB)).Keys.Correlation = "" }, "recall of exact joins"},
		{"a session of someone else", func(s *store) { s.find("c1").Keys.Origin = user + "2" }, "exact joins are wrong"},
		{"a span that denies its trace", func(s *store) { s.find(gateway).Keys.Trace = traceB }, "contradict the keys"},
		{"a line that was not collected", func(s *store) { s.drop("l1") }, "show their keys were found"},
		{"a call that was not collected", func(s *store) { s.drop("c1") }, "recall of exact joins"},
		{"a request that was not collected", func(s *store) { s.drop(gateway) }, "1 of 1 requests were not found"},
		{"a trace that is not listed", func(s *store) { s.summaries = s.summaries[1:] }, "1 of 1 requests were not found"},
		{"an expected finding that is missing", func(s *store) { s.findings = s.findings[1:] }, "policy slow-dependency has 0 findings"},
		{"an expected finding in the wrong place", func(s *store) { s.findings[0].Trace = traceB }, "policy slow-dependency has 0 findings"},
		{"an expected finding on other evidence", func(s *store) { s.findings[1].Evidence = []string{"c4"} }, "policy security-group-open has 0 findings"},
		{"a finding with evidence of a trace that is innocent", func(s *store) {
			s.findings[0].Evidence = []string{fleet.SpanID(traceB, spanB)}
		}, "points to trace " + traceB},
		{"a finding of nothing", func(s *store) { s.findings[2].Severity = fleet.Medium }, "policy chatty has a finding"},
		{"an empty store", func(s *store) { *s = store{} }, "no exact join was made"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := resolved()
			c.spoil(s)
			r := score(t, s)
			if r.OK() {
				t.Error("the report is OK")
			}
			if all := strings.Join(r.Problems(), "\n"); !strings.Contains(all, c.want) {
				t.Errorf("problems are %q, want one with %q", all, c.want)
			}
		})
	}
}

func TestScoreCountsInferredJoinsApart(t *testing.T) {
	s := resolved()
	s.find("ch1").Keys.Request = "put"
	s.find("ch2").Keys.Trace = traceA
	r := score(t, s)
	if want := (truth.Total{Right: 2, Wrong: 2, Missed: 2}); r.Inferred != want {
		t.Errorf("inferred %+v, want %+v", r.Inferred, want)
	}
	if !r.OK() {
		t.Errorf("a wrong guess is a problem: %q", r.Problems())
	}
}

func TestScoreLetsAPolicyReportATraceThatWasSlowByItself(t *testing.T) {
	s, f := resolved(), known()
	slow := s.findings[0]
	slow.Trace, slow.Evidence = traceB, []string{fleet.SpanID(traceB, spanB)}
	s.findings = append(s.findings, slow)
	for _, c := range []struct {
		allowed map[string][]string
		ok      bool
	}{
		{nil, false},
		{map[string][]string{"n-plus-one": {traceB}}, false},
		{map[string][]string{slow.Policy: {traceA}}, false},
		{map[string][]string{slow.Policy: {traceB}}, true},
	} {
		f.Allowed = c.allowed
		r, err := truth.Score(t.Context(), s, f)
		if err != nil {
			t.Fatal(err)
		}
		if r.OK() != c.ok {
			t.Errorf("allowed %v: OK is %v: %q", c.allowed, r.OK(), r.Problems())
		}
	}
}

func TestScoreCountsWhatHappenedNotFindings(t *testing.T) {
	s := resolved()
	f := known()
	f.Expected[1].Times = 5 // slow-dependency
	s.findings[0].Count = 3
	r, err := truth.Score(t.Context(), s, f)
	if err != nil {
		t.Fatal(err)
	}
	if want := (truth.Total{Right: 1 + 3, Missed: 2}); r.Findings != want {
		t.Errorf("findings %+v, want %+v", r.Findings, want)
	}
}

func TestScoreOfATruthWithoutRequests(t *testing.T) {
	r, err := truth.Score(t.Context(), resolved(), truth.NewRecorder(1, time.Now).File())
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() {
		t.Error("the report is OK")
	}
}

func TestScoreFailsWhenTheReaderDoes(t *testing.T) {
	broken := errors.New("the lake is gone")
	s := resolved()
	s.err = broken
	if _, err := truth.Score(t.Context(), s, known()); !errors.Is(err, broken) {
		t.Errorf("error %v, want one that wraps %v", err, broken)
	}
}

func TestPrintNamesTheProblems(t *testing.T) {
	s := resolved()
	s.find("l2").Keys.Trace = traceB
	var b strings.Builder
	r := score(t, s)
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(r.Problems(), "exact joins", "slow-dependency", fmt.Sprintf("%.4f", r.Exact.Recall())) {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the print lacks %q:\n%s", want, b.String())
		}
	}
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestJudgeGroupsOccurrencesByScope(t *testing.T) {
	ps := load(t, "id: p\ntitle: Title\nseverity: high\nremedy: Do\nselect: {event_name: [Bad]}\nkey: '{r.principal}'\nmessage: '{r.principal} did {r.id}'\n")
	a, b, c := call("a", at(1), "Bad"), call("b", at(2), "Bad"), call("c", at(3), "Bad")
	a.Principal, b.Principal, c.Principal = "ada", "ada", "eve"
	a.Resources = []string{"AWS::S3::Bucket/x"}
	b.Resources = []string{"AWS::S3::Bucket/x", "arn:aws:s3:::x"}
	b.Keys.Trace = "t"
	result := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{a, b, c, call("d", at(4), "Good")}}, Now: at(9), RunID: "run"})
	want := []fleet.Finding{
		{
			Policy: "p", Title: "Title", Severity: fleet.High, Status: fleet.StatusNew, FirstSeen: at(3), LastSeen: at(3),
			Count: 1, Message: "eve did c", Remedy: "Do", Evidence: []string{"c"},
		},
		{
			Policy: "p", Title: "Title", Severity: fleet.High, Status: fleet.StatusNew, FirstSeen: at(1), LastSeen: at(2),
			Count: 2, Message: "ada did b", Remedy: "Do", Resource: "AWS::S3::Bucket/x", Trace: "t", Evidence: []string{"b", "a"},
		},
	}
	for i := range result.Findings {
		if len(result.Findings[i].Fingerprint) != 32 {
			t.Errorf("fingerprint %q", result.Findings[i].Fingerprint)
		}
		result.Findings[i].Fingerprint = ""
	}
	if diff := cmp.Diff(want, result.Findings); diff != "" {
		t.Error(diff)
	}
	if len(ps[0].Version) != versionDigits {
		t.Errorf("version %q", ps[0].Version)
	}
	run := fleet.Run{
		ID: "run", Started: at(9), Policies: 1, Findings: 2, NotJudged: map[string]string{}, Versions: map[string]string{"p": ps[0].Version},
	}
	if diff := cmp.Diff(run, result.Run); diff != "" {
		t.Error(diff)
	}
}

func TestFingerprintsDifferByWhatFindingsAreAbout(t *testing.T) {
	ps := load(t, "id: p\nkey: '{r.name}'\nservice: '{r.service}'\n", "id: q\n")
	base := call("0", at(0), "X")
	variants := []func(*fleet.Record){
		func(r *fleet.Record) { r.Account = "2" },
		func(r *fleet.Record) { r.Region = "elsewhere" },
		func(r *fleet.Record) { r.Name = "n" },
		func(r *fleet.Record) { r.Service = "n" },
		func(r *fleet.Record) { r.Resources = []string{"AWS::S3::Bucket/n"} },
	}
	m := &memory{records: []fleet.Record{base}}
	for i, change := range variants {
		r := base
		r.ID = fmt.Sprint(i + 1)
		change(&r)
		m.records = append(m.records, r)
	}
	got := map[string]bool{}
	for _, f := range judge(t, ps, Input{Reader: m}).Findings {
		if f.Policy == "p" {
			got[f.Fingerprint] = true
		}
	}
	if len(got) != 1+len(variants) {
		t.Errorf("%d fingerprints of %d things", len(got), 1+len(variants))
	}
}

func TestJudgeKeepsTheNewestEvidence(t *testing.T) {
	m := &memory{}
	for i := range 50 {
		m.records = append(m.records, call(fmt.Sprintf("c%02d", i), at(float64(i)), "X"))
	}
	f := judge(t, load(t, "id: p\n"), Input{Reader: m}).Findings[0]
	if f.Count != 50 || len(f.Evidence) != maxEvidence || f.Evidence[0] != "c49" || f.Evidence[19] != "c30" {
		t.Errorf("count %d, evidence %v", f.Count, f.Evidence)
	}
}

func TestSelectionLimitsCandidates(t *testing.T) {
	ps := load(t,
		"id: both\nselect: {event_source: [x.amazonaws.com], event_name: [A, B, A]}\n",
		"id: source\nselect: {event_source: [x.amazonaws.com]}\n",
		"id: name\nselect: {event_name: [A]}\n",
		"id: any\n",
		"id: change\non: change\n",
	)
	other := call("4", at(4), "A")
	other.Attributes.Set(fleet.AttrEventSource, "y.amazonaws.com")
	bare := fleet.Record{ID: "5", Kind: fleet.KindAPICall, Time: at(5)}
	change := fleet.Record{ID: "6", Kind: fleet.KindChange, Time: at(6)}
	m := &memory{records: []fleet.Record{
		call("1", at(1), "A"), call("2", at(2), "B"), call("3", at(3), "C"), other, bare, change,
	}}
	got := map[string][]string{}
	for _, f := range judge(t, ps, Input{Reader: m}).Findings {
		got[f.Policy] = append(got[f.Policy], f.Evidence...)
	}
	want := map[string][]string{
		"both": {"2", "1"}, "source": {"3", "2", "1"}, "name": {"4", "1"}, "any": {"5", "4", "3", "2", "1"}, "change": {"6"},
	}
	// The record without account and region is a finding of its own under "any".
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJudgeHandsOnTheReadersError(t *testing.T) {
	broken := errors.New("lake is gone")
	if _, err := Judge(t.Context(), load(t, "id: p\n"), Input{Reader: &memory{broken: broken}}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestJudgeStopsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &memory{records: []fleet.Record{call("a", at(1), "X")}}
	if _, err := Judge(ctx, load(t, "id: p\n"), Input{Reader: m}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAFailingPolicyIsNotJudgedAndHoldsNobodyUp(t *testing.T) {
	ps := load(t,
		"id: fails\nwhen: r.resources[0] == 'x'\n",
		"id: costs\nwhen: lists.range(10000).exists(a, lists.range(10000).exists(b, a + b < 0))\n",
		"id: works\n",
	)
	with := call("with", at(2), "X")
	with.Resources = []string{"x"}
	result := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{call("without", at(1), "X"), with}}})
	got := map[string]int{}
	for _, f := range result.Findings {
		got[f.Policy] += f.Count
	}
	if diff := cmp.Diff(map[string]int{"fails": 1, "works": 2}, got); diff != "" {
		t.Error(diff)
	}
	if why := result.Run.NotJudged["fails"]; !strings.HasPrefix(why, "1 could not be evaluated, the first: when: ") {
		t.Error(why)
	}
	if why := result.Run.NotJudged["costs"]; !strings.Contains(why, "cost limit exceeded") {
		t.Error(why)
	}
}

func TestAPolicyThatAlwaysFailsIsStopped(t *testing.T) {
	m := &memory{}
	for i := range 5 * maxFailures {
		m.records = append(m.records, call(fmt.Sprint(i), at(float64(i)), "X"))
	}
	why := judge(t, load(t, "id: p\nwhen: r.resources[0] == 'x'\n"), Input{Reader: m}).Run.NotJudged["p"]
	if !strings.HasPrefix(why, fmt.Sprintf("stopped after %d failures", maxFailures)) {
		t.Error(why)
	}
}

func TestEvidenceMustBeOfTheStory(t *testing.T) {
	ps := load(t, "id: p\non: trace\nevidence: '[\"elsewhere\"]'\n", "id: q\non: trace\nevidence: 't.errors.map(e, e.id)'\n")
	result := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{line("l", "t", at(0), "m")}}})
	if len(result.Findings) != 0 || !strings.Contains(result.Run.NotJudged["p"], `"elsewhere" is no record of t`) ||
		!strings.Contains(result.Run.NotJudged["q"], "the list is empty") {
		t.Errorf("%v, %v", result.Findings, result.Run.NotJudged)
	}
}

// perTrace finds every trace once, with how many records it saw of it.
const perTrace = "id: p\non: trace\nevidence: t.records.map(r, r.id)\nkey: '{t.id}'\nmessage: '{t.id} {t.records.size()}'\n"

func TestATraceIsJudgedOnceByTheWindowInWhichItBegan(t *testing.T) {
	m := &memory{records: []fleet.Record{
		line("a1", "a", at(-1), ""), line("a2", "a", at(1), ""), // began before
		line("b1", "b", at(1), ""), line("b2", "b", at(50), ""),
		line("c1", "c", at(59), ""), line("c2", "c", at(61), ""), // goes on after
		line("d1", "d", at(60), ""), // begins after
		line("n", "", at(5), ""),    // belongs to none
	}}
	var got []string
	for _, w := range []fleet.Window{{Start: at(-60), End: at(0)}, {Start: at(0), End: at(60)}, {Start: at(60), End: at(120)}} {
		for _, f := range judge(t, load(t, perTrace), Input{Reader: m, Window: w}).Findings {
			got = append(got, f.Message)
		}
	}
	if s := strings.Join(got, ", "); s != "a 2, c 2, b 2, d 1" {
		t.Error(s)
	}
}

func TestATraceIsOverWhenNothingCameForAWhile(t *testing.T) {
	m := &memory{records: []fleet.Record{
		line("a1", "a", at(0), ""), line("b1", "b", at(1), ""),
		line("a2", "a", at(quiet.Seconds()), ""), // just in time
		line("c1", "c", at(2*quiet.Seconds()+1), ""),
	}}
	var over []string
	g := newGrouper(quiet, func(r *fleet.Record) string { return r.Keys.Trace }, func(g *group) {
		over = append(over, fmt.Sprintf("%s %d %v", g.id, len(g.records), g.cut))
	})
	for i := range m.records {
		g.add(&m.records[i])
	}
	if s := strings.Join(over, ", "); s != "b 1 false, a 2 false" {
		t.Error(s)
	}
	g.closeAll()
	if len(over) != 3 || g.held != 0 || len(g.groups) != 0 {
		t.Errorf("%v, %d bytes held in %d groups", over, g.held, len(g.groups))
	}
}

func TestALongSpanKeepsItsTraceOpen(t *testing.T) {
	var over []string
	g := newGrouper(time.Minute, func(r *fleet.Record) string { return r.Keys.Trace }, func(g *group) { over = append(over, g.id) })
	long := fleet.Record{ID: "s", Kind: fleet.KindSpan, Time: at(0), Duration: time.Hour, Keys: fleet.Keys{Trace: "a"}}
	late := line("l", "b", at(3600), "")
	g.add(&long)
	g.add(&late)
	if len(over) != 0 {
		t.Errorf("%v was closed within its span", over)
	}
}

func TestStoriesAreBounded(t *testing.T) {
	ps := load(t, perTrace, "id: absent\non: trace\nabsence: [logs]\nevidence: '[t.records[0].id]'\n")
	m := &memory{}
	for i := range maxStory + 5 {
		m.records = append(m.records, line(fmt.Sprintf("%06d", i), "a", at(float64(i)/1000), ""))
	}
	result := judge(t, ps, Input{Reader: m, Closed: true, Ledger: allRead()})
	if len(result.Findings) != 1 || result.Findings[0].Message != fmt.Sprintf("a %d", maxStory) {
		t.Errorf("%v", result.Findings)
	}
	if why := result.Run.NotJudged["absent"]; !strings.Contains(why, "1 with more than") {
		t.Error(why)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var over []*group
	g := newGrouper(quiet, func(r *fleet.Record) string { return r.Keys.Trace }, func(g *group) { over = append(over, g) })
	raw := make([]byte, 1<<20) // shared, so that the test itself stays small
	for i := range 300 {
		r := line(fmt.Sprint(i), fmt.Sprint(i%290), at(float64(i)), "")
		r.Raw = raw
		g.add(&r)
	}
	if g.held > maxHeldBytes+len(raw)+recordBytes {
		t.Errorf("%d bytes held", g.held)
	}
	if len(over) == 0 || over[0].id != "0" || !over[0].cut {
		t.Errorf("the trace that was silent longest was not closed as cut: %v", over)
	}
}

func TestAJourneyIsACorrelationIDOrATraceOfItsOwn(t *testing.T) {
	ps := load(t, "id: p\non: journey\nevidence: j.records.map(r, r.id)\nkey: '{j.id}'\nmessage: '{j.id}: {j.trace_ids}'\n")
	a, b := line("a", "t1", at(0), ""), line("b", "t2", at(1), "")
	a.Keys.Correlation, b.Keys.Correlation = "c", "c"
	var got []string
	for _, f := range judge(t, ps, Input{Reader: &memory{records: []fleet.Record{a, b, line("d", "t3", at(2), "")}}}).Findings {
		got = append(got, f.Message+" "+f.Trace)
	}
	if s := strings.Join(got, "; "); s != "t3: t3 t3; c: t1, t2 t1" {
		t.Error(s)
	}
}

package audit

import (
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

// lonely finds what nobody answered, believing the silence of the logs.
const lonely = "id: p\non: trace\nabsence: [logs]\nwait: 1m\nwhen: t.logs.size() == 1\nevidence: '[t.logs[0].id]'\n"

func TestAbsenceIsBelievedOnlyOfSourcesThatWereRead(t *testing.T) {
	all := []fleet.LedgerEntry{read("logs/a", at(-60), at(3600), fleet.Complete, "")}
	for _, tt := range []struct {
		name    string
		in      Input
		found   int
		waiting int
		reason  string // a part of it; "" for judged
	}{
		{"read past the wait", Input{Watermarks: marks("logs/a", 60.000001), Ledger: all}, 1, 0, ""},
		{"not read so far yet", Input{Watermarks: marks("logs/a", 60), Ledger: all[:1]}, 0, 1, ""},
		{"read so far, exactly", Input{Watermarks: marks("logs/a", 30), Ledger: []fleet.LedgerEntry{read("logs/a", at(-1), at(30), fleet.Complete, "")}}, 0, 1, ""},
		{"one of two streams late", Input{Watermarks: map[string]time.Time{"logs/a": at(99), "logs/b": at(9)}, Ledger: append(all, read("logs/b", at(0), at(9), fleet.Complete, ""))}, 0, 1, ""},
		{"a late stream of another source", Input{Watermarks: map[string]time.Time{"logs/a": at(99), "xray/a": at(9)}, Ledger: all}, 1, 0, ""},
		{"drained", Input{Watermarks: marks("logs/a", 30), Closed: true, Ledger: []fleet.LedgerEntry{read("logs/a", at(-1), at(30), fleet.Complete, "")}}, 1, 0, ""},
		{"in pieces", Input{Watermarks: marks("logs/a", 99), Ledger: []fleet.LedgerEntry{read("logs/a", at(20), at(99), fleet.Complete, ""), read("logs/a", at(-9), at(20), fleet.Complete, "")}}, 1, 0, ""},
		{"no ledger", Input{Watermarks: marks("logs/a", 99)}, 0, 0, "logs/a is unknown at 2026-01-01T12:00:00.000000Z"},
		{"no ledger, drained", Input{Watermarks: marks("logs/a", 99), Closed: true}, 0, 0, "logs/a is unknown"},
		{"no such source", Input{Watermarks: marks("xray/a", 99), Ledger: []fleet.LedgerEntry{{Stream: "xray/a", Coverage: fleet.Complete}}}, 0, 0, "nothing says that logs was ever read"},
		{"throttled", Input{Watermarks: marks("logs/a", 99), Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "throttled"))}, 0, 0, "logs/a is partial (throttled) at 2026-01-01T12:00:30.000000Z"},
		{"throttled, though drained", Input{Closed: true, Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "throttled"))}, 0, 0, "logs/a is partial (throttled)"},
		{"throttled, then read again", Input{Watermarks: marks("logs/a", 99), Ledger: append([]fleet.LedgerEntry{read("logs/a", at(30), at(40), fleet.Partial, "throttled")}, all...)}, 1, 0, ""},
		{"throttled at another time", Input{Watermarks: marks("logs/a", 99), Ledger: append(all, read("logs/a", at(300), at(400), fleet.Partial, "throttled"))}, 1, 0, ""},
		{"throttled before it is late", Input{Watermarks: marks("logs/a", 40), Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "throttled"))}, 0, 0, "throttled"},
		{"a gap", Input{Watermarks: marks("logs/a", 99), Ledger: []fleet.LedgerEntry{read("logs/a", at(-9), at(20), fleet.Complete, ""), read("logs/a", at(21), at(99), fleet.Complete, "")}}, 0, 0, "logs/a is unknown at 2026-01-01T12:00:20.000000Z"},
		{"read too late to see the beginning", Input{Closed: true, Ledger: []fleet.LedgerEntry{read("logs/a", at(0.1), at(99), fleet.Complete, "")}}, 0, 0, "logs/a is unknown at 2026-01-01T12:00:00.000000Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Reader = &memory{records: []fleet.Record{line("l", "t", at(0), "")}}
			result := judge(t, load(t, lonely), tt.in)
			if len(result.Findings) != tt.found || result.Waiting["p"] != tt.waiting {
				t.Errorf("%d findings, %d waiting", len(result.Findings), result.Waiting["p"])
			}
			if why := result.Run.NotJudged["p"]; (why == "") != (tt.reason == "") || !strings.Contains(why, tt.reason) {
				t.Errorf("reason %q, want %q", why, tt.reason)
			}
		})
	}
}

func marks(stream string, s float64) map[string]time.Time {
	return map[string]time.Time{stream: at(s)}
}

func TestPresenceStandsHoweverLittleWasRead(t *testing.T) {
	ps := load(t, strings.Replace(lonely, "absence: [logs]\nwait: 1m\n", "", 1))
	result := judge(t, ps, Input{
		Reader:     &memory{records: []fleet.Record{line("l", "t", at(0), "")}},
		Watermarks: marks("logs/a", -99),
		Ledger:     []fleet.LedgerEntry{{Stream: "logs/a", Coverage: fleet.Partial, Reason: "sampled"}},
	})
	if len(result.Findings) != 1 || len(result.Run.NotJudged) != 0 {
		t.Errorf("%v, not judged: %v", result.Findings, result.Run.NotJudged)
	}
}

func TestAbsenceThatIsFilledLaterResolves(t *testing.T) {
	m := &memory{records: []fleet.Record{line("l", "t", at(0), "")}}
	in := Input{Reader: m, Closed: true, Ledger: allRead()}
	m.keep(judge(t, load(t, lonely), in).Findings)
	m.records = append(m.records, line("answer", "t", at(1), ""))
	result := judge(t, load(t, lonely), in)
	if len(result.Findings) != 1 || result.Findings[0].Status != fleet.StatusResolved {
		t.Errorf("%v", result.Findings)
	}
}

func TestALongWaitKeepsStoriesTogether(t *testing.T) {
	ps := load(t, strings.Replace(lonely, "wait: 1m", "wait: 2h", 1))
	m := &memory{records: []fleet.Record{line("l", "t", at(0), ""), line("other", "u", at(5000), ""), line("answer", "t", at(7000), "")}}
	for _, f := range judge(t, ps, Input{Reader: m, Closed: true, Ledger: allRead()}).Findings {
		if f.Trace == "t" {
			t.Errorf("%q was judged before its wait was over", f.Message)
		}
	}
}

func TestPaintLetsTheNewestEntryWin(t *testing.T) {
	c := newCoverage(Input{Ledger: []fleet.LedgerEntry{
		read("s", at(0), at(10), fleet.Partial, "first"),
		read("s", at(2), at(4), fleet.Complete, ""),
		read("s", at(4), at(6), fleet.Complete, ""),
		read("s", at(5), at(5.5), fleet.Partial, "last"),
		read("s", at(8), at(8), fleet.Partial, "empty"),
	}})
	var got []string
	for _, s := range c.streams["s"] {
		got = append(got, string(s.entry.Coverage)+s.entry.Reason+" "+time.UnixMicro(s.start).UTC().Format("5.0")+"-"+time.UnixMicro(s.end).UTC().Format("5.0"))
	}
	want := "partialfirst 0.0-2.0, complete 2.0-5.0, partiallast 5.0-5.5, complete 5.5-6.0, partialfirst 6.0-10.0"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}

package audit

import (
	"math/rand/v2"
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
		{"sampled", Input{Watermarks: marks("logs/a", 99), Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "sampled"))}, 0, 0, "logs/a is partial (sampled) at 2026-01-01T12:00:30.000000Z"},
		{"sampled, though drained", Input{Closed: true, Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "sampled"))}, 0, 0, "logs/a is partial (sampled)"},
		{"sampled, listed first", Input{Closed: true, Ledger: append([]fleet.LedgerEntry{read("logs/a", at(30), at(40), fleet.Partial, "sampled")}, all...)}, 0, 0, "logs/a is partial (sampled)"},
		{"sampled at another time", Input{Watermarks: marks("logs/a", 99), Ledger: append(all, read("logs/a", at(300), at(400), fleet.Partial, "sampled"))}, 1, 0, ""},
		{"sampled before it is late", Input{Watermarks: marks("logs/a", 40), Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "sampled"))}, 0, 0, "sampled"},
		{"throttled once, read once", Input{Watermarks: marks("logs/a", 99), Ledger: append(all, read("logs/a", at(30), at(40), fleet.Partial, "throttled"))}, 1, 0, ""},
		{"throttled only", Input{Watermarks: marks("logs/a", 99), Ledger: []fleet.LedgerEntry{read("logs/a", at(-9), at(30), fleet.Complete, ""), read("logs/a", at(20), at(99), fleet.Partial, "throttled")}}, 0, 0, "logs/a is partial (throttled) at 2026-01-01T12:00:30.000000Z"},
		{"one line unreadable", Input{Watermarks: marks("logs/a", 99), Ledger: append(all, read("logs/a", at(30), at(30.000001), fleet.Partial, "unreadable"))}, 0, 0, "logs/a is partial (unreadable)"},
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

func TestAbsenceIsNotBelievedWhereJoinsHaveGaps(t *testing.T) {
	whole := read("logs/a", at(-60), at(3600), fleet.Complete, "")
	gap := read(fleet.JoinStream, at(-10), at(5), fleet.Partial, "bound")
	for _, tt := range []struct {
		name   string
		policy string
		ledger []fleet.LedgerEntry
		found  int
		reason string
	}{
		{"of the story's time", lonely, []fleet.LedgerEntry{whole, gap}, 0, "join is partial (bound) at 2026-01-01T12:00:00.000000Z"},
		{"of another time", lonely, []fleet.LedgerEntry{whole, read(fleet.JoinStream, at(300), at(400), fleet.Partial, "horizon")}, 1, ""},
		{"resolved anew", lonely, []fleet.LedgerEntry{gap, whole, {Stream: fleet.JoinStream, Coverage: fleet.Complete}}, 1, ""},
		{"of a policy of presence", strings.Replace(lonely, "absence: [logs]\nwait: 1m\n", "", 1), []fleet.LedgerEntry{whole, gap}, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			result := judge(t, load(t, tt.policy), Input{
				Reader: &memory{records: []fleet.Record{line("l", "t", at(0), "")}}, Ledger: tt.ledger, Closed: true,
			})
			if why := result.Run.NotJudged["p"]; len(result.Findings) != tt.found || (why == "") != (tt.reason == "") || !strings.Contains(why, tt.reason) {
				t.Errorf("%d findings, reason %q, want %d, %q", len(result.Findings), why, tt.found, tt.reason)
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

func TestTheLedgersOrderDoesNotMatter(t *testing.T) {
	entries := []fleet.LedgerEntry{
		read("s", at(0), at(10), fleet.Partial, "failed"),
		read("s", at(2), at(4), fleet.Complete, ""),
		read("s", at(3), at(6), fleet.Complete, ""),
		read("s", at(5), at(5.5), fleet.Partial, "sampled"),
		read("s", at(8), at(8), fleet.Partial, "late"), // empty
		read("s", at(9), at(12), fleet.Complete, ""),
	}
	const want = "failed 0.0-2.0, 2.0-5.0, sampled 5.0-5.5, 5.5-6.0, failed 6.0-9.0, 9.0-12.0"
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var got []string
		for _, s := range newCoverage(Input{Ledger: entries}).streams["s"] {
			got = append(got, strings.TrimSpace(s.entry.Reason+" "+second(s.start)+"-"+second(s.end)))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Fatalf("%s\nwant %s\nof %v", s, want, entries)
		}
		random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
}

// second is the part of a time that tells the tests' times apart.
func second(us int64) string { return time.UnixMicro(us).UTC().Format("5.0") }

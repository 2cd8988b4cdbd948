package audit

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// after judges, keeps what was found as a store does, and returns the finding
// of the only fingerprint.
func after(t *testing.T, m *memory, ps []Policy, w fleet.Window) fleet.Finding {
	t.Helper()
	m.keep(judge(t, ps, Input{Reader: m, Window: w}).Findings)
	if len(m.findings) != 1 {
		t.Fatalf("%d findings, want 1", len(m.findings))
	}
	for _, f := range m.findings {
		return f
	}
	return fleet.Finding{}
}

func TestAFindingIsNewThenOpenThenResolvedThenReopened(t *testing.T) {
	m := &memory{records: []fleet.Record{call("a", at(1), "X")}}
	untraced := load(t, "id: p\nwhen: r.trace_id == ''\n")
	var got []fleet.Status
	step := func() {
		f := after(t, m, untraced, fleet.Window{})
		got = append(got, f.Status)
		if f.Count != 1 || len(f.Evidence) != 1 {
			t.Errorf("%s: count %d, evidence %v", f.Status, f.Count, f.Evidence)
		}
	}
	step()
	step()
	m.records[0].Keys.Trace = "t" // a late span has explained it
	step()
	step()
	m.records[0].Keys.Trace = ""
	step()
	step()
	want := []fleet.Status{
		fleet.StatusNew, fleet.StatusOpen, fleet.StatusResolved, fleet.StatusResolved, fleet.StatusReopened, fleet.StatusOpen,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAResolvedFindingIsNotReportedAgain(t *testing.T) {
	m := &memory{records: []fleet.Record{call("a", at(1), "X")}}
	after(t, m, load(t, "id: p\n"), fleet.Window{})
	never := load(t, "id: p\nwhen: 'false'\n")
	if got := judge(t, never, Input{Reader: m}); len(got.Findings) != 1 || got.Run.Findings != 0 {
		t.Errorf("%d findings, of which %d stand; want the resolved one and none", len(got.Findings), got.Run.Findings)
	}
	after(t, m, never, fleet.Window{})
	if got := judge(t, never, Input{Reader: m}); len(got.Findings) != 0 {
		t.Errorf("%v", got.Findings)
	}
}

func TestAFindingIsResolvedOnlyByWhatWasJudgedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy string
		window fleet.Window
		change func(m *memory)
		want   fleet.Status
	}{
		{"all of it judged again", "id: p\nwhen: 'false'\n", fleet.Window{}, func(*memory) {}, fleet.StatusResolved},
		{"another policy ran", "id: q\nwhen: 'false'\n", fleet.Window{}, func(*memory) {}, fleet.StatusNew},
		{"a window without it", "id: p\nwhen: 'false'\n", fleet.Window{Start: at(60)}, func(*memory) {}, fleet.StatusNew},
		{"a window with a part of it", "id: p\nwhen: 'false'\n", fleet.Window{Start: at(2)}, func(*memory) {}, fleet.StatusNew},
		{"a policy that fails", "id: p\nwhen: r.resources[0] == 'x'\n", fleet.Window{}, func(*memory) {}, fleet.StatusNew},
		{"evidence that is gone", "id: p\nwhen: 'false'\n", fleet.Window{}, func(m *memory) { m.records = nil }, fleet.StatusNew},
		{"waived, and its cause is gone", "id: p\nwhen: 'false'\n", fleet.Window{}, func(m *memory) {
			for k, f := range m.findings {
				f.Status = fleet.StatusWaived
				m.findings[k] = f
			}
		}, fleet.StatusResolved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &memory{records: []fleet.Record{call("a", at(1), "X"), call("b", at(3), "X")}}
			after(t, m, load(t, "id: p\n"), fleet.Window{})
			tt.change(m)
			if got := after(t, m, load(t, tt.policy), tt.window); got.Status != tt.want {
				t.Errorf("%s, want %s", got.Status, tt.want)
			}
		})
	}
}

func TestAWaivedFindingStaysWaivedWhenSeen(t *testing.T) {
	m := &memory{records: []fleet.Record{call("a", at(1), "X")}}
	ps := load(t, "id: p\n")
	f := after(t, m, ps, fleet.Window{})
	f.Status = fleet.StatusWaived
	m.keep([]fleet.Finding{f})
	if got := after(t, m, ps, fleet.Window{}); got.Status != fleet.StatusWaived {
		t.Error(got.Status)
	}
}

func TestOverlappingWindowsCountOnce(t *testing.T) {
	m := &memory{}
	for i := range 60 {
		m.records = append(m.records, call(fmt.Sprintf("c%02d", i), at(float64(i)), "X"))
	}
	ps := load(t, "id: p\nmessage: '{r.id}'\n")
	for _, w := range []fleet.Window{
		{Start: at(10), End: at(30)},
		{Start: at(20), End: at(40)}, // overlaps the first
		{Start: at(20), End: at(40)}, // again
		{Start: at(0), End: at(15)},  // further back
		{Start: at(50), End: at(60)}, // with a gap before
		{Start: at(12), End: at(13)}, // within
	} {
		after(t, m, ps, w)
	}
	f := after(t, m, ps, fleet.Window{Start: at(12), End: at(13)})
	want := fleet.Finding{
		Fingerprint: f.Fingerprint, Policy: "p", Title: "T", Severity: fleet.Low, Status: fleet.StatusOpen,
		FirstSeen: at(0), LastSeen: at(59), Count: 50, Message: "c59", Remedy: "M", Evidence: f.Evidence,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	if len(f.Evidence) != maxEvidence || f.Evidence[0] != "c59" {
		t.Error(f.Evidence)
	}
	if f := after(t, m, ps, fleet.Window{}); f.Count != 60 {
		t.Errorf("count %d after all was judged in one window, want 60", f.Count)
	}
}

// A rule of AWS Config says when what it said is over, in the same run or a later
// one. Of another resource it says nothing by that.
func TestAVerdictIsTakenBackByTheRule(t *testing.T) {
	says := func(id string, s float64, resource, compliance string) fleet.Record {
		r := fleet.Record{
			ID: id, Kind: fleet.KindVerdict, Time: at(s), Account: "1", Region: "r", Name: "restricted-ssh",
			Resources: []string{"AWS::EC2::SecurityGroup/" + resource},
		}
		if compliance == "NON_COMPLIANT" {
			r.Error = compliance
		}
		return r
	}
	broken := says("v1", 1, "sg-1", "NON_COMPLIANT")
	for _, tt := range []struct {
		name  string
		later fleet.Record
		want  fleet.Status
	}{
		{"complies", says("v2", 600, "sg-1", "COMPLIANT"), fleet.StatusResolved},
		{"complied before", says("v0", 0, "sg-1", "COMPLIANT"), fleet.StatusOpen},
		{"another complies", says("v2", 600, "sg-2", "COMPLIANT"), fleet.StatusOpen},
		{"is violated still", says("v2", 600, "sg-1", "NON_COMPLIANT"), fleet.StatusOpen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ps := load(t, "id: p\non: verdict\nwhen: r.error == 'NON_COMPLIANT'\nkey: '{r.name}'\n")
			m := &memory{records: []fleet.Record{broken}}
			after(t, m, ps, fleet.Window{})
			m.records = append(m.records, tt.later)
			fleet.Sort(m.records)
			if got := after(t, m, ps, fleet.Window{}); got.Status != tt.want {
				t.Errorf("in a run over both: %s, want %s", got.Status, tt.want)
			}
		})
		t.Run(tt.name+", in a window of its own", func(t *testing.T) {
			ps := load(t, "id: p\non: verdict\nwhen: r.error == 'NON_COMPLIANT'\nkey: '{r.name}'\n")
			m := &memory{records: []fleet.Record{broken}}
			after(t, m, ps, fleet.Window{})
			m.records = []fleet.Record{tt.later}
			got := after(t, m, ps, fleet.Window{Start: at(300)})
			if stood := got.Status != fleet.StatusResolved; stood != (tt.want != fleet.StatusResolved) {
				t.Errorf("%s, want %s", got.Status, tt.want)
			}
		})
	}
}

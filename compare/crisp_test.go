package compare

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/crisp"
)

// byHand are comparisons of CRISP's traces, each derived on paper from the times
// of their spans, which criticalpath's test file lists with their paths. A line
// is a node: its service, verdict, spans, own work and part of the critical path,
// before and after, in microseconds.
var byHand = []struct{ name, before, after, want string }{
	// A 0-100 alone; then with B 10-60 in it: 50 of A's own work are B's now.
	{"a call is new", "1", "2", `
S1 faster 1→1 self 100→50 waited 100→50
  S2 new 0→1 self 0→50 waited 0→50
`},
	// The other way round.
	{"a call is gone", "2", "1", `
S1 slower 1→1 self 50→100 waited 50→100
  S2 gone 1→0 self 50→0 waited 50→0
`},
	// B 10-60 becomes 0-100 and fills A, which has no work of its own left.
	{"a call takes all", "2", "3", `
S1 faster 1→1 self 50→0 waited 50→0
  S2 slower 1→1 self 50→100 waited 50→100
`},
	// C 20-30 is put into B 10-60: A is as before, B is busy with itself for 40.
	{"a call of a call is new", "2", "4", `
S1 same 1→1 self 50→50 waited 50→50
  S2 faster 1→1 self 50→40 waited 50→40
    S3 new 0→1 self 0→10 waited 0→10
`},
	// Three calls of S2: 10-30, 40-50, 60-90 in 0-100; 50-100, 150-200, 250-300
	// in 0-300. They are one node. A's own work: 100-60 = 40, and 300-150 = 150.
	{"three calls are one node", "5", "22", `
S1 slower 1→1 self 40→150 waited 40→150
  S2 slower 3→3 self 60→150 waited 60→150
`},
	// Three calls of S2, then one each of S2, S3 and S4, at the same times.
	{"calls go elsewhere", "5", "6", `
S1 same 1→1 self 40→40 waited 40→40
  S2 faster 3→1 self 60→20 waited 60→20
  S3 new 0→1 self 0→10 waited 0→10
  S4 new 0→1 self 0→30 waited 0→30
`},
	// 7: B 10-110 outlives A by 10, C 40-50 in it: B's own work is 90, of which
	// the end waited for 30+50. 8: B 10-70 with C 20-120: B's own is 10, C's 100,
	// of which the end waited for 20-70; A goes on alone from 70.
	{"the work goes down", "7", "8", `
S1 slower 1→1 self 10→40 waited 10→40
  S2 faster 1→1 self 90→10 waited 80→10
    S3 slower 1→1 self 10→100 waited 10→50
`},
	// 4: A, B 10-60, C 20-30. 17: B 20-70 with C 30-50, and D 80-90: A's own is
	// 100-50-10 = 40, B's 50-20 = 30. A, C and D have errors now.
	{"a second call is new", "4", "17", `
S1 faster fails 1→1 self 50→40 waited 50→40
  S2 faster 1→1 self 40→30 waited 40→30
    S3 slower fails 1→1 self 10→20 waited 10→20
  S4 new fails 0→1 self 0→10 waited 0→10
`},
	// The times are the same; in 13, D has an error.
	{"only errors differ", "12", "13", `
S1 same 1→1 self 40→40 waited 40→40
  S2 same 1→1 self 35→35 waited 40→40
    S3 same 1→1 self 20→20 waited 0→0
    S4 same fails 1→1 self 20→20 waited 20→20
`},
	// 24 differs from 23 in its statuses only; the times are one another's.
	{"a trace with itself", "23", "23", `
S1 same 1→1 self 100→100 waited 100→100
  S2 same 2→2 self 300→300 waited 300→300
    S3 same 6→6 self 300→300 waited 300→300
`},
}

func TestComparisonsOfCRISPTracesAreThoseDerivedByHand(t *testing.T) {
	traces := crisp.Traces(t, "..")
	for _, tt := range byHand {
		t.Run(tt.name, func(t *testing.T) {
			c := Of([][]fleet.Record{traces[tt.before]}, traces[tt.after])
			if diff := cmp.Diff(tt.want, spell(&c)); diff != "" {
				t.Errorf("the comparison (-by hand +found):\n%s", diff)
			}
		})
	}
}

// TestWhatIsWaitedLongerAddsUp holds for each pair of CRISP's traces that the
// differences of the nodes are together that of the requests, and that turning
// the pair round turns every difference round.
func TestWhatIsWaitedLongerAddsUp(t *testing.T) {
	traces := crisp.Traces(t, "..")
	sum := func(c *Comparison) (all time.Duration) {
		for _, n := range c.All() {
			all += n.Longer()
		}
		return all
	}
	for f, a := range traces {
		for g, b := range traces {
			there, back := Of([][]fleet.Record{a}, b), Of([][]fleet.Record{b}, a)
			if want := there.After.Took - there.Before.Took; sum(&there) != want || sum(&back) != -want {
				t.Errorf("%s and %s: the requests differ by %s, the nodes by %s, and back by %s", f, g, want, sum(&there), sum(&back))
			}
			if there.Count(New) != back.Count(Gone) || there.Count(Slower) != back.Count(Faster) {
				t.Errorf("%s and %s: %d new and %d slower; the other way round %d gone and %d faster", f, g,
					there.Count(New), there.Count(Slower), back.Count(Gone), back.Count(Faster))
			}
		}
	}
}

package criticalpath

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/crisp"
)

// byHand are the paths of CRISP's traces, each derived on paper from the spans'
// times. Those times are in microseconds after the start of A, the entry; a span
// is written "B 10-60" with the child it belongs to in the comment.
var byHand = map[string]string{
	// A alone: all of it is its own work.
	"1": "A 0-100",
	// B 10-60 is A's only child: A works, waits for B, works.
	"2": "A 0-10, B 10-60, A 60-100",
	// B 0-100 fills A: the end waited for B all the time, A has no part.
	"3": "B 0-100",
	// C 20-30 lies in B 10-60, which lies in A: down and up again.
	"4": "A 0-10, B 10-20, C 20-30, B 30-60, A 60-100",
	// Three calls one after the other, with A's own work between them.
	"5": "A 0-10, B1 10-30, A 30-40, B2 40-50, A 50-60, B3 60-90, A 90-100",
	// The same to three services.
	"6": "A 0-10, B 10-30, A 30-40, C 40-50, A 50-60, D 60-90, A 90-100",
	// B 10-110 outlives A by 10 of its 100: it counts up to A's end. C 40-50 is
	// B's.
	"7": "A 0-10, B 10-40, C 40-50, B 50-100",
	// C 20-120 outlives its parent B 10-70 by no more than half: it counts up to
	// B's end, where A, which knows nothing of C, goes on.
	"8": "A 0-10, B 10-20, C 20-70, A 70-100",
	// B 110-160 begins after A has ended: nobody waited, nor for C in it. What is
	// left is D 60-90.
	"9": "A 0-60, D 60-90, A 90-100",
	// B 10-210, C 209-309, D 308-608 overlap by 1, which is a hundredth of the
	// shorter one: clocks, not simultaneity. Each counts to the start of the next.
	"10": "A 0-10, B 10-209, C 209-308, D 308-608, A 608-1000",
	// An error of B changes nothing about who waited.
	"11": "A 0-30, B 30-60, A 60-100",
	// In B 10-70, D 30-50 ended last. C 25-45 ran while D began: D cannot have
	// waited for its end. Before D there is B alone.
	"12": "A 0-10, B 10-30, D 30-50, B 50-70, A 70-100",
	// As 12, with an error in D.
	"13": "A 0-10, B 10-30, D 30-50, B 50-70, A 70-100",
	// D 40-65 ended last. C 20-45 was still running when D began (5 of 25 is no
	// rounding), so what D's start waited for is A, and before it B 10-30.
	"14": "A 0-10, B 10-30, A 30-40, D 40-65, A 65-80",
	// Six calls one after the other; the last, G 85-100, ends with A.
	"15": "A 0-10, B 10-20, A 20-25, C 25-35, A 35-40, D 40-50, A 50-55, E 55-65, A 65-70, F 70-80, A 80-85, G 85-100",
	// F 70-100 with G 80-90 in it, before that E 50-60, D 30-40. C 15-35 was
	// running when D began, B 10-20 had ended.
	"16": "A 0-10, B 10-20, A 20-30, D 30-40, A 40-50, E 50-60, A 60-70, F 70-80, G 80-90, F 90-100, A 100-110",
	// B 20-70 with C 30-50 in it, then D 80-90.
	"17": "A 0-20, B 20-30, C 30-50, B 50-70, A 70-80, D 80-90, A 90-100",
	// B 10-110 with C, D, E one after the other; F 120-220 with G 140-200 in it,
	// which has H and I one after the other.
	"18": "A 0-10, B 10-30, C 30-40, B 40-50, D 50-60, B 60-70, E 70-80, B 80-110, A 110-120, " +
		"F 120-140, G 140-150, H 150-170, G 170-180, I 180-190, G 190-200, F 200-220, A 220-250",
	// D 300-600 ends with A. C 205-305 was running when D began, by 5 of its 100,
	// so it is not waited for; B 10-210 had ended long before.
	"19": "A 0-10, B 10-210, A 210-300, D 300-600",
	// 20 and 21 differ from 19 in their statuses only.
	"20": "A 0-10, B 10-210, A 210-300, D 300-600",
	"21": "A 0-10, B 10-210, A 210-300, D 300-600",
	// Three tries one after the other, the last ends with A.
	"22": "A 0-50, B 50-100, A 100-150, C 150-200, A 200-250, D 250-300",
	// B 50-350 with three tries C, D, E, the last of which ends with it; then F
	// 400-700 with G, H, I alike.
	"23": tries,
	// 24 and 25 differ from 23 in their statuses only.
	"24": tries,
	"25": tries,
	// B 70-100 ends with A; the four differ in who has the error.
	"err_pattern1__err1": "A 0-70, B 70-100",
	"err_pattern1__err2": "A 0-70, B 70-100",
	"err_pattern2__err1": "A 0-70, B 70-100",
	"err_pattern2__err2": "A 0-70, B 70-100",
	// B 0-100 fills A, C 70-100 ends with both; the four differ in the errors.
	"err_pattern3__err1": "B 0-70, C 70-100",
	"err_pattern3__err2": "B 0-70, C 70-100",
	"err_pattern4__err1": "B 0-70, C 70-100",
	"err_pattern4__err2": "B 0-70, C 70-100",
}

const tries = "A 0-50, B 50-100, C 100-150, B 150-200, D 200-250, B 250-300, E 300-350, A 350-400, " +
	"F 400-450, G 450-500, F 500-550, H 550-600, F 600-650, I 650-700"

func TestPathOfEachCRISPTraceIsTheOneDerivedByHand(t *testing.T) {
	traces := crisp.Traces(t, "..")
	if len(traces) != len(byHand) {
		t.Errorf("there are %d traces, and %d derived by hand", len(traces), len(byHand))
	}
	for name, records := range traces {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(byHand[name], spell(records, Of(records))); diff != "" {
				t.Errorf("the path (-by hand +found):\n%s", diff)
			}
		})
	}
}

// spell writes a path as byHand does, in microseconds from 1970.
func spell(records []fleet.Record, p Path) string {
	parts := make([]string, len(p.Parts))
	for i, x := range p.Parts {
		parts[i] = fmt.Sprintf("%s %d-%d", records[x.Span].Keys.Span, x.Start.UnixMicro(), x.End.UnixMicro())
	}
	return strings.Join(parts, ", ")
}

// spanOf is a span whose name is its id.
func spanOf(id, parent, service string, from, to int64) fleet.Record {
	return crisp.Span(id, parent, service, id, from, to)
}

package outliers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestFisher: the tea tasting of Fisher's own book, and tables whose p can be
// counted by hand.
func TestFisher(t *testing.T) {
	tests := []struct {
		a, aOf, b, bOf int
		want           float64
	}{
		// Of 8 cups 4 had the milk first. She named 3 of them right: of the 70 ways
		// to choose 4 of 8, 16 have three right, 16 one, 1 four and 1 none.
		{3, 4, 1, 4, 34.0 / 70},
		{4, 4, 0, 4, 2.0 / 70},
		// The middle is the likeliest: everything is at most as likely.
		{2, 4, 2, 4, 1},
		// One of 10 has it, and it is the selected one: 1 way of 10.
		{1, 1, 0, 9, 1.0 / 10},
		// Of 3 and 3, all of one side: 1 of 20 ways, and 1 the other way round.
		{3, 3, 0, 3, 2.0 / 20},
	}
	for _, tt := range tests {
		if got := Fisher(tt.a, tt.aOf, tt.b, tt.bOf); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("Fisher(%d of %d, %d of %d) = %g, want %g", tt.a, tt.aOf, tt.b, tt.bOf, got, tt.want)
		}
	}
}

// TestRankSum: U, its variance and z by hand.
func TestRankSum(t *testing.T) {
	tests := []struct {
		name      string
		a, b      []float64
		effect, z float64
	}{
		// Every one of a is greater: U = 9, expected 4.5, variance 9*7/12 = 5.25.
		{"all greater", []float64{4, 5, 6}, []float64{1, 2, 3}, 1, (9 - 4.5 - .5) / math.Sqrt(5.25)},
		{"all smaller", []float64{1, 2, 3}, []float64{4, 5, 6}, -1, (4.5 - .5) / math.Sqrt(5.25)},
		// Ranks of 1, 2, 2, 3 are 1, 2.5, 2.5, 4: a has 2.5+4 = 6.5, U = 3.5, which
		// is 3 of the 4 pairs won and 1 tied. Variance 4/12*(5-6/12) = 1.5.
		{"a tie", []float64{2, 3}, []float64{1, 2}, 0.75, (3.5 - 2 - .5) / math.Sqrt(1.5)},
		{"all equal", []float64{7, 7}, []float64{7, 7, 7}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			effect, p := RankSum(tt.a, tt.b)
			if want := math.Erfc(tt.z / math.Sqrt2); math.Abs(effect-tt.effect) > 1e-9 || math.Abs(p-want) > 1e-9 {
				t.Errorf("effect %g, p %g; want %g, %g", effect, p, tt.effect, want)
			}
		})
	}
}

// TestWhatDiffersIsToldAndNothingElse: 20 failed requests of 200. Their version
// and their sizes differ; 50 other attributes are drawn by lot, and ids are
// different everywhere.
func TestWhatDiffersIsToldAndNothingElse(t *testing.T) {
	lot := rand.New(rand.NewPCG(1, 2))
	items := make([]Item, 200)
	for i := range items {
		failed := i < 20
		version, size := "1.4.0", 1000+i*37%200
		if failed && i != 0 || i == 20 { // one of each is as the others are
			version = "1.5.0"
		}
		if failed {
			size += 80
		}
		items[i] = Item{Selected: failed, Values: map[string][]string{
			"version": {version}, "size": {fmt.Sprint(size)}, "id": {fmt.Sprint("order-", i)}, "region": {"here"},
		}}
		for j := range 50 {
			items[i].Values[fmt.Sprint("lot", j)] = []string{fmt.Sprint("v", lot.IntN(3))}
		}
	}
	found := Of(items)
	told := map[string]bool{}
	for _, d := range found {
		told[d.Attribute+"="+d.Value] = true
		if d.Q > Level || d.Q < d.P {
			t.Errorf("%+v is not sure", d)
		}
	}
	for _, want := range []string{"version=1.5.0", "version=1.4.0", "size="} {
		if !told[want] {
			t.Errorf("%s is not told; told are %v", want, told)
		}
	}
	if len(found) > 4 { // one in twenty of what is told may be chance
		t.Errorf("%d differences are told, three are there: %v", len(found), told)
	}
	if d := found[0]; d.Attribute != "version" || d.Selected+d.Rest != 20 && d.Selected+d.Rest != 180 {
		t.Errorf("the greatest is %+v, want the version", d)
	}
}

// TestChanceIsRarelyTold holds the procedure to its promise: where nothing
// differs, something is told in about one of twenty cases at most.
func TestChanceIsRarelyTold(t *testing.T) {
	lot := rand.New(rand.NewPCG(3, 4))
	const rounds = 200
	told := 0
	for range rounds {
		items := make([]Item, 60)
		for i := range items {
			items[i] = Item{Selected: i < 20, Values: map[string][]string{}}
			for j := range 8 {
				items[i].Values[fmt.Sprint("kind", j)] = []string{fmt.Sprint(lot.IntN(4))}
				items[i].Values[fmt.Sprint("size", j)] = []string{fmt.Sprint(lot.IntN(1000))}
			}
		}
		if len(Of(items)) > 0 {
			told++
		}
	}
	// Of 200 by one in twenty 10 are expected; more than 20 come about once in
	// two thousand times.
	if told > 20 {
		t.Errorf("something is told in %d of %d cases in which nothing differs", told, rounds)
	}
}

func TestNoSelectionTellsNothing(t *testing.T) {
	one := Item{Selected: true, Values: map[string][]string{"a": {"b"}}}
	if got := Of([]Item{one, one, one}); got != nil {
		t.Errorf("all are selected, and %v is told", got)
	}
	if got := Of(nil); got != nil {
		t.Errorf("of nothing, %v is told", got)
	}
}

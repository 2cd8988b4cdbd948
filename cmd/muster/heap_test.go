package main

import "testing"

func TestHeapGrowsToItsRoomOrTwiceWhatIsAlive(t *testing.T) {
	for _, tc := range []struct {
		name string
		live uint64
		want int
	}{
		{"nothing yet", 0, mostGrowth},
		{"little", 10 << 20, mostGrowth},
		{"a quarter of the room", importHeap / 4, 300},
		{"half of the room", importHeap / 2, 100},
		{"most of the room", importHeap / 4 * 3, 100},
		{"more than the room", 4 * importHeap, 100},
	} {
		if got := heapGrowth(tc.live); got != tc.want {
			t.Errorf("%s: %d percent, want %d", tc.name, got, tc.want)
		}
	}
}

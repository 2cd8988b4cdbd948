package lake

import (
	"encoding/binary"
	"hash/maphash"

	"muster/fleet"
)

// idHash stands for a record id. Of its 128 bits, two of a thousand million ids
// of one kind and day are mistaken for each other with a probability below
// 10^-20; and since each process draws its own seeds, nobody can choose ids that
// are. It means nothing outside of the process.
type idHash [16]byte

var idSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func hashID(id string) idHash {
	var h idHash
	binary.LittleEndian.PutUint64(h[:8], maphash.String(idSeeds[0], id))
	binary.LittleEndian.PutUint64(h[8:], maphash.String(idSeeds[1], id))
	return h
}

// place says which row of a file is that of a record, of several the newest.
type place struct {
	revision  int32
	number    int64 // of the row in the file
	amendment int64
}

// newer reports whether p replaces q.
func (p place) newer(q place) bool {
	return p.revision > q.revision || p.revision == q.revision && p.amendment > q.amendment
}

// dayKey names the records among which an id is unique: those of one kind and
// one UTC day, as the table is partitioned.
type dayKey struct {
	kind string
	day  int32 // since 1970
}

// usPerDay divides a time in microseconds into days.
const usPerDay = 24 * 60 * 60 * 1_000_000

func newDayKey(kind fleet.Kind, timeUS int64) dayKey {
	day := timeUS / usPerDay
	if timeUS%usPerDay < 0 {
		day-- // before 1970
	}
	return dayKey{text(string(kind)), int32(day)}
}

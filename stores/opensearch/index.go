package opensearch

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"muster/fleet"
)

// The indices by kind: one for each UTC day of the records' own time, so that a
// late revision or amendment finds the document that it replaces. Spans and logs
// lie where the Trace Analytics screens look for them.
const (
	spanIndex    = "otel-v1-apm-span-muster-"
	logIndex     = "logs-otel-v1-muster-"
	callIndex    = "muster-api-calls-"
	changeIndex  = "muster-changes-"
	verdictIndex = "muster-verdicts-"
	otherIndex   = "muster-other-" // kinds that this release does not know

	findingIndex = "muster-findings"
	stateIndex   = "muster-state" // how far each lake has been followed
)

// dayFormat is the day in an index's name.
const dayFormat = "2006.01.02"

// kindIndex is the beginning of the names of a kind's indices.
func kindIndex(k fleet.Kind) string {
	switch k {
	case fleet.KindSpan:
		return spanIndex
	case fleet.KindLog:
		return logIndex
	case fleet.KindAPICall:
		return callIndex
	case fleet.KindChange:
		return changeIndex
	case fleet.KindVerdict:
		return verdictIndex
	default:
		return otherIndex
	}
}

// indexOf is the index that a record belongs to.
func indexOf(k fleet.Kind, t time.Time) string { return kindIndex(k) + t.UTC().Format(dayFormat) }

// indexName remembers the last answer of indexOf: records come sorted by kind and
// day. The zero value remembers none.
type indexName struct {
	kind fleet.Kind
	day  int64 // since 1970
	name string
}

func (n *indexName) of(k fleet.Kind, t time.Time) string {
	day := t.Unix() / secondsPerDay
	if t.Unix() < 0 { // the day of a negative quotient is another's too
		return indexOf(k, t)
	}
	if n.name == "" || n.kind != k || n.day != day {
		*n = indexName{k, day, indexOf(k, t)}
	}
	return n.name
}

const secondsPerDay = 24 * 60 * 60

// patterns match the indices of kinds; of all, when none is given.
func patterns(kinds []fleet.Kind) []string {
	if len(kinds) == 0 {
		kinds = append(fleet.Kinds(), "")
	}
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = kindIndex(k) + "*"
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func spanPatterns() []string { return patterns([]fleet.Kind{fleet.KindSpan}) }

// maxID is the length of OpenSearch's own ids, in bytes.
const maxID = 512

// documentID is a record's id where OpenSearch can take it, so that people can
// fetch a document by the id that AWS gave it; else a hash of kind and id.
func documentID(k fleet.Kind, id string) string {
	if kindIndex(k) != otherIndex && id != "" && len(id) <= maxID {
		return id
	}
	sum := sha256.Sum256([]byte(string(k) + "\x00" + id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// version orders the states of a record for OpenSearch's external versioning:
// by revision, then by amendment. Its lowest bits are counted up when a trace's
// group is set, up to 254 times for one state. A revision may have 19
// bits, an amendment 36.
func version(revision int, amendment int64) int64 {
	return int64(revision)<<44 | amendment<<8 | 1
}

package truth

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"muster/fleet"
)

// The keys that joins are scored by.
const (
	keyTrace   = "trace"
	keyJourney = "journey"
	keyRequest = "request"
	keySession = "session"
)

// class says what a join can be held to: a key that the record shows itself,
// one that follows from ids alone, or one that is a guess.
type class string

const (
	classSeen     class = "seen"
	classExact    class = "exact"
	classInferred class = "inferred"
)

// claim is a resolved key and how it came to be.
type claim struct {
	value string
	link  fleet.Link
}

func (c claim) class() class {
	switch {
	case c.link.Sure == fleet.Inferred:
		return classInferred
	case c.link.Via == fleet.RungSeen:
		return classSeen
	default:
		return classExact
	}
}

// Join is how the joins of one key by one rung did. Missed are the joins that
// should have been made and were not, or not right; they have no rung.
type Join struct {
	Key                  string
	Via                  fleet.Rung
	Sure                 string // "seen", "exact" or "inferred"
	Right, Wrong, Missed int
}

type joinKey struct {
	key  string
	via  fleet.Rung
	sure class
}

type joins map[joinKey]*Join

func (js joins) row(key string, via fleet.Rung, c class) *Join {
	k := joinKey{key, via, c}
	if js[k] == nil {
		js[k] = &Join{Key: key, Via: via, Sure: string(c)}
	}
	return js[k]
}

// hold counts a claim as right or wrong. A want that was not met, by nothing
// or by something else, is missed in the class in which it was due.
func (js joins) hold(key string, got claim, want string, due class) {
	switch {
	case got.value == want && want != "":
		js.row(key, got.link.Via, got.class()).Right++
		return
	case got.value != "":
		js.row(key, got.link.Via, got.class()).Wrong++
	}
	if want != "" {
		js.miss(key, due)
	}
}

func (js joins) miss(key string, due class) { js.row(key, "", due).Missed++ }

// list is in a fixed order: by key, then class, then rung.
func (js joins) list() []Join {
	out := make([]Join, 0, len(js))
	for _, j := range js {
		out = append(out, *j)
	}
	slices.SortFunc(out, func(a, b Join) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Sure, b.Sure), cmp.Compare(a.Via, b.Via))
	})
	return out
}

func (js joins) total(c class) Total {
	var t Total
	for _, j := range js {
		if j.Sure == string(c) {
			t.Right += j.Right
			t.Wrong += j.Wrong
			t.Missed += j.Missed
		}
	}
	return t
}

// Total is a count of answers.
type Total struct {
	Right, Wrong, Missed int
}

// Precision is the share of what was said that is right; 1 when nothing was said.
func (t Total) Precision() float64 { return share(t.Right, t.Wrong) }

// Recall is the share of what should have been said that was; 1 when there was
// nothing to say.
func (t Total) Recall() float64 { return share(t.Right, t.Missed) }

func share(right, other int) float64 {
	if right+other == 0 {
		return 1
	}
	return float64(right) / float64(right+other)
}

// TextLine is the id of a line of text that has none in it.
func TextLine(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "text-" + hex.EncodeToString(sum[:8])
}

// lineID finds the field "line" of a log line, whether the record's evidence is
// the line or the event that CloudWatch Logs wraps it in; of a line that is no
// JSON it is TextLine.
func lineID(r *fleet.Record) string {
	type line struct {
		Line    string `json:"line"`
		Message string `json:"message"`
	}
	for _, text := range [][]byte{r.Raw, []byte(r.Message)} {
		var l line
		if json.Unmarshal(text, &l) != nil {
			continue // not JSON: no sample's line, or not here
		}
		if l.Line == "" && json.Unmarshal([]byte(l.Message), &l) != nil {
			continue
		}
		if l.Line != "" {
			return l.Line
		}
	}
	return cmp.Or(r.Attributes.Get("line"), TextLine(string(r.Raw)))
}

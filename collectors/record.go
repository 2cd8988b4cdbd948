package collectors

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"muster/fleet"
)

// origin is what the place that evidence was read from says about it, used
// where the evidence does not say itself.
type origin struct {
	account, region string
}

// compact is a document's canonical spelling: JSON without white space between
// its tokens, with secrets masked.
func compact(doc []byte) []byte {
	var buf bytes.Buffer
	buf.Grow(len(doc))
	if json.Compact(&buf, doc) != nil {
		return mask(bytes.TrimSpace(doc))
	}
	return mask(buf.Bytes())
}

// hashID is an id for an item that brings none: the same item hashes the same.
func hashID(prefix string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0}) // so that parts cannot run into each other
	}
	return prefix + hex.EncodeToString(h.Sum(nil)[:16])
}

// unreadable keeps a document that cannot be understood though it is JSON: raw,
// with the reason, and never under the ID of a record that could be read.
func unreadable(kind fleet.Kind, id string, at time.Time, doc []byte, o origin, why error) fleet.Record {
	doc = compact(doc)
	id += hashID("!", string(doc))
	if at.IsZero() {
		at = unknownTime()
	}
	return fleet.Record{
		ID: id, Kind: kind, Time: at, Account: o.account, Region: o.region,
		Message:    oneLine("unreadable: " + why.Error()),
		Attributes: fleet.AttributesOf(fleet.AttrUnreadable, clean(why.Error())),
		Raw:        doc,
	}
}

// unknownTime stands for a time that evidence does not say. Stores have no room
// for the year 1, and a ledger's window that begins there is open.
func unknownTime() time.Time { return time.UnixMicro(0).UTC() }

// unreadableEntry is the ledger's word on such a document.
func unreadableEntry(r *fleet.Record, detail string) fleet.LedgerEntry {
	return fleet.LedgerEntry{
		Window:   fleet.Window{Start: r.Time, End: r.Time.Add(time.Microsecond)},
		Coverage: fleet.Partial, Reason: "unreadable",
		Detail: detail + ": " + r.Attributes.Get(fleet.AttrUnreadable), Records: 1,
	}
}

// clean makes text from outside valid UTF-8.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// lastSecond is the last second of the year 9999, beyond which a time cannot be
// spelled in RFC 3339.
const lastSecond = 253402300799

// timeOfSeconds turns AWS's float seconds since 1970 into a time in whole
// microseconds, which is what a float64 holds exactly of today's times.
func timeOfSeconds(s float64) (time.Time, bool) {
	if math.IsNaN(s) || s < 0 || s > lastSecond {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(math.Round(s * 1e6))).UTC(), true
}

// timeOfMillis turns CloudWatch's milliseconds since 1970 into a time.
func timeOfMillis(ms int64) (time.Time, bool) {
	if ms < 0 || ms > lastSecond*1000 {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

// set adds an attribute unless its value is empty.
func set(attributes *fleet.Attributes, name, value string) {
	if value != "" {
		attributes.Set(name, clip(clean(value), maxAttributeBytes))
	}
}

func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// withoutMember is a JSON object without one of its members.
func withoutMember(doc []byte, name string) []byte {
	var members map[string]json.RawMessage
	if !bytes.Contains(doc, []byte(`"`+name+`"`)) || json.Unmarshal(doc, &members) != nil {
		return doc
	}
	delete(members, name)
	out, err := json.Marshal(members)
	if err != nil {
		return doc
	}
	return out
}

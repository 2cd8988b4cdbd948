package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// setDigits are those of the name of a set of policies, hex: of thousands of sets
// no two have one name.
const setDigits = 16

// spellVersions gives versions by policy as a text: "id@version", in the order of ids.
func spellVersions(versions map[string]string) string {
	parts := make([]string, 0, len(versions))
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, text(strings.ReplaceAll(id, " ", "_"))+"@"+text(versions[id]))
	}
	return strings.Join(parts, " ")
}

// parseVersions is the opposite of spellVersions; nil for none.
func parseVersions(s string) map[string]string {
	if s == "" {
		return nil
	}
	out := map[string]string{}
	for part := range strings.SplitSeq(s, " ") {
		at := strings.LastIndexByte(part, '@')
		if at > 0 {
			out[part[:at]] = part[at+1:]
		}
	}
	return out
}

// setOf names versions; "" for none.
func setOf(versions map[string]string) string {
	if len(versions) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(spellVersions(versions)))
	return hex.EncodeToString(sum[:])[:setDigits]
}

// knowsSet reports whether a run in the lake spells a set out. One that this
// handle has seen is not looked for again: runs are never removed.
func (l *Lake) knowsSet(ctx context.Context, set string) (bool, error) {
	l.mu.Lock()
	known := set == "" || l.sets[set]
	l.mu.Unlock()
	if known {
		return true, nil
	}
	rows, err := l.runs().rows(ctx)
	if err != nil {
		return false, err
	}
	for i := range rows {
		known = known || rows[i].Set == set && rows[i].Versions != ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known {
		l.sets[set] = true
	}
	return known, nil
}

// versionsOf are the sets that runs spell out.
func versionsOf(rows []runRow) map[string]map[string]string {
	out := map[string]map[string]string{}
	for i := range rows {
		if r := &rows[i]; r.Versions != "" && out[r.Set] == nil {
			out[r.Set] = parseVersions(r.Versions)
		}
	}
	return out
}

// spellOnce has the first of the rows that are kept with each set spell it out, as
// one of all rows does.
func spellOnce(all, kept []runRow) []runRow {
	texts := map[string]string{}
	for i := range all {
		if r := &all[i]; r.Versions != "" {
			texts[r.Set] = r.Versions
		}
	}
	for i := range kept {
		r := &kept[i]
		r.Versions = texts[r.Set]
		delete(texts, r.Set)
	}
	return kept
}

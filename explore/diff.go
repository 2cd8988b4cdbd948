package explore

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"muster/fleet"
)

// fieldChange is a field of a configuration that differs from the one before.
type fieldChange struct {
	field         string
	before, after string // "" where it is not there
}

// configPrefix is before the fields of a configuration among the attributes.
const configPrefix = "configuration."

// mostFields bounds how many fields of a document are looked at: a
// configuration has some hundred; thousands are a document gone wrong.
const mostFields = 5000

// configuration is what a change's item says of its resource, by field. The raw
// document has all of it; where that was left out, the attributes have most.
func configuration(r *fleet.Record) map[string]string {
	var doc struct {
		Configuration, SupplementaryConfiguration, Tags any
	}
	out := map[string]string{}
	if json.Unmarshal(r.Raw, &doc) == nil && doc.Configuration != nil {
		flatten("", unwrap(doc.Configuration), out)
		flatten("supplementary", unwrap(doc.SupplementaryConfiguration), out)
		flatten("tags", doc.Tags, out)
		return out
	}
	for k, v := range r.Attributes.All() {
		if f, is := strings.CutPrefix(k, configPrefix); is {
			out[f] = v
		}
	}
	return out
}

// unwrap reads a document that is a text within the document, as Config's
// snapshots have it.
func unwrap(v any) any {
	s, is := v.(string)
	if !is || !strings.HasPrefix(s, "{") {
		return v
	}
	var inner any
	if json.Unmarshal([]byte(s), &inner) != nil {
		return v
	}
	return inner
}

// flatten names every leaf of a document by its way.
func flatten(at string, v any, out map[string]string) {
	if len(out) >= mostFields {
		return
	}
	below := func(k string) string {
		if at == "" {
			return k
		}
		return at + "." + k
	}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			flatten(below(k), unwrap(v[k]), out)
		}
	case []any:
		for i, x := range v {
			flatten(below(strconv.Itoa(i)), x, out)
		}
	case string:
		out[at] = v
	case float64:
		out[at] = strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		out[at] = strconv.FormatBool(v)
	}
}

// diffItems are the fields in which a resource's item differs from the one
// before; nil is none.
func diffItems(before, after *fleet.Record) []fieldChange {
	if before == nil {
		return nil
	}
	a, b := configuration(before), configuration(after)
	var out []fieldChange
	for k, v := range b {
		if old, had := a[k]; !had || old != v {
			out = append(out, fieldChange{k, old, v})
		}
	}
	for k, old := range a {
		if _, has := b[k]; !has {
			out = append(out, fieldChange{k, old, ""})
		}
	}
	slices.SortFunc(out, func(x, y fieldChange) int { return cmp.Compare(x.field, y.field) })
	return out
}

// short is a change of a field in a few words: what is the same at the beginning
// of both values, as in ARNs, is left out.
func (f fieldChange) short() string {
	field := f.field[strings.LastIndexByte(f.field, '.')+1:]
	if _, err := strconv.Atoi(field); err == nil {
		field = f.field
	}
	switch {
	case f.before == "":
		return "+ " + field + " " + f.after
	case f.after == "":
		return "- " + field + " " + f.before
	}
	a, b := tails(f.before, f.after)
	return field + " " + a + " → " + b
}

// tails are two texts from the last "/" or ":" on before which they are alike.
func tails(a, b string) (string, string) {
	cut := 0
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == '/' {
			cut = i + 1
		}
	}
	return a[cut:], b[cut:]
}

// itemHistory tells, for changes in any order, the item before each of the same
// resource, by record id.
func itemHistory(changes []fleet.Record) map[string]*fleet.Record {
	last, out := map[string]*fleet.Record{}, map[string]*fleet.Record{}
	order := make([]*fleet.Record, 0, len(changes))
	for i := range changes {
		if changes[i].Kind == fleet.KindChange {
			order = append(order, &changes[i])
		}
	}
	slices.SortFunc(order, fleet.Compare)
	for _, r := range order {
		k := resourceOf(r)
		if k == "" {
			continue
		}
		k = r.Account + " " + r.Region + " " + k
		if p := last[k]; p != nil {
			out[r.ID] = p
		}
		last[k] = r
	}
	return out
}

// resourceOf is the resource that a change or a verdict is of.
func resourceOf(r *fleet.Record) string {
	if len(r.Resources) > 0 {
		return r.Resources[0]
	}
	return ""
}

// resourceName is a canonical name without "AWS::": "ECS::Service/orders".
func resourceName(s string) string { return strings.TrimPrefix(s, "AWS::") }

// whatChanged says in a few words what a change or verdict says.
func whatChanged(r *fleet.Record, diff []fieldChange, before *fleet.Record) string {
	switch {
	case r.Kind == fleet.KindVerdict:
		return r.Name + " " + r.Error
	case before == nil && r.Name == "OK":
		return "changed; what it was before is not known"
	case before == nil:
		return spelled(r.Name)
	case r.Name == "ResourceDeleted":
		return "deleted"
	case len(diff) == 0:
		return "no field differs from the item before"
	}
	parts := make([]string, 0, 3)
	for _, d := range diff {
		if len(parts) == cap(parts) {
			parts = append(parts, "and "+strconv.Itoa(len(diff)-cap(parts))+" more")
			break
		}
		parts = append(parts, d.short())
	}
	return strings.Join(parts, ", ")
}

// spelled is what AWS Config calls what happened, in words.
func spelled(status string) string {
	switch status {
	case "ResourceDiscovered":
		return "discovered"
	case "ResourceDeleted":
		return "deleted"
	case "ResourceNotRecorded":
		return "not recorded any more"
	}
	return status
}

// diff lays fields out: the old value in one line, the new below it.
func (s *sheet) diff(ds []fieldChange) {
	for _, d := range ds {
		s.lines = append(s.lines, line{own(faint, "  "), foreignTo(plain, d.field, s.w)}.fit(s.w))
		s.side(bad, "- ", d.before)
		s.side(good, "+ ", d.after)
	}
}

func (s *sheet) side(how role, sign, value string) {
	if value == "" {
		return
	}
	for _, v := range wrap(clean(clip(value, mostRaw)), max(s.w-6, 8)) {
		s.lines = append(s.lines, line{own(how, "    "+sign), own(how, v)})
	}
}

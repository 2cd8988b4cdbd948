package document

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const trail = ` {"eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","n":1.50,"yes":true,"none":null,
 "a\u0062":"x\ty","twice":1,"twice":2,
 "requestParameters":{"policy":"{\"Effect\":\"Allow\"}","tags":[{"k":"a","v":[1,2]},{"k":"b"}],"empty":[]}} `

func parse(t testing.TB, text string) *Document {
	t.Helper()
	var d Document
	if err := d.Parse(text); err != nil {
		t.Fatal(err)
	}
	return &d
}

func texts(vs []Value) []string {
	var out []string
	for _, v := range vs {
		out = append(out, v.Text())
	}
	return out
}

func TestPathsLeadToValues(t *testing.T) {
	d := parse(t, trail)
	member := func(m string) Step { return Step{Member: m, Index: -1} }
	for _, tt := range []struct {
		name string
		path Path
		want []string
	}{
		{"a text", Field("eventSource"), []string{"s3.amazonaws.com"}},
		{"a number as it is written", Field("n"), []string{"1.50"}},
		{"a truth value", Field("yes"), []string{"true"}},
		{"null", Field("none"), []string{""}},
		{"nothing", Field("requestParameters.nothing"), nil},
		{"a member of a text", Field("eventSource.x"), nil},
		{"an escaped key and text", Field("ab"), []string{"x\ty"}},
		{"the last of two", Field("twice"), []string{"2"}},
		{"through an array", Field("requestParameters.tags.k"), []string{"a", "b"}},
		{"an array", Field("requestParameters.tags.v"), []string{"[1,2]"}},
		{"an empty array", Field("requestParameters.empty"), []string{"[]"}},
		{"not through an array", To(member("requestParameters"), member("tags"), member("k")), nil},
		{"an element", To(member("requestParameters"), member("tags"), Step{Index: 1}, member("k")), []string{"b"}},
		{"no such element", To(member("requestParameters"), member("tags"), Step{Index: 2}), nil},
		{"all elements", To(member("requestParameters"), member("tags"), Step{Every: true, Index: -1}, member("k")), []string{"a", "b"}},
	} {
		if diff := cmp.Diff(tt.want, texts(tt.path.Find(d, nil))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAnObjectIsItsJSON(t *testing.T) {
	v := Field("requestParameters").Find(parse(t, trail), nil)[0]
	if want := `{"policy":"{\"Effect\":\"Allow\"}","tags":[{"k":"a","v":[1,2]},{"k":"b"}],"empty":[]}`; v.Text() != want {
		t.Errorf("Text is %s", v.Text())
	}
	if want := `{"policy":"{"Effect":"Allow"}","tags":[{"k":"a","v":[1,2]},{"k":"b"}],"empty":[]}`; v.Inner() != want {
		t.Errorf("Inner is %s", v.Inner())
	}
}

func TestADocumentIsReadAgainFromItsBeginning(t *testing.T) {
	d := parse(t, trail)
	if err := d.Parse(`{"a":1}`); err != nil {
		t.Fatal(err)
	}
	if got := texts(Field("eventSource").Find(d, nil)); got != nil {
		t.Errorf("still there: %v", got)
	}
	if err := d.Parse(`{"a":`); err == nil || len(texts(Field("a").Find(d, nil))) > 0 {
		t.Errorf("%v, and a broken document has members", err)
	}
}

// A set must say what its conditions say, whatever the index decided before.
func TestASetAgreesWithItsConditions(t *testing.T) {
	is := func(field, text string) Condition {
		return Test{Field(field), func(v Value) bool { return v.Text() == text }}
	}
	cs := []Condition{
		is("eventName", "A"),
		All{is("eventSource", "s"), is("eventName", "A")},
		All{is("eventSource", "s"), is("x", "1")},
		Not{is("eventName", "A")},
		All{Not{Either{is("eventName", "A"), is("x", "1")}}},
		Either{is("eventName", "B"), All{is("eventSource", "s"), Not{is("x", "1")}}},
		Pair{Field("eventName"), Field("x"), func(a, b Value) bool { return a.Text() == b.Text() }},
		All{},
		Either{},
		Always(true),
		Not{Always(true)},
	}
	var docs []string
	for _, source := range []string{`"eventSource":"s",`, `"eventSource":"t",`, `"eventSource":null,`, ``} {
		for _, name := range []string{`"eventName":"A",`, `"eventName":"B",`, `"eventName":["A"],`, ``} {
			for _, x := range []string{`"x":1`, `"x":"A"`, `"y":1`} {
				docs = append(docs, "{"+source+name+x+"}")
			}
		}
	}
	set := NewSet("eventSource", "eventName", cs)
	for range 2 { // the second time from what is known
		for _, doc := range docs {
			d := parse(t, doc)
			got := make([]bool, len(cs))
			set.Match(d, func(i int) { got[i] = true })
			for i, c := range cs {
				if want := c.Holds(d); got[i] != want {
					t.Errorf("condition %d of %s is %v, want %v", i, doc, got[i], want)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{trail, `[]`, `-0.1e+9`, `"\ud800"`, `{"a":[{}]}`, `01`, `{"a":1,}`, `nul`, "\"\x00\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d Document
		err := d.Parse(text)
		if valid := json.Valid([]byte(text)); valid != (err == nil) && strings.Count(text, "[")+strings.Count(text, "{") < maxDepth {
			t.Fatalf("%q: %v, and encoding/json finds it valid: %v", text, err, valid)
		}
		if err != nil {
			return
		}
		var want any
		if json.Unmarshal([]byte(text), &want) != nil {
			return // a number that is too large for encoding/json's
		}
		if !utf8.ValidString(text) {
			return // encoding/json puts signs in place of invalid bytes, a document leaves them
		}
		if got := plain(d.Root()); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, want %#v", text, got, want)
		}
		d.Root().Inner()
	})
}

// plain is a value as encoding/json has it.
func plain(v Value) any {
	switch v.Kind() {
	case Null:
		return nil
	case Bool:
		return v.Text() == "true"
	case Number:
		var n float64
		if json.Unmarshal([]byte(v.Text()), &n) != nil {
			return nil
		}
		return n
	case String:
		return v.Text()
	case Array:
		out := []any{}
		v.Some(func(e Value) bool { out = append(out, plain(e)); return false })
		return out
	}
	out := map[string]any{}
	for i := v.i + 1; i < v.d.nodes[v.i].next; i = v.d.nodes[i].next {
		out[v.d.key(i)] = plain(Value{v.d, i})
	}
	return out
}

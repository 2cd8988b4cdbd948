package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAttributesAreAMap holds a list against a map through random changes: short
// lists, which are looked through, and long ones, which are searched.
func TestAttributesAreAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, names := range []int{3, 12, fewAttributes, 4 * fewAttributes} {
		var list Attributes
		want := map[string]string{}
		for i := range 40 * names {
			name, value := fmt.Sprint("n", random.IntN(names)), fmt.Sprint(i)
			if random.IntN(3) == 0 {
				list.Delete(name)
				delete(want, name)
			} else {
				list.Set(name, value)
				want[name] = value
			}
			asked := fmt.Sprint("n", random.IntN(names))
			value, has := want[asked]
			got, ok := list.Lookup(asked)
			if got != value || ok != has || list.Has(asked) != has || list.Get(asked) != value {
				t.Fatalf("%s of %v: %q %t, want %q %t", asked, list, got, ok, value, has)
			}
		}
		if !slices.IsSortedFunc(list, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%v is not in order", list)
		}
		for what, got := range map[string]map[string]string{
			"Map": list.Map(), "All": maps.Collect(list.All()), "Clone": list.Clone().Map(), "AttributesFrom": AttributesFrom(want).Map(),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
	}
}

func TestAttributesOfTakeTheLastOfAName(t *testing.T) {
	want := Attributes{{"", "empty"}, {"a", "3"}, {"b", "2"}}
	if diff := cmp.Diff(want, AttributesOf("b", "2", "a", "1", "", "empty", "a", "3")); diff != "" {
		t.Error(diff)
	}
	if AttributesOf() != nil || AttributesFrom(map[string]string{}) != nil || (Attributes{}).Clone() != nil {
		t.Error("no attributes are not nil")
	}
}

func TestCloneOfAttributesSharesNothing(t *testing.T) {
	list := AttributesOf("a", "1", "c", "3")
	own := list.Clone()
	own.Set("a", "changed")
	own.Set("b", "2")
	own.Delete("c")
	if diff := cmp.Diff(AttributesOf("a", "1", "c", "3"), list); diff != "" {
		t.Error(diff)
	}
}

// TestAttributesAreSpelledAsAMap holds their JSON against that of a map, byte by
// byte, and reads it back.
func TestAttributesAreSpelledAsAMap(t *testing.T) {
	type object struct {
		Here  Attributes `json:"here"`
		Maybe Attributes `json:"maybe,omitempty"`
		Zero  Attributes `json:"zero,omitzero"`
	}
	type plain struct {
		Here  map[string]string `json:"here"`
		Maybe map[string]string `json:"maybe,omitempty"`
		Zero  map[string]string `json:"zero,omitzero"`
	}
	for _, m := range []map[string]string{
		nil, {}, {"": ""}, {"b": "2", "a": "1", "π": "ünï", "a.b": "<&>", "\u2028": "\"\\\x00\n\t", "<": "\xff"},
	} {
		list := AttributesFrom(m)
		if m != nil && list == nil {
			list = Attributes{}
		}
		for _, escape := range []bool{true, false} {
			spell := func(v any) string {
				var out strings.Builder
				e := json.NewEncoder(&out)
				e.SetEscapeHTML(escape)
				if err := e.Encode(v); err != nil {
					t.Fatal(err)
				}
				return out.String()
			}
			want, got := spell(plain{m, m, m}), spell(object{list, list, list})
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			var back object
			if err := json.Unmarshal([]byte(got), &back); err != nil || m["<"] == "" && !maps.Equal(back.Here.Map(), list.Map()) {
				t.Errorf("%s gives %v, %v", got, back, err)
			}
		}
	}
	back := AttributesOf("a", "1")
	if err := json.Unmarshal([]byte("null"), &back); err != nil || back != nil {
		t.Errorf("null gives %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"a":1}`), &back); err == nil {
		t.Error("a number is taken for a text")
	}
}

func BenchmarkAttributes(b *testing.B) {
	var names []string
	for i := range 24 {
		names = append(names, fmt.Sprint("request.", "parameter"[i%9:], i))
	}
	var room Attributes
	b.Run("set and clone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			room = room[:0]
			for _, n := range names {
				room.Set(n, "v")
			}
			_ = room.Clone()
		}
	})
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if room.Get(names[i%len(names)]) == "" {
				b.Fatal("no value")
			}
		}
	})
}

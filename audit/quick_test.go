package audit

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"muster/fleet"
)

// TestQuickAnswersAreCELs holds the closures of every shipped policy, and of some
// that are made for it, against CEL: what they answer, and what they say, on
// recorded events and on mixtures of them.
func TestQuickAnswersAreCELs(t *testing.T) {
	ps := written(t)
	for _, when := range []string{
		`!(r.error == "" || r.json("a") != "b")`,
		`r.json("userIdentity.type") in ["Root", "IAMUser"] && r.resources[0] != ""`,
		`r.resources[0] == "" || r.error == ""`,
		`r.name.matches("^(iam|ec2):.*s$") && !r.read_only`,
		`r.time.getDayOfWeek() in [0, 6] || r.time.getHours() >= 20 || r.time.getMinutes() < 7 && size(few) == 2`,
		`r.account in few || few.size() > 2`,
		`who.endsWith(r.attr("x")) && named`,
		`few.exists(a, r.account.startsWith(a) || r.name.matches("^" + a)) || r.json("user" + "Agent") == ""`,
		`r.values("requestParameters").exists(v, v.contains("i-") && v != r.name || v == "true")`,
		`r.resources.exists(who, who.startsWith("AWS::IAM")) || "true" in r.values("requestParameters") || r.name in r.resources`,
		`r.values("requestParameters").exists(v, r.resources.exists(w, w.endsWith(v)))`,
		`["a", "b"].exists(r, r == "b") && r.resources.exists(r, r != "")`,
		`size(r.values("responseElements")) > 2 && r.values("requestParameters.0").size() == 0 && !["iam", "ec2"].exists(s, s == r.service)`,
	} {
		ps = append(ps, load(t, "define: {who: 'r.principal + \"/\" + r.account', few: '[\"111122223333\", \"x\"].filter(a, a != \"\")', named: 'r.event_name != \"\"'}\n"+
			"message: '{who} {r.time} {r.resources} {r.values(\"requestParameters\")} {r.json(\"userIdentity.arn\")}'\nkey: '{r.json(\"requestParameters.bucketName\")}'\nwhen: |\n  "+when+"\n")...)
	}
	rs, known := mixed(t), map[answer]int{}
	for _, p := range ps {
		if p.quick == nil {
			continue
		}
		slow := p
		slow.quick, slow.plain = nil, false
		for _, t := range []*template{&slow.message, &slow.service, &slow.scope, &slow.key} {
			*t = slices.Clone(*t)
			for i := range *t {
				(*t)[i].quick = nil
			}
		}
		for i := range rs {
			quick := p.quick.of(view(&rs[i]))
			if quick == unknown {
				continue
			}
			known[quick]++
			want, err := slow.occurrences(view(&rs[i]))
			if err != nil || len(want) != int(quick-no) {
				t.Errorf("%s on %s: the closure says %d, CEL finds %d, %v", p.ID, rs[i].ID, quick, len(want), err)
			}
			if got, err := p.occurrences(view(&rs[i])); err != nil || !reflect.DeepEqual(want, got) {
				t.Errorf("%s on %s: closures say %v, %v, CEL %v", p.ID, rs[i].ID, got, err, want)
			}
		}
	}
	if known[no] < 1000 || known[yes] < 1000 {
		t.Errorf("only %v answers were compared", known)
	}
}

// mixed are recorded events, and as many that have parts of two.
func mixed(t *testing.T) []fleet.Record {
	var rs []fleet.Record
	files := trailFiles(t, corpus(t, "cloudtrail-stratus"))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		rs = append(rs, files[name]...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range len(rs) {
		r, other := rs[i], &rs[random.IntN(len(rs))]
		r.ID += " mixed"
		switch i % 4 {
		case 0:
			r.Raw, r.Error = other.Raw, ""
		case 1:
			r.Principal, r.Time = other.Principal, r.Time.Add(time.Duration(i)*time.Hour)
		case 2:
			r.Resources, r.Attributes = []string{"x", "AWS::IAM::User/" + r.Name}, other.Attributes
		case 3:
			r.Raw, r.Account = r.Raw[:len(r.Raw)/2], ""
		}
		rs = append(rs, r)
	}
	return rs
}

// TestQuickFieldsAreThoseOfRecords holds that each field gives its own value.
func TestQuickFieldsAreThoseOfRecords(t *testing.T) {
	var rec fleet.Record
	fillTexts(reflect.ValueOf(&rec).Elem(), "")
	rec.Attributes = nil
	for _, name := range fleet.LiftedAttributes() {
		rec.Attributes.Set(name, "value of "+name)
	}
	v := reflect.ValueOf(view(&rec)).Elem()
	seen := map[string]bool{}
	for f, field := range v.Fields() {
		name := f.Tag.Get("cel")
		if name == "" || field.Kind() != reflect.String {
			continue
		}
		var empty record
		empty.show(&rec)
		if get := quickFields[name]; get == nil || get(&empty) != field.String() || field.String() == "" || seen[field.String()] {
			t.Errorf("%s is not its own: %q", name, field.String())
		}
		seen[field.String()] = true
	}
	if len(seen) != len(quickFields) {
		t.Errorf("%d fields, want %d", len(quickFields), len(seen))
	}
}

// fillTexts gives each text in a struct a value of its own.
func fillTexts(v reflect.Value, path string) {
	for f, field := range v.Fields() {
		switch field.Kind() {
		case reflect.String:
			field.SetString("value of " + path + f.Name)
		case reflect.Struct:
			if f.Type != reflect.TypeFor[time.Time]() {
				fillTexts(field, path+f.Name+".")
			}
		}
	}
}

func TestDefinitionsAreEvaluatedWhereTheyAreUsed(t *testing.T) {
	p := load(t, "define: {broken: 'r.resources[7]'}\nwhen: r.error == 'x' && broken == 'y'\n")[0]
	for failed, want := range map[string]bool{"": false, "x": true} {
		_, err := p.occurrences(view(&fleet.Record{Kind: fleet.KindAPICall, Time: time.Now(), Error: failed}))
		if (err != nil) != want {
			t.Errorf("error %q: %v", failed, err)
		}
	}
}

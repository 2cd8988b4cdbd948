package audit

import (
	"reflect"
	"testing"
	"time"

	"muster/fleet"
)

// TestQuickAnswersAreCELs holds the closures of every shipped policy, and of some
// that are made for it, against CEL on recorded events.
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
	} {
		ps = append(ps, load(t, "define: {who: 'r.principal + \"/\" + r.account', few: '[\"111122223333\", \"x\"].filter(a, a != \"\")', named: 'r.event_name != \"\"'}\nwhen: |\n  "+when+"\n")...)
	}
	var rs []fleet.Record
	for _, file := range trailFiles(t, corpus(t, "cloudtrail-stratus")) {
		rs = append(rs, file...)
	}
	known := 0
	for _, p := range ps {
		if p.quick == nil {
			continue
		}
		for i := range rs {
			v := view(&rs[i])
			quick := p.quick(v)
			if quick == unknown {
				continue
			}
			known++
			slow := p
			slow.quick = nil
			found, err := slow.occurrences(v)
			if err != nil || len(found) != int(quick-no) {
				t.Errorf("%s on %s: the closure says %d, CEL finds %d, %v", p.ID, rs[i].ID, quick, len(found), err)
			}
		}
	}
	if known < 1000 {
		t.Errorf("only %d answers were compared", known)
	}
}

// TestQuickFieldsAreThoseOfRecords holds that each field gives its own value.
func TestQuickFieldsAreThoseOfRecords(t *testing.T) {
	var r record
	v := reflect.ValueOf(&r).Elem()
	want := map[string]string{}
	for f, field := range v.Fields() {
		if name := f.Tag.Get("cel"); name != "" && field.Kind() == reflect.String {
			field.SetString("value of " + name)
			want[name] = field.String()
		}
	}
	for name, text := range want {
		if get := quickFields[name]; get == nil || get(&r) != text {
			t.Errorf("%s is not its own", name)
		}
	}
	if len(want) != len(quickFields) {
		t.Errorf("%d fields, want %d", len(quickFields), len(want))
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

package waiver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/audit/scene"
	"muster/fleet"
)

var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

const good = `waivers:
  - id: exports
    owner: team-data
    reason: the bucket is public on purpose
    policy: bucket-public
    account: 111122223333
    region: [us-east-1, eu-*]
    resource: AWS::S3::Bucket/exp*
    tags: {env: "prod*"}
    expires: 2026-06-15
    age: 30d
`

func waivers(t *testing.T, text string) []Waiver {
	t.Helper()
	ws, err := Parse("w.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestParseTakesEveryField(t *testing.T) {
	want := []Waiver{{
		ID: "exports", Owner: "team-data", Reason: "the bucket is public on purpose", Policies: []string{"bucket-public"},
		Accounts: []string{"111122223333"}, Regions: []string{"us-east-1", "eu-*"}, Resources: []string{"AWS::S3::Bucket/exp*"},
		Tags: map[string]string{"env": "prod*"}, Expires: time.Date(2026, 6, 16, 0, 0, 0, 0, time.UTC), Age: 30 * 24 * time.Hour,
		File: "w.yaml", Line: 2,
	}}
	if diff := cmp.Diff(want, waivers(t, good)); diff != "" {
		t.Error(diff)
	}
}

func TestParseNamesFileLineAndCause(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "w.yaml:1: is empty"},
		{"waivers: [", "w.yaml:1: is no YAML"},
		{"- a\n", "w.yaml:1: must be a mapping"},
		{"waiver: []\n", `w.yaml:1: there is no field "waiver"`},
		{"waivers: 3\n", `w.yaml:1: "waivers" must be a list`},
		{"waivers:\n  - 3\n", "w.yaml:2: a waiver must be a mapping"},
		{strings.Replace(good, "owner: team-data", "ownr: x", 1), `w.yaml:3: there is no field "ownr"`},
		{strings.Replace(good, "    owner: team-data\n", "", 1), `w.yaml:2: a waiver without "owner"`},
		{strings.Replace(good, "2026-06-15", "soon", 1), `w.yaml:10: "expires" is "soon"`},
		{strings.Replace(good, "30d", "-3d", 1), `w.yaml:11: "age" is "-3d"`},
		{strings.Replace(good, `{env: "prod*"}`, "prod", 1), `w.yaml:9: "tags" must be a mapping`},
		{strings.Replace(good, "[us-east-1, eu-*]", "[]", 1), `w.yaml:7: "region" must be`},
		{"waivers:\n  - {id: a, owner: b, reason: c, expires: 2026-01-01}\n", "w.yaml:2: a waiver without a scope"},
		{good + strings.TrimPrefix(good, "waivers:\n"), `w.yaml:12: the id "exports" is taken on line 2`},
		{strings.Replace(good, "reason:", "reason: x\n    reason:", 1), `w.yaml:5: "reason" is given twice`},
	} {
		_, err := Parse("w.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
		if _, ok := errors.AsType[*Problem](err); !ok {
			t.Errorf("%q: no Problem", tt.text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("waivers:\n  - &a {id: a}\n  - *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		ws, err := Parse("w.yaml", []byte(text))
		if err != nil {
			return
		}
		for i := range ws {
			if ws[i].ID == "" || ws[i].Owner == "" || ws[i].Expires.IsZero() {
				t.Errorf("%+v", ws[i])
			}
		}
	})
}

func finding(change func(*fleet.Finding)) fleet.Finding {
	f := fleet.Finding{
		Fingerprint: "f1", Policy: "bucket-public", Resource: "AWS::S3::Bucket/exports", Service: "shop", Status: fleet.StatusNew,
		Severity: fleet.High, FirstSeen: now.Add(-time.Hour), LastSeen: now, Count: 1,
	}
	if change != nil {
		change(&f)
	}
	return f
}

func here(*fleet.Finding) scene.Scene {
	return scene.Scene{Account: "111122223333", Region: "eu-central-1", Tags: map[string]string{"env": "production"}, ARN: "arn:aws:s3:::exports"}
}

func apply(ws []Waiver, at time.Time, found, known []fleet.Finding) Result {
	return Apply(Input{Waivers: ws, Found: found, Known: known, Scene: here, Now: at})
}

func TestScopeIsMetAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		want           fleet.Status
	}{
		{"all of it", "", "", fleet.StatusWaived},
		{"another policy", "bucket-public", "n-plus-one", fleet.StatusNew},
		{"another account", "111122223333", "444455556666", fleet.StatusNew},
		{"another region", "eu-*", "ap-*", fleet.StatusNew},
		{"another resource", "Bucket/exp*", "Bucket/imp*", fleet.StatusNew},
		{"the resource's ARN", "AWS::S3::Bucket/exp*", "arn:aws:s3:::exports", fleet.StatusWaived},
		{"another tag", "prod*", "test", fleet.StatusNew},
		{"a tag that is not there", "env:", "stage:", fleet.StatusNew},
		{"another service", "region: [us-east-1, eu-*]", "service: payments", fleet.StatusNew},
		{"the fingerprint", "region: [us-east-1, eu-*]", "fingerprint: f1", fleet.StatusWaived},
		{"expired", "2026-06-15", "2026-06-14", fleet.StatusNew},
		{"too old", "30d", "30m", fleet.StatusNew},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := apply(waivers(t, strings.Replace(good, tt.from, tt.to, 1)), now, []fleet.Finding{finding(nil)}, nil)
			if got.Findings[0].Status != tt.want || (got.Waived["f1"] != "") != (tt.want == fleet.StatusWaived) {
				t.Errorf("%s, %q; want %s", got.Findings[0].Status, got.Waived["f1"], tt.want)
			}
		})
	}
}

func TestWaiverHoldsThroughItsLastDay(t *testing.T) {
	ws := waivers(t, good)
	for _, tt := range []struct {
		at   time.Time
		want fleet.Status
	}{
		{time.Date(2026, 6, 15, 23, 59, 59, 0, time.UTC), fleet.StatusWaived},
		{time.Date(2026, 6, 16, 0, 0, 0, 0, time.UTC), fleet.StatusOpen},
	} {
		f := finding(func(f *fleet.Finding) { f.Status = fleet.StatusWaived })
		if got := apply(ws, tt.at, []fleet.Finding{f}, nil).Findings[0].Status; got != tt.want {
			t.Errorf("%s: %s", tt.at, got)
		}
	}
}

func TestKnownFindingIsOpenAgainWithoutItsWaiver(t *testing.T) {
	was := finding(func(f *fleet.Finding) { f.Status, f.Policy = fleet.StatusWaived, "n-plus-one" })
	got := apply(waivers(t, good), now, nil, []fleet.Finding{was})
	if len(got.Findings) != 2 || got.Findings[0].Status != fleet.StatusOpen {
		t.Errorf("%+v", got.Findings)
	}
}

func TestResolvedFindingStaysResolved(t *testing.T) {
	f := finding(func(f *fleet.Finding) { f.Status = fleet.StatusResolved })
	if got := apply(waivers(t, good), now, []fleet.Finding{f}, nil).Findings[0].Status; got != fleet.StatusResolved {
		t.Error(got)
	}
}

func faults(r Result) []string {
	var out []string
	for _, f := range r.Findings {
		if ours(f.Policy) {
			out = append(out, f.Policy+" "+string(f.Status))
		}
	}
	return out
}

func TestFaultsOfWaiversAreFindingsWithALife(t *testing.T) {
	broad := "waivers:\n  - {id: a, owner: o, reason: r, policy: \"*\", region: x, expires: 2026-12-31}\n"
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"as it should be", good, nil},
		{"expired", strings.Replace(good, "2026-06-15", "2026-06-14", 1), []string{"waiver-expired new"}},
		{"unused", strings.Replace(good, "bucket-public", "gone", 1), []string{"waiver-unused new"}},
		{"no policy", broad, []string{"waiver-too-broad new", "waiver-unused new"}},
		{"everywhere", strings.Replace(broad, `"*", region: x`, "bucket-public", 1), []string{"waiver-too-broad new"}},
		{"for ever", strings.Replace(good, "2026-06-15", "2036-06-15", 1), []string{"waiver-too-broad new"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := apply(waivers(t, tt.text), now, []fleet.Finding{finding(nil)}, nil)
			if diff := cmp.Diff(tt.want, faults(first)); diff != "" {
				t.Error(diff)
			}
			again := apply(waivers(t, tt.text), now, []fleet.Finding{finding(nil)}, first.Findings)
			for i, f := range faults(again) {
				if f != strings.Replace(tt.want[i], "new", "open", 1) {
					t.Errorf("seen again: %s", f)
				}
			}
			mended := apply(waivers(t, good), now, []fleet.Finding{finding(nil)}, first.Findings)
			if got := faults(mended); len(got) != len(tt.want) || strings.Count(fmt.Sprint(got), "resolved") != len(tt.want) {
				t.Errorf("mended: %v", got)
			}
		})
	}
}

func TestMatchTakesWildcards(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "ac", true},
		{"a*b*c", "a1b2c", true},
		{"a*b*c", "acb", false},
		{"ab*ba", "aba", false},
		{"*", "x", true},
		{"a**c", "abc", true},
	} {
		if got := match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("match(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

func TestBaselineHasWhatItWasWrittenWith(t *testing.T) {
	b, err := ReadBaseline("b.json", strings.NewReader(`{"fingerprint":"f1","policy":"x"}`+"\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := finding(nil)
	if !b.Has(&f) {
		t.Error("an old finding is new")
	}
	f.Status = fleet.StatusReopened
	if b.Has(&f) {
		t.Error("a finding that came back is old")
	}
	for _, bad := range []string{"\n{}", "\nnonsense"} {
		if _, err := ReadBaseline("b.json", strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "b.json:2: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A file with nothing in it may be what is left of one that could not be written.
func TestAnEmptyBaselineIsNone(t *testing.T) {
	for _, empty := range []string{"", "\n", " \n\n"} {
		if _, err := ReadBaseline("b.json", strings.NewReader(empty)); err == nil || !strings.HasPrefix(err.Error(), "b.json: is empty") {
			t.Errorf("%q: %v", empty, err)
		}
	}
	var clean strings.Builder
	if err := WriteBaseline(&clean, nil, nil); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadBaseline("b.json", strings.NewReader(clean.String())); err != nil || len(b) != 0 {
		t.Errorf("an audit without findings: %v, %v", b, err)
	}
}

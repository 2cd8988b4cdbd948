package waiver

import (
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func TestAppendKeepsWhatIsThereAndIsReadBack(t *testing.T) {
	f := &fleet.Finding{Policy: "bucket-public", Fingerprint: "02ef3a12d742cac931ce75ca896cad04"}
	until := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	const old = "# why these are here\nwaivers:\n  - id: a # the first\n    owner: x\n    reason: y\n    policy: p\n    expires: 2026-12-31\n"
	text := []byte(nil)
	for i, from := range []string{"", old} {
		text = []byte(from)
		for range 2 {
			var err error
			if text, err = Append("w.yaml", text, f, "team: #1", "on\npurpose", until); err != nil {
				t.Fatal(err)
			}
		}
		ws, err := Parse("w.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		if len(ws) != 2+i || ws[len(ws)-1].ID != "finding-02ef3a12d742-2" || !ws[len(ws)-1].Expires.Equal(until) {
			t.Errorf("there are %d waivers, the last %v:\n%s", len(ws), ws[len(ws)-1], text)
		}
		if ws[len(ws)-1].Owner != "team: #1" || !ws[len(ws)-1].near(f) || ws[len(ws)-1].near(&fleet.Finding{Policy: f.Policy}) {
			t.Errorf("the waiver is another one: %v", ws[len(ws)-1])
		}
	}
	for _, comment := range []string{"# why these are here", "# the first"} {
		if !strings.Contains(string(text), comment) {
			t.Errorf("the comment %q is lost:\n%s", comment, text)
		}
	}
}

func TestAppendRefusesABrokenFile(t *testing.T) {
	_, err := Append("w.yaml", []byte("waivers: 7\n"), &fleet.Finding{Fingerprint: "x"}, "a", "b", time.Now())
	if err == nil || !strings.Contains(err.Error(), "w.yaml:1") {
		t.Errorf("the error is %v", err)
	}
}

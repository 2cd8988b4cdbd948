//go:build engines

package witness

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/engines"
	"muster/internal/localaws"
)

// cases are those parts of same.py and services.py that an emulator implements
// truthfully. What it does not:
//   - moto: JSON patterns return everything, logStreamNamePrefix too; the index
//     behind the last line that is too old is one less than AWS's reference has it
//     ("exclusive"); GetLogEvents' endTime is inclusive; envelopes of EventBridge
//     lack the account, keys their usage, roles' sessions their identity; AWS's
//     managed policies and rules that are gone are not there and there; traces
//     take whole seconds, and X-Ray's other calls answer nothing.
//   - ministack: pages are cut off, rules of security groups doubled; trails have
//     no insight selectors.
var cases = map[string][]string{
	"moto": {
		"window", "merged", "terms", "paged", "described", "refused", "traces", "summed", "subscribed",
		"queues", "dead", "topics", "tables", "objects", "groups", "tasks", "hoses", "tagged", "trails",
	},
	"ministack": {
		"window", "merged", "excluded", "refused", "tailed", "trail", "stream", "tagged", "ruled", "routed", "hoses",
		"queues", "dead", "topics", "tables", "objects", "keys", "people", "sessions", "found", "tasks",
	},
}

// TestOtherPeoplesEmulatorsAnswerTheSame runs one script against the stand-in and
// against an AWS that nobody here wrote.
func TestOtherPeoplesEmulatorsAnswerTheSame(t *testing.T) {
	for name, start := range map[string]func(*testing.T) string{
		"moto": func(t *testing.T) string {
			moto, err := engines.StartMoto(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := moto.Close(); err != nil {
					t.Error(err)
				}
			})
			return moto.URL()
		},
		"ministack": func(t *testing.T) string {
			ministack, err := engines.StartMinistack(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := ministack.Close(); err != nil {
					t.Error(err)
				}
			})
			return ministack.URL()
		},
	} {
		t.Run(name, func(t *testing.T) {
			aws, err := localaws.Start(t.Context(), localaws.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := aws.Close(); err != nil {
					t.Error(err)
				}
			})
			answers := map[string]map[string]any{}
			for who, endpoint := range map[string]string{"ours": aws.Endpoint(), "theirs": start(t)} {
				var out map[string]any
				if err := json.Unmarshal(python(t, "same.py", append([]string{endpoint}, cases[name]...)...), &out); err != nil {
					t.Fatal(err)
				}
				answers[who] = out
			}
			for _, c := range cases[name] {
				if d := cmp.Diff(answers["theirs"][c], answers["ours"][c]); d != "" {
					t.Errorf("%s (-%s +ours):\n%s", c, name, d)
				}
			}
		})
	}
}

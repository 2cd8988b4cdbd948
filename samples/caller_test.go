package samples

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"muster/samples/truth"
)

// A fleet that runs for longer than a session goes on with a new one.
func TestSessionsAreTakenAgainBeforeTheyEnd(t *testing.T) {
	for name, c := range map[string]struct {
		lasts time.Duration
		taken int // by three calls
	}{
		"an hour":        {time.Hour, 1},
		"nearly nothing": {sessionSpare / 2, 4},
	} {
		t.Run(name, func(t *testing.T) {
			taken := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err == nil && r.Form.Get("Action") == "AssumeRole" {
					taken++
					fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
						`<SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, taken, time.Now().Add(c.lasts).UTC().Format(time.RFC3339))
					return
				}
				fmt.Fprint(w, "{}")
			}))
			defer s.Close()
			user := caller{
				account: account{id: "111122223333"}, keys: fixed("AKIA", "s"), endpoint: s.URL, client: s.Client(), now: time.Now, truth: truth.NewRecorder(1, time.Now),
			}
			ci, err := user.assume(t.Context(), "ci", "nightly", "arn:aws:iam::111122223333:user/deployer")
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := ci.json(t.Context(), "ecs", "RegisterTaskDefinition", map[string]any{}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if taken != c.taken {
				t.Errorf("the role was taken %d times, not %d", taken, c.taken)
			}
		})
	}
}

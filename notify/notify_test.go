package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"muster/fleet"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func finding(fingerprint, policy string, status fleet.Status) fleet.Finding {
	return fleet.Finding{
		Fingerprint: fingerprint, Policy: policy, Title: "Title of " + policy, Severity: fleet.High, Status: status,
		FirstSeen: noon, LastSeen: noon, Count: 1, Message: "<!channel> & more", Resource: "AWS::S3::Bucket/x",
	}
}

// channel keeps what it is sent, and fails as often as it is told.
type channel struct {
	got   []Message
	fails int
}

func (c *channel) Name() string { return "test" }

func (c *channel) Send(_ context.Context, m Message) error {
	if c.fails > 0 {
		c.fails--
		return errors.New("away")
	}
	c.got = append(c.got, m)
	return nil
}

func byPolicy(fs []fleet.Finding) [][]fleet.Finding {
	var out [][]fleet.Finding
	for i, f := range fs {
		if i > 0 && fs[i-1].Policy == f.Policy {
			out[len(out)-1] = append(out[len(out)-1], f)
			continue
		}
		out = append(out, []fleet.Finding{f})
	}
	return out
}

func options(at time.Time) Options {
	return Options{
		Least: fleet.Medium, Dedup: time.Hour, Group: byPolicy, Rate: rate.Inf, Most: 10, Now: at,
		Save: func(Log) error { return nil },
	}
}

func TestTellGroupsAndTellsOnce(t *testing.T) {
	mild := finding("m", "mild", fleet.StatusNew)
	mild.Severity = fleet.Low
	fs := []fleet.Finding{finding("a1", "a", fleet.StatusNew), finding("a2", "a", fleet.StatusOpen), finding("b", "b", fleet.StatusNew), finding("w", "w", fleet.StatusWaived), mild}
	c, log := &channel{}, Log{}
	for range 2 {
		if _, err := Tell(t.Context(), []Channel{c}, fs, log, options(noon)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.got) != 2 || len(c.got[0].Findings) != 2 || c.got[0].Key == c.got[1].Key {
		t.Errorf("%+v", c.got)
	}
}

func TestTellRepeatsWhatFailedWithTheSameKey(t *testing.T) {
	fs := []fleet.Finding{finding("a", "a", fleet.StatusNew)}
	c, log := &channel{fails: 1}, Log{}
	tally, err := Tell(t.Context(), []Channel{c}, fs, log, options(noon))
	if err == nil || tally.Left != 1 {
		t.Fatalf("%v, %+v", err, tally)
	}
	fs[0].Status = fleet.StatusOpen
	if _, err := Tell(t.Context(), []Channel{c}, fs, log, options(noon.Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	if len(c.got) != 1 || c.got[0].Key != NewMessage(fs).Key {
		t.Errorf("%+v", c.got)
	}
}

func TestTellAfterACrashRepeatsAtMostOneMessage(t *testing.T) {
	fs := []fleet.Finding{finding("a", "a", fleet.StatusNew), finding("b", "b", fleet.StatusNew), finding("c", "c", fleet.StatusNew)}
	saved, c := []byte("{}"), &channel{}
	o := options(noon)
	o.Save = func(l Log) error {
		if len(c.got) == 2 {
			return errors.New("killed")
		}
		var err error
		saved, err = json.Marshal(l)
		return err
	}
	if _, err := Tell(t.Context(), []Channel{c}, fs, Log{}, o); err == nil {
		t.Fatal("no crash")
	}
	log := Log{}
	if err := json.Unmarshal(saved, &log); err != nil {
		t.Fatal(err)
	}
	if _, err := Tell(t.Context(), []Channel{c}, fs, log, options(noon)); err != nil {
		t.Fatal(err)
	}
	var told string
	for _, m := range c.got {
		told += m.Findings[0].Fingerprint
	}
	if told != "abbc" {
		t.Errorf("told %s", told)
	}
}

func TestFindingThatCameBackIsToldAfterTheWindow(t *testing.T) {
	c, log := &channel{}, Log{}
	for _, step := range []struct {
		status fleet.Status
		after  time.Duration
		want   int
	}{
		{fleet.StatusNew, 0, 1},
		{fleet.StatusResolved, time.Minute, 1},
		{fleet.StatusReopened, 30 * time.Minute, 1},
		{fleet.StatusOpen, 61 * time.Minute, 2},
		{fleet.StatusOpen, 300 * time.Minute, 2},
	} {
		if _, err := Tell(t.Context(), []Channel{c}, []fleet.Finding{finding("a", "a", step.status)}, log, options(noon.Add(step.after))); err != nil {
			t.Fatal(err)
		}
		if len(c.got) != step.want {
			t.Errorf("after %s, %s: told %d times, want %d", step.after, step.status, len(c.got), step.want)
		}
	}
}

func TestTellLeavesTheRestToTheNextRun(t *testing.T) {
	fs := []fleet.Finding{finding("a", "a", fleet.StatusNew), finding("b", "b", fleet.StatusNew), finding("c", "c", fleet.StatusNew)}
	c, log, o := &channel{}, Log{}, options(noon)
	o.Most = 2
	tally, err := Tell(t.Context(), []Channel{c}, fs, log, o)
	if err != nil || tally.Sent != 2 || tally.Left != 1 {
		t.Fatalf("%+v, %v", tally, err)
	}
	if _, err := Tell(t.Context(), []Channel{c}, fs, log, o); err != nil || len(c.got) != 3 {
		t.Errorf("%d messages, %v", len(c.got), err)
	}
}

func TestTellKeepsToItsRate(t *testing.T) {
	fs := []fleet.Finding{finding("a", "a", fleet.StatusNew), finding("b", "b", fleet.StatusNew), finding("c", "c", fleet.StatusNew)}
	o := options(noon)
	o.Rate = rate.Every(40 * time.Millisecond)
	began := time.Now()
	if _, err := Tell(t.Context(), []Channel{&channel{}}, fs, Log{}, o); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 75*time.Millisecond {
		t.Errorf("3 messages in %s", took)
	}
}

func TestWebhookPostsAsSlackWants(t *testing.T) {
	var bodies []string
	var keys []string
	status := []int{http.StatusTooManyRequests, http.StatusOK}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies, keys = append(bodies, string(b)), append(keys, r.Header.Get("Idempotency-Key"))
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status[len(bodies)-1])
	}))
	defer s.Close()
	w, err := NewWebhook(s.URL+"/services/SECRET", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMessage([]fleet.Finding{finding("a", "a", fleet.StatusNew)})
	if err := w.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 2 || keys[0] != m.Key || keys[1] != m.Key {
		t.Fatalf("%q, %q", bodies, keys)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(bodies[1]), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got["text"], "&lt;!channel&gt; &amp; more") || strings.Contains(got["text"], "<!channel>") {
		t.Errorf("a mention from outside: %s", got["text"])
	}
}

func TestWebhookNeverTellsItsAddress(t *testing.T) {
	moved := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/SECRET", http.StatusFound))
	defer moved.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	m := NewMessage([]fleet.Finding{finding("a", "a", fleet.StatusNew)})
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	for _, base := range []string{moved.URL, gone.URL} {
		w, err := NewWebhook(base+"/SECRET?token=SECRET", nil)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Send(ctx, m)
		if err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(w.Name(), "SECRET") {
			t.Errorf("%s: %v", w.Name(), err)
		}
	}
	for _, bad := range []string{"http://hooks.example/SECRET", "SECRET", "://SECRET"} {
		if _, err := NewWebhook(bad, nil); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v", err)
		}
	}
}

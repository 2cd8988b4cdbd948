package opensearch

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func TestParseAddress(t *testing.T) {
	tests := []struct {
		text, password string
		want           Address
	}{
		{"opensearch+https://host:9200", "", Address{URL: "https://host:9200"}},
		{"http://127.0.0.1:9200/", "", Address{URL: "http://127.0.0.1:9200"}},
		{"opensearch+https://u@host/path", "s", Address{URL: "https://host/path", User: "u", Password: "s"}},
		{"opensearch+https://u:in@host", "", Address{URL: "https://host", User: "u", Password: "in"}},
		{"opensearch+https://host?sigv4=es&region=us-east-1", "unused", Address{URL: "https://host", Sign: "es", Region: "us-east-1"}},
		{"opensearch+https://host/?sigv4=aoss", "", Address{URL: "https://host", Sign: "aoss"}},
		{"opensearch+https://u:in@host", "apart", Address{URL: "https://host", User: "u", Password: "apart"}},
	}
	for _, tt := range tests {
		if got, err := ParseAddress(tt.text, tt.password); err != nil || got != tt.want {
			t.Errorf("ParseAddress(%q): got %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
	}
}

func TestPasswordIsNeverShown(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"opensearch+ftp://u:" + secret + "@host", "opensearch+https://u:" + secret + "@", "https://u:" + secret + "%zz@host",
		"https://:" + secret + "@host", "https://u:" + secret + "@host?x=y", "https://u:" + secret + "@host:port",
		"https://u:" + secret + "@host?sigv4=es", "https://host?sigv4=" + secret, "https://host?region=" + secret,
	} {
		if _, err := ParseAddress(text, ""); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got error %v, want one without the password", err)
		}
	}
	a := Address{URL: "http://127.0.0.1:1", User: "u", Password: secret}
	s, err := Open(Options{Address: a})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.do(t.Context(), http.MethodGet, "/", nil, nil)
	for _, shown := range []string{fmt.Sprint(err), fmt.Sprint(a), fmt.Sprintf("%+v %#v", a, a)} {
		if strings.Contains(shown, secret) || !strings.Contains(shown, "127.0.0.1:1") {
			t.Errorf("%q: want the address without the password", shown)
		}
	}
}

func TestUserAndPasswordAreSent(t *testing.T) {
	s := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "u" || p != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "{}")
	}))
	withUser, err := Open(Options{Address: Address{URL: s.address.URL, User: "u", Password: "s"}})
	if err != nil {
		t.Fatal(err)
	}
	defer withUser.Close()
	if err := withUser.do(t.Context(), http.MethodGet, "/", nil, nil); err != nil {
		t.Errorf("with the password: %v", err)
	}
	if err := s.do(t.Context(), http.MethodGet, "/", nil, nil); !hasStatus(err, http.StatusUnauthorized) {
		t.Errorf("without: got error %v, want 401", err)
	}
}

func TestAnswerThatIsNoOpenSearchIsAnError(t *testing.T) {
	s := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	var out map[string]any
	if err := s.do(t.Context(), http.MethodGet, "/", nil, &out); err == nil || !strings.Contains(err.Error(), "is this OpenSearch?") {
		t.Errorf("got error %v, want one that doubts the address", err)
	}
}

func TestHalfAnAnswerIsAnError(t *testing.T) {
	for name, answer := range map[string]string{
		"timed out":    `{"timed_out":true,"hits":{"hits":[]}}`,
		"failed shard": `{"_shards":{"total":2,"failed":1,"failures":[{"index":"i","reason":{"type":"x","reason":"y"}}]},"hits":{"hits":[]}}`,
		"no reason":    `{"_shards":{"total":2,"failed":1},"hits":{"hits":[]}}`,
	} {
		s := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		if _, err := collect(s.Records(t.Context(), fleet.Query{Limit: 1})); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestVersionOrdersStates(t *testing.T) {
	states := [][2]int64{{0, 0}, {0, 1}, {0, 1 << 30}, {1, 0}, {1, 7}, {2, 0}, {1 << 18, 1 << 35}}
	for i, s := range states[1:] {
		before := states[i]
		// 255 changes of its trace's group leave a state below the next one.
		if a, b := version(int(before[0]), before[1])+254, version(int(s[0]), s[1]); a >= b || a <= 0 {
			t.Errorf("version of %v is %d, that of %v is %d", before, a, s, b)
		}
	}
}

func TestDocumentIDsTellRecordsApart(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range []fleet.Record{
		{Kind: "tomorrow", ID: "a"},
		{Kind: "later", ID: "a"},
		{Kind: fleet.KindLog, ID: ""},
		{Kind: fleet.KindLog, ID: strings.Repeat("a", 513)},
		{Kind: fleet.KindLog, ID: strings.Repeat("a", 514)},
		{Kind: fleet.KindLog, ID: strings.Repeat("a", 512)},
		{Kind: fleet.KindLog, ID: "a"},
	} {
		id := documentID(r.Kind, r.ID)
		if seen[id] || len(id) > maxID || id == "" {
			t.Errorf("%s %.20q: got id %.80q", r.Kind, r.ID, id)
		}
		seen[id] = true
	}
}

func TestIndexNameIsRememberedForItsDayAndKind(t *testing.T) {
	var name indexName
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{
		noon, noon.Add(time.Hour), noon.Add(12 * time.Hour), noon.Add(12*time.Hour - 1), noon,
		time.Unix(0, 0), time.Unix(-1, 0), time.Unix(-86400, 0), time.Unix(-86401, 0),
		{},
	} {
		for _, k := range []fleet.Kind{fleet.KindSpan, fleet.KindLog, fleet.KindLog} {
			if got, want := name.of(k, at), indexOf(k, at); got != want {
				t.Errorf("%s at %v: got %s, want %s", k, at, got, want)
			}
		}
	}
}

func TestIndexIsOfTheRecordsOwnDay(t *testing.T) {
	at := time.Date(2026, 11, 24, 23, 30, 0, 0, time.FixedZone("", -3600))
	if got := indexOf(fleet.KindSpan, at); got != "otel-v1-apm-span-muster-2026.11.25" {
		t.Errorf("got %s", got)
	}
}

package engines

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// full is a page of as many events as fit, the last at the given time.
func full(last string) string {
	return `{"Events":[` + strings.Repeat(`{"EventTime":9},`, 49) + `{"EventTime":` + last + `}]}`
}

// TestPagesTellWhatTheyCannotPage has an AWS whose every page is full.
func TestPagesTellWhatTheyCannotPage(t *testing.T) {
	var asked []string
	p := Pages{Client: clientFunc(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		asked = append(asked, string(body))
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(full("1764144000.1234567"))),
		}, err
	})}
	for _, c := range []struct{ target, body, sent, answer, err string }{
		{"CloudTrail.LookupEvents", `{"EndTime":1764144060}`, `{"EndTime":1764144060}`, `"NextToken":"1764144000.1234567"`, ""},
		{"CloudTrail.LookupEvents", `{"EndTime":1,"NextToken":"1764144009.5"}`, `{"EndTime":1764144009.5}`, `"NextToken":"1764144000.1234567"`, ""},
		{"CloudTrail.LookupEvents", `{"NextToken":"1764144000.1234567"}`, `{"EndTime":1764144000.1234567}`, "", "50 events and more at one time"},
		{"CloudTrail.DescribeTrails", `{ }`, `{ }`, full("1764144000.1234567"), ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Target", c.target)
		resp, err := p.Do(req)
		if sent := asked[len(asked)-1]; sent != c.sent {
			t.Errorf("%s was sent as %s, want %s", c.body, sent, c.sent)
		}
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.body, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil || !strings.Contains(string(got), c.answer) {
			t.Errorf("%s: %v, answered %.80s, want %.80s", c.body, err, got, c.answer)
		}
	}
}

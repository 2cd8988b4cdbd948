package opensearch

import (
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	testKey    = "AKIDEXAMPLE"
	testSecret = "a secret that only both sides know"
	testToken  = "a session token"
)

type testCredentials struct{}

func (testCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: testToken}, nil
}

// verify computes the signature of a request anew, from what came over the wire
// and AWS's description of Signature Version 4.
func verify(r *http.Request, body []byte, service, region string) error {
	fields := map[string]string{}
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return errors.New("not signed")
	}
	for part := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(part, "=")
		fields[k] = v
	}
	date := r.Header.Get("X-Amz-Date")
	if at, err := time.Parse("20060102T150405Z", date); err != nil || time.Since(at).Abs() > time.Minute {
		return fmt.Errorf("the date is %q", date)
	}
	scope := date[:8] + "/" + region + "/" + service + "/aws4_request"
	if fields["Credential"] != testKey+"/"+scope {
		return fmt.Errorf("the credential is %q", fields["Credential"])
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if got := r.Header.Get("X-Amz-Content-Sha256"); got != payload {
		return fmt.Errorf("the body's hash is %q", got) // Serverless refuses requests without
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	for _, must := range []string{"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} {
		if !slices.Contains(signed, must) {
			return fmt.Errorf("%s is not signed", must)
		}
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	canonical := []string{r.Method, encode(path, "/"), canonicalQuery(query)}
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		canonical = append(canonical, name+":"+strings.TrimSpace(value))
	}
	canonical = append(canonical, "", fields["SignedHeaders"], payload)
	sum = sha256.Sum256([]byte(strings.Join(canonical, "\n")))
	key := []byte("AWS4" + testSecret)
	for _, part := range []string{date[:8], region, service, "aws4_request", "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex.EncodeToString(sum[:])} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != fields["Signature"] {
		return fmt.Errorf("the signature does not fit\n%s", strings.Join(canonical, "\n"))
	}
	return nil
}

// encode percent-encodes all but unreserved characters and some others.
func encode(s, others string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~"+others, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func canonicalQuery(query string) string {
	values, _ := url.ParseQuery(query)
	var out []string
	for k, vs := range values {
		for _, v := range vs {
			out = append(out, encode(k, "")+"="+encode(v, ""))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "&")
}

func TestRequestsAreSigned(t *testing.T) {
	for _, service := range []string{"es", "aoss"} {
		for _, packed := range []bool{false, true} {
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err == nil {
					err = verify(r, body, service, "eu-central-1")
				}
				if err != nil {
					t.Errorf("%s, %s %s: %v", service, r.Method, r.RequestURI, err)
				}
				if z := r.Header.Get("Content-Encoding") == "gzip"; z != (packed && len(body) > 0 && r.URL.Path == "/_bulk") {
					t.Errorf("%s: gzipped is %t", r.URL.Path, z)
				}
				asked = append(asked, r.URL.Path)
				fmt.Fprint(w, `{"items":[{"index":{"status":201}}],"hits":{"hits":[]}}`)
			}))
			t.Cleanup(server.Close)
			a, err := ParseAddress("opensearch+"+server.URL+"?sigv4="+service+"&region=eu-central-1", "a password for somebody else")
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(Options{Address: a, Credentials: testCredentials{}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			s.gzip = packed
			c := &chunk{}
			c.add("i", "an id / with % and é", 1, func(b []byte) []byte { return append(b, `"`+strings.Repeat("x", 3*gzipBytes)+`"`...) })
			if _, err := write(t.Context(), s, c); err != nil {
				t.Error(err)
			}
			// Lists and patterns of indices are in paths, and ids from outside.
			if _, err := s.ask(t.Context(), patterns(nil), map[string]any{}); err != nil {
				t.Error(err)
			}
			if _, err := s.readMark(t.Context(), "a lake/ü?*"); err != nil {
				t.Error(err)
			}
			if len(asked) != 3 {
				t.Errorf("asked %v, want three requests", asked)
			}
		}
	}
}

func TestBodiesAreGzipped(t *testing.T) {
	var got string
	s := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Error(err)
		}
		got = string(body)
		fmt.Fprint(w, `{"items":[{"index":{"status":201}}]}`)
	}))
	s.gzip = true
	c := &chunk{}
	c.add("i", "a", 1, func(b []byte) []byte { return append(b, strings.Repeat(" ", 2*gzipBytes)+"{}"...) })
	if _, err := write(t.Context(), s, c); err != nil || got != string(c.body) {
		t.Errorf("error %v, got %d bytes, want the %d that were sent", err, len(got), len(c.body))
	}
	for address, far := range map[string]bool{"http://127.0.0.1:9200": false, "https://localhost": false, "https://[::1]:9200": false, "https://search.example": true} {
		s, err := Open(Options{Address: Address{URL: address}})
		if err != nil {
			t.Fatal(err)
		}
		if s.gzip != far {
			t.Errorf("%s: gzipped is %t", address, s.gzip)
		}
		_ = s.Close()
	}
}

func TestSigningNeedsARegionAndCredentials(t *testing.T) {
	for _, o := range []Options{
		{Address: Address{URL: "https://h", Sign: "es"}, Credentials: testCredentials{}},
		{Address: Address{URL: "https://h", Sign: "es", Region: "us-east-1"}},
	} {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "region") {
			t.Errorf("got error %v, want one that names what is missing", err)
		}
	}
}

// A redirect gets to see no password, and an error about a proxy shows none.
func TestPasswordStaysWithItsHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was asked, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect} {
		s := openAt(t, http.RedirectHandler(other.URL+"/_bulk", status))
		_, err := write(t.Context(), s, documents("a"))
		if err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%d: got error %v, want one about the redirect", status, err)
		}
	}
	transport := newTransport()
	if transport.Proxy == nil {
		t.Error("the environment's proxy is not heeded")
	}
	t.Setenv("HTTPS_PROXY", "http://u:hunter2@127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://u:hunter2@127.0.0.1:1")
	s, err := Open(Options{Address: Address{URL: "http://search.example", User: "u", Password: "hunter3"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = s.do(ctx, http.MethodGet, "/", nil, nil)
	if err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("got error %v, want one without any password", err)
	}
}

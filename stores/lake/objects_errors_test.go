package lake

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestNamesOutsideTheLakeAreRefused(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	for _, name := range []string{
		"s3://fleet-evidence/production/x", "s3://other/prod/x", "lake:///x", "s3://fleet-evidence/prod/", "prod/x", "s3://fleet-evidence/x",
	} {
		if err := o.WriteFile(name, nil); err == nil || !strings.Contains(err.Error(), "not a path inside the lake") {
			t.Errorf("write %s: %v", name, err)
		}
		if err := o.Remove(name); err == nil {
			t.Errorf("remove %s: no error", name)
		}
	}
}

func TestObjectsAreEncryptedAsAsked(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:111122223333:key/a"
	for _, tt := range []struct {
		name string
		Encryption
		mode, key, bucketKey string
	}{
		{"bucket's own", Encryption{}, "", "", ""},
		{"SSE-S3", Encryption{Mode: "AES256"}, "AES256", "", ""},
		{"SSE-KMS", Encryption{Mode: "aws:kms"}, "aws:kms", "", "true"},
		{"SSE-KMS with a key", Encryption{Mode: "aws:kms", KeyID: key}, "aws:kms", key, "true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var header http.Header
			s3 := s3Handler(t)
			o := openObjects(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header = r.Header.Clone()
				s3.ServeHTTP(w, r)
			}), tt.Encryption)
			w, err := o.Create(dataName(testRoot, tableEvidence, "x"))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got := [3]string{
				header.Get("X-Amz-Server-Side-Encryption"), header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"),
				header.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"),
			}
			if want := [3]string{tt.mode, tt.key, tt.bucketKey}; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	for _, e := range []Encryption{{Mode: "rot13"}, {KeyID: key}, {Mode: "AES256", KeyID: key}} {
		if _, err := newBucket(testRoot, testAWS("http://127.0.0.1:1"), e); err == nil {
			t.Errorf("%v is accepted", e)
		}
	}
}

// TestBrokenAnswerIsReadAgain cuts the first two answers in their middle.
func TestBrokenAnswerIsReadAgain(t *testing.T) {
	s3 := s3Handler(t)
	var cut atomic.Int32
	o := openObjects(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && cut.Add(1) <= bodyTries-1 {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
			return
		}
		s3.ServeHTTP(w, r)
	}), Encryption{})
	name := dataName(testRoot, tableEvidence, "x")
	if err := o.WriteFile(name, []byte("the whole ")); err != nil {
		t.Fatal(err)
	}
	got, err := o.ReadFile(name)
	if err != nil || string(got) != "the whole " {
		t.Errorf("got %q, error %v", got, err)
	}
}

func TestErrorsOfS3SayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name, region, code, message string
		status                      int
		want                        []string
	}{
		{"no bucket", "", "NoSuchBucket", "", 404, []string{"bucket fleet-evidence does not exist"}},
		{"denied", "", "AccessDenied", "Access Denied", 403, []string{"lack s3:PutObject on arn:aws:s3:::fleet-evidence/prod/evidence/data/x"}},
		{"key denied", "", "AccessDenied", "not authorized to perform: kms:GenerateDataKey", 403, []string{"lack kms:GenerateDataKey"}},
		{"other region", "eu-west-1", "PermanentRedirect", "", 301, []string{"lies in region eu-west-1", "asked for in us-east-1", "--store-region"}},
		{"other signature", "eu-west-1", "AuthorizationHeaderMalformed", "", 400, []string{"lies in region eu-west-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := openObjects(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Amz-Bucket-Region", tt.region)
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", tt.code, tt.message)
			}), Encryption{})
			err := o.WriteFile(dataName(testRoot, tableEvidence, "x"), nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

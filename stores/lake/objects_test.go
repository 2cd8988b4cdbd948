package lake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/parquet-go/parquet-go"
)

const testRoot = "s3://fleet-evidence/prod"

// testAWS is a configuration of an AWS at an address.
func testAWS(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1, HTTPClient: wholeAnswers{awshttp.NewBuildableClient()},
	}
}

// wholeAnswers reads an answer to its end, or to where it breaks, before anybody
// looks at it: smithy-go now and then closes the connection of one that it is
// still reading, which the SDK's tries make up for, and these tests allow one.
type wholeAnswers struct{ aws.HTTPClient }

func (w wholeAnswers) Do(r *http.Request) (*http.Response, error) {
	resp, err := w.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	body, broken := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // all of it is read, or broken says why not
	if broken == nil {
		broken = io.EOF
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(broken)))
	return resp, nil
}

// s3Handler is an S3 with the bucket of testRoot.
func s3Handler(t *testing.T) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("fleet-evidence"); err != nil {
		t.Fatal(err)
	}
	return gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server()
}

// openObjects are the files of testRoot on an S3.
func openObjects(t *testing.T, s3 http.Handler, e Encryption) objects {
	t.Helper()
	server := httptest.NewServer(s3)
	t.Cleanup(server.Close)
	b, err := newBucket(testRoot, testAWS(server.URL), e)
	if err != nil {
		t.Fatal(err)
	}
	return objects{b, t.Context()}
}

// noise is what no compression and no chance makes equal.
func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(p) // never fails
	return p
}

func TestObjectsHoldWhatWasWritten(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	for _, size := range []int{1, blockBytes - 1, blockBytes, blockBytes + 1, 2*blockBytes + 7, spoolBytes + 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := noise(size)
			name := dataName(testRoot, tableEvidence, fmt.Sprint(size))
			w, err := o.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			for chunk := content; len(chunk) > 0; chunk = chunk[min(len(chunk), 1<<20):] {
				if _, err := w.Write(chunk[:min(len(chunk), 1<<20)]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := o.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("before it is closed: %v, want %v", err, fs.ErrNotExist)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			whole, err := o.ReadFile(name)
			if err != nil || !bytes.Equal(whole, content) {
				t.Errorf("ReadFile: %d bytes of %d, equal %t, error %v", len(whole), size, bytes.Equal(whole, content), err)
			}
			f, err := o.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if all, err := io.ReadAll(f); err != nil || !bytes.Equal(all, content) {
				t.Errorf("Open and read: %d bytes of %d, error %v", len(all), size, err)
			}
			random := rand.New(rand.NewPCG(1, uint64(size)))
			for range 50 {
				off := random.IntN(size)
				p := make([]byte, random.IntN(size-off)+1)
				if n, err := f.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, content[off:off+len(p)]) {
					t.Fatalf("ReadAt(%d, %d): %d, %v", len(p), off, n, err)
				}
			}
			if n, err := f.ReadAt(make([]byte, 2), int64(size)-1); n != 1 || !errors.Is(err, io.EOF) {
				t.Errorf("ReadAt over the end: %d, %v", n, err)
			}
		})
	}
}

// TestManifestsAreReadOnce counts what S3 is asked for.
func TestManifestsAreReadOnce(t *testing.T) {
	s3 := s3Handler(t)
	var reads atomic.Int32
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			reads.Add(1)
		}
		s3.ServeHTTP(w, r)
	})
	o := openObjects(t, server, Encryption{})
	for _, tt := range []struct {
		name string
		want int32
	}{{"m.avro", 1}, {"x.parquet", 3}} {
		name := location(testRoot, tableEvidence) + "/metadata/" + tt.name
		content := noise(blockBytes) // gofakes3 refuses to send more than there is
		if err := o.WriteFile(name, content); err != nil {
			t.Fatal(err)
		}
		reads.Store(0)
		for range 3 {
			f, err := o.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, error %v", tt.name, len(got), err)
			}
		}
		if n := reads.Load(); n != tt.want {
			t.Errorf("%s was read %d times, want %d", tt.name, n, tt.want)
		}
	}
}

func TestManifestsAreBounded(t *testing.T) {
	m := newManifests()
	for i := range 40 {
		m.keep(fmt.Sprint(i, ".avro"), make([]byte, manifestBytes/16))
	}
	if m.size != manifestBytes || len(m.files) != 16 || len(m.order) != 16 || m.object("39.avro") == nil || m.object("0.avro") != nil {
		t.Errorf("%d bytes of %d files are kept", m.size, len(m.files))
	}
}

func TestLongFileKeepsFewBlocks(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	name := dataName(testRoot, tableEvidence, "long")
	content := noise((cachedBlocks + 4) * blockBytes)
	if err := o.WriteFile(name, content); err != nil {
		t.Fatal(err)
	}
	f, err := o.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(f); err != nil || !bytes.Equal(all, content) {
		t.Errorf("read %d bytes of %d, error %v", len(all), len(content), err)
	}
	if kept := f.(*objectFile); len(kept.blocks) != cachedBlocks || len(kept.order) != cachedBlocks {
		t.Errorf("%d blocks are kept in an order of %d, want %d", len(kept.blocks), len(kept.order), cachedBlocks)
	}
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	name := dataName(testRoot, tableEvidence, "x.parquet")
	_, err := writeFile(o, name, evidenceOptions(""), func(*parquet.GenericWriter[row]) error { return errStopped })
	if !errors.Is(err, errStopped) {
		t.Errorf("got %v, want %v", err, errStopped)
	}
	if _, err := o.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

func TestParquetOnS3(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	lines := logLines(0, 1000)
	rows := make([]*row, len(lines))
	for i := range lines {
		r := newRow(&lines[i])
		rows[i] = &r
	}
	name := dataName(testRoot, tableEvidence, "x.parquet")
	size, _, err := writeEvidence(o, name, draftsOf(rows))
	if err != nil {
		t.Fatal(err)
	}
	f, err := o.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("the file has %v bytes, %d were written, error %v", info, size, err)
	}
	var got []row
	err = readParquet(o, name, func(_ int64, r *row) error { got = append(got, *r); return nil })
	if err != nil || len(got) != len(rows) {
		t.Fatalf("read %d rows of %d, error %v", len(got), len(rows), err)
	}
	for i := range got {
		if diff := cmp.Diff(rows[i].record(), got[i].record()); diff != "" {
			t.Fatalf("row %d (-want +got):\n%s", i, diff)
		}
	}
	some, err := readRows(o, name, []int64{3, 500, 999})
	if err != nil || some[1].ID != rows[500].ID || some[2].ID != rows[999].ID {
		t.Errorf("single rows: %v", err)
	}
}

func TestWhatIsNoParquetIsAnError(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	name := dataName(testRoot, tableEvidence, "x.parquet")
	for _, content := range []string{"", "x", "PAR1 and so on PAR1"} {
		if err := o.WriteFile(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := readParquet(o, name, func(int64, *row) error { return nil }); err == nil {
			t.Errorf("%q is read without an error", content)
		}
		if _, err := readRows(o, name, []int64{0}); err == nil {
			t.Errorf("a row of %q is read without an error", content)
		}
	}
}

func TestObjectsAreListedAndRemoved(t *testing.T) {
	o := openObjects(t, s3Handler(t), Encryption{})
	var names []string
	for i := range 1205 { // more than one page, and than one request removes
		names = append(names, dataName(testRoot, tableEvidence, fmt.Sprintf("%04d", i)))
	}
	other := dataName(testRoot, tableEvidence+"2", "stays")
	for _, name := range append(slices.Clip(names), other) {
		if err := o.WriteFile(name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	listed := func() (got []string) {
		err := o.WalkDir(location(testRoot, tableEvidence), func(name string, d fs.DirEntry, err error) error {
			if info, infoErr := d.Info(); infoErr != nil || info.Size() != 1 || info.ModTime().IsZero() {
				t.Errorf("%s: %v", name, infoErr)
			}
			got = append(got, name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff(names, listed()); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if err := o.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	removed, err := o.DeleteFiles(t.Context(), names) // one of them is not there
	if err != nil || len(removed) != len(names) || len(listed()) != 0 {
		t.Errorf("removed %d of %d, %d left, error %v", len(removed), len(names), len(listed()), err)
	}
	if _, err := o.ReadFile(other); err != nil {
		t.Error(err)
	}
}

func TestRootsOnS3(t *testing.T) {
	for _, tt := range []struct{ root, base, want string }{
		{"s3://fleet-evidence/prod", "s3://fleet-evidence/prod", ""},
		{"s3://fleet-evidence/a/b=c/", "s3://fleet-evidence/a/b=c", ""},
		{"s3://fleet-evidence", "", "a prefix is missing"},
		{"s3://fleet-evidence/", "", "a prefix is missing"},
		{"s3://Fleet/x", "", "no name of a bucket"},
		{"s3:///x", "", "no name of a bucket"},
		{"s3://fleet-evidence/a//b", "", "single slashes"},
		{"s3://fleet-evidence/a/../b", "", "single slashes"},
		{"s3://fleet-evidence/a b", "", "use letters"},
	} {
		t.Run(tt.root, func(t *testing.T) {
			b, err := newBucket(tt.root, testAWS("http://127.0.0.1:1"), Encryption{})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || b.base() != tt.base {
				t.Errorf("got %v, error %v, want %s", b, err, tt.base)
			}
		})
	}
}

//go:build !noduckdb

package lake

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

func TestSubjectStandsWhole(t *testing.T) {
	for _, tt := range []struct {
		subject, text string
		want          bool
	}{
		{"alice@example.com", "mail to Alice@Example.com.", true},
		{"alice@example.com", `{"user":"alice@example.com"}`, true},
		{"alice@example.com", `{"user":"alice\u0040example.com"}`, false}, // no writer escapes @
		{"alice@example.com", "malice@example.com", false},
		{"alice@example.com", "bob.alice@example.com", false},
		{"alice@example.com", "alice@example.com.au", false},
		{"alice", "arn:aws:sts::111122223333:assumed-role/Admin/alice", true},
		{"alice", "alice@example.com", false},
		{"alice", "user-alice", false},
		{"alice", "alice's", true},
		{"alice", "Alice.", true},
		{"alice", "", false},
		{"arn:aws:iam::111122223333:user/alice", `{"arn":"arn:aws:iam::111122223333:user\/alice"}`, true},
		{"arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/alice2", false},
		{"josé", `{"n":"JOSÉ"}`, true},
		{"josé", `{"n":"jos\u00e9"}`, true},
		{"203.0.113.7", "203.0.113.77", false},
		{"203.0.113.7", "from 203.0.113.7, port 80", true},
		{"a<b&c", `a\u003cb\u0026c`, true},
	} {
		s, err := newSubject(tt.subject)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.in(tt.text); got != tt.want {
			t.Errorf("%q in %q: got %t, want %t", tt.subject, tt.text, got, tt.want)
		}
	}
	for _, text := range []string{"", "  ab ", "two\nlines"} {
		if _, err := newSubject(text); err == nil {
			t.Errorf("subject %q is taken", text)
		}
	}
}

const person = "alice@example.com"

// withPerson commits records of which some name the person, each elsewhere.
func withPerson(t *testing.T, l *Lake) (all []fleet.Record, named []int) {
	t.Helper()
	all = logLines(0, 60)
	all[3].Principal = "arn:aws:sts::111122223333:assumed-role/Admin/" + person
	all[11].Attributes = fleet.AttributesOf("user", "Alice@example.com")
	all[17].Raw = []byte(`{"request":{"email":"alice@example.com"}}`)
	all[23].Message = "order of alice@example.com, refused"
	all[29].Resources = []string{"AWS::IAM::User/" + person}
	all[35].Keys.Origin = "arn:aws:iam::111122223333:user/" + person
	all[35].Keys.OriginLink = fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact}
	all[41].Attributes = fleet.AttributesOf(fleet.AttrSourceIP, "203.0.113.7", "note", "malice@example.com")
	all[47].Raw = []byte("not UTF-8 \xff alice@example.com")
	add(t, l, all[:20], nil)
	add(t, l, all[20:40], nil)
	add(t, l, all[40:], nil)
	amend(t, l, all[20:31], "order 1") // two named ones among them
	return all, []int{3, 11, 17, 23, 29, 35, 47}
}

func without(all []fleet.Record, gone []int) []fleet.Record {
	var out []fleet.Record
	for i := range all {
		if !slices.Contains(gone, i) {
			out = append(out, all[i])
		}
	}
	return out
}

func TestEraseRemovesAPersonEverywhere(t *testing.T) {
	root := t.TempDir()
	l := later(t, root)
	all, named := withPerson(t, l)
	findings := []fleet.Finding{
		{Fingerprint: "names", Policy: "p", Message: "alice@example.com did it", Evidence: []string{all[0].ID}},
		{Fingerprint: "rests", Policy: "p", Message: "someone did it", Evidence: []string{all[3].ID}},
		{Fingerprint: "partly", Policy: "p", Message: "two did it", Evidence: []string{all[3].ID, all[4].ID}},
		{Fingerprint: "other", Policy: "p", Message: "malice@example.com did it", Evidence: []string{all[5].ID}},
	}
	run := fleet.Run{ID: "run", NotJudged: map[string]string{"policy": "waits for alice@example.com"}}
	if err := l.SaveFindings(t.Context(), run, findings); err != nil {
		t.Fatal(err)
	}
	dry, err := l.Erase(t.Context(), Erasure{Subject: person, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, l, all)
	refused := errors.New("no")
	if _, err := l.Erase(t.Context(), Erasure{Subject: person, Confirm: func(Erased) error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("got error %v, want that of Confirm", err)
	}
	sameRecords(t, l, all)

	done, err := l.Erase(t.Context(), Erasure{Subject: " Alice@example.com", Confirm: func(e Erased) error {
		if diff := cmp.Diff(dry, e); diff != "" {
			t.Errorf("announced (-) and asked for (+):\n%s", diff)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if done.Kinds["log"] != len(named) || done.Files != dry.Files || done.Findings != 2 || done.Altered != 2 || done.Snapshots == 0 || done.Unswept != 0 {
		t.Errorf("got %+v", done)
	}
	wantColumns := map[string]int{"principal": 1, "attributes": 1, "raw": 2, "message": 2, "resources": 2, "origin": 1}
	if diff := cmp.Diff(wantColumns, done.Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	rest := without(all, named)
	sameRecords(t, l, rest)
	got, err := l.allFindings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := map[string][]string{}
	for _, f := range got {
		left[f.Fingerprint] = f.Evidence
	}
	if diff := cmp.Diff(map[string][]string{"partly": {all[4].ID}, "other": {all[5].ID}}, left); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	nameIsNowhere(t, root)
	erasureIsInTheLedger(t, l, done)

	again, err := l.Erase(t.Context(), Erasure{Subject: person})
	if err != nil || again.Records() != 0 || again.Files != 0 || again.Hash != done.Hash {
		t.Errorf("a second erasure: got %+v, error %v, want nothing to do", again, err)
	}
	sameRecords(t, later(t, root), rest)
}

func erasureIsInTheLedger(t *testing.T, l *Lake, done Erased) {
	t.Helper()
	n := 0
	for e, err := range l.Ledger(t.Context(), fleet.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Stream == EraseStream {
			n++
			if e.Reason != "erased" || e.Records != done.Records() || !strings.Contains(e.Detail, done.Hash) {
				t.Errorf("got ledger entry %+v", e)
			}
		}
	}
	if n != 1 {
		t.Errorf("the ledger has %d entries of the erasure, want 1", n)
	}
}

// nameIsNowhere reads all files of a lake, whatever names them: the values in
// Parquet files, and the bytes of the others, Avro's as they are compressed.
func nameIsNowhere(t *testing.T, root string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if strings.HasSuffix(p, ".parquet") {
			content = values(t, content)
		}
		for i := 0; ; {
			at := bytes.Index(content[i:], []byte(person))
			if at < 0 {
				return nil
			}
			if i+at == 0 || content[i+at-1] != 'm' { // malice
				t.Errorf("%s still names the person", p)
				return nil
			}
			i += at + 1
		}
	})
	if err != nil || files < 10 {
		t.Errorf("looked into %d files, error %v", files, err)
	}
}

// values are all values of a Parquet file, in lower case.
func values(t *testing.T, content []byte) []byte {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	buf := make([]parquet.Row, 16)
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				for _, v := range r {
					if v.Kind() == parquet.ByteArray {
						out.WriteString(string(fleet.DecodeRaw(v.String())) + "\n")
					}
				}
			}
			if err != nil || n == 0 {
				break
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return bytes.ToLower(out.Bytes())
}

// TestEraseForgetsBoundsOfWhatIsGone looks into the manifests, whose bounds
// hold ids of records.
func TestEraseForgetsBoundsOfWhatIsGone(t *testing.T) {
	l := later(t, t.TempDir())
	rs := logLines(0, 2)
	rs[1].ID = "AWS::IAM::User/" + person // the lower bound of its file
	add(t, l, rs, nil)
	add(t, l, logLines(10, 5), nil)
	if _, err := l.Erase(t.Context(), Erasure{Subject: person}); err != nil {
		t.Fatal(err)
	}
	tbl, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, s := range tbl.Metadata().Snapshots() {
		ms, err := s.Manifests(l.files(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			for e, err := range m.Entries(l.files(t.Context()), false) {
				if err != nil {
					t.Fatal(err)
				}
				entries++
				for _, bounds := range []map[int][]byte{e.DataFile().LowerBoundValues(), e.DataFile().UpperBoundValues()} {
					for _, b := range bounds {
						if bytes.Contains(b, []byte(person)) {
							t.Errorf("an entry (status %d) of %s still has it as a bound", e.Status(), e.DataFile().FilePath())
						}
					}
				}
			}
		}
	}
	if entries == 0 {
		t.Error("no manifest entry was looked at")
	}
	sameRecords(t, l, append(rs[:1], logLines(10, 5)...))
}

// TestEraseBesideAWriter adds a record that names the person, and an amendment
// of one, between the look and the commit.
func TestEraseBesideAWriter(t *testing.T) {
	root := t.TempDir()
	l, other := later(t, root), later(t, root)
	all, named := withPerson(t, l)
	more := logLines(100, 5)
	more[2].Message = "alice@example.com came back"
	done, err := l.Erase(t.Context(), Erasure{Subject: person, Confirm: func(Erased) error {
		add(t, other, more, nil)
		amend(t, other, all[3:5], "late")
		return nil
	}})
	if err != nil || done.Records() != len(named)+1 {
		t.Errorf("got %+v, error %v", done, err)
	}
	want := append(without(all, named), without(more, []int{2})...)
	sameRecords(t, other, want)
	nameIsNowhere(t, root)
}

// TestEraseReachesRowsThatOthersDeleted: a deleted row is still in its file.
func TestEraseReachesRowsThatOthersDeleted(t *testing.T) {
	root := t.TempDir()
	l := later(t, root)
	all, named := withPerson(t, l)
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("id"), all[3].ID))
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("id"), all[5].ID))
	if _, err := l.Erase(t.Context(), Erasure{Subject: person}); err != nil {
		t.Fatal(err)
	}
	sameRecords(t, l, without(all, append(named, 5)))
	nameIsNowhere(t, root)
}

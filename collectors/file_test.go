package collectors

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/fleet"
)

func zip(t testing.TB, doc []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(doc); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func write(t testing.TB, doc []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "evidence")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	event1 = `{"eventID":"e-1","eventTime":"2026-01-02T03:04:05Z","eventSource":"dynamodb.amazonaws.com","eventName":"PutItem"}`
	event2 = `{"eventID":"e-2","eventTime":"2026-01-02T03:04:06Z","eventSource":"s3.amazonaws.com","eventName":"GetObject"}`
	line1  = `{"eventId":"l-1","logGroupName":"/muster/orders","logStreamName":"a","timestamp":1767323045000,"message":"hello"}`
	item1  = `{"resourceType":"AWS::EC2::SecurityGroup","resourceId":"sg-1","configurationItemCaptureTime":"2026-01-02T03:04:05Z","configurationItemStatus":"OK","configurationStateId":7}`
	span1  = `{"trace_id":"1-5f187253-6a106696d56b1f4ef9eba2ed","id":"5cc4a447f5d4d696","name":"orders","start_time":1595437651.5,"end_time":1595437652}`
)

func TestReadFileTellsFormatsApartByContent(t *testing.T) {
	escaped := strings.ReplaceAll(span1, `"`, `\"`)
	span := "5f1872536a106696d56b1f4ef9eba2ed/5cc4a447f5d4d696"
	for name, c := range map[string]struct {
		doc  string
		want string // the IDs
	}{
		"trail file":           {`{"Records":[` + event1 + "," + event2 + `]}`, "e-1 e-2"},
		"trail file, indented": {"{\n \"Records\": [\n" + event1 + " ,\n " + event2 + "\n ]\n}\n", "e-1 e-2"},
		"empty trail file":     {`{"Records":[]}`, ""},
		"array of events":      {"[" + event1 + "," + event2 + "]", "e-1 e-2"},
		"one event":            {event1, "e-1"},
		"event bridge":         {`{"detail-type":"AWS API Call via CloudTrail","detail":` + event1 + `}`, "e-1"},
		"looked-up events":     {`{"Events":[{"EventId":"e-1","CloudTrailEvent":"` + strings.ReplaceAll(event1, `"`, `\"`) + `"}]}`, "e-1"},
		"segment":              {span1, span},
		"datagram":             {"{\"format\": \"json\", \"version\": 1}\n" + span1, span},
		"segments, a line":     {span1 + "\n" + strings.Replace(span1, "d696", "d697", 1), span + " " + span[:len(span)-1] + "7"},
		"batch of traces":      {`{"Traces":[{"Id":"x","Segments":[{"Id":"y","Document":"` + escaped + `"}]}],"UnprocessedTraceIds":[]}`, span},
		"log lines":            {line1 + "\n" + strings.Replace(line1, "l-1", "l-2", 1) + "\n", "l-1 l-2"},
		"filtered log events":  {`{"events":[` + line1 + `],"nextToken":"t"}`, "l-1"},
		"subscription":         {`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"l-3","timestamp":1767323045000,"message":"x"}]}`, "l-3"},
		"control message":      {`{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"x"}]}`, ""},
		"config snapshot":      {`{"fileVersion":"1.0","configurationItems":[` + item1 + `]}`, "AWS::EC2::SecurityGroup/sg-1@7"},
		"config item":          {item1, "AWS::EC2::SecurityGroup/sg-1@7"},
		"config notification":  {`{"messageType":"ConfigurationItemChangeNotification","configurationItem":` + item1 + `}`, "AWS::EC2::SecurityGroup/sg-1@7"},
		"byte order mark":      {"\xef\xbb\xbf" + event1, "e-1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, doc := range [][]byte{[]byte(c.doc), zip(t, []byte(c.doc))} {
				rs, ledger := readFile(t, write(t, doc))
				ids := make([]string, 0, len(rs))
				for _, r := range rs {
					ids = append(ids, r.ID)
				}
				if got := strings.Join(ids, " "); got != c.want || len(ledger) != 0 {
					t.Errorf("got IDs %q and ledger %v, want %q", got, ledger, c.want)
				}
			}
		})
	}
}

func TestReadFileNamesFileAndPositionOfWhatIsBroken(t *testing.T) {
	whole := []byte(`{"Records":[` + event1 + "," + event2 + `]}`)
	packed := zip(t, bytes.Repeat([]byte(event1+"\n"), 5000))
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/2] ^= 0xff
	for name, c := range map[string]struct {
		doc    []byte
		offset int64 // -1: anywhere
		item   int
		text   string
	}{
		"empty":               {nil, 0, 0, "empty"},
		"white space":         {[]byte(" \n\n"), 3, 0, "white space"},
		"empty gzip":          {zip(t, nil), 0, 0, "empty"},
		"truncated JSON":      {whole[:len(whole)-20], int64(len(whole) - 20), 2, "ends in the middle"},
		"truncated at a seam": {whole[:len(whole)-2], int64(len(whole) - 2), 2, "ends in the middle"},
		"bad JSON":            {[]byte(`[` + event1 + `,{"eventID":"e","eventName":nope}]`), int64(len(event1)) + 30, 2, "invalid JSON"},
		"bad JSON around":     {[]byte(`{"Records":[` + event1 + `], nope}`), int64(len(event1)) + 20, 0, "invalid JSON"},
		"no comma":            {[]byte(`[` + event1 + event2 + `]`), int64(len(event1)) + 1, 1, "comma"},
		"a PNG":               {[]byte("\x89PNG\r\n\x1a\n"), 0, 0, "a PNG image"},
		"an ELF":              {[]byte("\x7fELF\x02\x01"), 0, 0, "an ELF program"},
		"a CSV":               {[]byte("Event Type,Event Name\n"), 0, 0, "not JSON"},
		"another's JSON":      {[]byte(event1 + "\n" + `{"Version":"2012-10-17","Statement":[]}`), int64(len(event1)) + 1, 2, "none of the formats"},
		"truncated gzip":      {packed[:len(packed)-50], -1, -1, "gzip"},
		"no gzip trailer":     {packed[:len(packed)-4], -1, -1, "gzip"},
		"corrupt gzip":        {flipped, -1, -1, ""},
		"gzip of a CSV":       {zip(t, []byte("a,b\n")), 0, 0, "not JSON"},
		"gzip header alone":   {packed[:5], 0, 0, "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.doc)
			var got error
			for b, err := range ReadFile(t.Context(), path, FileOptions{}) {
				if len(b.Records) > 0 {
					t.Fatalf("a broken file yielded %d records", len(b.Records))
				}
				got = err
			}
			var at *FileError
			if !errors.As(got, &at) {
				t.Fatalf("got error %v, want a FileError", got)
			}
			if at.Path != path || c.offset >= 0 && (at.Offset != c.offset || at.Item != c.item) {
				t.Errorf("got %s byte %d item %d, want byte %d item %d", at.Path, at.Offset, at.Item, c.offset, c.item)
			}
			if !strings.Contains(got.Error(), c.text) || !strings.Contains(got.Error(), path) {
				t.Errorf("error %q does not say %q and %q", got, c.text, path)
			}
		})
	}
}

func TestReadFileSaysThatPositionsAreOfTheDecompressedStream(t *testing.T) {
	for _, err := range ReadFile(t.Context(), write(t, zip(t, []byte(event1+"\nnope"))), FileOptions{}) {
		want := "at byte 114 of the decompressed stream"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestReadFileKeepsBatchesBounded(t *testing.T) {
	const lines = 2500
	path := write(t, bytes.Repeat([]byte(line1+"\n"), lines))
	total, batches := 0, 0
	for b, err := range ReadFile(t.Context(), path, FileOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records) > fileBatchRecords {
			t.Errorf("a batch of %d records", len(b.Records))
		}
		total += len(b.Records)
		batches++
	}
	if total != lines || batches != 3 {
		t.Errorf("got %d records in %d batches, want %d in 3", total, batches, lines)
	}
}

func TestReadFileStopsWhenTold(t *testing.T) {
	path := write(t, bytes.Repeat([]byte(line1+"\n"), 2500))
	n := 0
	for _, err := range ReadFile(t.Context(), path, FileOptions{}) {
		must(t, err)
		n++
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range ReadFile(ctx, path, FileOptions{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if n != 1 {
		t.Errorf("went on after a break: %d batches", n)
	}
}

func TestReadFileFillsInWhatTheFileDoesNotSay(t *testing.T) {
	for b, err := range ReadFile(t.Context(), write(t, []byte(line1)), FileOptions{Account: "111122223333", Region: "us-east-1"}) {
		if err != nil {
			t.Fatal(err)
		}
		if r := b.Records[0]; r.Account != "111122223333" || r.Region != "us-east-1" {
			t.Errorf("got account %q and region %q", r.Account, r.Region)
		}
	}
}

func TestReadFileKeepsWhatItCannotUnderstand(t *testing.T) {
	odd := strings.Replace(event2, `"s3.amazonaws.com"`, `["s3"]`, 1)
	rs, ledger := readFile(t, write(t, []byte("["+event1+","+odd+"]")))
	if len(rs) != 2 || len(ledger) != 1 {
		t.Fatalf("got %d records and %d ledger entries, want 2 and 1", len(rs), len(ledger))
	}
	r := rs[1]
	if r.Attributes.Get(fleet.AttrUnreadable) == "" || string(r.Raw) != odd || !strings.HasPrefix(r.ID, "e-2!") {
		t.Errorf("got %+v", r)
	}
	if e := ledger[0]; e.Coverage != fleet.Partial || e.Reason != "unreadable" || !strings.Contains(e.Detail, "document 2") {
		t.Errorf("got ledger entry %+v", e)
	}
}

func TestReadFileThatIsNotThere(t *testing.T) {
	for _, err := range ReadFile(t.Context(), filepath.Join(t.TempDir(), "absent"), FileOptions{}) {
		var at *FileError
		if !errors.As(err, &at) || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want a FileError that is os.ErrNotExist", err)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	for _, doc := range []string{
		`{"Records":[` + event1 + "," + event2 + `],"x":[]}`, "[" + event1 + "]", line1 + "\n" + item1 + span1,
		`{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"x"}]}`,
		`{"Traces":[{"Segments":[{"Document":"{}"}]}]}`, `{"detail-type":"x","detail":{"eventName":"y"}}`,
	} {
		f.Add([]byte(doc))
	}
	path := filepath.Join(f.TempDir(), "evidence")
	f.Fuzz(func(t *testing.T, doc []byte) {
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		yielded := 0
		for b, err := range ReadFile(t.Context(), path, FileOptions{}) {
			var at *FileError
			if err != nil && (!errors.As(err, &at) || yielded > 0 || at.Offset > int64(len(doc)) || at.Offset < 0) {
				t.Errorf("after %d records: %v", yielded, err)
			}
			yielded += len(b.Records)
			for i := range b.Records {
				checkKeys(t, &b.Records[i])
			}
		}
	})
}

func BenchmarkReadFile(b *testing.B) {
	paths := corpusFiles(b, "cloudtrail-invictus", "218*.json")
	var size int64
	for _, p := range paths {
		size += int64(len(fileText(b, p)))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if n := len(readFiles(b, paths)); n != 1448 {
			b.Fatalf("got %d records", n)
		}
	}
}

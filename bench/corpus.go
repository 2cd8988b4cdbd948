package main

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	// recordsPerTrace is what one request of the sample fleet leaves behind:
	// spans, log lines and CloudTrail events in the shares measured there.
	recordsPerTrace = spansPerTrace + logsPerTrace + eventsPerTrace
	spansPerTrace   = 12
	logsPerTrace    = 14
	eventsPerTrace  = 4
	// tracesPerFile makes CloudTrail files of 2,000 events, 4 MB before gzip,
	// as AWS delivers them from a busy account.
	tracesPerFile = 500
	// tracesPerSecond spreads 200,000 traces over 11 hours of one day.
	tracesPerSecond = 5
)

// corpusStart is a morning in UTC, so that a large corpus stays within a day.
var corpusStart = time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)

const (
	benchAccount = "111122223333"
	benchRegion  = "us-east-1"
)

// corpus writes the evidence of n requests; the same seed gives the same bytes.
type corpus struct {
	random *rand.Rand
}

// request is one request of the fleet: gateway calls orders, orders calls
// payments, and both call AWS.
type request struct {
	trace, journey string
	start          time.Time
	segments       [3]string // span ids
	calls          [eventsPerTrace]awsCall
}

// awsCall is one call as the span, a log line and CloudTrail each show it.
type awsCall struct {
	service, operation, span, requestID string
	after                               time.Duration
}

// files are the three ways in which a corpus arrives, the spans first.
type files struct{ segments, logs, trail string }

func (f files) list() []string { return []string{f.segments, f.logs, f.trail} }

// writeCorpus makes a corpus of about the given number of records in a folder,
// or takes the one that is there.
func writeCorpus(folder string, records int, seed uint64) (files, error) {
	root := filepath.Join(folder, fmt.Sprintf("corpus-%d-%d", records, seed))
	f := files{filepath.Join(root, "segments"), filepath.Join(root, "logs"), filepath.Join(root, "trail")}
	if _, err := os.Stat(root); err == nil {
		return f, nil
	}
	half := root + ".tmp" // renamed when whole
	if err := os.RemoveAll(half); err != nil {
		return f, err
	}
	for _, p := range f.list() {
		if err := os.MkdirAll(filepath.Join(half, filepath.Base(p)), 0o755); err != nil {
			return f, err
		}
	}
	c := corpus{rand.New(rand.NewPCG(seed, 0))}
	traces := max(1, records/recordsPerTrace)
	for first := 0; first < traces; first += tracesPerFile {
		requests := make([]request, min(tracesPerFile, traces-first))
		for i := range requests {
			requests[i] = c.request(first + i)
		}
		if err := c.write(half, first/tracesPerFile, requests); err != nil {
			return f, err
		}
	}
	return f, os.Rename(half, root)
}

// write writes one file of each sort.
func (c *corpus) write(root string, number int, requests []request) error {
	name := func(kind, ending string) string {
		return filepath.Join(root, kind, fmt.Sprintf("%06d.%s.gz", number, ending))
	}
	return errors.Join(
		gzipped(name("segments", "ndjson"), func(w io.Writer) error { return c.segments(w, requests) }),
		gzipped(name("logs", "ndjson"), func(w io.Writer) error { return c.logs(w, requests) }),
		gzipped(name("trail", "json"), func(w io.Writer) error { return c.trail(w, requests) }),
	)
}

func gzipped(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	b := bufio.NewWriterSize(z, 1<<20)
	return errors.Join(write(b), b.Flush(), z.Close(), f.Close())
}

// line writes a document and the end of its line.
func line(w io.Writer, doc any) error { return json.NewEncoder(w).Encode(doc) }

func (c *corpus) hex(digits int) string {
	b := make([]byte, digits/2)
	for i := range b {
		b[i] = byte(c.random.Uint32())
	}
	b[0] |= 1 // never all zeros
	return hex.EncodeToString(b)
}

func (c *corpus) uuid() string {
	h := c.hex(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

// requestID is one in the spelling of DynamoDB: 52 letters and digits.
func (c *corpus) requestID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, 52)
	for i := range b {
		b[i] = letters[c.random.IntN(len(letters))]
	}
	return string(b)
}

func (c *corpus) request(number int) request {
	start := corpusStart.Add(time.Duration(number) * time.Second / tracesPerSecond)
	r := request{
		start:   start.Add(time.Duration(c.random.IntN(100_000)) * time.Microsecond),
		journey: fmt.Sprintf("journey-%s-%06d", c.hex(8), number),
	}
	r.trace = fmt.Sprintf("%08x", r.start.Unix()) + c.hex(24)
	for i := range r.segments {
		r.segments[i] = "1" + c.hex(16)[1:] // unlike parent's
	}
	for i, call := range []awsCall{
		{service: "dynamodb", operation: "PutItem"},
		{service: "dynamodb", operation: "GetItem"},
		{service: "sns", operation: "Publish"},
		{service: "dynamodb", operation: "PutItem"},
	} {
		call.span, call.requestID = c.hex(16), c.requestID()
		call.after = time.Duration(2000*(i+1)+c.random.IntN(1500)) * time.Microsecond
		r.calls[i] = call
	}
	return r
}

package collectors

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/fleet"
)

const (
	manyLines   = 1_000_000 / raceSlows
	manyStreams = 200
	manyEvents  = 100_000 / raceSlows
	manyFiles   = 2_000 / raceSlows
	fileEvents  = 20
	// boundBytes is what a collector may hold, of its own and of what it reads.
	boundBytes = 300 << 20
)

// plenty is an AWS that has a great deal of evidence of one day, spread evenly,
// and makes each page as it is asked for.
type plenty struct {
	day   time.Time
	file  []byte
	calls atomic.Int64
}

func (p *plenty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	var in struct {
		StartTime, EndTime json.Number
		NextToken          string
	}
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(target, ".FilterLogEvents"):
		_ = json.NewDecoder(r.Body).Decode(&in) // what is missing stays zero, and finds nothing
		p.lines(w, in.StartTime, in.EndTime, in.NextToken)
	case strings.HasSuffix(target, ".LookupEvents"):
		_ = json.NewDecoder(r.Body).Decode(&in)
		p.events(w, in.StartTime, in.EndTime, in.NextToken)
	case r.URL.Query().Get("list-type") == "2":
		p.list(w, r)
	default:
		_, _ = w.Write(p.file)
	}
}

// at is the place of a time among n things spread over the day.
func (p *plenty) at(t time.Time, n int) int {
	return max(0, min(n, int(float64(t.Sub(p.day))/float64(24*time.Hour)*float64(n)+0.999999)))
}

func (p *plenty) time(i, n int) time.Time {
	return p.day.Add(time.Duration(float64(i) / float64(n) * float64(24*time.Hour)))
}

func number(n json.Number) float64 {
	f, _ := n.Float64()
	return f
}

func (p *plenty) lines(w http.ResponseWriter, start, end json.Number, token string) {
	from := p.at(time.UnixMilli(int64(number(start))), manyLines)
	to := p.at(time.UnixMilli(int64(number(end))+1), manyLines)
	if token != "" {
		from, _ = strconv.Atoi(token)
	}
	var b bytes.Buffer
	b.WriteString(`{"events":[`)
	upto := min(to, from+10_000)
	for i := from; i < upto; i++ {
		if i > from {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"eventId":"%056d","logStreamName":"s-%d","timestamp":%d,"message":"order %d was placed and will be shipped soon"}`,
			i, i%manyStreams, p.time(i, manyLines).UnixMilli(), i)
	}
	b.WriteString(`]`)
	if upto < to {
		fmt.Fprintf(&b, `,"nextToken":"%d"`, upto)
	}
	b.WriteByte('}')
	_, _ = w.Write(b.Bytes())
}

// events come newest first.
func (p *plenty) events(w http.ResponseWriter, start, end json.Number, token string) {
	from := p.at(time.UnixMilli(int64(1000*number(start))), manyEvents)
	to := p.at(time.UnixMilli(int64(1000*number(end))), manyEvents)
	if token != "" {
		to, _ = strconv.Atoi(token)
	}
	var b bytes.Buffer
	b.WriteString(`{"Events":[`)
	least := max(from, to-50)
	for i := to - 1; i >= least; i-- {
		if i < to-1 {
			b.WriteByte(',')
		}
		text, _ := json.Marshal(madeEvent(i, p.time(i, manyEvents)))
		fmt.Fprintf(&b, `{"EventId":"e-%d","CloudTrailEvent":%s}`, i, text)
	}
	b.WriteString(`]`)
	if least > from {
		fmt.Fprintf(&b, `,"NextToken":"%d"`, least)
	}
	b.WriteByte('}')
	_, _ = w.Write(b.Bytes())
}

func madeEvent(i int, at time.Time) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","eventID":"e-%d","eventTime":%q,"eventSource":"sqs.amazonaws.com","eventName":"CreateQueue","awsRegion":"us-east-1","requestID":"r-%d","readOnly":false}`,
		i, at.Format(time.RFC3339), i)
}

func (p *plenty) list(w http.ResponseWriter, r *http.Request) {
	type object struct {
		Key          string
		LastModified string
		Size         int
	}
	type folder struct{ Prefix string }
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
		CommonPrefixes        []folder
	}
	prefix := r.URL.Query().Get("prefix")
	switch {
	case r.URL.Query().Get("delimiter") != "":
		child := map[bool]string{true: testAccount + "/", false: "us-east-1/"}[strings.HasSuffix(prefix, "AWSLogs/")]
		out.CommonPrefixes = []folder{{prefix + child}}
	case strings.HasSuffix(prefix, p.day.Format("2006/01/02/")):
		from, _ := strconv.Atoi(r.URL.Query().Get("continuation-token"))
		upto := min(manyFiles, from+1000)
		for i := from; i < upto; i++ {
			out.Contents = append(out.Contents, object{fmt.Sprintf("%s%06d.json", prefix, i), p.time(i, manyFiles).Format(time.RFC3339), len(p.file)})
		}
		if out.IsTruncated = upto < manyFiles; out.IsTruncated {
			out.NextContinuationToken = strconv.Itoa(upto)
		}
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(out)
}

// TestBackfillsTakeTheLeastCallsAndLittleMemory reads a day of plenty.
func TestBackfillsTakeTheLeastCallsAndLittleMemory(t *testing.T) {
	p := &plenty{day: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	var records []string
	for i := range fileEvents {
		records = append(records, madeEvent(i, p.day))
	}
	p.file = []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
	server := httptest.NewServer(p)
	defer server.Close()
	for _, c := range []struct {
		source         string
		records, least int
	}{
		{SourceLogs, manyLines, manyLines / 10_000},
		{SourceCloudTrail, manyEvents, manyEvents / 50},
		{SourceTrail, manyFiles * fileEvents, manyFiles + (manyFiles+999)/1000},
	} {
		t.Run(c.source, func(t *testing.T) {
			cs, err := Discover(t.Context(), Options{
				AWS: awsAt(t, server.URL), Account: testAccount, Sources: []string{c.source}, Groups: GroupChoice{Names: []string{"g"}}, TrailBucket: "b",
				Overlap: time.Nanosecond, Now: func() time.Time { return p.day.Add(25 * time.Hour) },
			})
			must(t, err)
			p.calls.Store(0)
			got, most := 0, uint64(0)
			for b, err := range cs[0].Collect(t.Context(), fleet.Window{Start: p.day.Add(time.Nanosecond), End: p.day.Add(24 * time.Hour)}) {
				must(t, err)
				got += len(b.Records)
				var m runtime.MemStats
				if runtime.ReadMemStats(&m); m.HeapAlloc > most {
					most = m.HeapAlloc
				}
			}
			calls := int(p.calls.Load())
			t.Logf("%d records by %d calls, %d at least; %d MB at most", got, calls, c.least, most>>20)
			if got != c.records {
				t.Errorf("got %d records, want %d", got, c.records)
			}
			// A small backfill has its few listings, and some thirty slices with a half
			// page at their ends; a large one has no more of them.
			if allowed := c.least + max(c.least/20, 35); calls > allowed {
				t.Errorf("took %d calls, want at most %d", calls, allowed)
			}
			if most > boundBytes {
				t.Errorf("held %d MB", most>>20)
			}
		})
	}
}

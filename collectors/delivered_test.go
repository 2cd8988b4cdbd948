package collectors

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"muster/fleet"
	"muster/internal/localaws"
)

// export is a file of CreateExportTask, with an event of two lines.
const export = "2026-01-02T03:04:05.123Z {\"level\":\"INFO\",\"msg\":\"hello\",\"trace_id\":\"" + hexTrace + "\"}\n" +
	"2026-01-02T03:04:05.124Z panic: no luck\ngoroutine 1 [running]:\n\n2026-01-02T03:04:06.000Z \n"

func TestExportsOfLogGroupsAreLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "2026-01-02-[$LATEST]0123456789abcdef0123456789abcdef", "000000.gz")
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, zip(t, []byte(export)), 0o600))
	var rs []fleet.Record
	for b, err := range ReadFile(t.Context(), path, FileOptions{Account: testAccount, Region: testRegion, LogGroup: "/aws/lambda/orders"}) {
		must(t, err)
		rs = append(rs, b.Records...)
	}
	if len(rs) != 3 {
		t.Fatalf("got %d records", len(rs))
	}
	if r := rs[0]; r.Seen.Trace != hexTrace || r.Message != "hello" || r.Service != "orders" || r.Account != testAccount ||
		r.Attributes.Get("log_group") != "/aws/lambda/orders" || r.Attributes.Get("log_stream") != "2026/01/02/[$LATEST]0123456789abcdef0123456789abcdef" ||
		!r.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 123e6, time.UTC)) {
		t.Errorf("got %+v", r)
	}
	if r := rs[1]; r.Message != "panic: no luck" || string(r.Raw) != "panic: no luck\ngoroutine 1 [running]:" {
		t.Errorf("got %q, %q", r.Message, r.Raw)
	}
	ids := map[string]bool{}
	for _, r := range rs {
		ids[r.ID] = true
	}
	again, _ := readFile(t, path) // of no group: these are others
	if len(ids) != 3 || ids[again[0].ID] {
		t.Errorf("ids %v and %s", ids, again[0].ID)
	}
	probed, ledger := readFile(t, write(t, []byte(probe+"\n")))
	if len(probed)+len(ledger) != 0 {
		t.Errorf("the probe of an export gave %v, %v", probed, ledger)
	}
}

func TestBalancersFilesAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), testAccount+"_elasticloadbalancing_us-east-2_app.front.50dc6c495c0c9188_20260102T0305Z_10.0.0.1_abc.log.gz")
	must(t, os.WriteFile(path, zip(t, []byte(albLine+"\n"+strings.Replace(albLine, "TID_1234", "TID_5678", 1)+"\n")), 0o600))
	rs, _ := readFile(t, path)
	if len(rs) != 2 || rs[0].ID == rs[1].ID {
		t.Fatalf("got %d records", len(rs))
	}
	if r := rs[0]; r.Account != testAccount || r.Region != "us-east-2" || r.Seen.Trace != hexTrace || r.Service != "front" ||
		!r.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 186641e3, time.UTC)) || string(r.Raw) != albLine {
		t.Errorf("got %+v", r)
	}
	for _, err := range ReadFile(t.Context(), write(t, []byte(albLine+"\nhttp what is this\n")), FileOptions{}) {
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at byte %d, in document 2", len(albLine)+1)) {
			t.Errorf("got %v", err)
		}
	}
}

// subscribed is a payload of a subscription with one line.
func subscribed(id string) string {
	return `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"` + id + `","timestamp":1767323045000,"message":"x"}]}`
}

func TestWhatSubscriptionsSendIsReadHoweverItIsPacked(t *testing.T) {
	packed := zip(t, []byte(subscribed("l-1")))
	data := base64.StdEncoding.EncodeToString(packed)
	control := zip(t, []byte(`{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}`))
	two := slices.Concat(control, packed, zip(t, []byte(subscribed("l-2"))))
	for name, c := range map[string]struct {
		doc  []byte
		want string
	}{
		"a Kinesis event of Lambda":      {[]byte(`{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"p","sequenceNumber":"1","data":"` + data + `"},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-0:1","eventName":"aws:kinesis:record","awsRegion":"us-east-1"}]}`), "l-1"},
		"an answer of GetRecords":        {[]byte(`{"Records":[{"SequenceNumber":"1","ApproximateArrivalTimestamp":1.7e9,"Data":"` + data + `","PartitionKey":"p"}],"NextShardIterator":"x"}`), "l-1"},
		"a Firehose event of Lambda":     {[]byte(`{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:us-east-1:1:deliverystream/d","region":"us-east-1","records":[{"recordId":"1","approximateArrivalTimestamp":1,"data":"` + data + `"}]}`), "l-1"},
		"a record that is not gzipped":   {[]byte(`{"Data":"` + base64.StdEncoding.EncodeToString([]byte(subscribed("l-3"))) + `","SequenceNumber":"1"}`), "l-3"},
		"an object of Firehose":          {two, "l-1 l-2"},
		"one that Firehose packs anew":   {zip(t, two), "l-1 l-2"},
		"one that Firehose unpacks":      {[]byte(subscribed("l-1") + subscribed("l-2")), "l-1 l-2"},
		"a record of two in one gzip":    {[]byte(`{"Data":"` + base64.StdEncoding.EncodeToString(two) + `","SequenceNumber":"1"}`), "l-1 l-2"},
		"a rule's event through Kinesis": {[]byte(`{"Data":"` + base64.StdEncoding.EncodeToString([]byte(`{"detail-type":"AWS API Call via CloudTrail","detail":`+event1+`}`)) + `","SequenceNumber":"1"}`), "e-1"},
	} {
		t.Run(name, func(t *testing.T) {
			rs, ledger := readFile(t, write(t, c.doc))
			var ids []string
			for _, r := range rs {
				ids = append(ids, r.ID)
			}
			if got := strings.Join(ids, " "); got != c.want || len(ledger) > 0 {
				t.Errorf("got %q and %v, want %q", got, ledger, c.want)
			}
		})
	}
	for name, text := range map[string]string{
		"no base64": `"%"`, "no gzip": `"` + base64.StdEncoding.EncodeToString([]byte("\x1f\x8bx")) + `"`, "other": `"aGVsbG8="`,
		"in itself": `"` + base64.StdEncoding.EncodeToString([]byte(`{"Data":"`+data+`","SequenceNumber":"1"}`)) + `"`,
	} {
		for _, err := range ReadFile(t.Context(), write(t, []byte(`{"SequenceNumber":"1","Data":`+text+`}`)), FileOptions{}) {
			if err == nil || !strings.Contains(err.Error(), "data of streamed record") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}

// TestLogsComeThroughABucket: the lines of a subscription that Firehose delivers have
// the ids that FilterLogEvents gives them, so that reading both ways stores them once.
func TestLogsComeThroughABucket(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	cfg.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	bucket := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("delivered")})
	must(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint(), strings.NewReader(
		`{"DeliveryStreamName":"logs","ExtendedS3DestinationConfiguration":{"RoleARN":"arn:aws:iam::111122223333:role/r","BucketARN":"arn:aws:s3:::delivered","Prefix":"logs/"}}`))
	must(t, err)
	req.Header.Set("X-Amz-Target", "Firehose_20150804.CreateDeliveryStream")
	resp, err := cfg.HTTPClient.Do(req)
	must(t, err)
	var made struct{ DeliveryStreamARN string }
	must(t, json.NewDecoder(resp.Body).Decode(&made))
	must(t, resp.Body.Close())
	logs := cloudwatchlogs.NewFromConfig(cfg)
	name := aws.String("/ecs/orders")
	group(t, cfg, cloudwatchlogs.CreateLogGroupInput{LogGroupName: name}, "INFO before")
	_, err = logs.PutSubscriptionFilter(t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{
		LogGroupName: name, FilterName: aws.String("all"), FilterPattern: aws.String(""), DestinationArn: &made.DeliveryStreamARN,
		RoleArn: aws.String("arn:aws:iam::111122223333:role/r"),
	})
	must(t, err)
	put(t, logs, "/ecs/orders", "INFO one", "INFO two", envoyLine)
	s.Drain()
	puts := func(key string, body []byte) {
		_, err := bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("delivered"), Key: aws.String(key), Body: bytes.NewReader(body)})
		must(t, err)
	}
	puts("logs/AWSLogs/111122223333/elasticloadbalancing/us-east-1/2026/01/02/111122223333_elasticloadbalancing_us-east-1_app.front.50_20260102T0305Z_10.0.0.1_abc.log.gz", zip(t, []byte(albLine+"\n")))
	puts("logs/2f5a/orders/000000.gz", zip(t, []byte(export)))
	puts("logs/aws-logs-write-test", []byte(probe))
	puts("logs/broken.gz", zip(t, []byte(export))[:40])
	puts("elsewhere/x", []byte("not read"))

	var seen calls
	o := Options{AWS: cfg, Sources: []string{SourceLogs, SourceLogBucket}, LogBucket: "delivered", LogBucketPrefix: "logs/", Limiter: NewLimiter(0, seen.observe)}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	all := map[string]collected{}
	for _, c := range cs {
		all[c.Stream()] = collect(t.Context(), c, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	}
	polled, delivered := all["logs/111122223333/us-east-1//ecs/orders"], all["logs/111122223333/us-east-1/s3://delivered/logs/"]
	if len(polled.records) != 4 || len(delivered.records) != 3+1+3 || delivered.err != nil {
		t.Fatalf("got %s polled and %s delivered, %v", polled.summary(), delivered.summary(), delivered.err)
	}
	ids := strings.Fields(delivered.ids())
	for _, r := range polled.records {
		if slices.Contains(ids, r.ID) == (r.Message == "INFO before") {
			t.Errorf("%s, %s: not once in both", r.ID, r.Message)
		}
	}
	if !slices.ContainsFunc(delivered.ledger, func(e fleet.LedgerEntry) bool {
		return e.Reason == "unreadable" && strings.Contains(e.Detail, "broken.gz")
	}) {
		t.Errorf("got %s", delivered.summary())
	}
	want := allowed(t, o)
	var called []string
	for _, c := range seen.seen {
		called = append(called, c.Action)
	}
	slices.Sort(called)
	called = slices.DeleteFunc(slices.Compact(called), func(a string) bool { return a == "sts:GetCallerIdentity" })
	if !slices.Equal(want, called) {
		t.Errorf("the policy allows %v, called was %v", want, called)
	}
	plan, err := Estimates(t.Context(), Options{AWS: cfg, Sources: []string{SourceLogBucket}, LogBucket: "delivered", LogBucketPrefix: "logs/"}, 0.5, fleet.Window{Start: time.Now().Add(-time.Hour)})
	must(t, err)
	if len(plan) != 1 || plan[0].Calls != 4+1 || plan[0].Bytes == 0 {
		t.Errorf("planned %+v", plan)
	}
}

func put(t *testing.T, logs *cloudwatchlogs.Client, name string, messages ...string) {
	t.Helper()
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &name, LogStreamName: aws.String("a")}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, logtypes.InputLogEvent{Message: &m, Timestamp: aws.Int64(time.Now().UnixMilli() + int64(i))})
	}
	_, err := logs.PutLogEvents(t.Context(), in)
	must(t, err)
}

func FuzzText(f *testing.F) {
	f.Add("export/stream/000000.gz", []byte(export))
	f.Add(testAccount+"_elasticloadbalancing_us-east-1_x.log", []byte(albLine))
	f.Add("aws-logs-write-test", []byte(probe))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		_, _ = scanStream(bytes.NewReader(text), &quickReader{origin: testOrigin, place: textPlace{name, "g"}}, func(d document) error { // an error is an answer
			for i := range d.records {
				checkKeys(t, &d.records[i])
			}
			return nil
		})
	})
}

func FuzzPacked(f *testing.F) {
	f.Add([]byte(subscribed("l-1") + subscribed("l-2")))
	f.Add(zip(f, []byte(subscribed("l-1"))))
	f.Fuzz(func(t *testing.T, packed []byte) {
		doc, err := json.Marshal(map[string]any{"Data": packed, "SequenceNumber": "1"})
		must(t, err)
		_, _ = scanStream(bytes.NewReader(doc), nil, func(d document) error { // an error is an answer
			rs, err := parseDocument(bytes.Clone(d.body), d.shape, testOrigin)
			for i := range rs {
				checkKeys(t, &rs[i])
			}
			return err
		})
	})
}

func BenchmarkText(b *testing.B) {
	for name, line := range map[string]string{"export": "2026-01-02T03:04:05.123Z " + `{"level":"INFO","msg":"hello","trace_id":"` + hexTrace + "\"}\n", "alb": albLine + "\n"} {
		b.Run(name, func(b *testing.B) {
			text := strings.Repeat(line, 1000)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				_, err := scanStream(io.MultiReader(strings.NewReader(text)), &quickReader{}, func(d document) error { n += len(d.records); return nil })
				if err != nil || n != 1000 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkPacked(b *testing.B) {
	doc := []byte(`{"SequenceNumber":"1","Data":"` + base64.StdEncoding.EncodeToString(zip(b, []byte(subscribed("l-1")))) + `"}`)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if rs, err := parseStreamed(doc, testOrigin); len(rs) != 1 || err != nil {
			b.Fatal(err)
		}
	}
}

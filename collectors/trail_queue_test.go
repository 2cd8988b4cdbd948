package collectors

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

func TestNoticesAreReadInAllTheirForms(t *testing.T) {
	record := `{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-01-02T03:04:05.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"AWSLogs/a+file%2B.json.gz","eTag":"e"}}}`
	notification := `{"Records":[` + record + `]}`
	for name, c := range map[string]struct{ body, want string }{
		"S3":                       {notification, "b/AWSLogs/a file+.json.gz@e"},
		"S3, several":              {`{"Records":[` + record + `,` + strings.Replace(record, `a+file`, "other", 1) + `]}`, "b/AWSLogs/a file+.json.gz@e b/AWSLogs/other+.json.gz@e"},
		"S3 by SNS":                {`{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":` + quote(notification) + `}`, "b/AWSLogs/a file+.json.gz@e"},
		"removed":                  {strings.Replace(notification, "ObjectCreated:Put", "ObjectRemoved:Delete", 1), ""},
		"test":                     {`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.000Z","Bucket":"b","RequestId":"r","HostId":"h"}`, "test"},
		"test by SNS":              {`{"Type":"Notification","Message":` + quote(`{"Service":"Amazon S3","Event":"s3:TestEvent"}`) + `}`, "test"},
		"CloudTrail by SNS":        {`{"Type":"Notification","Message":` + quote(`{"s3Bucket":"b","s3ObjectKey":["k 1","k+2"]}`) + `}`, "b/k 1@ b/k+2@"},
		"CloudTrail's test":        {`{"Type":"Notification","Message":"CloudTrail validation message."}`, "test"},
		"EventBridge":              {`{"version":"0","detail-type":"Object Created","source":"aws.s3","time":"2026-01-02T03:04:05Z","detail":{"bucket":{"name":"b"},"object":{"key":"a file+","etag":"e"}}}`, "b/a file+@e"},
		"EventBridge, deleted":     {`{"detail-type":"Object Deleted","source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}`, ""},
		"text":                     {"hello", "error"},
		"other JSON":               {`{"hello":"world"}`, "error"},
		"another service's record": {`{"Records":[{"eventSource":"aws:ses","eventName":"x"}]}`, "error"},
		"a key that is none":       {strings.Replace(notification, "%2B", "%zz", 1), "error"},
		"no bucket":                {strings.Replace(notification, `"name":"b"`, `"name":""`, 1), "error"},
		"wrapped for ever":         {wrapped(notification, 5), "error"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := readNotice(c.body)
			var got []string
			for i := range n.objects {
				got = append(got, n.objects[i].id())
			}
			text := strings.Join(got, " ")
			switch {
			case err != nil:
				text = "error"
			case n.test:
				text = "test"
			}
			if text != c.want {
				t.Errorf("got %q (%v), want %q", text, err, c.want)
			}
		})
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func wrapped(s string, times int) string {
	for range times {
		s = `{"Type":"Notification","Message":` + strings.ReplaceAll(quote(strings.ReplaceAll(s, `\`, `\\`)), "\n", "") + `}`
	}
	return s
}

func FuzzNotice(f *testing.F) {
	f.Add(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k%20"}}}]}`)
	f.Add(`{"Type":"Notification","Message":"{\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"k\"]}"}`)
	f.Add(`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		n, err := readNotice(body)
		for _, o := range n.objects {
			if err != nil || o.bucket == "" {
				t.Errorf("%v and %v", n, err)
			}
		}
	})
}

func TestQueuesAreKnownByTheirURL(t *testing.T) {
	for url, want := range map[string]queueAddress{
		"https://sqs.eu-central-1.amazonaws.com/111122223333/trail-files": {"eu-central-1", "111122223333", "trail-files"},
		"https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q":          {"cn-north-1", "111122223333", "q"},
		"http://127.0.0.1:4566/111122223333/q":                            {"", "111122223333", "q"},
		"https://queue.amazonaws.com/111122223333/q":                      {"", "111122223333", "q"},
	} {
		got, err := parseQueueURL(url)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(queueAddress{})); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", url, err, diff)
		}
	}
	for _, url := range []string{"", "trail-files", "arn:aws:sqs:us-east-1:1:q", "https://sqs.us-east-1.amazonaws.com/q", "ftp://x/1/q"} {
		if _, err := parseQueueURL(url); err == nil || !strings.Contains(err.Error(), "give its URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// told is a trail's bucket in the stand-in that tells a queue of its files.
type told struct {
	server      *localaws.Server
	cfg, owner  aws.Config
	queue, dead string
	ahead       *atomic.Int64 // of the stand-in's clock
	queues      *sqs.Client
	objects     *s3.Client
}

func (q *told) now() time.Time { return time.Now().Add(time.Duration(q.ahead.Load())) }

func tellQueue(t *testing.T, o localaws.Options) *told {
	t.Helper()
	q := &told{ahead: &atomic.Int64{}}
	o.Now = q.now
	q.server, q.cfg = standIn(t, o)
	q.owner = q.cfg
	q.owner.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	q.queues = sqs.NewFromConfig(q.owner)
	q.objects = s3.NewFromConfig(q.owner, func(o *s3.Options) { o.UsePathStyle = true })
	q.dead = q.make(t, "trail-dead", nil)
	q.queue = q.make(t, "trail-files", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:trail-dead","maxReceiveCount":2}`})
	_, err := q.objects.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String(q.server.TrailBucket()), NotificationConfiguration: &s3types.NotificationConfiguration{
			QueueConfigurations: []s3types.QueueConfiguration{{
				QueueArn: aws.String("arn:aws:sqs:us-east-1:111122223333:trail-files"), Events: []s3types.Event{"s3:ObjectCreated:*"},
			}},
		},
	})
	must(t, err)
	return q
}

func (q *told) make(t *testing.T, name string, attributes map[string]string) string {
	t.Helper()
	out, err := q.queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	must(t, err)
	return *out.QueueUrl
}

func (q *told) put(t *testing.T, bucket, key, body string) {
	t.Helper()
	_, err := q.objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte(body))})
	must(t, err)
}

// waiting are the messages that are in the queue, handed out ones too.
func (q *told) waiting(t *testing.T, url string) string {
	t.Helper()
	out, err := q.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	must(t, err)
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func (q *told) options() Options {
	return Options{AWS: q.cfg, Sources: []string{SourceTrail}, TrailBucket: q.server.TrailBucket(), TrailQueue: q.queue, Now: q.now}
}

// pass reads the queue, and has the messages deleted when commit says so.
func (q *told) pass(t *testing.T, o Options, commit bool) collected {
	t.Helper()
	cs, err := Discover(t.Context(), o)
	must(t, err)
	if len(cs) != 1 || cs[0].Stream() != "trail/111122223333/us-east-1/muster-trail/queue/trail-files" {
		t.Fatalf("got streams %v", cs)
	}
	got := collect(t.Context(), cs[0], fleet.Window{Start: q.now().Add(-time.Minute), End: q.now()})
	if got.err != nil {
		t.Fatal(got.err)
	}
	if commit {
		for _, f := range got.done {
			f(t.Context())
		}
	}
	return got
}

const (
	dayFolder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/"
	manyFile  = `{"Records":[` + event1 + `,` + event2 + `]}`
)

// TestQueueTellsOfFiles: what a queue tells of is read once, and forgotten once it
// is stored; what it cannot be understood by is left.
func TestQueueTellsOfFiles(t *testing.T) {
	q := tellQueue(t, localaws.Options{})
	q.ahead.Add(int64(2 * time.Minute)) // the queue is older than the window
	bucket := q.server.TrailBucket()
	q.put(t, bucket, dayFolder+"a file+.json", manyFile)
	q.put(t, bucket, dayFolder+"a file+.json", manyFile) // told twice, the same object
	q.put(t, bucket, strings.Replace(dayFolder, "CloudTrail", "CloudTrail-Insight", 1)+"i.json", `{"Records":[`+insightText+`]}`)
	q.put(t, bucket, strings.Replace(dayFolder, "CloudTrail", "CloudTrail-Digest", 1)+"d.json", `{"digestStartTime":"","logFiles":[]}`)
	q.put(t, bucket, "elsewhere/x.json", "{}")
	for _, body := range []string{"hello", `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"another"},"object":{"key":"k"}}}]}`} {
		_, err := q.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.queue, MessageBody: &body})
		must(t, err)
	}
	q.ahead.Add(int64(time.Second))
	before := q.now()
	got := q.pass(t, q.options(), true)
	for _, id := range []string{"e-1", "e-2", "i-1"} {
		if n := countID(got.records, id); n != 1 {
			t.Errorf("%s was handed over %d times", id, n)
		}
	}
	left := slices.DeleteFunc(slices.Clone(got.ledger), func(e fleet.LedgerEntry) bool { return e.Reason != "unreadable" })
	if len(left) != 1 || !strings.Contains(left[0].Detail, "received 1 times, is left in the queue: neither a notification") || !strings.HasSuffix(left[0].Detail, ": hello") {
		t.Errorf("got ledger %+v", left)
	}
	if len(got.through) == 0 || got.through[len(got.through)-1].Before(before.Add(-time.Second)) {
		t.Errorf("complete through %v", got.through)
	}
	// What is left is the message that nobody understands, and what the reading
	// itself brought about since.
	if n := q.waiting(t, q.queue); !strings.HasSuffix(n, "+1") {
		t.Errorf("%s messages wait", n)
	}
}

func countID(rs []fleet.Record, id string) int {
	n := 0
	for i := range rs {
		if rs[i].ID == id {
			n++
		}
	}
	return n
}

// TestMessagesStayUntilTheirFilesAreStored: a pass whose records are not committed
// deletes nothing.
func TestMessagesStayUntilTheirFilesAreStored(t *testing.T) {
	q := tellQueue(t, localaws.Options{})
	q.put(t, q.server.TrailBucket(), dayFolder+"a.json", manyFile)
	q.ahead.Add(int64(time.Second))
	if got := q.pass(t, q.options(), false); countID(got.records, "e-1") != 1 {
		t.Fatalf("got %s", got.summary())
	}
	if n := q.waiting(t, q.queue); strings.HasSuffix(n, "+0") {
		t.Errorf("%s messages wait", n)
	}
}

func TestFilesThatMayNotBeReadAreLeft(t *testing.T) {
	q := tellQueue(t, localaws.Options{Deny: []string{"s3:GetObject"}})
	q.put(t, q.server.TrailBucket(), dayFolder+"a.json", manyFile)
	q.ahead.Add(int64(time.Second))
	got := q.pass(t, q.options(), true)
	if !slices.ContainsFunc(got.ledger, func(e fleet.LedgerEntry) bool {
		return e.Reason == "denied" && strings.Contains(e.Detail, "allow s3:GetObject") && strings.HasPrefix(e.Detail, dayFolder+"a.json")
	}) {
		t.Errorf("got ledger %+v", got.ledger)
	}
	if n := q.waiting(t, q.queue); strings.HasSuffix(n, "+0") {
		t.Errorf("%s messages wait", n)
	}
}

// TestQueueSaysSinceWhenItTells: nothing is known of files from before there were
// notifications.
func TestQueueSaysSinceWhenItTells(t *testing.T) {
	q := tellQueue(t, localaws.Options{})
	q.ahead.Add(int64(time.Second))
	cs, err := Discover(t.Context(), q.options())
	must(t, err)
	got := collect(t.Context(), cs[0], fleet.Window{Start: q.now().Add(-24 * time.Hour), End: q.now()})
	if got.err != nil || !slices.ContainsFunc(got.ledger, func(e fleet.LedgerEntry) bool {
		return e.Reason == "retention" && strings.Contains(e.Detail, "without --trail-queue") && e.Window.End.Sub(e.Window.Start) > 23*time.Hour
	}) {
		t.Errorf("got %v, ledger %+v", got.err, got.ledger)
	}
}

func TestQueueIsPlannedExaminedAndAllowed(t *testing.T) {
	q := tellQueue(t, localaws.Options{})
	q.put(t, q.server.TrailBucket(), dayFolder+"a.json", manyFile)
	q.ahead.Add(int64(time.Second))
	o := q.options()
	all, err := Estimates(t.Context(), o, 0, fleet.Window{Start: q.now().Add(-time.Hour)})
	must(t, err)
	if len(all) != 1 || !strings.Contains(all[0].Basis, "messages wait in the queue") || all[0].Calls < 5 || all[0].Dollars == 0 {
		t.Errorf("got plan %+v", all)
	}
	checks, err := Examine(t.Context(), o)
	must(t, err)
	if !slices.ContainsFunc(checks, func(c Check) bool {
		return c.State == StateOK && strings.Contains(c.Found, "messages wait in the queue "+q.queue)
	}) ||
		slices.ContainsFunc(checks, func(c Check) bool { return strings.Contains(c.Found, "dead-letter") }) {
		t.Errorf("got checks %+v", checks)
	}
	o.TrailQueue = q.dead
	checks, err = Examine(t.Context(), o)
	must(t, err)
	if !slices.ContainsFunc(checks, func(c Check) bool {
		return c.State == StateMissing && strings.Contains(c.Found, "has no dead-letter queue")
	}) {
		t.Errorf("got checks %+v", checks)
	}
	o = q.options()
	var seen calls
	o.Limiter = NewLimiter(0, seen.observe)
	q.pass(t, o, true)
	var called []string
	for _, c := range seen.seen {
		called = append(called, c.Action)
	}
	slices.Sort(called)
	want := append(allowed(t, o), "sts:GetCallerIdentity")
	if diff := cmp.Diff(slices.Compact(want), append(slices.Compact(called), "sts:GetCallerIdentity")); diff != "" {
		t.Errorf("the policy (-) and the calls (+) differ:\n%s", diff)
	}
	o.AWS.Region, o.TrailQueue = "us-east-1", "https://sqs.eu-central-1.amazonaws.com/111122223333/q"
	doc, err := Policy(o)
	must(t, err)
	if !strings.Contains(string(doc), `"arn:aws:sqs:eu-central-1:111122223333:q"`) || strings.Contains(string(doc), "ListBucket") {
		t.Errorf("got policy %s", doc)
	}
}

func TestQueueNeedsItsBucketAndItsURL(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		text string
	}{
		"no bucket": {Options{TrailQueue: "https://sqs.us-east-1.amazonaws.com/1/q"}, "needs the name of the bucket"},
		"no URL":    {Options{TrailQueue: "q", TrailBucket: "b"}, "give its URL"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Discover(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q", err, c.text)
			}
		})
	}
}

package collectors

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"muster/fleet"
	"muster/internal/localaws"
)

// standIn runs an AWS stand-in for the test's time.
func standIn(t *testing.T, o localaws.Options) (*localaws.Server, aws.Config) {
	t.Helper()
	s, err := localaws.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, awsAt(t, s.Endpoint())
}

const (
	standInLines  = 120
	standInTraces = 37
	standInItems  = 40
)

// fill makes the stand-in's fleet do something: log lines, traces with a
// subsegment sent alone, a table with items, a queue, a session.
func fill(t *testing.T, s *localaws.Server, cfg aws.Config) {
	t.Helper()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	logs := cloudwatchlogs.NewFromConfig(cfg)
	group, stream := aws.String("/muster/orders"), aws.String("a")
	_, err := logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	must(t, err)
	_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream})
	must(t, err)
	now := time.Now()
	var lines []logtypes.InputLogEvent
	for i := range standInLines {
		msg := fmt.Sprintf(`{"level":"INFO","service":"orders","msg":"hello","line":"l-%d","trace_id":"%s"}`, i, traceID(i%standInTraces))
		lines = append(lines, logtypes.InputLogEvent{Message: &msg, Timestamp: aws.Int64(now.UnixMilli() - standInLines + int64(i))})
	}
	_, err = logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: lines})
	must(t, err)

	d, err := (&net.Dialer{}).DialContext(t.Context(), "udp", s.DaemonAddr())
	must(t, err)
	defer d.Close()
	start := float64(now.UnixMicro())/1e6 - 1
	for i := range standInTraces {
		segment := fmt.Sprintf(`{"trace_id":%q,"id":"%016x","name":"orders","start_time":%f,"end_time":%f}`, traceID(i), 2*i+1, start, start+0.5)
		alone := fmt.Sprintf(`{"trace_id":%q,"id":"%016x","parent_id":"%016x","type":"subsegment","name":"x","start_time":%f,"end_time":%f}`,
			traceID(i), 2*i+2, 2*i+1, start+0.1, start+0.2)
		for _, doc := range []string{alone, segment} {
			_, err := d.Write([]byte("{\"format\": \"json\", \"version\": 1}\n" + doc))
			must(t, err)
		}
	}

	table := dynamodb.NewFromConfig(cfg)
	_, err = table.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("orders"), BillingMode: dynamotypes.BillingModePayPerRequest,
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: dynamotypes.KeyTypeHash}},
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
	})
	must(t, err)
	role, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + testAccount + ":role/muster-orders"), RoleSessionName: aws.String("orders-task"),
	})
	must(t, err)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(
		*role.Credentials.AccessKeyId, *role.Credentials.SecretAccessKey, *role.Credentials.SessionToken)
	table = dynamodb.NewFromConfig(cfg)
	for i := range standInItems {
		_, err := table.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: map[string]dynamotypes.AttributeValue{
			"id": &dynamotypes.AttributeValueMemberS{Value: fmt.Sprint(i)},
		}})
		must(t, err)
	}
	_, err = sqs.NewFromConfig(cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("events")})
	must(t, err)
}

func traceID(i int) string { return fmt.Sprintf("1-5f187253-%024x", i+1) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// collectAll reads every stream of the stand-in.
func collectAll(t *testing.T, s *localaws.Server, cfg aws.Config, w fleet.Window) map[string]collected {
	t.Helper()
	cs, err := Discover(t.Context(), Options{AWS: cfg, TrailBucket: s.TrailBucket()})
	must(t, err)
	all := map[string]collected{}
	for _, c := range cs {
		got := collect(t.Context(), c, w)
		if got.err != nil {
			t.Errorf("%s: %v", c.Stream(), got.err)
		}
		all[c.Stream()] = got
	}
	return all
}

func TestCollectFindsEverythingWhateverTheTrouble(t *testing.T) {
	for name, trouble := range map[string]localaws.Trouble{
		"none":     {},
		"throttle": {Throttle: 0.15},
		"faults":   {Fail: 0.15},
		"pages":    {EmptyPage: 0.3, Repeat: 0.3},
		"all":      {Throttle: 0.05, Fail: 0.05, EmptyPage: 0.2, Repeat: 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cfg := standIn(t, localaws.Options{Seed: 7, Trouble: trouble})
			fill(t, s, cfg)
			s.Drain()
			all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
			for stream, want := range map[string]int{
				"xray/111122223333/us-east-1":                2 * standInTraces,
				"logs/111122223333/us-east-1//muster/orders": standInLines,
			} {
				got := all[stream]
				if n := len(strings.Fields(got.ids())); n != want || got.ledger[len(got.ledger)-1].Coverage != fleet.Complete {
					t.Errorf("%s: got %d distinct records, want %d; %s", stream, n, want, got.summary())
				}
			}
			checkCalls(t, all)
		})
	}
}

// checkCalls holds API calls and changes to what fill did.
func checkCalls(t *testing.T, all map[string]collected) {
	t.Helper()
	looked, filed := all["cloudtrail/111122223333/us-east-1"], all["trail/111122223333/us-east-1/muster-trail"]
	var issued, principal string
	puts := map[string]bool{}
	for _, r := range filed.records {
		switch {
		case r.Name == "sts:AssumeRole":
			issued = r.Seen.IssuedKey
		case r.Name == "dynamodb:PutItem" && r.Error == "":
			puts[r.ID] = true
			principal = r.Principal
			if r.Seen.Request == "" || r.Seen.AccessKey == "" || r.Resources[0] != "AWS::DynamoDB::Table/orders" {
				t.Errorf("got %+v", r)
			}
		}
	}
	if issued == "" || len(puts) != standInItems || !strings.HasSuffix(principal, "assumed-role/muster-orders/orders-task") {
		t.Errorf("issued key %q, %d puts by %s", issued, len(puts), principal)
	}
	managed := func(c collected, name string) bool {
		return slices.ContainsFunc(c.records, func(r fleet.Record) bool { return r.Name == name })
	}
	if !managed(looked, "dynamodb:CreateTable") || managed(looked, "dynamodb:PutItem") || !managed(filed, "dynamodb:CreateTable") {
		t.Error("LookupEvents has management events only, the trail both")
	}
	changed := all["config/111122223333/us-east-1"]
	if !slices.ContainsFunc(changed.records, func(r fleet.Record) bool {
		return slices.Contains(r.Resources, "AWS::DynamoDB::Table/orders")
	}) {
		t.Errorf("no change of the table: %s", changed.ids())
	}
}

func TestLateEvidenceIsFoundByTheNextPass(t *testing.T) {
	var ahead atomic.Int64 // what the stand-in's clock is ahead of the real one
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, cfg := standIn(t, localaws.Options{Now: now, Delay: localaws.Delay{
		Trail: 5 * time.Minute, Lookup: 10 * time.Minute, Config: 5 * time.Minute, Logs: time.Minute,
	}})
	fill(t, s, cfg)
	cs, err := Discover(t.Context(), Options{AWS: cfg, TrailBucket: s.TrailBucket(), Now: now})
	must(t, err)
	mark := now()
	for _, c := range cs {
		got := collect(t.Context(), c, fleet.Window{Start: mark.Add(-time.Hour), End: mark})
		if strings.HasPrefix(c.Stream(), SourceXRay) != (len(got.records) > 0) || got.err != nil {
			t.Errorf("%s: %d records before they are visible, %v", c.Stream(), len(got.records), got.err)
		}
	}
	ahead.Store(int64(12 * time.Minute))
	all := map[string]collected{}
	for _, c := range cs {
		all[c.Stream()] = collect(t.Context(), c, fleet.Window{Start: mark, End: now()})
	}
	if got := all["logs/111122223333/us-east-1//muster/orders"]; len(got.records) != standInLines {
		t.Errorf("found %d of %d late lines", len(got.records), standInLines)
	}
	checkCalls(t, all)
}

func TestOneStreamDeniedDoesNotStopTheOthers(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{Deny: []string{"xray:GetTraceSummaries", "config:ListDiscoveredResources"}})
	fill(t, s, cfg)
	s.Drain()
	all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	for stream, got := range all {
		want := fleet.Complete
		if strings.HasPrefix(stream, "xray") || strings.HasPrefix(stream, "config") || strings.HasPrefix(stream, "verdicts") {
			want = fleet.Partial
		}
		if last := got.ledger[len(got.ledger)-1]; last.Coverage != want || (want == fleet.Partial) != (len(got.through) == 0) {
			t.Errorf("%s: got %s", stream, got.summary())
		}
	}
}

func TestBrokenTrailFileDoesNotStopTheOthers(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	folder := "AWSLogs/" + testAccount + "/CloudTrail/us-east-1/" + time.Now().UTC().AddDate(0, 0, -2).Format("2006/01/02/")
	put := func(name string, body []byte) {
		t.Helper()
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(s.TrailBucket()), Key: aws.String(folder + name), Body: bytes.NewReader(body),
		})
		must(t, err)
	}
	whole := []byte(`{"Records":[` + event1 + "," + event2 + `]}`)
	put("1_cut.json.gz", zip(t, bytes.Repeat(whole, 400))[:700])
	put("2_late.json.gz", zip(t, whole))
	put("3_text.json.gz", []byte("no JSON"))
	put("4_other.json", []byte(span1))
	put("5_plain.json", []byte(strings.ReplaceAll(string(whole), "e-", "p-")))
	put("6_digest.txt", []byte("not a log"))
	all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	got := all["trail/111122223333/us-east-1/muster-trail"]
	for _, id := range []string{"e-1", "e-2", "p-1", "p-2"} {
		if !slices.Contains(strings.Fields(got.ids()), id) {
			t.Errorf("%s is missing", id)
		}
	}
	var broken []string
	for _, e := range got.ledger {
		if e.Reason == "unreadable" {
			broken = append(broken, e.Detail)
		}
	}
	slices.Sort(broken)
	text := strings.Join(broken, "\n")
	if len(broken) != 3 || !strings.Contains(text, "1_cut.json.gz: at byte ") || !strings.Contains(text, "3_text.json.gz") || !strings.Contains(text, "4_other.json") {
		t.Errorf("got ledger:\n%s", text)
	}
	if last := got.ledger[len(got.ledger)-1]; last.Coverage == fleet.Complete {
		t.Errorf("a window with broken files was called complete")
	}
}

func TestDiscoverAsksForWhatItIsNotTold(t *testing.T) {
	_, cfg := standIn(t, localaws.Options{})
	cs, err := Discover(t.Context(), Options{AWS: cfg, TrailBucket: "muster-trail", TrailPrefix: "org"})
	must(t, err)
	var streams []string
	for _, c := range cs {
		streams = append(streams, c.Stream())
	}
	want := "xray/111122223333/us-east-1 cloudtrail/111122223333/us-east-1 cloudtrail/111122223333/us-east-1/insight trail/111122223333/us-east-1/muster-trail/org config/111122223333/us-east-1 verdicts/111122223333/us-east-1"
	if got := strings.Join(streams, " "); got != want {
		t.Errorf("got streams\n%s, want\n%s", got, want)
	}
}

func TestDiscoverRefusesWhatItCannotDo(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		text string
	}{
		"unknown source": {Options{Sources: []string{"metrics"}}, `unknown source "metrics"`},
		"no bucket":      {Options{Sources: []string{SourceTrail}}, "needs the name of the bucket"},
		"no region":      {Options{}, "no AWS region"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Discover(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q", err, c.text)
			}
		})
	}
}

func TestConsoleLoginIsFound(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint()+"/_muster/signin", strings.NewReader(`{"user":"root"}`))
	must(t, err)
	resp, err := cfg.HTTPClient.Do(req)
	must(t, err)
	_, _ = io.Copy(io.Discard, resp.Body) // only the status counts
	must(t, resp.Body.Close())
	s.Drain()
	all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	for _, stream := range []string{"cloudtrail/111122223333/us-east-1", "trail/111122223333/us-east-1/muster-trail"} {
		got := all[stream]
		i := slices.IndexFunc(got.records, func(r fleet.Record) bool { return r.Name == "signin:ConsoleLogin" })
		if i < 0 {
			t.Fatalf("%s: no sign-in", stream)
		}
		if r := got.records[i]; r.Attributes.Get("mfa_used") != "No" || r.Attributes.Get("console_login") != "Success" || !strings.HasSuffix(r.Principal, ":root") {
			t.Errorf("%s: got %+v", stream, r)
		}
	}
}

// TestDigestFilesAreNoEvidence: a trail that validates its files puts others
// beside them.
func TestDigestFilesAreNoEvidence(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	deployer := cfg
	deployer.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	_, err := cloudtrail.NewFromConfig(deployer).UpdateTrail(t.Context(), &cloudtrail.UpdateTrailInput{
		Name: aws.String("muster"), EnableLogFileValidation: aws.Bool(true),
	})
	must(t, err)
	fill(t, s, cfg)
	s.Drain()
	bucket := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	out, err := bucket.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{
		Bucket: aws.String(s.TrailBucket()), Prefix: aws.String("AWSLogs/" + testAccount + "/CloudTrail-Digest/us-east-1/"),
	})
	must(t, err)
	if len(out.Contents) == 0 {
		t.Fatal("the trail has no digest files")
	}
	for _, o := range out.Contents { // as a copy of the bucket has it
		object, err := bucket.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s.TrailBucket()), Key: o.Key})
		must(t, err)
		body, err := io.ReadAll(object.Body)
		must(t, err)
		path := filepath.Join(t.TempDir(), "digest.json.gz")
		must(t, os.WriteFile(path, body, 0o600))
		if rs, ledger := readFile(t, path); len(rs)+len(ledger) > 0 {
			t.Errorf("%s: got %d records and %d ledger entries, want none", *o.Key, len(rs), len(ledger))
		}
	}
	all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	filed := all["trail/111122223333/us-east-1/muster-trail"]
	if last := filed.ledger[len(filed.ledger)-1]; last.Coverage != fleet.Complete {
		t.Errorf("got %s", filed.summary())
	}
	checkCalls(t, all)
}

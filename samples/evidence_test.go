package samples_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"muster/internal/localaws"
	"muster/samples/truth"
)

// evidence is what the account's APIs say after a run, read with AWS's own
// clients and none of muster's rooms.
type evidence struct {
	spans         map[[2]string]span // by trace and id
	lines         map[string]map[string]any
	twice         []string               // lines that came twice
	calls         map[string]int         // CloudTrail events by request id
	records       map[string]trailRecord // the same, the last of several
	verdicts      map[string]string      // of Config's rules, by resource
	consoleLogins []trailRecord
}

// span is one segment or subsegment of a document.
type span struct {
	ID          string         `json:"id"`
	Trace       string         `json:"trace_id"`
	Name        string         `json:"name"`
	Start       float64        `json:"start_time"`
	End         float64        `json:"end_time"`
	Namespace   string         `json:"namespace"`
	Annotations map[string]any `json:"annotations"`
	HTTP        struct {
		Request struct {
			Method string `json:"method"`
		} `json:"request"`
		Response struct {
			Status int `json:"status"`
			Length int `json:"content_length"`
		} `json:"response"`
	} `json:"http"`
	AWS struct {
		Operation string `json:"operation"`
		Request   string `json:"request_id"`
	} `json:"aws"`
	Parent      string `json:"parent_id"`
	Subsegments []span `json:"subsegments"`
}

// trailRecord is a CloudTrail event.
type trailRecord struct {
	Name     string `json:"eventName"`
	Request  string `json:"requestID"`
	Address  string `json:"sourceIPAddress"`
	Identity struct {
		ARN string `json:"arn"`
	} `json:"userIdentity"`
	Parameters map[string]any `json:"requestParameters"`
	Error      string         `json:"errorCode"`
}

func clients(aws1 *localaws.Server) aws.Config {
	endpoint := aws1.Endpoint()
	return aws.Config{
		Region: localaws.DefaultRegion, BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAREADER", "any", ""),
	}
}

func gather(t *testing.T, server *localaws.Server, start time.Time) *evidence {
	t.Helper()
	e := &evidence{
		spans: make(map[[2]string]span), lines: make(map[string]map[string]any),
		calls: make(map[string]int), records: make(map[string]trailRecord),
	}
	cfg := clients(server)
	e.gatherSpans(t, xray.NewFromConfig(cfg), start)
	e.gatherLines(t, cloudwatchlogs.NewFromConfig(cfg))
	e.gatherVerdicts(t, configservice.NewFromConfig(cfg))
	e.gatherCalls(t, s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), server.TrailBucket())
	return e
}

func (e *evidence) gatherSpans(t *testing.T, client *xray.Client, start time.Time) {
	t.Helper()
	var ids []string
	summaries := xray.NewGetTraceSummariesPaginator(client, &xray.GetTraceSummariesInput{
		StartTime: aws.Time(start.Add(-time.Minute)), EndTime: aws.Time(start.Add(time.Hour)),
	})
	for summaries.HasMorePages() {
		page, err := summaries.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.TraceSummaries {
			ids = append(ids, *s.Id)
		}
	}
	const atOnce = 5 // BatchGetTraces takes no more
	for len(ids) > 0 {
		n := min(atOnce, len(ids))
		out, err := client.BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{TraceIds: ids[:n]})
		if err != nil {
			t.Fatal(err)
		}
		ids = ids[n:]
		for _, trace := range out.Traces {
			for _, segment := range trace.Segments {
				var s span
				if err := json.Unmarshal([]byte(*segment.Document), &s); err != nil {
					t.Fatal(err)
				}
				e.add(truth.TraceID(*trace.Id), s.Parent, s)
			}
		}
	}
}

// add notes a span and those in it, each with its true parent: documents name
// the root as the parent of all.
func (e *evidence) add(trace, parent string, s span) {
	s.Parent = parent
	e.spans[[2]string{trace, s.ID}] = s
	for _, sub := range s.Subsegments {
		e.add(trace, s.ID, sub)
	}
}

func (e *evidence) gatherLines(t *testing.T, client *cloudwatchlogs.Client) {
	t.Helper()
	groups, err := client.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range groups.LogGroups {
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(client, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group.LogGroupName})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, event := range page.Events {
				e.addLine(*event.Message)
			}
		}
	}
}

// addLine notes a line by its id; one of text shows its trace and nothing else.
func (e *evidence) addLine(message string) {
	var line map[string]any
	id := ""
	if json.Unmarshal([]byte(message), &line) == nil {
		id, _ = line["line"].(string)
	} else {
		id, line = truth.TextLine(message), map[string]any{"text": message}
		if found := traceInText.FindString(message); found != "" {
			line["trace_id"] = found
		} else if found := invocationInText.FindStringSubmatch(message); found != nil {
			line["requestId"] = found[1]
		}
	}
	if _, again := e.lines[id]; again {
		e.twice = append(e.twice, id)
	}
	e.lines[id] = line
}

var (
	traceInText      = regexp.MustCompile(`1-[0-9a-f]{8}-[0-9a-f]{24}`)
	invocationInText = regexp.MustCompile(`RequestId: (\S+)`)
)

func (e *evidence) gatherCalls(t *testing.T, client *s3.Client, bucket string) {
	t.Helper()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: object.Key})
			if err != nil {
				t.Fatal(err)
			}
			e.addCalls(t, got.Body)
		}
	}
}

// gatherVerdicts reads what the rule of the incident says at the end, where it
// was put up.
func (e *evidence) gatherVerdicts(t *testing.T, client *configservice.Client) {
	t.Helper()
	e.verdicts = make(map[string]string)
	rules, err := client.DescribeConfigRules(t.Context(), &configservice.DescribeConfigRulesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.ConfigRules {
		details, err := client.GetComplianceDetailsByConfigRule(t.Context(), &configservice.GetComplianceDetailsByConfigRuleInput{ConfigRuleName: rule.ConfigRuleName})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range details.EvaluationResults {
			q := d.EvaluationResultIdentifier.EvaluationResultQualifier
			e.verdicts[*q.ResourceType+"/"+*q.ResourceId] = string(d.ComplianceType)
		}
	}
}

func (e *evidence) addCalls(t *testing.T, body io.ReadCloser) {
	t.Helper()
	defer body.Close()
	unzipped, err := gzip.NewReader(body)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Records []trailRecord }
	if err := json.NewDecoder(unzipped).Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Records {
		e.calls[r.Request]++
		e.records[r.Request] = r
		if r.Name == "ConsoleLogin" {
			e.consoleLogins = append(e.consoleLogins, r)
		}
	}
}

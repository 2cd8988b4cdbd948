package collectors

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

// TestALineCanBeOtherEvidence: by the API, in a file and in a subscription alike.
func TestALineCanBeOtherEvidence(t *testing.T) {
	event1 := strings.Replace(event1, "{", `{"eventVersion":"1.11",`, 1)
	bridged := `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","account":"111122223333","region":"us-east-1","detail":` + event1 + `}`
	for name, c := range map[string]struct {
		message string
		kind    fleet.Kind
		id      string
	}{
		"a trail's record":       {event1, fleet.KindAPICall, "e-1"},
		"an event that has one":  {bridged, fleet.KindAPICall, "e-1"},
		"the fleet's own event":  {`{"detail-type":"OrderPlaced","detail":{"order":"7"}}`, fleet.KindLog, "l"},
		"a line that speaks":     {`{"msg":"no \"eventVersion\" in it"}`, fleet.KindLog, "l"},
		"a record that is cut":   {event1[:len(event1)/2], fleet.KindLog, "l"},
		"a record without an id": {`{"eventVersion":"1.1","eventName":"x","eventSource":"y"}`, fleet.KindLog, "l"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(c.message)
			must(t, err)
			event := fmt.Sprintf(`{"eventId":"l","logGroupName":"g","logStreamName":"s","timestamp":%d,"message":%s}`, noon.UnixMilli()-1000, text)
			path := filepath.Join(t.TempDir(), "lines.ndjson")
			must(t, os.WriteFile(path, []byte(event), 0o600))
			filed, _ := readFile(t, path)
			s := &script{answers: map[string][]answer{"FilterLogEvents": {{body: `{"events":[` + event + `]}`}}}}
			called := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}}), lastHour)
			sent, err := parseSubscription([]byte(fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","logEvents":[{"id":"l","timestamp":%d,"message":%s}]}`,
				noon.UnixMilli()-1000, text)), origin{testAccount, testRegion})
			must(t, err)
			// The script answers the same to every slice.
			for way, rs := range map[string][]fleet.Record{"file": filed, "API": called.records, "subscription": sent} {
				if way != "API" && len(rs) != 1 || len(rs) == 0 || rs[0].Kind != c.kind || rs[0].ID != c.id {
					t.Errorf("%s: got %d records: %+v", way, len(rs), rs)
				}
			}
		})
	}
}

// TestATrailInALogGroupGivesTheSameCalls compares it with the trail's bucket.
func TestATrailInALogGroupGivesTheSameCalls(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	deployer := cfg
	deployer.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	const group = "/muster/trail"
	_, err := cloudwatchlogs.NewFromConfig(deployer).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	must(t, err)
	_, err = cloudtrail.NewFromConfig(deployer).UpdateTrail(t.Context(), &cloudtrail.UpdateTrailInput{
		Name: aws.String("muster"), CloudWatchLogsRoleArn: aws.String("arn:aws:iam::" + testAccount + ":role/muster-trail"),
		CloudWatchLogsLogGroupArn: aws.String("arn:aws:logs:us-east-1:" + testAccount + ":log-group:" + group + ":*"),
	})
	must(t, err)
	fill(t, s, cfg)
	s.Drain()
	all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	puts := func(stream string) map[string]fleet.Record {
		found := map[string]fleet.Record{}
		for _, r := range all[stream].records {
			if r.Kind == fleet.KindAPICall && r.Name == "dynamodb:PutItem" {
				found[r.ID] = r
			}
		}
		return found
	}
	lines, files := puts("logs/111122223333/us-east-1/"+group), puts("trail/111122223333/us-east-1/muster-trail")
	if len(files) != standInItems {
		t.Fatalf("%d calls in the bucket", len(files))
	}
	if diff := cmp.Diff(files, lines); diff != "" {
		t.Errorf("the bucket (-) and the log group (+) differ:\n%s", strings.TrimSpace(diff))
	}
}

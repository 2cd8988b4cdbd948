package collectors

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

const (
	shopAccount = "444455556666"
	dataAccount = "777788889999"
	noAccount   = "999988887777" // of no organization
)

// organization is a stand-in with two member accounts, each of which has a log
// group with a line in it, in two regions.
func organization(t *testing.T, o localaws.Options) (*localaws.Server, Options) {
	t.Helper()
	o.Members = []localaws.Member{{ID: shopAccount}, {ID: dataAccount}}
	s, cfg := standIn(t, o)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	for _, account := range []string{testAccount, shopAccount, dataAccount} {
		for _, region := range []string{testRegion, "eu-central-1"} {
			there := cfg
			there.Region = region
			if account != testAccount {
				role, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
					RoleArn: aws.String("arn:aws:iam::" + account + ":role/muster-setup"), RoleSessionName: aws.String("setup"),
				})
				must(t, err)
				there.Credentials = credentials.NewStaticCredentialsProvider(*role.Credentials.AccessKeyId, *role.Credentials.SecretAccessKey, *role.Credentials.SessionToken)
			}
			putLine(t, there, account+" in "+region)
		}
	}
	return s, Options{AWS: cfg, Sources: []string{SourceLogs}, Accounts: Accounts{Organization: true, Role: "muster-reader"}}
}

func putLine(t *testing.T, cfg aws.Config, line string) {
	t.Helper()
	logs := cloudwatchlogs.NewFromConfig(cfg)
	group, stream := aws.String("/muster/orders"), aws.String("a")
	_, err := logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	must(t, err)
	_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream})
	must(t, err)
	_, err = logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []logtypes.InputLogEvent{
		{Message: &line, Timestamp: aws.Int64(time.Now().UnixMilli())},
	}})
	must(t, err)
}

// everywhere are the lines of all places by their streams, and the reasons of
// ledgers that are not complete.
func everywhere(t *testing.T, o Options) map[string]string {
	t.Helper()
	cs, err := Discover(t.Context(), o)
	must(t, err)
	all := map[string]string{}
	for _, c := range cs {
		got := collect(t.Context(), c, recent())
		for _, r := range got.records {
			if r.Account+" in "+r.Region != r.Message {
				t.Errorf("%s: %q is of %s in %s", c.Stream(), r.Message, r.Account, r.Region)
			}
			all[c.Stream()] += r.Message
		}
		for _, e := range got.ledger {
			if e.Coverage != fleet.Complete {
				all[c.Stream()] += e.Reason + " " + e.Detail
			}
		}
		if got.err != nil {
			all[c.Stream()] += got.err.Error()
		}
	}
	return all
}

func TestEveryAccountAndRegionIsReadByItself(t *testing.T) {
	_, o := organization(t, localaws.Options{})
	o.Accounts.Exclude = []string{dataAccount}
	o.Regions = []string{testRegion, "eu-central-1"}
	want := map[string]string{}
	for _, account := range []string{testAccount, shopAccount} {
		for _, region := range o.Regions {
			want["logs/"+account+"/"+region+"//muster/orders"] = account + " in " + region
		}
	}
	if d := cmp.Diff(want, everywhere(t, o)); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
	o.Accounts.IDs = []string{shopAccount, noAccount} // only those that the organization has
	o.Regions = nil
	if d := cmp.Diff([]string{"logs/" + shopAccount + "/us-east-1//muster/orders"}, slices.Collect(maps.Keys(everywhere(t, o)))); d != "" {
		t.Errorf("streams (-want +got):\n%s", d)
	}
}

func TestOneAccountsFailureStopsNoOther(t *testing.T) {
	for name, trouble := range map[string]localaws.Trouble{
		"denied role": {}, "throttled": {Throttle: 0.3}, "expired sessions": {ExpiredSession: 0.3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, o := organization(t, localaws.Options{Seed: 4, Trouble: trouble})
			o.Accounts = Accounts{IDs: []string{testAccount, noAccount, shopAccount, dataAccount}, Role: "arn:aws:iam::{account}:role/muster-reader"}
			got := everywhere(t, o)
			if e := got["logs/"+noAccount+"/us-east-1"]; !strings.HasPrefix(e, "denied allow sts:AssumeRole") || !strings.Contains(e, "arn:aws:iam::"+noAccount+":role/muster-reader") {
				t.Errorf("got %q", e)
			}
			for _, account := range []string{testAccount, shopAccount, dataAccount} {
				if line := got["logs/"+account+"/us-east-1//muster/orders"]; line != account+" in us-east-1" {
					t.Errorf("%s: got %q", account, line)
				}
			}
		})
	}
}

// TestTrailBucketIsReadOnceByTheCaller: an organization's trail delivers for all
// accounts into a bucket that no member may read.
func TestTrailBucketIsReadOnceByTheCaller(t *testing.T) {
	s, o := organization(t, localaws.Options{})
	s.Drain()
	o.Sources, o.TrailBucket, o.Regions = []string{SourceTrail}, s.TrailBucket(), []string{testRegion, "eu-central-1"}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	events := map[string]int{}
	for _, c := range cs {
		got := collect(t.Context(), c, recent())
		must(t, got.err)
		if _, twice := events[c.Stream()]; twice {
			t.Errorf("%s is there twice", c.Stream())
		}
		events[c.Stream()] = len(got.records)
	}
	for _, account := range []string{testAccount, shopAccount, dataAccount} {
		if n := events["trail/"+account+"/us-east-1/"+s.TrailBucket()]; n == 0 {
			t.Errorf("no event of %s in %v", account, events)
		}
	}
}

func TestRoleIsAssumedWithTheExternalID(t *testing.T) {
	var asked []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is cut short has no action
		form, _ := url.ParseQuery(string(body))
		asked = append(asked, form)
		w.Header().Set("Content-Type", "text/xml")
		if form.Get("Action") == "AssumeRole" {
			fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			return
		}
		fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	t.Cleanup(server.Close)
	o := Options{AWS: awsAt(t, server.URL), Sources: []string{SourceXRay}, Sessions: &Sessions{}, Accounts: Accounts{
		IDs: []string{shopAccount}, Role: "arn:aws:iam::{account}:role/path/reader", ExternalID: "e-1",
	}}
	for range 2 { // the session is kept
		ps, err := Places(t.Context(), o)
		must(t, err)
		must(t, ps[0].Err)
	}
	var roles []string
	for _, form := range asked {
		if form.Get("Action") == "AssumeRole" {
			roles = append(roles, form.Get("RoleArn")+" "+form.Get("ExternalId")+" "+form.Get("RoleSessionName"))
		}
	}
	if want := []string{"arn:aws:iam::" + shopAccount + ":role/path/reader e-1 muster"}; !slices.Equal(roles, want) {
		t.Errorf("got %v, want %v", roles, want)
	}
}

func TestAccountsThatCannotBeReadAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		accounts Accounts
		text     string
	}{
		"no role":      {Accounts{IDs: []string{shopAccount}}, "takes a role in each"},
		"no account":   {Accounts{IDs: []string{"shop"}, Role: "r"}, `"shop" is no account`},
		"no accounts":  {Accounts{Role: "r"}, "mean nothing without accounts"},
		"one ARN":      {Accounts{Organization: true, Role: "arn:aws:iam::1:role/r"}, "the same for all accounts"},
		"no role name": {Accounts{Organization: true, Role: "a role"}, "neither the name"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Discover(t.Context(), Options{AWS: aws.Config{Region: testRegion}, Accounts: c.accounts}); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q", err, c.text)
			}
		})
	}
	_, o := organization(t, localaws.Options{})
	o.Accounts.Exclude = []string{testAccount, shopAccount, dataAccount}
	if _, err := Discover(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no account to read") {
		t.Errorf("got %v", err)
	}
}

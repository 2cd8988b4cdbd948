package collectors

import (
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

const memberAccount = "444455556666"

// group makes a log group with a line for each message.
func group(t *testing.T, cfg aws.Config, in cloudwatchlogs.CreateLogGroupInput, messages ...string) {
	t.Helper()
	logs := cloudwatchlogs.NewFromConfig(cfg)
	_, err := logs.CreateLogGroup(t.Context(), &in)
	must(t, err)
	stream := aws.String("a")
	_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: in.LogGroupName, LogStreamName: stream})
	must(t, err)
	var lines []logtypes.InputLogEvent
	for _, m := range messages {
		lines = append(lines, logtypes.InputLogEvent{Message: aws.String(m), Timestamp: aws.Int64(time.Now().UnixMilli())})
	}
	_, err = logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: in.LogGroupName, LogStreamName: stream, LogEvents: lines})
	must(t, err)
}

// monitored is an account with log groups, and a source account with one.
func monitored(t *testing.T) aws.Config {
	t.Helper()
	s, cfg := standIn(t, localaws.Options{Members: []localaws.Member{{ID: memberAccount}}})
	cfg.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	for name, tags := range map[string]map[string]string{
		"/ecs/orders": {"team": "shop", "env": "prod"}, "/ecs/payments": {"team": "shop"}, "/ecs/debug": nil, "/aws/lambda/mailer": {"team": "mail"},
	} {
		group(t, cfg, cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(name), Tags: tags}, "INFO hello from "+name, "ERROR goodbye from "+name)
	}
	group(t, cfg, cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/ecs/cold"), LogGroupClass: logtypes.LogGroupClassInfrequentAccess}, "INFO cold")
	role, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + memberAccount + ":role/muster-reader"), RoleSessionName: aws.String("test"),
	})
	must(t, err)
	member := cfg
	member.Credentials = credentials.NewStaticCredentialsProvider(*role.Credentials.AccessKeyId, *role.Credentials.SecretAccessKey, *role.Credentials.SessionToken)
	group(t, member, cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/ecs/orders")}, "INFO hello from afar")
	s.Drain()
	return cfg
}

// TestGroupsAreChosen holds each way of choosing to the streams that it gives.
func TestGroupsAreChosen(t *testing.T) {
	cfg := monitored(t)
	const home, member = "logs/111122223333/us-east-1/", "logs/" + memberAccount + "/us-east-1/"
	afar := "arn:aws:logs:us-east-1:" + memberAccount + ":log-group:/ecs/orders"
	for name, c := range map[string]struct {
		choice GroupChoice
		want   string
	}{
		"all":                   {GroupChoice{}, home + "/aws/lambda/mailer " + home + "/ecs/cold " + home + "/ecs/debug " + home + "/ecs/orders " + home + "/ecs/payments"},
		"by name":               {GroupChoice{Names: []string{"/ecs/orders", "/not/there"}}, home + "/ecs/orders " + home + "/not/there"},
		"by prefixes":           {GroupChoice{Prefixes: []string{"/aws/lambda/", "/ecs/o", "/ecs/or"}}, home + "/aws/lambda/mailer " + home + "/ecs/orders"},
		"by patterns":           {GroupChoice{Patterns: []string{"*mail*", "/ecs/??????"}}, home + "/aws/lambda/mailer " + home + "/ecs/orders"},
		"a name and a pattern":  {GroupChoice{Names: []string{"/ecs/debug"}, Patterns: []string{"*/mailer"}}, home + "/aws/lambda/mailer " + home + "/ecs/debug"},
		"but for some":          {GroupChoice{Prefixes: []string{"/ecs/"}, Exclude: []string{"*debug", "*cold"}}, home + "/ecs/orders " + home + "/ecs/payments"},
		"by tag":                {GroupChoice{Tags: []string{"team=shop"}}, home + "/ecs/orders " + home + "/ecs/payments"},
		"by tags":               {GroupChoice{Tags: []string{"team=shop", "env"}}, home + "/ecs/orders"},
		"by class":              {GroupChoice{Classes: []string{"INFREQUENT_ACCESS"}}, home + "/ecs/cold"},
		"by classes":            {GroupChoice{Classes: []string{"STANDARD", "DELIVERY"}, Prefixes: []string{"/ecs/"}}, home + "/ecs/debug " + home + "/ecs/orders " + home + "/ecs/payments"},
		"of linked accounts":    {GroupChoice{Linked: true, Patterns: []string{"*orders"}}, home + "/ecs/orders " + member + "/ecs/orders"},
		"of one linked account": {GroupChoice{LinkedAccounts: []string{memberAccount}}, member + "/ecs/orders"},
		"by ARN":                {GroupChoice{Names: []string{afar + ":*"}}, member + "/ecs/orders"},
		"none":                  {GroupChoice{Prefixes: []string{"/nothing"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceLogs}, Groups: c.choice})
			must(t, err)
			var streams []string
			for _, c := range cs {
				streams = append(streams, c.Stream())
			}
			if diff := cmp.Diff(c.want, strings.Join(streams, " ")); diff != "" {
				t.Errorf("streams (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChoicesThatCannotBeAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		choice GroupChoice
		text   string
	}{
		"class":  {GroupChoice{Classes: []string{"COLD"}}, `unknown log group class "COLD"`},
		"tag":    {GroupChoice{Tags: []string{"=x"}}, "has no key"},
		"empty":  {GroupChoice{Prefixes: []string{""}}, "empty"},
		"filter": {GroupChoice{Filter: strings.Repeat("x", 1025)}, "1024"},
	} {
		if _, err := Policy(Options{Groups: c.choice}); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestLinkedGroupsAreOfTheirAccount: and what may not be read line by line is in the
// ledger.
func TestLinkedGroupsAreOfTheirAccount(t *testing.T) {
	cfg := monitored(t)
	var seen calls
	o := Options{
		AWS: cfg, Sources: []string{SourceLogs}, Limiter: NewLimiter(0, seen.observe), GroupTags: &GroupTags{},
		Groups: GroupChoice{Linked: true, Patterns: []string{"*orders", "*cold"}},
	}
	all := map[string]collected{}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	for _, c := range cs {
		all[c.Stream()] = collect(t.Context(), c, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	}
	afar := all["logs/"+memberAccount+"/us-east-1//ecs/orders"]
	if len(afar.records) != 1 || afar.records[0].Account != memberAccount || afar.records[0].Message != "INFO hello from afar" {
		t.Errorf("got %+v, %v", afar.records, afar.err)
	}
	if n := len(all["logs/111122223333/us-east-1//ecs/orders"].records); n != 2 {
		t.Errorf("got %d lines of the account's own", n)
	}
	cold := all["logs/111122223333/us-east-1//ecs/cold"]
	if cold.err != nil || len(cold.ledger) != 1 || cold.ledger[0].Reason != "class" || !strings.Contains(cold.ledger[0].Detail, "INFREQUENT_ACCESS") || len(cold.through) > 0 {
		t.Errorf("got %s, %v", cold.summary(), cold.err)
	}
	doc, err := Policy(o)
	must(t, err)
	if !strings.Contains(string(doc), `:us-east-1:*:log-group:*orders:*"`) {
		t.Errorf("the policy does not allow linked accounts:\n%s", doc)
	}
}

// TestFilteredGroupsAreAnotherStream: their marks say nothing of what the filter
// leaves out, and the ledger says that it was one.
func TestFilteredGroupsAreAnotherStream(t *testing.T) {
	cfg := monitored(t)
	choice := GroupChoice{Names: []string{"/ecs/orders"}, Filter: "ERROR"}
	cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceLogs}, Groups: choice})
	must(t, err)
	if got := cs[0].Stream(); len(cs) != 1 || !strings.HasPrefix(got, "logs/111122223333/us-east-1//ecs/orders?filter=") {
		t.Fatalf("got %d streams: %s", len(cs), got)
	}
	got := collect(t.Context(), cs[0], fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	if len(got.records) != 1 || got.records[0].Name != "ERROR" || got.err != nil {
		t.Errorf("got %+v, %v", got.records, got.err)
	}
	if last := got.ledger[len(got.ledger)-1]; last.Reason != "filtered" || last.Coverage != fleet.Partial || len(got.through) == 0 {
		t.Errorf("got %s", got.summary())
	}
}

// TestTagsAreAskedForOnce: a daemon lists groups twice a minute.
func TestTagsAreAskedForOnce(t *testing.T) {
	cfg := monitored(t)
	var seen calls
	now := time.Now()
	o := Options{
		AWS: cfg, Sources: []string{SourceLogs}, Groups: GroupChoice{Tags: []string{"team=mail"}}, GroupTags: &GroupTags{},
		Limiter: NewLimiter(0, seen.observe), Now: func() time.Time { return now },
	}
	asked := func() int {
		n := 0
		for _, c := range seen.seen {
			if c.Action == "logs:ListTagsForResource" {
				n++
			}
		}
		return n
	}
	const groups = 5
	for _, want := range []int{groups, groups, 2 * groups} {
		if want > groups {
			now = now.Add(tagsKept)
		}
		cs, err := Discover(t.Context(), o)
		must(t, err)
		if len(cs) != 1 || asked() != want {
			t.Errorf("got %d streams after %d calls, want %d", len(cs), asked(), want)
		}
	}
	if want := allowed(t, o); !slices.Contains(want, "logs:ListTagsForResource") {
		t.Errorf("the policy allows %v", want)
	}
}

package localaws

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
)

// history returns all items of a resource and how many pages they took.
func history(t *testing.T, s *Server, in *configservice.GetResourceConfigHistoryInput) ([]types.ConfigurationItem, int) {
	t.Helper()
	var out []types.ConfigurationItem
	pages := 0
	for p := configservice.NewGetResourceConfigHistoryPaginator(configservice.NewFromConfig(retrying(t, s, "AKIDREADER")), in); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		out = append(out, page.ConfigurationItems...)
	}
	return out, pages
}

func ofGroup(id string) *configservice.GetResourceConfigHistoryInput {
	return &configservice.GetResourceConfigHistoryInput{ResourceType: types.ResourceTypeSecurityGroup, ResourceId: &id}
}

// opened makes a security group and opens it a minute later.
func opened(t *testing.T, s *Server, clock *handClock) string {
	t.Helper()
	group := newTestGroup(t, s)
	clock.advance(time.Minute)
	var ignored struct{}
	ec2Call(t, s, "AuthorizeSecurityGroupIngress", world(group), &ignored)
	return group
}

func TestChangedResourceHasAHistory(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now, Delay: Delay{Config: 2 * time.Minute}})
	called := clock.Now()
	group := opened(t, s, clock)
	if _, err := configservice.NewFromConfig(client(t, s, "AKIDREADER")).GetResourceConfigHistory(t.Context(), ofGroup(group)); err == nil {
		t.Error("the change is visible at once")
	}
	clock.advance(2*time.Minute + captureLag)
	items, _ := history(t, s, ofGroup(group))
	if len(items) != 2 {
		t.Fatalf("%d items, want 2", len(items))
	}
	newest, oldest := items[0], items[1]
	if oldest.ConfigurationItemStatus != "ResourceDiscovered" || newest.ConfigurationItemStatus != "OK" {
		t.Errorf("the statuses are %s and %s", oldest.ConfigurationItemStatus, newest.ConfigurationItemStatus)
	}
	if at := oldest.ConfigurationItemCaptureTime; !at.Equal(called.Add(captureLag)) {
		t.Errorf("the first item is of %v, the call of %v", at, called)
	}
	if *newest.Version != "1.3" || *newest.ConfigurationStateId <= *oldest.ConfigurationStateId || len(newest.RelatedEvents) != 0 {
		t.Errorf("the newest item is %+v", newest)
	}
	var configuration struct {
		IPPermissions []struct {
			FromPort   int `json:"fromPort"`
			IPv4Ranges []struct {
				CIDR string `json:"cidrIp"`
			} `json:"ipv4Ranges"`
			IPv6Ranges []struct {
				CIDR string `json:"cidrIpv6"`
			} `json:"ipv6Ranges"`
		} `json:"ipPermissions"`
	}
	if err := json.Unmarshal([]byte(*newest.Configuration), &configuration); err != nil {
		t.Fatal(err)
	}
	if p := configuration.IPPermissions; len(p) != 1 || p[0].FromPort != 22 || p[0].IPv4Ranges[0].CIDR != "0.0.0.0/0" || p[0].IPv6Ranges[0].CIDR != "::/0" {
		t.Errorf("the newest configuration is %s", *newest.Configuration)
	}
	if len(newest.Relationships) != 1 || newest.Relationships[0].ResourceType != types.ResourceTypeVpc {
		t.Errorf("the relationships are %+v", newest.Relationships)
	}
}

func TestHistoryGoesBySevenDaysAPage(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now})
	group := opened(t, s, clock)
	clock.advance(30 * 24 * time.Hour)
	for _, order := range []types.ChronologicalOrder{"Reverse", "Forward"} {
		in := ofGroup(group)
		in.EarlierTime, in.ChronologicalOrder = aws.Time(clock.Now().Add(-35*24*time.Hour)), order
		items, pages := history(t, s, in)
		if len(items) != 2 || pages != 6 {
			t.Errorf("%s: %d items on %d pages, want 2 on 6", order, len(items), pages)
		}
		sorted := slices.IsSortedFunc(items, func(a, b types.ConfigurationItem) int {
			return a.ConfigurationItemCaptureTime.Compare(*b.ConfigurationItemCaptureTime)
		})
		if sorted != (order == "Forward") {
			t.Errorf("%s: the items are in the other order", order)
		}
	}
	in := ofGroup(group)
	in.LaterTime = aws.Time(clock.Now().Add(-31 * 24 * time.Hour))
	in.EarlierTime = aws.Time(clock.Now().Add(-32 * 24 * time.Hour))
	if items, _ := history(t, s, in); len(items) != 0 {
		t.Errorf("before its time the group has %d items", len(items))
	}
}

func TestHistorySurvivesTrouble(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now, Seed: 5, Trouble: Trouble{Throttle: 0.3, Fail: 0.2, EmptyPage: 0.4, Repeat: 0.5, Late: 0.5}})
	group := newTestGroup(t, s)
	for n := range 30 {
		clock.advance(time.Minute)
		var ignored struct{}
		ec2Call(t, s, "AuthorizeSecurityGroupIngress", url.Values{
			"GroupId": {group}, "IpProtocol": {"tcp"}, "CidrIp": {"10.0." + strconv.Itoa(n) + ".0/24"},
		}, &ignored)
	}
	s.Drain()
	in := ofGroup(group)
	in.Limit = 4
	items, _ := history(t, s, in)
	states := make(map[string]int)
	for _, item := range items {
		states[*item.ConfigurationStateId]++
	}
	if len(states) != 31 || len(items) == len(states) {
		t.Errorf("%d items of %d states, want repeats of 31", len(items), len(states))
	}
}

func TestDrainTakesPicturesThatAreDue(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now, Delay: Delay{Config: time.Hour}})
	group := newTestGroup(t, s)
	s.Drain()
	in := ofGroup(group)
	in.LaterTime = aws.Time(clock.Now())
	if items, _ := history(t, s, in); len(items) != 1 {
		t.Errorf("%d items up to now, want 1", len(items))
	}
}

func TestDiscoveredResourcesAreListedUntilTheyAreDeleted(t *testing.T) {
	s, tables := newTestTable(t)
	reader := configservice.NewFromConfig(client(t, s, "AKIDREADER"))
	list := func(deleted bool) []types.ResourceIdentifier {
		s.Drain()
		out, err := reader.ListDiscoveredResources(t.Context(), &configservice.ListDiscoveredResourcesInput{
			ResourceType: types.ResourceTypeTable, IncludeDeletedResources: deleted,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.ResourceIdentifiers
	}
	if got := list(false); len(got) != 1 || *got[0].ResourceId != "orders" || *got[0].ResourceName != "orders" {
		t.Errorf("the tables are %+v", got)
	}
	keys := []types.ResourceKey{
		{ResourceType: types.ResourceTypeTable, ResourceId: aws.String("orders")},
		{ResourceType: types.ResourceTypeTable, ResourceId: aws.String("none")},
	}
	batch, err := reader.BatchGetResourceConfig(t.Context(), &configservice.BatchGetResourceConfigInput{ResourceKeys: keys})
	if err != nil || len(batch.BaseConfigurationItems) != 1 || *batch.BaseConfigurationItems[0].Arn != "arn:aws:dynamodb:us-east-1:111122223333:table/orders" {
		t.Errorf("BatchGetResourceConfig = %+v, %v", batch, err)
	}
	if _, err := tables.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("orders")}); err != nil {
		t.Fatal(err)
	}
	if got := list(false); len(got) != 0 {
		t.Errorf("the deleted table is listed: %+v", got)
	}
	if got := list(true); len(got) != 1 || got[0].ResourceDeletionTime == nil {
		t.Errorf("with the deleted ones the tables are %+v", got)
	}
	batch, err = reader.BatchGetResourceConfig(t.Context(), &configservice.BatchGetResourceConfigInput{ResourceKeys: keys})
	if err != nil || len(batch.BaseConfigurationItems) != 0 {
		t.Errorf("once deleted, BatchGetResourceConfig = %+v, %v", batch, err)
	}
}

func TestBatchLeavesKeysUnprocessedWhenTroubled(t *testing.T) {
	s := start(t, Options{Seed: 1, Trouble: Trouble{EmptyPage: 0.5}})
	newTestBucket(t, s)
	s.Drain()
	reader := configservice.NewFromConfig(client(t, s, "AKIDREADER"))
	keys := []types.ResourceKey{{ResourceType: types.ResourceTypeBucket, ResourceId: aws.String("receipts")}}
	asked, got := 0, 0
	for len(keys) > 0 {
		out, err := reader.BatchGetResourceConfig(t.Context(), &configservice.BatchGetResourceConfigInput{ResourceKeys: keys})
		if err != nil {
			t.Fatal(err)
		}
		asked++
		got += len(out.BaseConfigurationItems)
		keys = out.UnprocessedResourceKeys
	}
	if asked < 2 || got != 1 {
		t.Errorf("asked %d times and got %d items, want a second time and 1", asked, got)
	}
}

func TestEveryKindOfResourceIsRecorded(t *testing.T) {
	s := start(t, Options{})
	topicAndQueue(t, s, "true")
	newTestBucket(t, s)
	newTestGroup(t, s)
	assume(t, s, "orders")
	s.Drain()
	reader := configservice.NewFromConfig(client(t, s, "AKIDREADER"))
	got := make(map[string]string)
	for _, kind := range []types.ResourceType{
		types.ResourceTypeTopic, types.ResourceTypeQueue, types.ResourceTypeBucket, types.ResourceTypeSecurityGroup, types.ResourceTypeRole,
	} {
		out, err := reader.ListDiscoveredResources(t.Context(), &configservice.ListDiscoveredResourcesInput{ResourceType: kind})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.ResourceIdentifiers {
			got[string(r.ResourceType)] = *r.ResourceName
		}
	}
	want := map[string]string{
		"AWS::SNS::Topic": "orders", "AWS::SQS::Queue": "events", "AWS::S3::Bucket": "receipts",
		"AWS::EC2::SecurityGroup": "web", "AWS::IAM::Role": "muster-orders",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("resources (-want +got):\n%s", d)
	}
}

func TestConfigRefusesWhatAWSRefuses(t *testing.T) {
	s := start(t, Options{})
	group := newTestGroup(t, s)
	s.Drain()
	ctx, reader := t.Context(), configservice.NewFromConfig(client(t, s, "AKIDREADER"))
	for _, tt := range []struct {
		change func(*configservice.GetResourceConfigHistoryInput)
		want   string
	}{
		{func(in *configservice.GetResourceConfigHistoryInput) { in.ResourceId = aws.String("sg-none") }, "ResourceNotDiscoveredException"},
		{func(in *configservice.GetResourceConfigHistoryInput) { in.Limit = 101 }, "InvalidLimitException"},
		{func(in *configservice.GetResourceConfigHistoryInput) { in.NextToken = aws.String("x") }, "InvalidNextTokenException"},
		{func(in *configservice.GetResourceConfigHistoryInput) {
			in.EarlierTime, in.LaterTime = aws.Time(time.Now()), aws.Time(time.Now().Add(-time.Hour))
		}, "InvalidTimeRangeException"},
	} {
		in := ofGroup(group)
		tt.change(in)
		_, err := reader.GetResourceConfigHistory(ctx, in)
		wantCode(t, err, tt.want)
	}
	many := make([]types.ResourceKey, maxBatchKeys+1)
	for i := range many {
		many[i] = types.ResourceKey{ResourceType: types.ResourceTypeTable, ResourceId: aws.String("x")}
	}
	_, err := reader.BatchGetResourceConfig(ctx, &configservice.BatchGetResourceConfigInput{ResourceKeys: many})
	wantCode(t, err, "ValidationException")
}

func TestConfigForgetsTheOldest(t *testing.T) {
	s := start(t, Options{})
	s.config.items = make([]configurationItem, maxItems)
	newTestGroup(t, s)
	if n := len(s.config.items); n != maxItems-maxItems/10+1 {
		t.Errorf("%d items are kept", n)
	}
}

func TestRecorderDescribesItself(t *testing.T) {
	reader := configservice.NewFromConfig(client(t, start(t, Options{}), "AKIDREADER"))
	recorders, err := reader.DescribeConfigurationRecorders(t.Context(), &configservice.DescribeConfigurationRecordersInput{})
	if err != nil || len(recorders.ConfigurationRecorders) != 1 || !recorders.ConfigurationRecorders[0].RecordingGroup.AllSupported {
		t.Errorf("the recorders are %+v, %v", recorders, err)
	}
	status, err := reader.DescribeConfigurationRecorderStatus(t.Context(), &configservice.DescribeConfigurationRecorderStatusInput{})
	if err != nil || len(status.ConfigurationRecordersStatus) != 1 || !status.ConfigurationRecordersStatus[0].Recording {
		t.Errorf("the recorder's status is %+v, %v", status, err)
	}
}

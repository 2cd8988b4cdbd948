package collectors

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

// governed is a stand-in with two queues, a pack of one custom rule that says
// something of one of them, and an aggregator.
func governed(t *testing.T) Options {
	t.Helper()
	server, cfg := standIn(t, localaws.Options{})
	owner := cfg
	owner.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	queues, config := sqs.NewFromConfig(owner), configservice.NewFromConfig(owner)
	for _, name := range []string{"events", "dead"} {
		_, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		must(t, err)
	}
	rule := map[string]any{"Type": "AWS::Config::ConfigRule", "Properties": map[string]any{
		"ConfigRuleName": "dlq", "Source": map[string]string{"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": "arn:aws:lambda:us-east-1:111122223333:function:f"},
	}}
	template, err := json.Marshal(map[string]any{"Resources": map[string]any{"Dlq": rule}})
	must(t, err)
	_, err = config.PutConformancePack(t.Context(), &configservice.PutConformancePackInput{ConformancePackName: aws.String("queues"), TemplateBody: aws.String(string(template))})
	must(t, err)
	rules, err := config.DescribeConfigRules(t.Context(), &configservice.DescribeConfigRulesInput{})
	must(t, err)
	_, err = config.PutEvaluations(t.Context(), &configservice.PutEvaluationsInput{ResultToken: rules.ConfigRules[0].ConfigRuleName, Evaluations: []configtypes.Evaluation{{
		ComplianceResourceType: aws.String("AWS::SQS::Queue"), ComplianceResourceId: aws.String("events"), ComplianceType: configtypes.ComplianceTypeNonCompliant,
		Annotation: aws.String("no dead-letter queue"), OrderingTimestamp: aws.Time(time.Now()),
	}}})
	must(t, err)
	_, err = config.PutConfigurationAggregator(t.Context(), &configservice.PutConfigurationAggregatorInput{
		ConfigurationAggregatorName: aws.String("all"), AccountAggregationSources: []configtypes.AccountAggregationSource{{AccountIds: []string{testAccount}, AllAwsRegions: true}},
	})
	must(t, err)
	server.Drain()
	return Options{AWS: cfg}
}

func lastMinutes() fleet.Window {
	return fleet.Window{Start: time.Now().Add(-10 * time.Minute), End: time.Now().Add(time.Second)}
}

func collectSources(t *testing.T, o Options) map[string]collected {
	t.Helper()
	cs, err := Discover(t.Context(), o)
	must(t, err)
	all := map[string]collected{}
	for _, c := range cs {
		got := collect(t.Context(), c, lastMinutes())
		if got.err != nil {
			t.Errorf("%s: %v", c.Stream(), got.err)
		}
		all[c.Stream()] = got
	}
	return all
}

// TestVerdictsNameTheirPack: by the rules and by an aggregator a verdict is the
// same record.
func TestVerdictsNameTheirPack(t *testing.T) {
	o := governed(t)
	o.Sources, o.ConfigAggregator = []string{SourceVerdicts}, "all"
	all := collectSources(t, o)
	own, shown := all["verdicts/111122223333/us-east-1"], all["verdicts/111122223333/us-east-1/aggregator/all"]
	if len(own.records) != 1 || len(shown.records) != 1 {
		t.Fatalf("got %s and %s", own.ids(), shown.ids())
	}
	r := own.records[0]
	if want := "dlq of the conformance pack queues says NON_COMPLIANT of AWS::SQS::Queue/events: no dead-letter queue"; r.Message != want ||
		r.Attributes.Get("conformance_pack") != "queues" || !strings.HasPrefix(r.Name, "dlq-conformance-pack-") || r.Error != "NON_COMPLIANT" {
		t.Errorf("got %q, %v", r.Message, r.Attributes)
	}
	if s := shown.records[0]; s.Account != testAccount || s.Region != "us-east-1" || s.Name != r.Name || s.Error != r.Error || s.Kind != fleet.KindVerdict {
		t.Errorf("an aggregator shows %+v", s)
	}
	if last := shown.ledger[len(shown.ledger)-1]; last.Reason != "sampled" || len(shown.through) == 0 {
		t.Errorf("got %s", shown.summary())
	}
}

// TestInventoryIsWhatTheHistoryHas: a resource's newest item is the same change,
// whether it was queried or read from its history.
func TestInventoryIsWhatTheHistoryHas(t *testing.T) {
	o := governed(t)
	for name, aggregator := range map[string]string{"own account": "", "aggregator": "all"} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Sources, o.ConfigAggregator, o.ConfigTypes = []string{SourceConfig, SourceInventory}, aggregator, []string{"AWS::SQS::Queue"}
			all := collectSources(t, o)
			stream := "inventory/111122223333/us-east-1"
			if aggregator != "" {
				stream += "/aggregator/all"
			}
			history, now := map[string]fleet.Record{}, all[stream]
			for _, r := range all["config/111122223333/us-east-1"].records {
				history[r.ID] = r
			}
			if len(now.records) != 2 || now.ledger[len(now.ledger)-1].Reason != "sampled" {
				t.Fatalf("got %s of %d", now.summary(), len(now.records))
			}
			for _, r := range now.records {
				if diff := cmp.Diff(history[r.ID], r); diff != "" {
					t.Errorf("history (-) and inventory (+) differ:\n%s", diff)
				}
			}
		})
	}
}

func TestInventoryIsReadWholeOnceAndThenWhatIsNew(t *testing.T) {
	o := governed(t)
	o.Sources, o.Sessions = []string{SourceInventory}, &Sessions{}
	o.Now = func() time.Time { return time.Now().Add(48 * time.Hour) } // what there is was made long ago
	cs, err := Discover(t.Context(), o)
	must(t, err)
	for i, want := range []int{2, 0} {
		got := collect(t.Context(), cs[0], fleet.Window{Start: o.Now().Add(-time.Hour), End: o.Now()})
		if n := len(slices.DeleteFunc(got.records, func(r fleet.Record) bool { return r.Service != "sqs" })); n != want || got.err != nil {
			t.Errorf("pass %d: %d queues, want %d: %v", i+1, n, want, got.err)
		}
	}
	x := &inventory{source: newSource(Options{ConfigTypes: []string{"AWS::SQS::Queue", "it's"}}.withDefaults(), SourceInventory, "")}
	if got := x.expression(noon); !strings.HasSuffix(got, " WHERE resourceType IN ('AWS::SQS::Queue', 'it''s') AND configurationItemCaptureTime >= '2026-01-02T12:00:00.000Z'") {
		t.Errorf("got %s", got)
	}
}

func TestAggregatorsArePlannedExaminedAndAllowed(t *testing.T) {
	o := governed(t)
	o.Sources, o.ConfigAggregator = []string{SourceVerdicts, SourceInventory}, "all"
	all, err := Estimates(t.Context(), o, 0, fleet.Window{Start: time.Now().Add(-time.Hour)})
	must(t, err)
	if len(all) != 2 || !strings.Contains(all[1].Basis, "resources, whatever the window") || all[1].Calls < 1 || all[1].Quota != "config:SelectAggregateResourceConfig" {
		t.Errorf("got plan %+v", all)
	}
	checks, err := Examine(t.Context(), o)
	must(t, err)
	for _, want := range []string{"the aggregator all has resources of 1 accounts", "the aggregator all shows 1 rules of its accounts", "config:DescribeConformancePacks is allowed", "config:SelectAggregateResourceConfig is allowed"} {
		if !slices.ContainsFunc(checks, func(c Check) bool { return c.State == StateOK && c.Found == want }) {
			t.Errorf("no check says %q: %+v", want, checks)
		}
	}
	var seen calls
	o.Limiter = NewLimiter(0, seen.observe)
	collectSources(t, o)
	called := map[string]bool{"config:GetComplianceDetailsByConfigRule": true} // of a rule in no pack
	for _, c := range seen.seen {
		called[c.Action] = true
	}
	delete(called, "sts:GetCallerIdentity")
	for _, action := range allowed(t, o) {
		if !called[action] {
			t.Errorf("%s is allowed and not called", action)
		}
		delete(called, action)
	}
	if len(called) > 0 {
		t.Errorf("%v are called and not allowed", called)
	}
	several := Options{Accounts: Accounts{IDs: []string{"111122223333", "444455556666"}, Role: "reader"}, Sources: o.Sources, ConfigAggregator: "all"}
	caller, err := CallerPolicy(several)
	must(t, err)
	role, err := Policy(several)
	must(t, err)
	if !strings.Contains(string(caller), "SelectAggregateResourceConfig") || strings.Contains(string(role), "Aggregate") {
		t.Errorf("an aggregator is read by the caller:\n%s%s", caller, role)
	}
	o.ConfigAggregator = "none"
	cs, err := Discover(t.Context(), o)
	must(t, err)
	if got := collect(t.Context(), cs[len(cs)-1], lastMinutes()); got.err == nil || !strings.Contains(got.err.Error(), "NoSuchConfigurationAggregator") {
		t.Errorf("got %v", got.err)
	}
}

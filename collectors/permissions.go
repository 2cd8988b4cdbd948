package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// permissions are the IAM actions that reading a source takes.
var permissions = map[string][]string{
	SourceXRay: {
		"xray:GetTraceSegmentDestination", "xray:GetTraceSummaries", "xray:BatchGetTraces", "xray:GetSamplingStatisticSummaries", "xray:GetSamplingRules",
	},
	SourceLogs:       {"logs:DescribeLogGroups", "logs:FilterLogEvents"},
	SourceCloudTrail: {"cloudtrail:LookupEvents"},
	SourceKinesis:    {"kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"},
	SourceLogBucket:  {"s3:ListBucket", "s3:GetObject"},
	SourceTrail:      {"s3:ListBucket", "s3:GetObject"},
	SourceConfig:     {"config:ListDiscoveredResources", "config:GetResourceConfigHistory"},
	SourceExecutions: {"states:ListStateMachines", "states:ListExecutions", "states:DescribeExecution", "states:GetExecutionHistory"},
	SourceVerdicts: {
		"config:DescribeComplianceByConfigRule", "config:GetComplianceDetailsByConfigRule",
		"config:DescribeConfigurationRecorders", "config:ListDiscoveredResources", "config:GetResourceConfigHistory",
		"config:DescribeConformancePacks", "config:GetConformancePackComplianceDetails",
	},
	SourceInventory: {"config:SelectResourceConfig"},
}

// retrievalPermissions are the IAM actions that Retrieve takes.
var retrievalPermissions = []string{
	"xray:GetTraceSegmentDestination", "xray:BatchGetTraces",
	"xray:StartTraceRetrieval", "xray:ListRetrievedTraces", "xray:CancelTraceRetrieval",
}

// aggregatorPermissions are the IAM actions that an aggregator takes, besides or
// instead of a source's.
var aggregatorPermissions = map[string][]string{
	SourceVerdicts:  {"config:DescribeAggregateComplianceByConfigRules", "config:GetAggregateComplianceDetailsByConfigRule"},
	SourceInventory: {"config:SelectAggregateResourceConfig"},
}

// queuePermissions are the IAM actions that a trail's queue takes, besides
// s3:GetObject on the bucket.
var queuePermissions = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

// statement is one of a policy.
type statement struct {
	Sid      string   `json:"Sid"`
	Effect   string   `json:"Effect"`
	Action   []string `json:"Action"`
	Resource []string `json:"Resource"`
}

// Policy is the least IAM policy with which what o says can be read, as JSON.
// Account and region may be unknown: then they are wildcards. It asks nothing of
// AWS. Finding the account (sts:GetCallerIdentity) needs no permission. A bucket
// that is encrypted with a key of its own needs kms:Decrypt on that key besides.
func Policy(o Options) ([]byte, error) {
	wanted, err := o.wanted()
	if err != nil {
		return nil, err
	}
	if o.Accounts.several() { // of each account's role; buckets are read by who assumes it
		o.Account = ""
		wanted = without(without(without(wanted, SourceTrail), SourceLogBucket), SourceKinesis)
		if o.ConfigAggregator != "" { // the caller's, too
			wanted, o.ConfigAggregator = without(wanted, SourceInventory), ""
		}
	}
	if len(o.Regions) > 0 {
		o.AWS.Region = o.Regions[0]
	}
	var ss []statement
	for _, source := range wanted {
		ss = append(ss, o.statements(source)...)
	}
	return policyOf(ss)
}

// CallerPolicy is the least IAM policy of who reads several accounts: it assumes
// the roles, lists the organization's accounts, and reads buckets and aggregator. What
// it reads of its own account takes Policy besides.
func CallerPolicy(o Options) ([]byte, error) {
	wanted, err := o.wanted()
	if err != nil {
		return nil, err
	}
	if !o.Accounts.several() {
		return nil, errors.New("there are no accounts to read: name them, or ask the organization")
	}
	ids := o.Accounts.IDs
	if len(ids) == 0 {
		ids = []string{"*"}
	}
	var roles []string
	for _, id := range ids {
		roles = append(roles, o.Accounts.roleIn(id, o.partition()))
	}
	ss := []statement{{"MusterAssume", "Allow", []string{"sts:AssumeRole"}, roles}}
	if o.Accounts.Organization {
		ss = append(ss, statement{"MusterOrganization", "Allow", []string{"organizations:ListAccounts"}, []string{"*"}})
	}
	for _, bucket := range []string{SourceTrail, SourceLogBucket, SourceKinesis} {
		if slices.Contains(wanted, bucket) {
			ss = append(ss, o.statements(bucket)...)
		}
	}
	for _, source := range []string{SourceVerdicts, SourceInventory} {
		if o.ConfigAggregator != "" && slices.Contains(wanted, source) {
			ss = append(ss, statement{"MusterAggregator" + source, "Allow", aggregatorPermissions[source], []string{"*"}})
		}
	}
	return policyOf(ss)
}

func policyOf(ss []statement) ([]byte, error) {
	doc, err := json.MarshalIndent(struct {
		Version   string      `json:"Version"`
		Statement []statement `json:"Statement"`
	}{"2012-10-17", ss}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("spell the policy: %w", err)
	}
	return append(doc, '\n'), nil
}

// statements allow one source. What IAM cannot bound to a resource has "*".
func (o *Options) statements(source string) []statement {
	allow := func(sid string, actions []string, resources ...string) statement {
		return statement{"Muster" + sid, "Allow", actions, resources}
	}
	name := strings.ToUpper(source[:1]) + source[1:]
	all := permissions[source]
	switch source {
	case SourceXRay: // with Transaction Search the spans are in a log group
		spans := fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s:*", o.partition(), o.anyRegion(), orAny(o.Account), spansGroup)
		if len(o.TraceIDs) > 0 {
			return []statement{allow(name, retrievalPermissions, "*")}
		}
		if o.XRayGroup != "" {
			all = append(slices.Clone(all), "xray:GetGroups")
		}
		return []statement{
			allow(name, all, "*"),
			allow(name+"Spans", []string{"logs:FilterLogEvents"}, spans), allow(name+"SpansList", []string{"logs:DescribeLogGroups"}, "*"),
		}
	case SourceLogs:
		var ss []statement
		if o.Groups.lists() {
			ss = append(ss, allow(name+"List", all[:1], "*"))
		}
		if len(o.Groups.Tags) > 0 {
			ss = append(ss, allow(name+"Tags", []string{"logs:ListTagsForResource"}, o.groupARNs("")...))
		}
		if o.LiveTail {
			ss = append(ss, allow(name+"Tail", []string{"logs:StartLiveTail"}, o.groupARNs(":*")...))
		}
		return append(ss, allow(name, all[1:], o.groupARNs(":*")...))
	case SourceExecutions:
		return o.executionStatements(all)
	case SourceKinesis:
		var arns []string
		for _, stream := range o.KinesisStreams {
			if !strings.HasPrefix(stream, "arn:") {
				stream = fmt.Sprintf("arn:%s:kinesis:%s:%s:stream/%s", o.partition(), o.anyRegion(), orAny(o.Account), stream)
			}
			arns = append(arns, stream)
		}
		return []statement{allow(name, all, arns...)}
	case SourceLogBucket:
		bucket := "arn:" + o.partition() + ":s3:::" + o.LogBucket
		return []statement{allow("LogBucketList", all[:1], bucket), allow("LogBucket", all[1:], bucket+"/"+o.LogBucketPrefix+"*")}
	case SourceVerdicts:
		if o.ConfigAggregator != "" {
			return []statement{allow(name, all, "*"), allow(name+"Aggregator", aggregatorPermissions[source], "*")}
		}
	case SourceInventory:
		if o.ConfigAggregator != "" {
			return []statement{allow(name, aggregatorPermissions[source], "*")}
		}
	case SourceTrail:
		bucket := "arn:" + o.partition() + ":s3:::" + o.TrailBucket
		files := allow(name, all[1:], bucket+"/"+o.trailRoot()+"*")
		if o.TrailQueue != "" {
			return []statement{allow(name+"Queue", queuePermissions, o.queueARN()), files}
		}
		return []statement{allow(name+"List", all[:1], bucket), files}
	}
	return []statement{allow(name, all, "*")}
}

// queueARN is that of the trail's queue.
func (o *Options) queueARN() string {
	q, err := parseQueueURL(o.TrailQueue)
	if err != nil {
		return "*" // wanted has refused it
	}
	return fmt.Sprintf("arn:%s:sqs:%s:%s:%s", o.partition(), firstOf(q.region, orAny(o.AWS.Region)), q.account, q.name)
}

// executionStatements allow to read the executions of the chosen state machines.
func (o *Options) executionStatements(all []string) []statement {
	var ss []statement
	if o.Machines.lists() {
		ss = append(ss, statement{"MusterExecutionsMachines", "Allow", all[:1], []string{"*"}})
	}
	names := slices.Concat(o.Machines.Names, o.Machines.Patterns)
	if len(names) == 0 {
		names = []string{"*"}
	}
	var machines, runs []string
	for _, name := range names {
		arn := o.machineARN(name)
		machines = append(machines, arn)
		runs = append(runs, strings.Replace(arn, ":stateMachine:", ":execution:", 1)+":*")
	}
	return append(ss,
		statement{"MusterExecutionsList", "Allow", all[1:2], machines}, statement{"MusterExecutions", "Allow", all[2:], runs})
}

// groupARNs are those of the log groups to read, each with an ending.
func (o *Options) groupARNs(ending string) []string {
	account := orAny(o.Account)
	if o.Groups.linked() {
		account = "*"
	}
	names := slices.Clone(o.Groups.Names)
	for _, p := range o.Groups.Prefixes {
		names = append(names, p+"*")
	}
	names = append(names, o.Groups.Patterns...)
	if len(names) == 0 {
		names = []string{"*"}
	}
	for i, n := range names {
		if g := named(n, ""); g.arn != "" {
			names[i] = g.arn + ending
			continue
		}
		names[i] = fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s%s", o.partition(), o.anyRegion(), account, n, ending)
	}
	return names
}

// partition is the part of AWS that the region lies in.
func (o *Options) partition() string {
	switch {
	case strings.HasPrefix(o.AWS.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(o.AWS.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// anyRegion is the region to read; "*" for several.
func (o *Options) anyRegion() string {
	if len(o.Regions) > 1 {
		return "*"
	}
	return orAny(o.AWS.Region)
}

func orAny(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

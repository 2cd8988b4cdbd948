package collectors

import (
	"slices"
	"strings"
)

// quota is a documented rate, in calls a second for an account in a region.
type quota struct {
	usual float64
	by    map[string]float64 // regions that differ
}

// quotas are what AWS documents for the calls that collectors make. It publishes
// none for the reads of X-Ray and AWS Config, and S3's are per prefix and far
// above what is asked for here: those adapt to throttling alone.
var quotas = map[string]quota{
	"logs:FilterLogEvents": {10, map[string]float64{
		"us-east-1": 25, "ap-northeast-3": 5, "ap-southeast-3": 5, "ca-west-1": 5, "eu-central-1": 5, "il-central-1": 5,
	}},
	// A full bucket holds more than a second's calls; these are the rates at which it fills.
	"states:ListStateMachines":   {5, nil},
	"states:ListExecutions":      {2, map[string]float64{"us-east-1": 5, "us-west-2": 5, "eu-west-1": 5}},
	"states:DescribeExecution":   {10, map[string]float64{"us-east-1": 15, "us-west-2": 15, "eu-west-1": 15}},
	"states:GetExecutionHistory": {20, nil},
	"logs:DescribeLogGroups":     {10, nil},
	"logs:StartLiveTail":         {3, nil},
	"cloudtrail:LookupEvents":    {2, nil},
	"cloudtrail:DescribeTrails":  {10, nil},
	"cloudtrail:GetTrailStatus":  {10, nil},
	"organizations:ListAccounts": {8, nil},
}

// in is the rate in a region.
func (q quota) in(region string) float64 {
	if n, ok := q.by[region]; ok {
		return n
	}
	return q.usual
}

// QuotaOf is the documented rate of an IAM action in a region, in calls a second;
// 0 where AWS publishes none.
func QuotaOf(action, region string) float64 { return quotas[action].in(region) }

// services are the IAM prefixes of the services that collectors call, by the
// SDK's name for them.
var services = map[string]string{
	"CloudWatch Logs": "logs", "XRay": "xray", "CloudTrail": "cloudtrail", "Config Service": "config",
	"S3": "s3", "STS": "sts", "Organizations": "organizations", "SFN": "states", "SQS": "sqs", "Kinesis": "kinesis",
}

// actionOf is the IAM name of an operation of the SDK.
func actionOf(service, operation string) string {
	if service == "S3" && slices.Contains([]string{"ListObjectsV2", "HeadBucket"}, operation) {
		operation = "ListBucket"
	}
	if service == "SQS" { // who may do something may do it to several
		operation = strings.TrimSuffix(operation, "Batch")
	}
	prefix, ok := services[service]
	if !ok {
		prefix = service
	}
	return prefix + ":" + operation
}

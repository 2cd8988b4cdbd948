package collectors

import (
	"slices"
	"strings"

	"muster/fleet"
)

// resourceSet collects what a record touched: canonical names, then ARNs,
// without repeats.
type resourceSet struct {
	names, arns []string
}

// maxResources bounds the resources of one record; DescribeInstances can name
// a thousand, which says little about any of them.
const maxResources = 32

// add takes a resource by type and by name, id, ARN or queue URL.
func (s *resourceSet) add(resourceType, value string) {
	switch {
	case value == "" || len(value) > maxAttributeBytes:
	case strings.HasPrefix(value, "arn:"):
		s.addARN(resourceType, value)
	case resourceType == "AWS::SQS::Queue" && strings.Contains(value, "/"):
		s.addName(resourceType, value[strings.LastIndexByte(value, '/')+1:])
	default:
		s.addName(resourceType, value)
	}
}

// addARN takes a resource by its ARN; resourceType may be "" when AWS does not
// say.
func (s *resourceSet) addARN(resourceType, arn string) {
	if !strings.HasPrefix(arn, "arn:") || len(arn) > maxAttributeBytes {
		return
	}
	service, kind, name := splitARN(arn)
	if resourceType == "" {
		resourceType = arnTypes[service+":"+kind]
	}
	if service == "s3" && resourceType == "AWS::S3::Object" {
		resourceType, name = "AWS::S3::Bucket", strings.SplitN(name, "/", 2)[0]
	}
	if resourceType != "" {
		s.addName(resourceType, name)
	}
	if len(s.arns) < maxResources && !slices.Contains(s.arns, arn) {
		s.arns = append(s.arns, clean(arn))
	}
}

func (s *resourceSet) addName(resourceType, name string) {
	if name == "" {
		return
	}
	r := clean(fleet.ResourceName(resourceType, name))
	if len(s.names) < maxResources && !slices.Contains(s.names, r) {
		s.names = append(s.names, r)
	}
}

func (s *resourceSet) list() []string { return slices.Concat(s.names, s.arns) }

// splitARN takes "arn:aws:iam::1:role/path/orders" apart into service, kind of
// resource, and the name by which API calls know it. Queues, topics and buckets
// have no kind in their ARNs.
func splitARN(arn string) (service, kind, name string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", "", arn
	}
	service, rest := parts[2], parts[5]
	i := strings.IndexAny(rest, "/:")
	if i < 0 {
		return service, "", rest
	}
	if service == "s3" {
		if object := strings.IndexByte(rest, '/'); object > 0 && parts[3] == "" {
			return service, "object", rest
		}
		return service, "", rest
	}
	kind, name = rest[:i], rest[i+1:]
	switch service {
	case "iam": // the name is what follows the path
		name = name[strings.LastIndexByte(name, '/')+1:]
	case "lambda", "logs": // function:name:qualifier, log-group:name:*
		name, _, _ = strings.Cut(name, ":")
	case "dynamodb": // table/name/index/other
		name, _, _ = strings.Cut(name, "/")
	case "ssm": // parameter/path is named /path, parameter/name is not
		if kind == "parameter" && strings.Contains(name, "/") {
			name = "/" + name
		}
	case "secretsmanager": // secret:name-AbCdEf
		const suffix = len("-AbCdEf")
		if len(name) > suffix && name[len(name)-suffix] == '-' {
			name = name[:len(name)-suffix]
		}
	}
	return service, kind, name
}

// arnTypes are the types of resources by service and kind of their ARNs, for
// ARNs that come without a type.
var arnTypes = map[string]string{
	"s3:": "AWS::S3::Bucket", "s3:object": "AWS::S3::Object", "sqs:": "AWS::SQS::Queue", "sns:": "AWS::SNS::Topic",
	"dynamodb:table": "AWS::DynamoDB::Table", "lambda:function": "AWS::Lambda::Function",
	"iam:role": "AWS::IAM::Role", "iam:user": "AWS::IAM::User", "iam:policy": "AWS::IAM::Policy",
	"iam:group": "AWS::IAM::Group", "iam:instance-profile": "AWS::IAM::InstanceProfile",
	"kms:key": "AWS::KMS::Key", "logs:log-group": "AWS::Logs::LogGroup",
	"secretsmanager:secret": "AWS::SecretsManager::Secret", "ssm:parameter": "AWS::SSM::Parameter",
	"ec2:instance": "AWS::EC2::Instance", "ec2:security-group": "AWS::EC2::SecurityGroup",
	"ec2:vpc": "AWS::EC2::VPC", "ec2:subnet": "AWS::EC2::Subnet", "ec2:volume": "AWS::EC2::Volume",
	"states:stateMachine": "AWS::StepFunctions::StateMachine", "kinesis:stream": "AWS::Kinesis::Stream",
	"cloudtrail:trail": "AWS::CloudTrail::Trail", "ecs:cluster": "AWS::ECS::Cluster",
	"ecr:repository": "AWS::ECR::Repository", "rds:db": "AWS::RDS::DBInstance", "rds:cluster": "AWS::RDS::DBCluster",
	"cloudformation:stack": "AWS::CloudFormation::Stack", "events:rule": "AWS::Events::Rule",
}

package collectors

import (
	"bytes"
	"strings"
)

// resources are what the call touched: those that the record names, and those
// that its request and answer do.
func (e *trailEvent) resources(service string) []string {
	var set resourceSet
	named := requestResources[service]
	collect := func(path, key []byte, v scalar) {
		if v.kind != 's' {
			return
		}
		if t := named[string(key)]; t != "" && !e.isOther(path) {
			set.add(t, v.String())
		}
	}
	eachScalar(e.Request, collect)
	for _, r := range e.Resources {
		switch {
		case r.ARN != "":
			set.addARN(r.Type, r.ARN)
		case r.Type != "":
			set.add(r.Type, r.Name)
		}
	}
	if !e.readOnly() { // what a read answers with is a list, not what it touched
		eachScalar(e.Response, collect)
	}
	return set.list()
}

// isOther tells a name that is not the touched resource's own: security groups
// and accounts in a rule, filters of a list.
func (e *trailEvent) isOther(path []byte) bool {
	return bytes.Contains(path, []byte("ipPermissions")) || bytes.Contains(path, []byte("filterSet")) ||
		e.EventName == "PutRolePolicy" && string(path) == "policyName" ||
		e.EventName == "PutUserPolicy" && string(path) == "policyName" ||
		strings.HasPrefix(e.EventName, "AssumeRole") && !bytes.Equal(path, []byte("roleArn"))
}

// requestResources says, per service, which parameters name a resource and of
// which type. Services spell parameters in their own way in CloudTrail.
var requestResources = map[string]map[string]string{
	"dynamodb": {
		"tableName": "AWS::DynamoDB::Table", "tableArn": "AWS::DynamoDB::Table",
		"globalTableName": "AWS::DynamoDB::GlobalTable",
	},
	"s3":  {"bucketName": "AWS::S3::Bucket"},
	"sqs": {"queueUrl": "AWS::SQS::Queue", "queueName": "AWS::SQS::Queue"},
	"sns": {"topicArn": "AWS::SNS::Topic", "name": "AWS::SNS::Topic"},
	"iam": {
		"roleName": "AWS::IAM::Role", "userName": "AWS::IAM::User", "groupName": "AWS::IAM::Group",
		"policyArn": "AWS::IAM::Policy", "policyName": "AWS::IAM::Policy",
		"instanceProfileName": "AWS::IAM::InstanceProfile",
	},
	"sts": {"roleArn": "AWS::IAM::Role"},
	"lambda": {
		"functionName": "AWS::Lambda::Function", "functionArn": "AWS::Lambda::Function",
		"layerName": "AWS::Lambda::LayerVersion",
	},
	"ec2": {
		"groupId": "AWS::EC2::SecurityGroup", "instanceId": "AWS::EC2::Instance", "vpcId": "AWS::EC2::VPC",
		"subnetId": "AWS::EC2::Subnet", "routeTableId": "AWS::EC2::RouteTable", "volumeId": "AWS::EC2::Volume",
		"snapshotId": "AWS::EC2::Snapshot", "imageId": "AWS::EC2::Image",
		"internetGatewayId": "AWS::EC2::InternetGateway", "natGatewayId": "AWS::EC2::NatGateway",
		"networkInterfaceId": "AWS::EC2::NetworkInterface", "networkAclId": "AWS::EC2::NetworkAcl",
		"allocationId": "AWS::EC2::EIP", "flowLogId": "AWS::EC2::FlowLog", "keyName": "AWS::EC2::KeyPair",
	},
	"ec2-instance-connect": {"instanceId": "AWS::EC2::Instance"},
	"kms":                  {"keyId": "AWS::KMS::Key", "targetKeyId": "AWS::KMS::Key"},
	"logs":                 {"logGroupName": "AWS::Logs::LogGroup"},
	"cloudtrail":           {"name": "AWS::CloudTrail::Trail", "trailName": "AWS::CloudTrail::Trail", "trailARN": "AWS::CloudTrail::Trail"},
	"secretsmanager":       {"secretId": "AWS::SecretsManager::Secret"},
	"ssm":                  {"name": "AWS::SSM::Parameter", "names": "AWS::SSM::Parameter", "instanceId": "AWS::EC2::Instance", "instanceIds": "AWS::EC2::Instance"},
	"rds":                  {"dBInstanceIdentifier": "AWS::RDS::DBInstance", "dBClusterIdentifier": "AWS::RDS::DBCluster"},
	"ecs":                  {"cluster": "AWS::ECS::Cluster", "service": "AWS::ECS::Service"},
	"ecr":                  {"repositoryName": "AWS::ECR::Repository"},
	"kinesis":              {"streamName": "AWS::Kinesis::Stream"},
	"states":               {"stateMachineArn": "AWS::StepFunctions::StateMachine"},
	"events":               {"rule": "AWS::Events::Rule"},
	"monitoring":           {"alarmName": "AWS::CloudWatch::Alarm"},
	"cloudformation":       {"stackName": "AWS::CloudFormation::Stack"},
	"eks":                  {"name": "AWS::EKS::Cluster"},
	"organizations":        {"accountId": "AWS::Organizations::Account"},
}

package week

import (
	"strings"
	"time"
)

// operation is one that the services call, as its SDK, its spans and CloudTrail
// name it.
type operation struct {
	service, sdk, name string
	read, management   bool
	unrecorded         bool // no trail selects it
	median             time.Duration
	length             int // of the answer, as the span has it; 0 for none
}

// The operations, with how long they take on a quiet day.
var (
	putItem       = operation{service: "dynamodb", sdk: "DynamoDB", name: "PutItem", median: 4 * time.Millisecond, length: 2}
	getItem       = operation{service: "dynamodb", sdk: "DynamoDB", name: "GetItem", read: true, median: 3 * time.Millisecond, length: 620}
	updateItem    = operation{service: "dynamodb", sdk: "DynamoDB", name: "UpdateItem", median: 5 * time.Millisecond, length: 2}
	query         = operation{service: "dynamodb", sdk: "DynamoDB", name: "Query", read: true, median: 6 * time.Millisecond, length: 1672}
	createTable   = operation{service: "dynamodb", sdk: "DynamoDB", name: "CreateTable", management: true, median: 20 * time.Millisecond}
	describeTable = operation{service: "dynamodb", sdk: "DynamoDB", name: "DescribeTable", read: true, management: true, median: 5 * time.Millisecond}
	publish       = operation{service: "sns", sdk: "SNS", name: "Publish", median: 11 * time.Millisecond, length: 270}
	createTopic   = operation{service: "sns", sdk: "SNS", name: "CreateTopic", management: true, median: 20 * time.Millisecond}
	subscribe     = operation{service: "sns", sdk: "SNS", name: "Subscribe", management: true, median: 20 * time.Millisecond}
	sendMessage   = operation{service: "sqs", sdk: "SQS", name: "SendMessage", median: 8 * time.Millisecond, length: 106}
	sendBatch     = operation{service: "sqs", sdk: "SQS", name: "SendMessageBatch", median: 9 * time.Millisecond, length: 412}
	receive       = operation{service: "sqs", sdk: "SQS", name: "ReceiveMessage", read: true, median: 6 * time.Millisecond}
	deleteMessage = operation{service: "sqs", sdk: "SQS", name: "DeleteMessage", median: 6 * time.Millisecond, length: 2}
	deleteBatch   = operation{service: "sqs", sdk: "SQS", name: "DeleteMessageBatch", median: 7 * time.Millisecond}
	createQueue   = operation{service: "sqs", sdk: "SQS", name: "CreateQueue", management: true, median: 20 * time.Millisecond}
	putObject     = operation{service: "s3", sdk: "S3", name: "PutObject", median: 24 * time.Millisecond}
	createBucket  = operation{service: "s3", sdk: "S3", name: "CreateBucket", management: true, median: 90 * time.Millisecond}
	createGroup   = operation{service: "logs", sdk: "CloudWatch Logs", name: "CreateLogGroup", management: true, median: 15 * time.Millisecond}
	createStream  = operation{service: "logs", sdk: "CloudWatch Logs", name: "CreateLogStream", management: true, median: 12 * time.Millisecond}
	listSpaces    = operation{service: "servicediscovery", sdk: "ServiceDiscovery", name: "ListNamespaces", read: true, management: true, median: 9 * time.Millisecond}
	createSpace   = operation{service: "servicediscovery", sdk: "ServiceDiscovery", name: "CreateHttpNamespace", management: true, median: 30 * time.Millisecond}
	getOperation  = operation{service: "servicediscovery", sdk: "ServiceDiscovery", name: "GetOperation", read: true, management: true, median: 9 * time.Millisecond}
	createService = operation{service: "servicediscovery", sdk: "ServiceDiscovery", name: "CreateService", management: true, median: 20 * time.Millisecond}
	register      = operation{service: "servicediscovery", sdk: "ServiceDiscovery", name: "RegisterInstance", management: true, median: 20 * time.Millisecond}
	discover      = operation{service: "servicediscovery", sdk: "ServiceDiscovery", name: "DiscoverInstances", read: true, unrecorded: true, median: 5 * time.Millisecond, length: 240}
)

// asked is what a call says, and what AWS answers beside its result.
type asked struct {
	params, response string
	resources        string
}

// on is a question about a table.
func on(table, params string) asked {
	params = strings.TrimSuffix(params, "}")
	if params != "{" {
		params += ","
	}
	return asked{params: params + `"tableName":"` + table + `"}`, resources: resource("AWS::DynamoDB::Table", arn("dynamodb", "table/"+table))}
}

// put is what CloudTrail shows of an item that is written: its key, and the
// names of the rest.
func put(table, key string, names ...string) asked {
	return on(table, `{"item":["`+strings.Join(names, `","`)+`"],"key":{`+key+`}}`)
}

func queueURL(queue string) string {
	return "https://sqs." + region + ".amazonaws.com/" + account + "/" + queue
}

// about is a question about a queue.
func about(queue, params string) asked {
	if params != "" {
		params += ","
	}
	return asked{params: `{` + params + `"queueUrl":"` + queueURL(queue) + `"}`, resources: resource("AWS::SQS::Queue", arn("sqs", queue))}
}

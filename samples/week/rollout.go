package week

import (
	"fmt"
	"strconv"
	"strings"

	"muster/samples"
	"muster/samples/catalog"
	"muster/samples/discovery"
	"muster/samples/orders"
	"muster/samples/queue"
)

// tables are the services' own, with their keys.
var tables = map[string][][3]string{
	samples.Payments:      {{"payments", "order", ""}},
	samples.Inventory:     {{"inventory", "pk", "sk"}},
	samples.Shipping:      {{"shipments", "order", ""}},
	samples.Orders:        {{orders.Table, "pk", "sk"}, {viewTable, "order", ""}},
	samples.Notifications: {{"notifications", "message", ""}},
	samples.Documents:     {{"documents", "id", ""}},
}

// rollOut starts the fleet, with everything that it needs in the account.
func (w *Week) rollOut() {
	at := w.from
	w.record(&entry{
		service: "sts", name: "GetCallerIdentity", at: at, read: true, management: true,
		by: origin{deployerIdentity, "10.0.1.10", agent("sts"), deployer},
	}, "STS")
	for _, service := range samples.Services() {
		t := w.newTask(service)
		w.session(t, at)
		w.changed(at, "AWS::IAM::Role", t.roleID, t.role(), "arn:aws:iam::"+account+":role/"+t.role(), "",
			`{"arn":"arn:aws:iam::`+account+`:role/`+t.role()+`","path":"/","roleId":"`+t.roleID+`","roleName":"`+t.role()+`"}`, "")
		at = w.start(t, at+second/2, true)
	}
}

// start is a start of a service's process; the first also makes what it needs.
func (w *Week) start(t *task, at int64, first bool) int64 {
	t.run, t.lines = w.random.hex(8), 0
	clear(t.found)
	f := w.outside(t, at)
	group := asked{
		params:    `{"logGroupName":"` + t.group + `"}`,
		resources: resource("AWS::Logs::LogGroup", arn("logs", "log-group:"+t.group)),
	}
	if first {
		f.bare(&createGroup, group)
	}
	group.params = `{"logGroupName":"` + t.group + `","logStreamName":"` + t.service + "/" + t.run + `"}`
	f.bare(&createStream, group)
	if first {
		w.furnish(f)
	}
	w.register(f, first)
	f.unlinked("INFO", "service started", "address", t.url())
	return f.at
}

// bare is a call that leaves no line: those by which lines are written.
func (f *flow) bare(o *operation, a asked) {
	f.record(o, a, "", nil)
	f.spend(o.median)
}

// furnish makes the tables, queues and topics of a service.
func (w *Week) furnish(f *flow) {
	for _, table := range tables[f.t.service] {
		w.makeTable(f, table[0], table[1], table[2])
	}
	fill := func(table, pk string, names ...string) {
		for n := range catalog.Products {
			f.aws(&putItem, put(table, `"pk":"`+pk+`","sk":"`+catalog.SKU(n)+`"`, names...))
		}
	}
	switch f.t.service {
	case samples.Inventory:
		fill("inventory", "stock", "pk", "quantity", "sk")
	case samples.Orders:
		fill(orders.Table, "catalog", "pk", "sk", "title")
		w.makeTopic(f)
		w.makeQueue(f, "documents", "")
	case samples.Shipping:
		w.makeQueue(f, "shipments", "")
	case samples.Notifications:
		w.makeQueue(f, "notifications", `"Policy":`+quoted(escape(`{"Statement":{"Action":"sqs:SendMessage","Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Resource":"`+arn("sqs", "notifications")+`"},"Version":"2012-10-17"}`))+`,`)
		w.subscribe(f)
	}
}

// escape prepares a text for quoted, which escapes quotes only.
func escape(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }

func (w *Week) makeTable(f *flow, name, hash, sort string) {
	attributes := `{"attributeName":"` + hash + `","attributeType":"S"}`
	keys := `{"attributeName":"` + hash + `","keyType":"HASH"}`
	if sort != "" {
		attributes += `,{"attributeName":"` + sort + `","attributeType":"S"}`
		keys += `,{"attributeName":"` + sort + `","keyType":"RANGE"}`
	}
	id, full := w.random.uuid(), arn("dynamodb", "table/"+name)
	a := on(name, `{"attributeDefinitions":[`+attributes+`],"billingMode":"PAY_PER_REQUEST","keySchema":[`+keys+`]}`)
	a.response = `{"tableDescription":{"tableArn":"` + full + `","tableId":"` + id + `","tableName":"` + name + `","tableStatus":"CREATING"}}`
	at := f.at
	request := f.aws(&createTable, a)
	upper := strings.NewReplacer("attributeName", "AttributeName", "attributeType", "AttributeType", "keyType", "KeyType")
	w.changed(at, "AWS::DynamoDB::Table", name, name, full, request,
		`{"TableName":"`+name+`","TableArn":"`+full+`","TableId":"`+id+`","TableStatus":"ACTIVE","CreationDateTime":`+strconv.FormatInt(at/second, 10)+
			`,"KeySchema":[`+upper.Replace(keys)+`],"AttributeDefinitions":[`+upper.Replace(attributes)+`],"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"},"ItemCount":0,"TableSizeBytes":0}`, "")
	f.aws(&describeTable, on(name, `{`+`}`))
}

func (w *Week) makeTopic(f *flow) {
	topic, at := arn("sns", orders.Topic), f.at
	request := f.aws(&createTopic, asked{
		params: `{"name":"` + orders.Topic + `"}`, response: `{"topicArn":"` + topic + `"}`, resources: resource("AWS::SNS::Topic", topic),
	})
	w.changed(at, "AWS::SNS::Topic", topic, orders.Topic, topic, request,
		`{"Subscription":[],"TopicArn":"`+topic+`","TopicName":"`+orders.Topic+`"}`, "")
}

func (w *Week) subscribe(f *flow) {
	topic, at := arn("sns", orders.Topic), f.at
	request := f.aws(&subscribe, asked{
		params:    `{"attributes":{},"endpoint":"` + arn("sqs", "notifications") + `","protocol":"sqs","topicArn":"` + topic + `"}`,
		response:  `{"subscriptionArn":"` + topic + `:` + w.random.uuid() + `"}`,
		resources: resource("AWS::SNS::Topic", topic),
	})
	w.changed(at, "AWS::SNS::Topic", topic, orders.Topic, topic, request,
		`{"Subscription":[{"Endpoint":"`+arn("sqs", "notifications")+`","Protocol":"sqs"}],"TopicArn":"`+topic+`","TopicName":"`+orders.Topic+`"}`,
		`{"resourceType":"AWS::SQS::Queue","resourceName":"notifications","name":"Is associated with SQS Queue"}`)
}

// makeQueue makes a queue with a dead-letter queue behind it.
func (w *Week) makeQueue(f *flow, name, policy string) {
	w.makeOneQueue(f, queue.DeadLetter(name), "", 30)
	redrive := fmt.Sprintf(`{"deadLetterTargetArn":"%s","maxReceiveCount":"%d"}`, arn("sqs", queue.DeadLetter(name)), queue.MaxReceives)
	w.makeOneQueue(f, name, policy+`"RedrivePolicy":`+quoted(redrive)+`,`, 30)
}

func (w *Week) makeOneQueue(f *flow, name, attributes string, visible int) {
	url, full, at := queueURL(name), arn("sqs", name), f.at
	params := `{"queueName":"` + name + `"}`
	if attributes != "" {
		params = `{"attributes":{` + attributes + `"VisibilityTimeout":"` + strconv.Itoa(visible) + `"},"queueName":"` + name + `"}`
	}
	request := f.aws(&createQueue, asked{params: params, response: `{"queueUrl":"` + url + `"}`, resources: resource("AWS::SQS::Queue", full)})
	w.changed(at, "AWS::SQS::Queue", url, name, full, request,
		`{"DelaySeconds":"0","MaximumMessageSize":"1048576","MessageRetentionPeriod":"345600",`+attributes+`"QueueArn":"`+full+`","QueueName":"`+name+
			`","ReceiveMessageWaitTimeSeconds":"20","SqsManagedSseEnabled":"true","VisibilityTimeout":"`+strconv.Itoa(visible)+`"}`, "")
}

// namespace is Cloud Map's id of the fleet's.
const namespace = "ns-riybdrh7vihcltvc"

// register enters the service in Cloud Map.
func (w *Week) register(f *flow, first bool) {
	t := f.t
	f.aws(&listSpaces, asked{})
	if first && t == w.order[0] {
		operation := w.random.hex(32)
		f.aws(&createSpace, asked{
			params:   `{"creatorRequestId":"` + w.random.uuid() + `","name":"` + discovery.Namespace + `"}`,
			response: `{"operationId":"` + operation + `"}`,
		})
		f.aws(&getOperation, asked{params: `{"operationId":"` + operation + `"}`})
	}
	service := resource("AWS::ServiceDiscovery::Service", arn("servicediscovery", "service/"+t.serviceID))
	if first {
		f.aws(&createService, asked{
			params:    `{"creatorRequestId":"` + w.random.uuid() + `","name":"` + t.service + `","namespaceId":"` + namespace + `"}`,
			response:  `{"service":{"arn":"` + arn("servicediscovery", "service/"+t.serviceID) + `","id":"` + t.serviceID + `","name":"` + t.service + `","namespaceId":"` + namespace + `"}}`,
			resources: service,
		})
	}
	f.aws(&register, asked{
		params:    `{"attributes":{"url":"` + t.url() + `"},"creatorRequestId":"` + w.random.uuid() + `","instanceId":"` + t.service + `-1","serviceId":"` + t.serviceID + `"}`,
		response:  `{"operationId":"` + w.random.hex(32) + `"}`,
		resources: service,
	})
}

package localaws

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzCalls sends anything as the input of any operation. A panic is a bug, an
// answer of 500 too: whatever a client sends is the client's mistake.
func FuzzCalls(f *testing.F) {
	targets := []string{
		"DynamoDB_20120810.CreateTable", "DynamoDB_20120810.PutItem", "DynamoDB_20120810.GetItem", "DynamoDB_20120810.UpdateItem",
		"DynamoDB_20120810.Query", "DynamoDB_20120810.Scan", "AmazonSQS.CreateQueue", "AmazonSQS.SendMessage", "AmazonSQS.ReceiveMessage",
		"AmazonSQS.DeleteMessageBatch", "CloudTrail_20131101.LookupEvents", "StarlingDoveService.GetResourceConfigHistory",
		"StarlingDoveService.ListDiscoveredResources", "StarlingDoveService.BatchGetResourceConfig",
		"sns CreateTopic", "sns Subscribe", "sns Publish", "sts AssumeRole",
		"ec2 CreateSecurityGroup", "ec2 AuthorizeSecurityGroupIngress", "ec2 RevokeSecurityGroupIngress", "ec2 DescribeSecurityGroups",
	}
	for i, seed := range []string{
		`{"TableName":"fuzz","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"n","KeyType":"RANGE"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"n","AttributeType":"N"}]}`,
		`{"TableName":"orders","Item":{"pk":{"S":"a"},"n":{"N":"1e999999999"}}}`,
		`{"TableName":"orders","Key":{"pk":{"S":null},"n":{}}}`,
		`{"TableName":"orders","Key":{"pk":{"S":"a"},"n":{"N":"1"}},"UpdateExpression":"SET a = :v","ExpressionAttributeValues":{":v":null}}`,
		`{"TableName":"orders","KeyConditionExpression":"pk = :v AND n = :v","ExpressionAttributeValues":{":v":{"S":"a"}}}`,
		`{"TableName":"orders","Limit":0,"ExclusiveStartKey":{"pk":{"S":"a"}}}`,
		`{"QueueName":"q","Attributes":{"DelaySeconds":"900000000000"}}`,
		`{"QueueUrl":"/events","MessageBody":"x","MessageAttributes":{"a":{}}}`,
		`{"QueueUrl":"events","WaitTimeSeconds":-1}`,
		`{"QueueUrl":"events","Entries":[{}]}`,
		`{"StartTime":1e300,"EndTime":-1e300,"MaxResults":0,"LookupAttributes":[{}]}`,
		`{"resourceType":"AWS::DynamoDB::Table","resourceId":"orders","earlierTime":-1e18,"limit":-1}`,
		`{"resourceType":"AWS::DynamoDB::Table","resourceIds":[null]}`,
		`{"resourceKeys":[null,{}]}`,
		`Name=a`, `TopicArn=arn&Protocol=sqs&Endpoint=x&Attributes.entry.1.key=a`,
		`TopicArn=&Message=x&MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.DataType=Binary`,
		`RoleArn=arn:aws:iam::111122223333:role/muster-&RoleSessionName=..`,
		`GroupName=a&GroupDescription=b`, `IpPermissions.1.IpProtocol=tcp&IpPermissions.1.IpRanges.1.CidrIp=::/0`,
		`IpProtocol=-1&CidrIp=0.0.0.0/0&FromPort=99999999999999999999`, `GroupId.1=&GroupName.1=`,
	} {
		f.Add(i, seed)
	}
	s, err := Start(f.Context(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	for _, setup := range []struct{ target, body string }{
		{targets[0], `{"TableName":"orders","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"n","KeyType":"RANGE"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"n","AttributeType":"N"}]}`},
		{"AmazonSQS.CreateQueue", `{"QueueName":"events"}`},
	} {
		if w := fuzzCall(f, s, setup.target, setup.body); w.Code != http.StatusOK {
			f.Fatalf("%s answered %s", setup.target, w.Body)
		}
	}
	f.Fuzz(func(t *testing.T, target int, body string) {
		name := targets[uint(target)%uint(len(targets))]
		if w := fuzzCall(t, s, name, body); w.Code >= http.StatusInternalServerError {
			t.Errorf("%s(%q) answered %d %s", name, body, w.Code, w.Body)
		}
	})
}

// fuzzCall sends a JSON call, or with a name of "service Action" a form. Its
// caller has already gone, so that nothing waits.
func fuzzCall(t testing.TB, s *Server, name, body string) *httptest.ResponseRecorder {
	t.Helper()
	service, action, isForm := strings.Cut(name, " ")
	if isForm {
		body = "Action=" + url.QueryEscape(action) + "&" + body
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(gone, http.MethodPost, "/", strings.NewReader(body))
	if isForm {
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/"+service+"/aws4_request")
	} else {
		req.Header.Set("X-Amz-Target", name)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

// everyOperation lists the operations of the JSON services as targets, and
// X-Ray's as paths, in their order.
func everyOperation(s *Server) (out []string) {
	for prefix, t := range targets {
		for name := range s.services[t.service] {
			out = append(out, prefix+"."+name)
		}
	}
	for path := range xrayPaths {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// FuzzEveryOperation sends anything to any operation of the JSON services.
func FuzzEveryOperation(f *testing.F) {
	s, err := Start(f.Context(), Options{Members: []Member{{ID: shopAccount}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	all := everyOperation(s)
	for i := range all {
		f.Add(i, `{}`)
		f.Add(i, `{"Name":"a","StreamName":"a","logGroupName":"a","LogGroupName":"a","Limit":-1,"limit":-1,"NextToken":"x","nextToken":"x","StartTime":1e300,"EndTime":-1e300}`)
		f.Add(i, `{"logGroupName":"a","logStreamName":null,"filterPattern":"{ $.a","queryString":"stats","startTime":0,"endTime":1,"Expression":"SELECT a","ConfigRule":{},"TraceIds":[""],"Targets":[{}],"Entries":[{}],"Evaluations":[{}]}`)
	}
	f.Fuzz(func(t *testing.T, operation int, body string) {
		name := all[uint(operation)%uint(len(all))]
		send := fuzzCall
		if strings.HasPrefix(name, "/") {
			send = fuzzPath
		}
		if w := send(t, s, name, body); w.Code >= http.StatusInternalServerError {
			t.Errorf("%s(%q) answered %d %s", name, body, w.Code, w.Body)
		}
	})
}

// fuzzPath sends a call of X-Ray.
func fuzzPath(t testing.TB, s *Server, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(gone, http.MethodPost, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

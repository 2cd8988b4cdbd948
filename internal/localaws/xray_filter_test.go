package localaws

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/google/go-cmp/cmp"
)

// sendJourneys sends three traces: 1 goes well, 2 fails in a call to a table
// that throttles, 3 is slow, answers 404 and is not finished in one part.
func sendJourneys(t *testing.T, s *telemetry) {
	t.Helper()
	s.send(t, `{"trace_id":"`+testTrace(1)+`","id":"00000000000000a1","name":"gateway","start_time":100,"end_time":100.5,"origin":"AWS::ECS::Container",
		"http":{"request":{"method":"GET","url":"http://shop/orders/7","client_ip":"192.0.2.7","user_agent":"curl"},"response":{"status":200}},"user":"ann","annotations":{"tier":"gold","amount":42.5,"paid":true},
		"subsegments":[{"id":"00000000000000a2","name":"orders","namespace":"remote","start_time":100.1,"end_time":100.4}]}`)
	s.send(t, `{"trace_id":"`+testTrace(1)+`","id":"00000000000000a3","parent_id":"00000000000000a2","name":"orders","start_time":100.2,"end_time":100.3}`)
	s.send(t, `{"trace_id":"`+testTrace(2)+`","id":"00000000000000b1","name":"orders","start_time":110,"end_time":110.2,"fault":true,
		"http":{"request":{"method":"POST","url":"http://shop/orders"},"response":{"status":500}},"annotations":{"tier":"iron"},"cause":{"exceptions":[{"id":"00000000000000e1","message":"no table"}]},
		"subsegments":[{"id":"00000000000000b2","name":"DynamoDB","namespace":"aws","start_time":110.1,"end_time":110.15,"throttle":true,"error":true,"aws":{"resource_arn":"arn:aws:dynamodb:us-east-1:111122223333:table/orders"}}]}`)
	s.send(t, `{"trace_id":"`+testTrace(3)+`","id":"00000000000000c1","name":"gateway","start_time":120,"end_time":126,"error":true,"http":{"request":{"method":"GET","url":"http://shop/none"},"response":{"status":404}}}`)
	s.send(t, `{"trace_id":"`+testTrace(3)+`","id":"00000000000000c2","parent_id":"00000000000000c1","name":"search","start_time":121,"in_progress":true}`)
}

func TestGetTraceSummariesAnswersFilterExpressions(t *testing.T) {
	s := startTelemetry(t, Options{})
	sendJourneys(t, s)
	for expression, want := range map[string]string{
		" ":  "3 2 1",
		`ok`: "1", `!ok`: "3 2", `error`: "3", `fault`: "2", `throttle`: "", `partial`: "3",
		`responsetime > 5`: "3", `duration >= 0.5 AND duration <= 1`: "1",
		`http.status = 404`: "3", `http.status != 200`: "3 2", `http.method = "POST"`: "2",
		`http.url CONTAINS "/orders"`: "2 1", `http.url ENDSWITH "/orders"`: "2", `http.clientip = "192.0.2.7"`: "1", `http.useragent BEGINSWITH "cu"`: "1",
		`user`: "1", `user = "ann" OR fault`: "2 1", `message CONTAINS "no table"`: "2",
		`annotation.tier`: "2 1", `annotation.tier = "gold"`: "1", `annotation[amount] > 40`: "1", `annotation.paid = true`: "1", `!annotation.tier`: "3",
		`service("gateway")`: "3 1", `service("orders") { fault }`: "2", `service("DynamoDB") { throttle }`: "2", `service() { error }`: "3 2",
		`service(id(name: "gateway", type: "AWS::ECS::Container"))`: "1", `service(id(account.id: "111122223333"))`: "3 2 1", `service(id(account.id: "444455556666"))`: "",
		`service("gateway") { root }`: "3 1", `service("orders") { root = true }`: "2",
		`edge("gateway", "orders")`: "1", `edge("orders", "DynamoDB") { throttle }`: "2", `edge("orders", "gateway")`: "",
		`resource.arn ENDSWITH "table/orders"`: "2",
	} {
		t.Run(expression, func(t *testing.T) {
			in := &xray.GetTraceSummariesInput{StartTime: aws.Time(time.Unix(0, 0)), EndTime: aws.Time(time.Unix(1000, 0)), FilterExpression: &expression}
			out, err := s.xray.GetTraceSummaries(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, sum := range out.TraceSummaries {
				got = append(got, strings.TrimLeft((*sum.Id)[len(*sum.Id)-3:], "0"))
			}
			if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
				t.Errorf("traces (-want +got):\n%s", d)
			}
		})
	}
}

func TestGetTraceSummariesRefusesWhatIsNoFilterExpression(t *testing.T) {
	s := startTelemetry(t, Options{})
	for expression, want := range map[string]string{
		`responsetme > 2`:                            "did you mean responsetime?",
		`service("a") { fault`:                       "} is missing",
		`http.status CONTAINS 2`:                     "http.status is a number",
		`operation = "POST /"`:                       "there is no keyword operation",
		`!(ok OR service("a") { annotation.a = 1 })`: "annotation.a cannot be asked",
		`edge("a", "b") { !annotation.a }`:           "annotation.a cannot be asked",
	} {
		t.Run(expression, func(t *testing.T) {
			_, err := s.xray.GetTraceSummaries(t.Context(), &xray.GetTraceSummariesInput{StartTime: aws.Time(time.Unix(0, 0)), EndTime: aws.Time(time.Unix(1, 0)), FilterExpression: &expression})
			wantCode(t, err, "InvalidRequestException")
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the text is %v, without %q", err, want)
			}
		})
	}
}

func TestPagesOfAFilterBelongToIt(t *testing.T) {
	s := startTelemetry(t, Options{})
	for n := range 150 {
		s.send(t, document(testTrace(n), "00000000000000aa", float64(100+n), `"end_time":2000,"fault":true`))
	}
	in := &xray.GetTraceSummariesInput{StartTime: aws.Time(time.Unix(0, 0)), EndTime: aws.Time(time.Unix(3000, 0)), FilterExpression: aws.String("fault")}
	out, err := s.xray.GetTraceSummaries(t.Context(), in)
	if err != nil || len(out.TraceSummaries) != 100 {
		t.Fatalf("a page of %d, %v", len(out.TraceSummaries), err)
	}
	in.NextToken = out.NextToken
	if out, err = s.xray.GetTraceSummaries(t.Context(), in); err != nil || len(out.TraceSummaries) != 50 {
		t.Errorf("a last page of %d, %v", len(out.TraceSummaries), err)
	}
	in.FilterExpression = aws.String("error")
	_, err = s.xray.GetTraceSummaries(t.Context(), in)
	wantCode(t, err, "InvalidRequestException")
}

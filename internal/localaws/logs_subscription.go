package localaws

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/pattern"
)

// maxSubscriptions is how many subscription filters a log group can have.
const maxSubscriptions = 2

// A logSubscription sends a group's events on as they are accepted.
type logSubscription struct {
	name, destination, role, distribution string
	text                                  string // of the pattern
	pattern                               *pattern.Pattern
	created                               int64 // Unix milliseconds
}

// A subscriber takes records for a destination: Kinesis or Firehose. Each record
// is the gzip of a payload. It reports whether there is such a destination.
type subscriber func(destination, partition string, record []byte) bool

type putSubscriptionInput struct {
	LogGroupName   string `json:"logGroupName"`
	FilterName     string `json:"filterName"`
	FilterPattern  string `json:"filterPattern"`
	DestinationARN string `json:"destinationArn"`
	RoleARN        string `json:"roleArn"`
	Distribution   string `json:"distribution"`
}

// putSubscription is PutSubscriptionFilter, for streams and delivery streams of
// the place. It sends the destination a control message, as AWS does.
func (s *logStore) putSubscription(c *call, in putSubscriptionInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	if in.FilterName == "" || len(in.FilterName) > maxLogName {
		return nil, logsInvalid("Value '%s' at 'filterName' failed to satisfy constraint: Member must have length less than or equal to %d", in.FilterName, maxLogName)
	}
	p, err := filterPattern("filterPattern", in.FilterPattern)
	if err != nil {
		return nil, err
	}
	if err := checkDestination(c, in); err != nil {
		return nil, err
	}
	sub := &logSubscription{
		name: in.FilterName, destination: in.DestinationARN, role: in.RoleARN, distribution: in.Distribution,
		text: in.FilterPattern, pattern: p, created: c.Time.UnixMilli(),
	}
	if sub.distribution == "" {
		sub.distribution = "ByLogStream"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, "")
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(g.subscriptions, func(o *logSubscription) bool { return o.name == sub.name })
	if at < 0 && len(g.subscriptions) >= maxSubscriptions {
		return nil, failf("LimitExceededException", "Resource limit exceeded.")
	}
	if !s.subscriber(sub.destination, newUUID(), controlMessage(g, sub, c.Time)) {
		kind := vendorOf(sub.destination)
		return nil, failf("InvalidParameterException", "Could not deliver test message to specified %s stream. Check if the given %s stream is in ACTIVE state.", kind, kind)
	}
	if at < 0 {
		g.subscriptions = append(g.subscriptions, sub)
	} else {
		g.subscriptions[at] = sub
	}
	return nil, nil
}

// checkDestination refuses a destination as AWS does before it tries it.
func checkDestination(c *call, in putSubscriptionInput) error {
	parts := strings.SplitN(in.DestinationARN, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return failf("InvalidParameterException", "destinationArn is invalid")
	}
	switch vendor := parts[2]; {
	case vendor == "lambda" && parts[4] != c.Account:
		return failf("AccessDeniedException", "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross account lambda triggers.")
	case vendor == "lambda":
		return failf("InvalidParameterException", "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")
	case vendor != "kinesis" && vendor != "firehose":
		return failf("InvalidParameterException", "destinationArn for vendor %s is not supported", vendor)
	case in.RoleARN == "":
		return failf("InvalidParameterException", "destinationArn for vendor %s cannot be used without roleArn", vendor)
	}
	return nil
}

func vendorOf(destination string) string {
	if strings.HasPrefix(destination, "arn:aws:firehose:") {
		return "Firehose"
	}
	return "Kinesis"
}

// A subscriptionPayload is what a subscriber gets, its members in AWS's order.
type subscriptionPayload struct {
	MessageType         string            `json:"messageType"`
	Owner               string            `json:"owner"`
	LogGroup            string            `json:"logGroup"`
	LogStream           string            `json:"logStream"`
	SubscriptionFilters []string          `json:"subscriptionFilters"`
	LogEvents           []subscribedEvent `json:"logEvents"`
}

type subscribedEvent struct {
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

func controlMessage(g *logGroup, sub *logSubscription, now time.Time) []byte {
	return zip(subscriptionPayload{
		"CONTROL_MESSAGE", "CloudwatchLogs", g.name, "",
		[]string{sub.name},
		[]subscribedEvent{{"", now.UnixMilli(), fmt.Sprintf("CWL CONTROL MESSAGE: Checking health of destination %s.", vendorOf(sub.destination))}},
	})
}

// zip is the gzip of a payload.
func zip(p subscriptionPayload) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	// Neither a buffer nor a struct of texts and numbers can fail.
	_ = json.NewEncoder(z).Encode(p)
	_ = z.Close()
	return b.Bytes()
}

// subscribed sends a batch of a stream's accepted events on. Trouble may send it
// twice. The caller holds the lock.
func (s *logStore) subscribed(owner string, g *logGroup, st *logStream, events []logEvent) {
	for _, sub := range g.subscriptions {
		p := subscriptionPayload{"DATA_MESSAGE", owner, g.name, st.name, []string{sub.name}, nil}
		for _, e := range events {
			if sub.pattern.Match(e.message) {
				p.LogEvents = append(p.LogEvents, subscribedEvent{e.id, e.timestamp, e.message})
			}
		}
		if len(p.LogEvents) == 0 {
			continue
		}
		partition := st.name
		if sub.distribution == "Random" {
			partition = newUUID()
		}
		record := zip(p)
		// A destination that is gone loses what is sent: AWS retries for a day.
		s.subscriber(sub.destination, partition, record)
		if s.trouble.repeat("subscription") {
			s.subscriber(sub.destination, partition, record)
		}
	}
}

type describeSubscriptionsInput struct {
	LogGroupName     string `json:"logGroupName"`
	FilterNamePrefix string `json:"filterNamePrefix"`
}

type describeSubscriptionsOutput struct {
	SubscriptionFilters []describedSubscription `json:"subscriptionFilters"`
}

type describedSubscription struct {
	FilterName             string `json:"filterName"`
	LogGroupName           string `json:"logGroupName"`
	FilterPattern          string `json:"filterPattern"`
	DestinationARN         string `json:"destinationArn"`
	RoleARN                string `json:"roleArn,omitempty"`
	Distribution           string `json:"distribution"`
	ApplyOnTransformedLogs bool   `json:"applyOnTransformedLogs"`
	CreationTime           int64  `json:"creationTime"`
}

// describeSubscriptions is DescribeSubscriptionFilters; they always fit on a page.
func (s *logStore) describeSubscriptions(_ *call, in describeSubscriptionsInput) (describeSubscriptionsOutput, error) {
	out := describeSubscriptionsOutput{SubscriptionFilters: []describedSubscription{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, "")
	if err != nil {
		return out, err
	}
	for _, sub := range g.subscriptions {
		if strings.HasPrefix(sub.name, in.FilterNamePrefix) {
			out.SubscriptionFilters = append(out.SubscriptionFilters, describedSubscription{
				sub.name, g.name, sub.text, sub.destination, sub.role, sub.distribution, false, sub.created,
			})
		}
	}
	return out, nil
}

type deleteSubscriptionInput struct {
	LogGroupName string `json:"logGroupName"`
	FilterName   string `json:"filterName"`
}

// deleteSubscription is DeleteSubscriptionFilter.
func (s *logStore) deleteSubscription(c *call, in deleteSubscriptionInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, "")
	if err != nil {
		return nil, err
	}
	n := len(g.subscriptions)
	g.subscriptions = slices.DeleteFunc(g.subscriptions, func(sub *logSubscription) bool { return sub.name == in.FilterName })
	if len(g.subscriptions) == n {
		return nil, failf("ResourceNotFoundException", "The specified subscription filter does not exist.")
	}
	return nil, nil
}

package localaws

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// topics is SNS with standard topics, delivering to SQS queues. A queue's
// policy is not consulted. Safe for concurrent use.
type topics struct {
	s      *Server
	queues *queues

	mu  sync.Mutex
	all map[string]*topic // by ARN
}

// topic is guarded by topics.mu.
type topic struct {
	name, arn     string
	subscriptions []subscription
}

// subscription sends a topic's messages to a queue: in an envelope, or raw.
type subscription struct {
	arn, queue string
	raw        bool
}

func newTopics(s *Server, q *queues) *topics {
	return &topics{s: s, queues: q, all: make(map[string]*topic)}
}

func (ts *topics) operations() map[string]operation {
	return map[string]operation{
		"CreateTopic": ts.create,
		"Subscribe":   ts.subscribe,
		"Publish":     ts.publish,
	}
}

func (ts *topics) create(_ context.Context, c *call) (any, error) {
	name := c.form.Get("Name")
	if !topicName.allows(name) {
		return nil, failf("InvalidParameter", "Invalid parameter: Topic Name")
	}
	arn := c.arn(name)
	c.touch("AWS::SNS::Topic", arn)
	c.record(map[string]any{"name": name}, map[string]any{"topicArn": arn})

	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.all[arn] == nil {
		t := &topic{name: name, arn: arn}
		ts.all[arn] = t
		ts.s.config.changed(c, t.resource(), t.configuration(), t.relationships()...)
	}
	return struct{ TopicArn string }{arn}, nil
}

// find returns the topic of an ARN. The caller holds mu.
func (ts *topics) find(c *call, arn string) (*topic, error) {
	t := ts.all[arn]
	if t == nil || !strings.HasPrefix(arn, c.arn("")) {
		return nil, &apiError{Code: "NotFound", Message: "Topic does not exist", Status: 404}
	}
	c.touch("AWS::SNS::Topic", arn)
	return t, nil
}

// subscribe adds a queue to a topic; the same queue again changes nothing.
func (ts *topics) subscribe(_ context.Context, c *call) (any, error) {
	arn, queue := c.form.Get("TopicArn"), c.form.Get("Endpoint")
	attributes := formEntries(c.form, "Attributes.entry.", "key", "value")
	params := map[string]any{"topicArn": arn, "protocol": c.form.Get("Protocol"), "endpoint": queue, "attributes": attributes}
	c.record(params, nil)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t, err := ts.find(c, arn)
	if err != nil {
		return nil, err
	}
	if c.form.Get("Protocol") != "sqs" || ts.queues.byARN(queue) == nil {
		return nil, failf("InvalidParameter", "Invalid parameter: the stand-in delivers to its own SQS queues only")
	}
	i := slices.IndexFunc(t.subscriptions, func(s subscription) bool { return s.queue == queue })
	if i < 0 {
		i = len(t.subscriptions)
		t.subscriptions = append(t.subscriptions, subscription{
			arn: arn + ":" + newUUID(), queue: queue, raw: attributes["RawMessageDelivery"] == "true",
		})
		ts.s.config.changed(c, t.resource(), t.configuration(), t.relationships()...)
	}
	c.record(params, map[string]any{"subscriptionArn": t.subscriptions[i].arn})
	return struct{ SubscriptionArn string }{t.subscriptions[i].arn}, nil
}

// publish hands a message to every subscribed queue, with the trace header of
// the request.
func (ts *topics) publish(_ context.Context, c *call) (any, error) {
	n := notification{
		ID: newUUID(), Topic: c.form.Get("TopicArn"), Subject: c.form.Get("Subject"),
		Text: c.form.Get("Message"), Time: c.Time.Format("2006-01-02T15:04:05.000Z"),
	}
	params := map[string]any{"topicArn": n.Topic, "message": hidden}
	c.record(params, nil)
	if n.Text == "" || len(n.Text) > maxMessage || c.form.Get("MessageStructure") != "" {
		return nil, failf("InvalidParameter", "Invalid parameter: a plain message of 1 to %d bytes is needed", maxMessage)
	}
	attributes, err := publishedAttributes(c.form)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	t, err := ts.find(c, n.Topic)
	if err != nil {
		ts.mu.Unlock()
		return nil, err
	}
	subscriptions := slices.Clone(t.subscriptions)
	ts.mu.Unlock()
	for _, sub := range subscriptions {
		if err := ts.deliver(c, sub, n, attributes); err != nil {
			return nil, fmt.Errorf("deliver message %s to %s: %w", n.ID, sub.queue, err)
		}
	}
	c.record(params, map[string]any{"messageId": n.ID})
	return struct {
		MessageID string `xml:"MessageId"`
	}{n.ID}, nil
}

// notification is the envelope in which SNS puts a message. There is no
// signature in it: nobody signed it.
type notification struct {
	Type       string
	ID         string                           `json:"MessageId"`
	Topic      string                           `json:"TopicArn"`
	Subject    string                           `json:",omitempty"`
	Text       string                           `json:"Message"`
	Time       string                           `json:"Timestamp"`
	Attributes map[string]notificationAttribute `json:"MessageAttributes,omitempty"`
}

type notificationAttribute struct{ Type, Value string }

func (ts *topics) deliver(c *call, sub subscription, n notification, attributes map[string]messageAttribute) error {
	m := &message{id: newUUID(), body: n.Text, attributes: attributes, trace: c.Trace, sender: c.Identity.PrincipalID, sent: c.Time}
	if !sub.raw {
		n.Type, n.Attributes = "Notification", make(map[string]notificationAttribute, len(attributes))
		for name, a := range attributes {
			n.Attributes[name] = notificationAttribute{a.DataType, a.text()}
		}
		body, err := encodeJSON(n)
		if err != nil {
			return err
		}
		m.body, m.attributes = string(body), nil
	}
	q := ts.queues.byARN(sub.queue)
	if q == nil {
		return nil // SNS drops what it cannot deliver
	}
	return q.add(m, -1)
}

// text is an attribute's value, bytes in base64.
func (a messageAttribute) text() string {
	if a.StringValue != nil {
		return *a.StringValue
	}
	return base64.StdEncoding.EncodeToString(a.BinaryValue)
}

func (t *topic) resource() resource { return resource{"AWS::SNS::Topic", t.arn, t.name, t.arn} }

func (t *topic) configuration() map[string]any {
	subscriptions := make([]map[string]string, len(t.subscriptions))
	for i, s := range t.subscriptions {
		subscriptions[i] = map[string]string{"Protocol": "sqs", "Endpoint": s.queue}
	}
	return map[string]any{"TopicArn": t.arn, "TopicName": t.name, "Subscription": subscriptions}
}

func (t *topic) relationships() []relationship {
	var out []relationship
	for _, s := range t.subscriptions {
		name := s.queue[strings.LastIndexByte(s.queue, ':')+1:]
		out = append(out, relationship{ResourceType: "AWS::SQS::Queue", ResourceName: name, Name: "Is associated with SQS Queue"})
	}
	return out
}

// formEntries reads a map of a query form: prefix1.key, prefix1.value, and so on.
func formEntries(form url.Values, prefix, key, value string) map[string]string {
	out := make(map[string]string)
	for i := 1; form.Has(prefix + strconv.Itoa(i) + "." + key); i++ {
		entry := prefix + strconv.Itoa(i) + "."
		out[form.Get(entry+key)] = form.Get(entry + value)
	}
	return out
}

// publishedAttributes reads the message attributes of a Publish.
func publishedAttributes(form url.Values) (map[string]messageAttribute, error) {
	const prefix = "MessageAttributes.entry."
	types := formEntries(form, prefix, "Name", "Value.DataType")
	texts := formEntries(form, prefix, "Name", "Value.StringValue")
	blobs := formEntries(form, prefix, "Name", "Value.BinaryValue")
	out := make(map[string]messageAttribute, len(types))
	for _, name := range slices.Sorted(maps.Keys(types)) {
		a := messageAttribute{DataType: types[name]}
		if strings.HasPrefix(a.DataType, "Binary") {
			b, err := base64.StdEncoding.DecodeString(blobs[name])
			if err != nil {
				return nil, failf("ParameterValueInvalid", "The message attribute '%s' is not base64.", name)
			}
			a.BinaryValue = b
		} else {
			text := texts[name]
			a.StringValue = &text
		}
		out[name] = a
	}
	return out, nil
}

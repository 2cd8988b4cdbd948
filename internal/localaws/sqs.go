package localaws

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// queues is SQS with standard queues, by awsJson. Safe for concurrent use.
type queues struct {
	s *Server

	mu  sync.Mutex
	all map[string]*queue // by ARN
}

func newQueues(s *Server) *queues { return &queues{s: s, all: make(map[string]*queue)} }

func (qs *queues) operations() map[string]operation {
	return map[string]operation{
		"CreateQueue":        qs.create,
		"GetQueueUrl":        qs.queueURL,
		"GetQueueAttributes": qs.attributes,
		"SetQueueAttributes": qs.setAttributes,
		"SendMessage":        qs.send,
		"SendMessageBatch":   qs.sendBatch,
		"ReceiveMessage":     qs.receive,
		"DeleteMessage":      qs.delete,
		"DeleteMessageBatch": qs.deleteBatch,
	}
}

// settableAttributes are the attributes that a queue keeps, with their defaults
// (seconds, bytes). Only VisibilityTimeout, DelaySeconds and
// ReceiveMessageWaitTimeSeconds change what the queue does; messages do not
// expire.
var settableAttributes = map[string]string{
	"VisibilityTimeout": "30", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0",
	"MaximumMessageSize": strconv.Itoa(maxMessage), "MessageRetentionPeriod": "345600",
	"Policy": "", "RedrivePolicy": "", "KmsMasterKeyId": "", "SqsManagedSseEnabled": "true",
}

// maxSeconds are AWS's limits for the durations of queues and messages.
var maxSeconds = map[string]int{
	"VisibilityTimeout": 43_200, "DelaySeconds": 900, "ReceiveMessageWaitTimeSeconds": 20,
}

// duration reads an optional duration of a request, in seconds, within the
// limit of the queue's attribute of the same meaning. Without one it is -1: the
// queue's own.
func duration(attribute string, seconds *int) (time.Duration, error) {
	if seconds == nil {
		return -1, nil
	}
	if *seconds < 0 || *seconds > maxSeconds[attribute] {
		return 0, failf("InvalidParameterValue", "Value %d for parameter %s is invalid.", *seconds, attribute)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// find returns the queue of a URL, whose last part is the name.
func (qs *queues) find(c *call, url string) (*queue, error) {
	path, name := "", url
	if slash := strings.LastIndexByte(url, '/'); slash >= 0 {
		path, name = url[:slash], url[slash+1:]
	}
	q := qs.byARN(c.arn(name))
	// The URL names the account; a queue of another one's is none of the caller's.
	owner := path[strings.LastIndexByte(path, '/')+1:]
	if q == nil || accountID.MatchString(owner) && owner != c.Account {
		return nil, noSuchQueue()
	}
	c.touch("AWS::SQS::Queue", q.arn)
	return q, nil
}

// byARN returns a queue, or nil.
func (qs *queues) byARN(arn string) *queue {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return qs.all[arn]
}

func noSuchQueue() *apiError {
	return &apiError{
		Code: "QueueDoesNotExist", QueryCode: "AWS.SimpleQueueService.NonExistentQueue",
		Message: "The specified queue does not exist.",
	}
}

func (qs *queues) url(c *call, name string) string {
	return qs.s.Endpoint() + "/" + c.Account + "/" + name
}

// create makes a queue, or returns the one that has the name if what is asked
// for does not differ from it.
func (qs *queues) create(_ context.Context, c *call) (any, error) {
	var in struct {
		QueueName  string
		Attributes map[string]string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !queueName.allows(in.QueueName) {
		return nil, failf("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	url := qs.url(c, in.QueueName)
	c.record(nil, map[string]any{"queueUrl": url})
	c.touch("AWS::SQS::Queue", c.arn(in.QueueName))
	q := newQueue(in.QueueName, c.arn(in.QueueName), c.Time)
	q.others = qs.byARN
	if err := q.set(in.Attributes); err != nil {
		return nil, err
	}
	answer := map[string]string{"QueueUrl": url}

	qs.mu.Lock()
	old := qs.all[q.arn]
	if old == nil {
		qs.all[q.arn] = q
	}
	qs.mu.Unlock()
	if old == nil {
		qs.s.config.changed(c, q.resource(url), q.configuration())
		return answer, nil
	}
	if !old.agrees(in.Attributes) {
		return nil, &apiError{
			Code: "QueueNameExists", QueryCode: "QueueAlreadyExists",
			Message: "A queue already exists with the same name and a different value for an attribute.",
		}
	}
	return answer, nil
}

func (qs *queues) queueURL(_ context.Context, c *call) (any, error) {
	var in struct{ QueueName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	q, err := qs.find(c, in.QueueName)
	if err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": qs.url(c, q.name)}, nil
}

func (qs *queues) attributes(_ context.Context, c *call) (any, error) {
	var in struct {
		QueueURL       string `json:"QueueUrl"`
		AttributeNames []string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	all := q.describe(time.Now())
	asked := make(map[string]string)
	for _, name := range in.AttributeNames {
		if name == "All" {
			asked = all
			break
		}
		if v, ok := all[name]; ok {
			asked[name] = v
		}
	}
	return map[string]any{"Attributes": asked}, nil
}

func (qs *queues) setAttributes(_ context.Context, c *call) (any, error) {
	var in struct {
		QueueURL   string `json:"QueueUrl"`
		Attributes map[string]string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	q, err := qs.find(c, in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := q.set(in.Attributes); err != nil {
		return nil, err
	}
	qs.s.config.changed(c, q.resource(qs.url(c, q.name)), q.configuration())
	return nil, nil
}

// set changes attributes, all or none of them.
func (q *queue) set(attributes map[string]string) error {
	for name, value := range attributes {
		if _, ok := settableAttributes[name]; !ok {
			return &apiError{Code: "InvalidAttributeName", Message: "Unknown Attribute " + name + "."}
		}
		if most, ok := maxSeconds[name]; ok {
			if n, err := strconv.Atoi(value); err != nil || n < 0 || n > most {
				return &apiError{Code: "InvalidAttributeValue", Message: "Invalid value for the parameter " + name + "."}
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.Copy(q.settings, attributes)
	return nil
}

// agrees reports whether the queue has all of these attributes.
func (q *queue) agrees(attributes map[string]string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, value := range attributes {
		if q.settings[name] != value {
			return false
		}
	}
	return true
}

func (q *queue) resource(url string) resource {
	return resource{"AWS::SQS::Queue", url, q.name, q.arn}
}

// configuration is what Config shows of the queue.
func (q *queue) configuration() map[string]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.values()
	out["QueueName"] = q.name
	return out
}

// values are the attributes that have a value, and the ARN. The caller holds mu.
func (q *queue) values() map[string]string {
	out := maps.Clone(q.settings)
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	out["QueueArn"] = q.arn
	return out
}

// describe are all attributes at a moment of real time.
func (q *queue) describe(now time.Time) map[string]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.values()
	ready, hidden := 0, 0
	for _, m := range q.messages {
		if m.visible.After(now) {
			hidden++
		} else {
			ready++
		}
	}
	out["ApproximateNumberOfMessages"] = strconv.Itoa(ready)
	out["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(hidden)
	out["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	return out
}

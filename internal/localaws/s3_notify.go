package localaws

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// bucketNotifications tell queues and topics of new objects. Safe for concurrent
// use.
type bucketNotifications struct {
	mu  sync.Mutex
	all map[string]bucketNotification // by bucket
}

// bucketNotification is what a bucket tells whom.
type bucketNotification struct {
	XMLName xml.Name        `xml:"NotificationConfiguration"`
	Topics  []bucketTarget  `xml:"TopicConfiguration"`
	Queues  []bucketTarget  `xml:"QueueConfiguration"`
	Others  []bucketLambda  `xml:"CloudFunctionConfiguration"`
	Bridge  *bucketAnything `xml:"EventBridgeConfiguration"`
}

type (
	bucketAnything struct{}
	bucketLambda   struct{}
)

// bucketTarget is a queue or a topic that is told of objects.
type bucketTarget struct {
	ID     string   `xml:"Id"`
	Topic  string   `xml:",omitempty"`
	Queue  string   `xml:",omitempty"`
	Events []string `xml:"Event"`
	Rules  []struct {
		Name, Value string
	} `xml:"Filter>S3Key>FilterRule"`
}

// notificationOperations name requests with the subresource notification.
var notificationOperations = map[string]string{
	http.MethodGet: "GetBucketNotificationConfiguration", http.MethodPut: "PutBucketNotificationConfiguration",
}

// createdEvents are the events that the stand-in knows of: objects here come by
// PutObject alone.
var createdEvents = []string{"s3:ObjectCreated:*", "s3:ObjectCreated:Put"}

// wants reports whether a target is told of an object.
func (t *bucketTarget) wants(key string) bool {
	for _, r := range t.Rules {
		switch strings.ToLower(r.Name) {
		case "prefix":
			if !strings.HasPrefix(key, r.Value) {
				return false
			}
		case "suffix":
			if !strings.HasSuffix(key, r.Value) {
				return false
			}
		}
	}
	return true
}

// serveNotification answers a request with the subresource notification.
func (o *objectStore) serveNotification(w http.ResponseWriter, r *http.Request, c *call, bucket string) {
	n, e := o.notification(r, c, bucket)
	o.s.trail.call(c, e)
	if e != nil {
		failS3(w, c, e)
		return
	}
	if c.Operation == "GetBucketNotificationConfiguration" {
		n.XMLName = xml.Name{Space: "http://s3.amazonaws.com/doc/2006-03-01/", Local: "NotificationConfiguration"}
		writeS3(w, c, n)
		return
	}
	for _, t := range slices.Concat(n.Queues, n.Topics) {
		o.tell(&t, map[string]any{
			"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": documentTime(o.s.now()), "Bucket": bucket,
			"RequestId": c.RequestID, "HostId": newCode(16),
		})
	}
	w.Header().Set("X-Amz-Request-Id", c.RequestID)
	w.WriteHeader(http.StatusOK)
}

// notification reads or replaces what a bucket tells, and returns it.
func (o *objectStore) notification(r *http.Request, c *call, bucket string) (bucketNotification, *apiError) {
	exists, err := o.backend.BucketExists(bucket)
	if err != nil || !exists {
		return bucketNotification{}, &apiError{Code: "NoSuchBucket", Message: s3Messages["NoSuchBucket"], Status: http.StatusNotFound}
	}
	o.notifications.mu.Lock()
	defer o.notifications.mu.Unlock()
	if c.Operation == "GetBucketNotificationConfiguration" {
		return o.notifications.all[bucket], nil
	}
	var n bucketNotification
	if xml.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&n) != nil {
		return n, &apiError{
			Code: "MalformedXML", Status: http.StatusBadRequest,
			Message: "The XML you provided was not well-formed or did not validate against our published schema",
		}
	}
	for _, t := range slices.Concat(n.Queues, n.Topics) {
		if e := o.checkTarget(&t); e != nil {
			return n, e
		}
	}
	if len(n.Others) > 0 || n.Bridge != nil {
		return n, &apiError{Code: "NotImplemented", Message: "The stand-in's buckets tell queues and topics only.", Status: http.StatusNotImplemented}
	}
	for i := range n.Queues {
		n.Queues[i].name()
	}
	for i := range n.Topics {
		n.Topics[i].name()
	}
	if o.notifications.all == nil {
		o.notifications.all = make(map[string]bucketNotification)
	}
	o.notifications.all[bucket] = n
	return n, nil
}

// name gives a configuration the id that S3 makes where there is none.
func (t *bucketTarget) name() {
	if t.ID == "" {
		t.ID = newUUID()
	}
}

func (o *objectStore) checkTarget(t *bucketTarget) *apiError {
	known := t.Queue != "" && o.s.queues.byARN(t.Queue) != nil || t.Topic != "" && o.s.topics.has(t.Topic)
	if !known {
		return &apiError{Code: "InvalidArgument", Message: "Unable to validate the following destination configurations", Status: http.StatusBadRequest}
	}
	if len(t.Events) == 0 || slices.ContainsFunc(t.Events, func(e string) bool { return !slices.Contains(createdEvents, e) }) {
		return &apiError{Code: "InvalidArgument", Message: "The event is not supported for notifications", Status: http.StatusBadRequest}
	}
	return nil
}

// created tells of an object that was put into a bucket.
func (o *objectStore) created(bucket, key, region string, size int, tag string) {
	o.notifications.mu.Lock()
	n := o.notifications.all[bucket]
	o.notifications.mu.Unlock()
	for _, t := range slices.Concat(n.Queues, n.Topics) {
		if !t.wants(key) {
			continue
		}
		o.tell(&t, map[string]any{"Records": []any{map[string]any{
			"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": region, "eventTime": documentTime(o.s.now()), "eventName": "ObjectCreated:Put",
			"userIdentity":      map[string]string{"principalId": "AWS:" + o.s.account},
			"requestParameters": map[string]string{"sourceIPAddress": "127.0.0.1"},
			"responseElements":  map[string]string{"x-amz-request-id": newRequestID("s3"), "x-amz-id-2": newCode(16)},
			"s3": map[string]any{
				"s3SchemaVersion": "1.0", "configurationId": t.ID,
				"bucket": map[string]any{"name": bucket, "ownerIdentity": map[string]string{"principalId": o.s.account}, "arn": "arn:aws:s3:::" + bucket},
				"object": map[string]any{
					// Slashes are what AWS leaves of a key; a space is a plus.
					"key":  strings.ReplaceAll(url.QueryEscape(key), "%2F", "/"),
					"size": size, "eTag": tag, "sequencer": strings.ToUpper(strconv.FormatInt(o.s.now().UnixNano(), 16)),
				},
			},
		}}})
	}
}

// tell sends a document to a target, as S3 does.
func (o *objectStore) tell(t *bucketTarget, document map[string]any) {
	body, err := encodeJSON(document)
	if err == nil && t.Topic != "" {
		err = o.s.topics.announce(t.Topic, "Amazon S3 Notification", string(body))
	}
	if q := o.s.queues.byARN(t.Queue); err == nil && q != nil {
		err = q.add(&message{id: newUUID(), body: string(body), sender: "s3.amazonaws.com", sent: o.s.now()}, -1)
	}
	if err != nil {
		o.s.log.Error("a notification of a bucket was not sent", "err", err)
	}
}

// tells reports whether a bucket tells a queue of its objects, itself or by a
// topic: who looks into the queue looks into the bucket.
func (o *objectStore) tells(arn string) bool {
	o.notifications.mu.Lock()
	defer o.notifications.mu.Unlock()
	for _, n := range o.notifications.all {
		for _, t := range slices.Concat(n.Queues, n.Topics) {
			if t.Queue == arn || t.Topic != "" && slices.Contains(o.s.topics.queuesOf(t.Topic), arn) {
				return true
			}
		}
	}
	return false
}

// has reports whether there is a topic.
func (ts *topics) has(arn string) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.all[arn] != nil
}

// queuesOf are the queues that have subscribed to a topic.
func (ts *topics) queuesOf(arn string) []string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var all []string
	if t := ts.all[arn]; t != nil {
		for _, s := range t.subscriptions {
			all = append(all, s.queue)
		}
	}
	return all
}

// announce publishes what a service has to say.
func (ts *topics) announce(arn, subject, text string) error {
	ts.mu.Lock()
	t := ts.all[arn]
	var subscriptions []subscription
	if t != nil {
		subscriptions = slices.Clone(t.subscriptions)
	}
	ts.mu.Unlock()
	now := ts.s.now()
	c := &call{Time: now, Identity: identity{PrincipalID: "s3.amazonaws.com"}}
	n := notification{ID: newUUID(), Topic: arn, Subject: subject, Text: text, Time: now.UTC().Format("2006-01-02T15:04:05.000Z")}
	for _, s := range subscriptions {
		if err := ts.deliver(c, s, n, nil); err != nil {
			return err
		}
	}
	return nil
}

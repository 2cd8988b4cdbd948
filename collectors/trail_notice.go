package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// notice is an object that a message in a queue tells of.
type notice struct {
	bucket, key string
	version     string // tells two objects of one key apart; "" where nothing does
	at          time.Time
}

// id tells a file from others.
func (n *notice) id() string { return n.bucket + "/" + n.key + "@" + n.version }

// noticed is what a message says.
type noticed struct {
	objects []notice
	// test says that notifications begin here: S3 sends one when they are set up.
	test bool
}

// errNoNotice is what a message is that tells of no objects.
var errNoNotice = errors.New("neither a notification of S3 or CloudTrail, nor an event of EventBridge about an object")

// maxWraps is how often a notification may be wrapped: SNS does it once.
const maxWraps = 2

// readNotice reads a message: a notification of S3, its test event, CloudTrail's
// own notification, or an event of EventBridge; each alone or in SNS's envelope.
func readNotice(body string) (noticed, error) { return readWrapped(body, maxWraps) }

func readWrapped(body string, wraps int) (noticed, error) {
	if strings.TrimSpace(body) == trailTest {
		return noticed{test: true}, nil
	}
	var m struct {
		Type    string // of SNS
		Message *string

		Records []s3Notice // of S3
		Event   string

		Bucket string   `json:"s3Bucket"` // of CloudTrail
		Keys   []string `json:"s3ObjectKey"`

		DetailType string `json:"detail-type"` // of EventBridge
		Source     string `json:"source"`
		Time       time.Time
		Detail     s3Object
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return noticed{}, fmt.Errorf("%w: %w", errNoNotice, err)
	}
	switch {
	case m.Type == "Notification" && m.Message != nil && wraps > 0:
		return readWrapped(*m.Message, wraps-1)
	case m.Event == "s3:TestEvent":
		return noticed{test: true}, nil
	case m.Bucket != "" && len(m.Keys) > 0:
		n := noticed{}
		for _, key := range m.Keys {
			n.objects = append(n.objects, notice{bucket: m.Bucket, key: key})
		}
		return n, nil
	case m.Source == "aws.s3":
		if m.DetailType != "Object Created" {
			return noticed{}, nil
		}
		return one(m.Detail, m.Detail.Object.Key, m.Time)
	case len(m.Records) > 0:
		return readRecords(m.Records)
	}
	return noticed{}, errNoNotice
}

// trailTest is what CloudTrail sends to a topic that a trail is given.
const trailTest = "CloudTrail validation message."

// s3Notice is a record of a notification of S3.
type s3Notice struct {
	Source string    `json:"eventSource"`
	Name   string    `json:"eventName"` // ObjectCreated:Put
	Time   time.Time `json:"eventTime"`
	S3     s3Object  `json:"s3"`
}

type s3Object struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key  string `json:"key"`
		ETag string `json:"eTag"` // etag in an event of EventBridge
	} `json:"object"`
}

// readRecords reads a notification of S3. Its keys are encoded as in the query of
// a URL. What became of an object later tells of nothing to read.
func readRecords(records []s3Notice) (noticed, error) {
	var all noticed
	for _, r := range records {
		if r.Source != "aws:s3" {
			return noticed{}, errNoNotice
		}
		if !strings.HasPrefix(r.Name, "ObjectCreated:") {
			continue
		}
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			return noticed{}, fmt.Errorf("read the key %s: %w", clip(r.S3.Object.Key, maxAttributeBytes), err)
		}
		n, err := one(r.S3, key, r.Time)
		if err != nil {
			return noticed{}, err
		}
		all.objects = append(all.objects, n.objects...)
	}
	return all, nil
}

func one(o s3Object, key string, at time.Time) (noticed, error) {
	if o.Bucket.Name == "" || key == "" {
		return noticed{}, errors.New("a notification without the name of the bucket, or the key")
	}
	return noticed{objects: []notice{{bucket: o.Bucket.Name, key: key, version: o.Object.ETag, at: at}}}, nil
}

// filePlace is where in its bucket a trail's file lies.
type filePlace struct{ account, kind, region string }

// placeOf reads the place of a file below a trail's root:
// [o-organisation/]account/CloudTrail/region/….
func placeOf(root, key string) (filePlace, bool) {
	rest, ok := strings.CutPrefix(key, root)
	parts := strings.Split(rest, "/")
	if ok && len(parts) > 0 && strings.HasPrefix(parts[0], "o-") {
		parts = parts[1:]
	}
	if !ok || len(parts) < 4 {
		return filePlace{}, false
	}
	return filePlace{parts[0], parts[1], parts[2]}, true
}

package localaws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// targets maps the prefix of X-Amz-Target to the service and to the namespace
// that its error types carry.
var targets = map[string]struct{ service, namespace string }{
	"Logs_20140328":       {"logs", ""},
	"CloudTrail_20131101": {"cloudtrail", ""},
	"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": {"cloudtrail", ""},
	"StarlingDoveService":                {"config", ""},
	"DynamoDB_20120810":                  {"dynamodb", "com.amazonaws.dynamodb.v20120810#"},
	"AmazonSQS":                          {"sqs", "com.amazonaws.sqs#"},
	"AmazonAthena":                       {"athena", ""},
	"AmazonEC2ContainerServiceV20141113": {"ecs", ""},
	"TrentService":                       {"kms", ""},
	"Route53AutoNaming_v20170314":        {"servicediscovery", ""},
	"AWSOrganizationsV20161128":          {"organizations", ""},
	"AWSEvents":                          {"events", ""},
	"Firehose_20150804":                  {"firehose", ""},
	"Kinesis_20131202":                   {"kinesis", ""},
	"AWSStepFunctions":                   {"states", ""},
}

// jsonProtocol is awsJson: the operation is in X-Amz-Target, input and output
// are JSON bodies.
type jsonProtocol struct {
	contentType string // the request's, with its version 1.0 or 1.1; echoed
	namespace   string
}

func (p *jsonProtocol) parse(r *http.Request, body []byte, c *call) error {
	target := r.Header.Get("X-Amz-Target")
	dot := strings.LastIndexByte(target, '.')
	known, ok := targets[target[:max(dot, 0)]]
	if !ok {
		return failf("UnknownOperationException", "The stand-in does not know the target %q.", target)
	}
	p.contentType, p.namespace = r.Header.Get("Content-Type"), known.namespace
	c.Service, c.Operation, c.body = known.service, target[dot+1:], body
	return nil
}

func (p *jsonProtocol) write(w http.ResponseWriter, c *call, answer any) error {
	if stream, ok := answer.(streamedAnswer); ok {
		w.Header().Set("X-Amzn-Requestid", c.RequestID)
		return stream(w)
	}
	body, err := encodeJSON(answer)
	if err != nil {
		return fmt.Errorf("encode the answer of %s: %w", c.action(), err)
	}
	return p.send(w, c, http.StatusOK, body)
}

func (p *jsonProtocol) fail(w http.ResponseWriter, c *call, e *apiError) {
	if e.QueryCode != "" {
		w.Header().Set("X-Amzn-Query-Error", e.QueryCode+";Sender")
	}
	_ = p.send(w, c, e.status(), errorBody(p.namespace+e.Code, e)) // the client is gone: nobody to tell
}

func (p *jsonProtocol) send(w http.ResponseWriter, c *call, status int, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", p.contentType)
	h.Set("X-Amzn-Requestid", c.RequestID)
	if c.Service == "dynamodb" { // its clients compare this sum with the body's
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// encodeJSON encodes an answer; nil, from operations without output, is {}.
func encodeJSON(answer any) ([]byte, error) {
	if answer == nil {
		return []byte("{}"), nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func errorBody(kind string, e *apiError) []byte {
	fields := map[string]string{"__type": kind, "message": e.Message}
	if e.AthenaCode != "" {
		fields = map[string]string{"__type": kind, "Message": e.Message, "AthenaErrorCode": e.AthenaCode, "ErrorCode": e.AthenaCode}
	}
	body, _ := json.Marshal(fields) // strings never fail to encode
	return body
}

// timestamp is a time as JSON protocols write it: seconds since 1970 with a
// fraction of up to milliseconds. The zero timestamp is null; use omitzero.
type timestamp struct{ time.Time }

func (t timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', -1, 64), nil
}

func (t *timestamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return errors.New("a timestamp must be a number of seconds")
	}
	t.Time = time.UnixMicro(int64(seconds * 1e6)).UTC()
	return nil
}

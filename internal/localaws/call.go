package localaws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// operation answers one call. The answer is encoded by the call's protocol; an
// error that is not an *apiError is an internal failure (HTTP 500).
type operation func(ctx context.Context, c *call) (any, error)

// call is one request to the stand-in and what CloudTrail will say about it.
// Only the goroutine that serves the request uses it.
type call struct {
	Service   string // as in a signature's scope: "dynamodb", "logs", "ec2"
	Operation string // "PutItem"
	Account   string
	Region    string
	RequestID string // what the response carries and CloudTrail records
	SourceIP  string
	UserAgent string
	// Trace is the X-Amzn-Trace-Id header as sent; "" without one.
	Trace    string
	Time     time.Time // when it arrived, UTC, by Options.Now
	Identity identity

	body []byte     // JSON protocols
	form url.Values // query protocols

	params    any // for requestParameters; nil takes them from the request
	response  any // for responseElements; nil is written as null
	resources []eventResource
	readOnly  bool
	data      bool
	evidence  bool // S3: on the trail bucket
	// sharedWith is another account to which CloudTrail reports the call too; ""
	// is none.
	sharedWith string
}

// decode reads the JSON body; an empty one leaves v as it is.
func (c *call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return &apiError{Code: "SerializationException", Message: fmt.Sprintf("cannot read the request: %v", err), Status: 400}
	}
	return nil
}

// touch names a resource that the call used, for the event's resources: its
// CloudFormation type and its ARN. Call it before anything that can go wrong, as
// AWS names the resource of a refused call too.
func (c *call) touch(resourceType, arn string) {
	c.resources = append(c.resources, eventResource{ARN: arn, AccountID: c.Account, Type: resourceType})
}

// record sets what CloudTrail shows of request and response where that is not
// simply the request and null: AWS leaves out payloads and secrets. Either may
// be nil: request parameters then are the request's own.
func (c *call) record(params, response any) {
	c.params, c.response = params, response
}

// action is the call's IAM name: "dynamodb:PutItem".
func (c *call) action() string { return c.Service + ":" + c.Operation }

// arn is the name of one of the account's resources in the call's region.
func (c *call) arn(resource string) string {
	return "arn:aws:" + c.Service + ":" + c.Region + ":" + c.Account + ":" + resource
}

package samples

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"muster/samples/truth"
)

// caller makes single calls to AWS as somebody, from somewhere, with some
// program. It speaks the plain protocols: clients of the SDK for a call or two
// of EC2, IAM or ECS would be most of the fleet's code.
type caller struct {
	account  account
	keys     aws.CredentialsProvider
	address  string
	agent    string
	endpoint string // "" for AWS itself
	client   *http.Client
	now      func() time.Time
	truth    *truth.Recorder
}

// as is a caller with the account's own credentials.
func (f *Fleet) as(address, agent string) caller {
	return caller{
		account: f.account, keys: f.account.cfg.Credentials, address: address, agent: agent,
		endpoint: f.o.Endpoint, client: f.client, now: f.o.Now, truth: f.o.Truth,
	}
}

// queryVersions are the versions of the APIs that are called by query.
var queryVersions = map[string]string{"ec2": "2016-11-15", "iam": "2010-05-08", "sts": "2011-06-15"}

// query makes a call of EC2, IAM or STS, and returns its request id.
func (c caller) query(ctx context.Context, service, action string, params map[string]string, out any) (string, error) {
	form := url.Values{"Action": {action}, "Version": {queryVersions[service]}}
	for k, v := range params {
		form.Set(k, v)
	}
	answer, err := c.send(ctx, service, request{
		method: http.MethodPost, path: "/", body: []byte(form.Encode()),
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", service, action, err)
	}
	id := answer.request
	c.truth.Call(truth.Call{Request: id, Service: service, Operation: action})
	if out == nil {
		return id, nil
	}
	if err := xml.Unmarshal(answer.body, out); err != nil {
		return "", fmt.Errorf("%s %s: read the answer: %w", service, action, err)
	}
	return id, nil
}

// targets begin the names of operations of the APIs that are called by JSON.
var targets = map[string]string{
	"sqs": "AmazonSQS",
	"ecs": "AmazonEC2ContainerServiceV20141113", "kms": "TrentService",
	"cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "config": "StarlingDoveService",
}

// json makes a call of an API that speaks JSON, and returns its request id.
func (c caller) json(ctx context.Context, service, operation string, in, out any) (string, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", service, operation, err)
	}
	answer, err := c.send(ctx, service, request{
		method: http.MethodPost, path: "/", body: body,
		header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": targets[service] + "." + operation},
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", service, operation, err)
	}
	c.truth.Call(truth.Call{Request: answer.request, Service: service, Operation: operation})
	if out == nil {
		return answer.request, nil
	}
	if err := json.Unmarshal(answer.body, out); err != nil {
		return "", fmt.Errorf("%s %s: read the answer: %w", service, operation, err)
	}
	return answer.request, nil
}

// request is an HTTP request that is not signed yet.
type request struct {
	method, path string
	body         []byte
	header       map[string]string
}

type response struct {
	request string // its id
	body    []byte
}

// refusedError is an answer of 400 or above.
type refusedError struct {
	status int
	body   []byte
}

// Error shows the status and the answer.
func (r *refusedError) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.body) }

// missing reports whether what was asked for is not there.
func (r *refusedError) missing() bool { return bytes.Contains(r.body, []byte("NotFoundException")) }

// send signs and sends a request. An answer of 400 or above is an error.
func (c caller) send(ctx context.Context, service string, r request) (response, error) {
	endpoint := c.endpoint
	if endpoint == "" {
		endpoint = "https://" + service + "." + c.account.cfg.Region + ".amazonaws.com"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, endpoint+r.path, bytes.NewReader(r.body))
	if err != nil {
		return response{}, err
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("X-Forwarded-For", c.address)
	keys, err := c.keys.Retrieve(ctx)
	if err != nil {
		return response{}, fmt.Errorf("find credentials: %w", err)
	}
	digest := sha256.Sum256(r.body)
	sum := hex.EncodeToString(digest[:])
	req.Header.Set("X-Amz-Content-Sha256", sum)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, sum, service, c.account.cfg.Region, c.now()); err != nil {
		return response{}, fmt.Errorf("sign: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return response{}, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return response{}, &refusedError{resp.StatusCode, body}
	}
	id := resp.Header.Get("X-Amzn-Requestid")
	if id == "" {
		id = resp.Header.Get("X-Amz-Request-Id") // S3
	}
	return response{request: id, body: body}, nil
}

// assume takes a role, and returns a caller with the session's keys, which takes
// it again before they end. The truth learns who is behind them.
func (c caller) assume(ctx context.Context, role, session, origin string) (caller, error) {
	taken := c
	taken.keys = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		return c.session(ctx, role, session, origin)
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = sessionSpare })
	_, err := taken.keys.Retrieve(ctx) // so that a role that may not be taken is known at once
	return taken, err
}

// sessionSpare is how long before their end the keys of a session are renewed.
const sessionSpare = 5 * time.Minute

// session takes a role once.
func (c caller) session(ctx context.Context, role, session, origin string) (aws.Credentials, error) {
	var taken struct {
		Credentials struct {
			Key        string    `xml:"AccessKeyId"`
			Secret     string    `xml:"SecretAccessKey"`
			Token      string    `xml:"SessionToken"`
			Expiration time.Time `xml:"Expiration"`
		} `xml:"AssumeRoleResult>Credentials"`
	}
	arn := "arn:aws:iam::" + c.account.id + ":role/" + role
	_, err := c.query(ctx, "sts", "AssumeRole", map[string]string{"RoleArn": arn, "RoleSessionName": session}, &taken)
	if err != nil {
		return aws.Credentials{}, err
	}
	k := &taken.Credentials
	c.truth.Session(k.Key, origin)
	return aws.Credentials{AccessKeyID: k.Key, SecretAccessKey: k.Secret, SessionToken: k.Token, CanExpire: !k.Expiration.IsZero(), Expires: k.Expiration}, nil
}

// fixed are keys that are what they are.
func fixed(key, secret string) aws.CredentialsProvider {
	keys := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
}

package samples

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// ec2 speaks just enough of EC2's query protocol for one incident; the SDK's
// client is some of the largest Go code there is.
type ec2 struct {
	cfg      aws.Config
	endpoint string // "" for AWS itself
	client   *http.Client
	now      func() time.Time
	truth    *truth.Recorder
}

// ec2Version is the only version of the API that is in use.
const ec2Version = "2016-11-15"

// call makes one call from the office and returns its request id.
func (e ec2) call(ctx context.Context, action string, params map[string]string, out any) (string, error) {
	form := url.Values{"Action": {action}, "Version": {ec2Version}}
	for k, v := range params {
		form.Set(k, v)
	}
	req, err := e.signed(ctx, []byte(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("ec2 %s: %w", action, err)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ec2 %s: %w", action, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("ec2 %s: read the answer: %w", action, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ec2 %s: status %d: %s", action, resp.StatusCode, body)
	}
	var head struct {
		Request string `xml:"requestId"`
	}
	if err := xml.Unmarshal(body, &head); err != nil {
		return "", fmt.Errorf("ec2 %s: read the answer: %w", action, err)
	}
	e.truth.Call(truth.Call{Request: head.Request, Service: "EC2", Operation: action})
	if err := xml.Unmarshal(body, out); err != nil {
		return "", fmt.Errorf("ec2 %s: read the answer: %w", action, err)
	}
	return head.Request, nil
}

// signed is the request with AWS's signature, version 4.
func (e ec2) signed(ctx context.Context, body []byte) (*http.Request, error) {
	endpoint := e.endpoint
	if endpoint == "" {
		endpoint = "https://ec2." + e.cfg.Region + ".amazonaws.com"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("User-Agent", cliAgent)
	req.Header.Set("X-Forwarded-For", officeAddress)
	keys, err := e.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), "ec2", e.cfg.Region, e.now())
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return req, nil
}

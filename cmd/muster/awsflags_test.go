package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// An endpoint that accepts calls and never answers ends in an error that says
// that it was time that ran out.
func TestHTTPClientGivesUpOnAnEndpointThatNeverAnswers(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l.Close) })
	cfg := localConfig("http://"+l.Addr().String(), httpClient(20*time.Millisecond, time.Minute))
	cfg.RetryMaxAttempts = 2
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err == nil || !strings.Contains(err.Error(), "timeout awaiting response headers") {
		t.Errorf("got %v, want a time-out", err)
	}
}

func TestConfigBoundsEveryCall(t *testing.T) {
	f := awsFlags{region: "eu-west-1", endpoint: "http://127.0.0.1:1"}
	cfg, err := f.config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, ok := cfg.HTTPClient.(interface{ GetTimeout() time.Duration })
	if !ok || client.GetTimeout() != callTimeout || aws.ToString(cfg.BaseEndpoint) != f.endpoint {
		t.Errorf("calls are made by %T to %s, want one bounded by %s", cfg.HTTPClient, aws.ToString(cfg.BaseEndpoint), callTimeout)
	}
}

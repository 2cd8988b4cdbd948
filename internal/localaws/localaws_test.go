package localaws

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a stand-in for the test's time.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client is the configuration of a client that calls s with a key, never
// retries, and closes its connections with the test.
func client(t *testing.T, s *Server, key string) aws.Config {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region:       DefaultRegion,
		BaseEndpoint: aws.String(s.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(key, BootstrapSecret, ""),
		HTTPClient:   &http.Client{Transport: transport, Timeout: 30 * time.Second},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// retrying is client with the SDK's retries, but no waiting between them.
func retrying(t *testing.T, s *Server, key string) aws.Config {
	t.Helper()
	cfg := client(t, s, key)
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 20
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			o.RateLimiter = unlimited{}
		})
	}
	return cfg
}

type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (unlimited) AddTokens(uint) error { return nil }

// from makes a client's calls come from an address.
func from(cfg aws.Config, ip string) aws.Config {
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions),
		smithyhttp.AddHeaderValue("X-Forwarded-For", ip))
	return cfg
}

// requestID is the id that a response carried.
func requestID(t *testing.T, m middleware.Metadata) string {
	t.Helper()
	id, ok := awsmiddleware.GetRequestIDMetadata(m)
	if !ok || id == "" {
		t.Fatal("the response carried no request id")
	}
	return id
}

// lookup returns all management events that can be looked up, newest first.
func lookup(t *testing.T, s *Server) []types.Event {
	t.Helper()
	var out []types.Event
	pages := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(retrying(t, s, "AKIDREADER")), &cloudtrail.LookupEventsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Events...)
	}
	return out
}

package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"muster/samples/truth"
)

// metadata is what an AWS answer says beside its result.
type metadata = middleware.Metadata

// forwardedFor shows the stand-in, which is reached by loopback only, where a
// call would have come from.
const forwardedFor = "X-Forwarded-For"

// observer writes down every AWS call of a configuration.
type observer struct {
	truth  *truth.Recorder
	log    *slog.Logger // nil: calls leave no line
	tracer tracer       // nil: calls belong to no trace
}

// observed is a configuration whose calls are written down, and traced where
// the observer says so.
func observed(cfg aws.Config, o observer, address string) aws.Config {
	c := cfg.Copy()
	c.APIOptions = append(slices.Clone(c.APIOptions), smithyhttp.SetHeaderValue(forwardedFor, address))
	if o.tracer != nil {
		o.tracer.instrument(&c.APIOptions)
	}
	c.APIOptions = append(c.APIOptions, o.install)
	return c
}

// Observe is a configuration for calls from outside of the fleet: written down
// in the truth as belonging to no trace, and seen by AWS as from address.
func Observe(cfg aws.Config, rec *truth.Recorder, address string) aws.Config {
	return observed(cfg, observer{truth: rec}, address)
}

// Wrote notes that an AWS call wrote the configuration of a resource, named as
// fleet.ResourceName does.
func Wrote(rec *truth.Recorder, resource string, answer middleware.Metadata) {
	if id, ok := awsmiddleware.GetRequestIDMetadata(answer); ok {
		rec.Change(resource, id)
	}
}

// requestHeader has the request id of every service but S3, which has a header of
// its own and this one only where AWS is an emulator that records it.
const requestHeader = "X-Amzn-Requestid"

// attempts are the answers to one call, one for each try.
type attempts struct{ answers []answer }

// answer is what the answer to an attempt says of itself: its request id, and
// the one by which the trail knows it, if that is another.
type answer struct{ request, recorded string }

type attemptsKey struct{}

// install adds the observer behind the X-Ray SDK's own steps, so that the
// subsegment of a call is open when the observer looks.
func (o observer) install(stack *middleware.Stack) error {
	call := middleware.InitializeMiddlewareFunc("MusterCall", o.call)
	if err := stack.Initialize.Add(call, middleware.After); err != nil {
		return fmt.Errorf("observe calls: %w", err)
	}
	attempt := middleware.DeserializeMiddlewareFunc("MusterAttempt", attempt)
	if err := stack.Deserialize.Add(attempt, middleware.Before); err != nil {
		return fmt.Errorf("observe attempts: %w", err)
	}
	return nil
}

func (o observer) call(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, m metadata, err error,
) {
	tries, began := new(attempts), time.Now()
	out, m, err = next.HandleInitialize(context.WithValue(ctx, attemptsKey{}, tries), in)
	c := truth.Call{
		Service: awsmiddleware.GetServiceID(ctx), Operation: awsmiddleware.GetOperationName(ctx), Began: began,
	}
	if o.tracer != nil {
		if c.Trace, c.Span = o.tracer.ids(ctx); !o.tracer.sampled(ctx) {
			c.Span = "" // which is not sent
		}
		allowSlow(o.truth, c.Trace, began)
	}
	for i, a := range tries.answers {
		c.Request, c.Hidden = cmp.Or(a.recorded, a.request), a.recorded != ""
		c.Retried = i < len(tries.answers)-1
		c.Failed = c.Retried || err != nil
		o.truth.Call(c)
		c.Request = a.request // which the line shows
	}
	if o.log != nil {
		o.audit(ctx, c, err)
	}
	return out, m, err
}

// slow is a little less than what the policy slow-dependency takes for slow: the
// X-Ray SDK reads its clock at other moments than the observer.
const slow = 900 * time.Millisecond

// allowSlow notes a call that began then and took long, for whatever reason.
func allowSlow(rec *truth.Recorder, trace string, began time.Time) {
	if time.Since(began) >= slow {
		rec.Allow("slow-dependency", trace)
		rec.Allow("missing-timeout", trace)
	}
}

// audit leaves a line about a call that wrote or failed, with the call's
// request id and without a trace: so do the audit logs of most libraries.
func (o observer) audit(ctx context.Context, c truth.Call, err error) {
	if o.tracer != nil {
		ctx = Unlinked(ctx)
	} else {
		ctx = context.Background() // the call is no part of any trace, nor is its line
	}
	name := strings.ToLower(c.Service) + ":" + c.Operation
	switch {
	case err != nil:
		o.log.ErrorContext(ctx, "aws call failed", "call", name, FieldRequest, c.Request, "error", err.Error())
	case strings.HasPrefix(c.Operation, "Put"), strings.HasPrefix(c.Operation, "Create"):
		o.log.InfoContext(ctx, "aws call", "call", name, FieldRequest, c.Request)
	}
}

func attempt(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, m metadata, err error,
) {
	out, m, err = next.HandleDeserialize(ctx, in)
	if tries, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
		if id, ok := awsmiddleware.GetRequestIDMetadata(m); ok && id != "" {
			a := answer{request: id}
			if resp, ok := out.RawResponse.(*smithyhttp.Response); ok {
				if other := resp.Header.Get(requestHeader); other != id {
					a.recorded = other
				}
			}
			tries.answers = append(tries.answers, a)
		}
	}
	return out, m, err
}

// assume is the configuration with the service's own role in place of the
// deployer's key.
func assume(ctx context.Context, base aws.Config, o Options) (aws.Config, error) {
	role := fmt.Sprintf("arn:aws:iam::%s:role/muster-%s", o.Account, o.Service)
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), role, func(a *stscreds.AssumeRoleOptions) {
		a.RoleSessionName = o.Service + "-task"
	})
	c := base.Copy()
	c.Credentials = aws.NewCredentialsCache(session{CredentialsProvider: provider, truth: o.Truth, origin: o.Deployer})
	_, err := c.Credentials.Retrieve(ctx)
	return c, err
}

// session notes each temporary key and the principal behind it.
type session struct {
	aws.CredentialsProvider
	truth  *truth.Recorder
	origin string
}

// Retrieve hands out a new temporary key.
func (s session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := s.CredentialsProvider.Retrieve(ctx)
	if err == nil {
		s.truth.Session(c.AccessKeyID, s.origin)
	}
	return c, err
}

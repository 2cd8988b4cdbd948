package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"muster/internal/localaws"
)

// world is a stand-in with a clock of its own, and what really happened there.
type world struct {
	rng      *rand.Rand
	aws      *localaws.Server
	cfg      aws.Config
	clock    atomic.Int64 // what its time is ahead of the real one, in ns
	endpoint string       // a proxy before it, which counts requests
	folder   string
	begin    time.Time

	requests atomic.Int64
	reached  atomic.Pointer[func(int64)]
	deny     atomic.Pointer[string] // an operation that is denied for a while

	truth map[string]bool // by what only one record can show: "log l-17"
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

// deniable are operations that are denied for a phase, as targets of awsJson or
// paths.
var deniable = []string{"FilterLogEvents", "LookupEvents", "GetResourceConfigHistory", "/TraceSummaries", "/Traces"}

func newWorld(t *testing.T, seed uint64) (*world, func() error, error) {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0)), truth: map[string]bool{}}
	odds := func(most float64) float64 { return w.rng.Float64() * most }
	o := localaws.Options{
		Seed: seed, Now: w.now,
		Delay: localaws.Delay{
			Trail: time.Duration(odds(float64(10 * time.Minute))), Lookup: time.Duration(odds(float64(15 * time.Minute))),
			Config: time.Duration(odds(float64(10 * time.Minute))), Logs: time.Duration(odds(float64(10 * time.Second))),
		},
		Trouble: localaws.Trouble{
			Throttle: odds(0.03), Fail: odds(0.05), EmptyPage: odds(0.15), Repeat: odds(0.15), Addendum: odds(0.3),
			Late: odds(0.4), LateBy: soakLate, Reset: odds(0.03), ExpiredPage: odds(0.1), ExpiredSession: odds(0.03),
			SameMillisecond: odds(0.5),
		},
	}
	if w.rng.IntN(2) == 0 {
		o.Skew = time.Duration(w.rng.IntN(120)-60) * time.Second
	}
	var err error
	if w.aws, err = localaws.Start(t.Context(), o); err != nil {
		return nil, nil, err
	}
	w.folder = t.TempDir()
	transport := &http.Transport{}
	w.cfg = localConfig(w.aws.Endpoint(), &http.Client{Transport: transport})
	w.begin = w.now().Truncate(time.Second)
	target, err := url.Parse(w.aws.Endpoint())
	if err != nil {
		return nil, nil, err
	}
	through := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport, proxy.ErrorLog = through, log.New(io.Discard, "", 0)
	server := httptest.NewServer(w.gate(proxy))
	w.endpoint = server.URL
	return w, func() error {
		server.Close()
		transport.CloseIdleConnections()
		through.CloseIdleConnections()
		return errors.Join(w.aws.Close(), os.RemoveAll(w.folder))
	}, nil
}

// gate counts what the collecting process asks, and denies one operation. A
// connection that the stand-in resets is reset.
func (w *world) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if reached := w.reached.Load(); reached != nil {
			(*reached)(w.requests.Add(1))
		}
		if deny := w.deny.Load(); deny != nil && (strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+*deny) || r.URL.Path == *deny) {
			rw.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(rw, `{"__type":"AccessDeniedException","message":"not now"}`)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// happen lets the fleet do a phase's work, and notes what must be found of it.
func (w *world) happen(ctx context.Context, phase int) error {
	logs := cloudwatchlogs.NewFromConfig(w.cfg)
	at := w.now()
	for g := range 2 {
		group, stream := aws.String(fmt.Sprintf("/soak/%d", g)), aws.String("s")
		if phase == 0 {
			_, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
			if err != nil {
				return err
			}
			if _, err = logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
				return err
			}
		}
		var lines []logtypes.InputLogEvent
		for i := range soakLines / 2 {
			token := fmt.Sprintf("l-%d-%d-%d", phase, g, i)
			w.truth["log "+token] = true
			lines = append(lines, logtypes.InputLogEvent{
				Message: aws.String(token), Timestamp: aws.Int64(at.Add(time.Duration(i-soakLines) * time.Second).UnixMilli()),
			})
		}
		if _, err := logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: lines}); err != nil {
			return err
		}
	}
	return errors.Join(w.trace(ctx, phase, at), w.call(ctx, phase))
}

// trace sends traces whose subsegments come alone.
func (w *world) trace(ctx context.Context, phase int, at time.Time) error {
	d, err := (&net.Dialer{}).DialContext(ctx, "udp", w.aws.DaemonAddr())
	if err != nil {
		return err
	}
	defer d.Close()
	for i := range soakTraces {
		n := phase*soakTraces + i
		trace, start := fmt.Sprintf("1-%08x-%024x", at.Unix(), n+1), float64(at.UnixMicro())/1e6-5
		for _, doc := range []string{
			fmt.Sprintf(`{"trace_id":%q,"id":"%016x","parent_id":"%016x","type":"subsegment","name":"x","start_time":%f,"end_time":%f}`, trace, 2*n+2, 2*n+1, start+0.1, start+0.2),
			fmt.Sprintf(`{"trace_id":%q,"id":"%016x","name":"soak","start_time":%f,"end_time":%f}`, trace, 2*n+1, start, start+0.5),
		} {
			if _, err := io.WriteString(d, "{\"format\": \"json\", \"version\": 1}\n"+doc); err != nil {
				return err
			}
		}
		w.truth[fmt.Sprintf("span %016x", 2*n+1)] = true
		w.truth[fmt.Sprintf("span %016x", 2*n+2)] = true
	}
	return nil
}

// call makes calls on a queue and on items: management and data events, and
// changes.
func (w *world) call(ctx context.Context, phase int) error {
	note := func(meta middleware.Metadata) {
		id, _ := awsmiddleware.GetRequestIDMetadata(meta)
		w.truth["call "+id] = true
	}
	table := dynamodb.NewFromConfig(w.cfg)
	if phase == 0 {
		out, err := table.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: aws.String("soak"), BillingMode: dynamotypes.BillingModePayPerRequest,
			KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: dynamotypes.KeyTypeHash}},
			AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
		})
		if err != nil {
			return err
		}
		note(out.ResultMetadata)
		w.truth["change AWS::DynamoDB::Table/soak"] = true
	}
	for i := range soakCalls {
		out, err := table.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("soak"), Item: map[string]dynamotypes.AttributeValue{
			"id": &dynamotypes.AttributeValueMemberS{Value: fmt.Sprint(phase, i)},
		}})
		if err != nil {
			return err
		}
		note(out.ResultMetadata)
	}
	name := fmt.Sprintf("soak-%d", phase)
	out, err := sqs.NewFromConfig(w.cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		return err
	}
	note(out.ResultMetadata)
	w.truth["change AWS::SQS::Queue/"+name] = true
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
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
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

	"muster/fleet"
	"muster/internal/localaws"
)

// The soak: seeded schedules of faults over the stand-in, a SIGKILL of a
// collecting process in each, and at the end exactly the truth.
var (
	soakSchedules = flag.Int("soak.schedules", 3, "how many schedules the soak runs; make soak runs 500, make test 40")
	soakSeed      = flag.Uint64("soak.seed", 1, "seed of the first schedule; the others follow it")
	soakSweep     = flag.String("soak.sweep-after", "2h", "muster's --sweep-after; 0s shows that the soak finds what is lost without a sweep")
	soakAtOnce    = flag.Int("soak.parallel", 4, "how many schedules run at once: most of their time is waiting")
)

// What happens in one schedule. Evidence is put in phases, with a collection
// after each, so that checkpoints move while it is late.
const (
	soakPhases = 3
	soakPhase  = 20 * time.Minute // of the stand-in's clock
	soakLate   = time.Hour        // by which evidence is late at most
	soakLines  = 30               // of a phase, each in one of two groups
	soakTraces = 6                // of a phase, two spans each
	soakCalls  = 6                // of a phase, on items: data events
	// soakTries is how often a collection is tried that faults end. The faults'
	// odds let one call in some ten thousand fail for good.
	soakTries = 12
)

func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves the soak out; make soak runs it")
	}
	var total soakResult
	var mu sync.Mutex
	slots := make(chan struct{}, *soakAtOnce)
	var wg sync.WaitGroup
	for i := range uint64(*soakSchedules) {
		seed := *soakSeed + i
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := soak(t, seed)
			mu.Lock()
			defer mu.Unlock()
			total.add(r)
			if err == nil && len(r.lost)+len(r.doubled) == 0 {
				return
			}
			t.Errorf("schedule of seed %d: %v\n%d lost: %s\n%d doubled: %s\nalone: go test ./cmd/muster -run '^TestSoak$' -v -soak.schedules 1 -soak.seed %d",
				seed, err, len(r.lost), some(r.lost), len(r.doubled), some(r.doubled), seed)
		})
	}
	wg.Wait()
	fmt.Printf("soak: seeds %d to %d: %d schedules, %d records of the truth, %d kills, %d collections: %d lost, %d doubled\n",
		*soakSeed, *soakSeed+uint64(*soakSchedules)-1, *soakSchedules, total.truth, total.kills, total.runs, len(total.lost), len(total.doubled))
	if total.kills < *soakSchedules {
		t.Errorf("%d of %d schedules were over before they could be killed", *soakSchedules-total.kills, *soakSchedules)
	}
}

// soakResult is what became of schedules.
type soakResult struct {
	truth, kills, runs int
	lost, doubled      []string
}

func (r *soakResult) add(o soakResult) {
	r.truth += o.truth
	r.kills += o.kills
	r.runs += o.runs
	r.lost = append(r.lost, o.lost...)
	r.doubled = append(r.doubled, o.doubled...)
}

func some(all []string) string {
	const enough = 8
	if len(all) > enough {
		return strings.Join(all[:enough], ", ") + ", …"
	}
	return strings.Join(all, ", ")
}

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

// soak runs one schedule.
func soak(t *testing.T, seed uint64) (r soakResult, err error) {
	w, closeWorld, err := newWorld(t, seed)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, closeWorld()) }()
	killIn := w.rng.IntN(soakPhases)
	for phase := range soakPhases {
		w.clock.Add(int64(soakPhase))
		if err := w.happen(t.Context(), phase); err != nil {
			return r, fmt.Errorf("phase %d: %w", phase, err)
		}
		if w.rng.IntN(4) == 0 {
			w.deny.Store(&deniable[w.rng.IntN(len(deniable))])
		}
		if phase >= killIn && r.kills == 0 {
			killed, err := w.collect(t.Context(), &moment{1 + w.rng.IntN(60), time.Duration(w.rng.IntN(60)) * time.Millisecond})
			r.runs++
			if killed {
				r.kills++
			} else if err != nil {
				t.Logf("seed %d, phase %d: %v", seed, phase, err)
			}
		}
		// A pass that faults end is no loss: the next one goes on from there.
		if _, err := w.collect(t.Context(), nil); err != nil {
			t.Logf("seed %d, phase %d: %v", seed, phase, err)
		}
		r.runs++
		w.deny.Store(nil)
	}
	// Everything has come by now, and every hour of it is old enough.
	w.clock.Add(int64(soakLate + 2*time.Hour + time.Hour + soakPhase))
	if r.kills == 0 {
		if killed, _ := w.collect(t.Context(), &moment{1 + w.rng.IntN(8), 0}); killed {
			r.kills++
		}
		r.runs++
	}
	for try := 1; ; try++ {
		_, err := w.collect(t.Context(), nil)
		r.runs++
		if err == nil {
			break
		}
		if try == soakTries {
			return r, fmt.Errorf("the last collection failed %d times: %w", try, err)
		}
	}
	r.truth = len(w.truth)
	r.lost, r.doubled, err = w.compare(t.Context())
	return r, err
}

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

// program starts this test binary as muster.
func (w *world) program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMuster+"=1", "MUSTER_STORE="+filepath.Join(w.folder, "lake"),
		"AWS_ACCESS_KEY_ID="+localaws.BootstrapKey, "AWS_SECRET_ACCESS_KEY="+localaws.BootstrapSecret,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	return cmd
}

// collect runs one collecting process up to the stand-in's now, to its end or to
// the moment of its killing, and reports whether it was killed.
func (w *world) collect(ctx context.Context, at *moment) (killed bool, err error) {
	const patience = 3 * time.Minute // a pass takes seconds, on a busy machine some ten
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := w.program(ctx, "collect", "--endpoint-url", w.endpoint, "--region", localaws.DefaultRegion,
		"--trail-bucket", w.aws.TrailBucket(), "--since", fleet.FormatTime(w.begin), "--until", fleet.FormatTime(w.now()),
		"--commit-records", "40", "--commit-every", "50ms", "--quota-share", "0", "--sweep-after", *soakSweep)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Start()
	if err == nil && at != nil {
		var once sync.Once
		kill := func(n int64) {
			if n >= int64(at.requests) {
				once.Do(func() {
					time.AfterFunc(at.wait, func() { _ = cmd.Process.Kill() }) // it may have ended by itself: Wait tells
				})
			}
		}
		w.requests.Store(0)
		w.reached.Store(&kill)
		defer w.reached.Store(nil)
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil && at != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == -1 {
		return true, nil
	}
	if err != nil {
		err = fmt.Errorf("collect: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return false, err
}

// compare holds the lake to the truth. Every record must be there once by its
// id, and what shows only one of them must be there once.
func (w *world) compare(ctx context.Context) (lost, doubled []string, err error) {
	out, err := w.program(ctx, "sql", "--json", `select kind, id, message, span_id, request_id, resources, event_name from records`).Output()
	if err != nil {
		return nil, nil, fmt.Errorf("read the lake: %w", err)
	}
	ids, shown := map[string]int{}, map[string]int{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var row struct {
			Kind, ID, Message string
			Span              string `json:"span_id"`
			Request           string `json:"request_id"`
			Resources         any
		}
		if err := d.Decode(&row); err != nil {
			return nil, nil, fmt.Errorf("read the lake: %w", err)
		}
		ids[row.Kind+" "+row.ID]++
		switch row.Kind {
		case "log":
			shown["log "+row.Message]++
		case "span":
			shown["span "+row.Span]++
		case "api_call":
			shown["call "+row.Request]++
		case "change":
			for name := range w.truth {
				if resource, ok := strings.CutPrefix(name, "change "); ok && strings.Contains(fmt.Sprint(row.Resources), resource) {
					shown[name] = 1 // of which there may be several
				}
			}
		}
	}
	for name := range w.truth {
		if shown[name] == 0 {
			lost = append(lost, name)
		}
		if shown[name] > 1 {
			doubled = append(doubled, name)
		}
	}
	for id, n := range ids {
		if n > 1 {
			doubled = append(doubled, id)
		}
	}
	for name := range shown { // what nobody wrote
		if kind, _, _ := strings.Cut(name, " "); (kind == "log" || kind == "span") && !w.truth[name] {
			doubled = append(doubled, "invented: "+name)
		}
	}
	return lost, doubled, nil
}

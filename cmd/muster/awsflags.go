package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/metrics"
	"muster/internal/pipeline"
)

// awsFlags say which account to read and what of it.
type awsFlags struct {
	endpoint, region, profile, account string
	sources                            []string
	accounts                           collectors.Accounts
	regions                            []string
	groups                             collectors.GroupChoice
	trailBucket, trailPrefix           string
	trailQueue, configAggregator       string
	logBucket, logBucketPrefix         string
	liveTail                           bool
	machines                           collectors.MachineChoice
	executionData                      bool
	kinesisStreams                     []string
	xrayGroup                          string
	overlap                            time.Duration
	quotaShare                         float64
}

func (f *awsFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.endpoint, "endpoint-url", "", "AWS endpoint `URL` to use instead of the real ones")
	fs.StringVar(&f.region, "region", "", "AWS region; default from the AWS environment")
	fs.StringVar(&f.profile, "profile", "", "profile of the AWS configuration")
	fs.StringVar(&f.account, "account", "", "account id; default asks STS")
	fs.StringSliceVar(&f.sources, "source", nil, "only these sources: "+strings.Join(collectors.Sources(), ", "))
	f.registerAccounts(fs)
	f.registerGroups(fs)
	fs.StringSliceVar(&f.machines.Names, "state-machine", nil, "only these state machines of Step Functions, by `name` or ARN; default all")
	fs.StringSliceVar(&f.machines.Patterns, "state-machine-pattern", nil, "only state machines like this `pattern`, with * and ?; repeatable")
	fs.StringSliceVar(&f.machines.Exclude, "state-machine-exclude", nil, "no state machines like this `pattern`, with * and ?; repeatable")
	fs.BoolVar(&f.executionData, "execution-data", false, "keep the inputs and outputs of executions and of their steps, secrets masked; without it only the ids in an execution's input are taken")
	fs.StringVar(&f.xrayGroup, "xray-group", "", "only traces of this `group` of X-Ray, by its filter expression; the ledger says so")
	fs.StringVar(&f.trailBucket, "trail-bucket", "", "S3 bucket that a trail delivers to; has data events, which the API has not")
	fs.StringVar(&f.trailPrefix, "trail-prefix", "", "prefix of the trail's files in the bucket")
	fs.StringVar(&f.trailQueue, "trail-queue", "", "`URL` of an SQS queue that is told of new files in the trail's bucket, instead of listing it; muster deletes what it has read from there")
	fs.StringVar(&f.configAggregator, "config-aggregator", "", "`name` of an aggregator of AWS Config: the inventory, and the last verdicts, of all of its accounts are read too")
	atLeast(fs, &f.overlap, "overlap", 0, 0, "how much is read again before each checkpoint; default each source's own")
	fs.Var(shareOf(&f.quotaShare, collectors.DefaultQuotaShare), "quota-share",
		"how much of each of AWS's documented quotas to use, up to 1; 0 waits for none and adapts to throttling alone")
}

// registerAccounts adds the flags that choose accounts and regions.
func (f *awsFlags) registerAccounts(fs *pflag.FlagSet) {
	a := &f.accounts
	fs.StringSliceVar(&a.IDs, "accounts", nil, "read these `accounts`, by --assume-role in each but the caller's own; with --organization, of those that it has")
	fs.BoolVar(&a.Organization, "organization", false, "read all active accounts of the organization; the caller is in its management account, or a delegated administrator")
	fs.StringSliceVar(&a.Exclude, "exclude-account", nil, "read none of these `accounts`")
	fs.StringVar(&a.Role, "assume-role", "", "`role` to assume in each account: a name, or an ARN with {account} in it")
	fs.StringVar(&a.ExternalID, "external-id", "", "external `id` that the role's trust policy asks for")
	fs.StringSliceVar(&f.regions, "regions", nil, "read these `regions` of each account; default --region")
}

// registerGroups adds the flags that choose log groups.
func (f *awsFlags) registerGroups(fs *pflag.FlagSet) {
	g := &f.groups
	fs.StringSliceVar(&g.Names, "log-group", nil, "only these log groups, by `name` or ARN; default all")
	fs.StringSliceVar(&g.Prefixes, "log-group-prefix", nil, "only log groups that begin so; repeatable")
	fs.StringSliceVar(&g.Patterns, "log-group-pattern", nil, "only log groups like this `pattern`, with * and ?; repeatable")
	fs.StringSliceVar(&g.Exclude, "log-group-exclude", nil, "no log groups like this `pattern`, with * and ?; repeatable")
	fs.StringArrayVar(&g.Tags, "log-group-tag", nil, "only log groups with this `key=value`, or with this key; repeatable, all must be there")
	fs.StringSliceVar(&g.Classes, "log-group-class", nil, "only log groups of this class: STANDARD, INFREQUENT_ACCESS, DELIVERY; AWS lets only STANDARD ones be read line by line")
	fs.BoolVar(&g.Linked, "log-linked", false, "in a monitoring account: the log groups of all source accounts too")
	fs.StringSliceVar(&g.LinkedAccounts, "log-linked-account", nil, "in a monitoring account: the log groups of these `accounts` only")
	fs.BoolVar(&f.liveTail, "live-tail", false, "while following: be woken by Live Tail ($0.01 a minute for each ten log groups), so that lines are there within seconds")
	fs.StringVar(&f.logBucket, "log-bucket", "", "S3 bucket that logs are delivered to: objects of Firehose, exports of log groups, access logs of load balancers")
	fs.StringVar(&f.logBucketPrefix, "log-bucket-prefix", "", "prefix of the objects in that bucket; all below it is listed in each pass")
	fs.StringSliceVar(&f.kinesisStreams, "kinesis-stream", nil, "data stream of Kinesis that logs are delivered to, by `name` or ARN; repeatable")
	fs.StringVar(&g.Filter, "log-filter-pattern", "", "filter `pattern` of CloudWatch Logs: AWS hands over only lines that match, and the ledger says so")
}

// share is a flag from 0 to 1.
type share struct{ to *float64 }

func shareOf(to *float64, value float64) share {
	*to = value
	return share{to}
}

func (s share) String() string {
	if s.to == nil {
		return ""
	}
	return strconv.FormatFloat(*s.to, 'g', -1, 64)
}

func (s share) Type() string { return "share" }

func (s share) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("give a share from 0 to 1, such as 0.5")
	}
	*s.to = v
	return nil
}

// Bounds on one call. AWS answers in seconds or not at all; the SDK tries again,
// and says in the end that it was time that ran out.
const (
	// answerTimeout is how long the head of an answer may take.
	answerTimeout = 20 * time.Second
	// callTimeout is how long a whole answer may take: a trail's file of 50 MB
	// over a line of 200 KB a second.
	callTimeout = 5 * time.Minute
)

// httpClient gives up on an endpoint that accepts calls and never answers.
func httpClient(answer, call time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(call).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answer })
}

// config loads the AWS configuration of the environment, which must have a region.
func (f *awsFlags) config(ctx context.Context) (aws.Config, error) {
	cfg, err := f.load(ctx)
	if err == nil && cfg.Region == "" {
		err = fmt.Errorf("no AWS region: give --region or set AWS_REGION")
	}
	return cfg, err
}

func (f *awsFlags) load(ctx context.Context) (aws.Config, error) {
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(httpClient(answerTimeout, callTimeout))}
	if u, err := url.Parse(f.endpoint); f.endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return aws.Config{}, fmt.Errorf("--endpoint-url %q: give a URL such as http://127.0.0.1:4566", f.endpoint)
	}
	switch {
	case f.region != "":
		opts = append(opts, awsconfig.WithRegion(f.region))
	case len(f.regions) > 0:
		opts = append(opts, awsconfig.WithDefaultRegion(f.regions[0]))
	}
	if f.profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(f.profile))
	}
	if f.endpoint != "" {
		opts = append(opts, awsconfig.WithBaseEndpoint(f.endpoint))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return cfg, fmt.Errorf("load the AWS configuration: %w", err)
	}
	return cfg, nil
}

// lister lists the streams of the account anew each time it is called.
func lister(o collectors.Options) func(context.Context) ([]fleet.Collector, error) {
	return func(ctx context.Context) ([]fleet.Collector, error) { return collectors.Discover(ctx, o) }
}

// follow makes pass after pass, and between them reads what Live Tail wakes it for,
// where that is wanted.
func (a *app) follow(ctx context.Context, line *pipeline.Line, from collectors.Options, o pipeline.FollowOptions) error {
	if !from.LiveTail {
		return line.Follow(ctx, lister(from), o)
	}
	ctx, stop := context.WithCancel(ctx)
	glances, ended := make(chan fleet.Glance), make(chan struct{})
	o.Glances = glances
	go func() {
		defer close(ended)
		if err := collectors.LiveTail(ctx, from, glances); err != nil && ctx.Err() == nil {
			a.logger().WarnContext(ctx, "no log group is tailed", "error", err)
		}
	}()
	err := line.Follow(ctx, lister(from), o)
	stop()
	<-ended
	return err
}

// collectOptions say what the flags say. What the calls of AWS come to is told to
// reg.
func (a *app) collectOptions(cfg aws.Config, f *awsFlags, reg prometheus.Registerer) collectors.Options {
	m := metrics.NewAWS(reg)
	limiter := collectors.NewLimiter(f.quotaShare, func(c collectors.Call) {
		m.Called(c.Action, c.Throttled, c.Err, c.Bytes, c.Waited)
	})
	return collectors.Options{
		AWS: cfg, Account: f.account, Accounts: f.accounts, Regions: f.regions, Sessions: &collectors.Sessions{}, Sources: f.sources, Groups: f.groups, GroupTags: &collectors.GroupTags{},
		TrailBucket: f.trailBucket, TrailPrefix: f.trailPrefix, TrailQueue: f.trailQueue, ConfigAggregator: f.configAggregator,
		Machines: f.machines, ExecutionData: f.executionData, KinesisStreams: f.kinesisStreams, XRayGroup: f.xrayGroup,
		LiveTail: f.liveTail, LogBucket: f.logBucket, LogBucketPrefix: f.logBucketPrefix, Overlap: f.overlap,
		Limiter: limiter, Now: time.Now, Logger: a.logger(),
	}
}

package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// Discover finds what there is to read and returns one collector per stream, in
// the order of Sources. It asks AWS for the account, the log groups and the
// trail's folders; call it again to find new ones, with an HTTPClient in
// Options.AWS, so that connections are kept from one call to the next. A source whose listing is
// denied becomes a collector that puts that into the ledger, and one whose listing
// fails a collector that fails: the others are read.
//
// Of several accounts and regions each is discovered by itself: what keeps one from
// being read is told by collectors of its own.
func Discover(ctx context.Context, o Options) ([]fleet.Collector, error) {
	ps, err := Places(ctx, o)
	if err != nil {
		return nil, err
	}
	found := make([][]fleet.Collector, len(ps))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(placesAtOnce)
	for i := range ps {
		g.Go(func() (err error) {
			found[i], err = ps[i].streams(gctx, len(ps) == 1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// discoverAll finds the streams of one place.
func discoverAll(ctx context.Context, o Options, wanted []string) ([]fleet.Collector, error) {
	var found []fleet.Collector
	for _, name := range wanted {
		cs, err := discover(ctx, o, name)
		var denied *deniedError
		switch {
		case errors.As(err, &denied):
			found = append(found, &deniedSource{newSource(o, name, ""), denied})
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			found = append(found, &failedSource{newSource(o, name, ""), fmt.Errorf("discover source %s: %w", name, err)})
		}
		found = append(found, cs...)
	}
	return found, nil
}

// wanted are the sources to read, in their order.
func (o *Options) wanted() ([]string, error) {
	for _, name := range o.Sources {
		if !slices.Contains(Sources(), name) {
			return nil, fmt.Errorf("unknown source %q: choose from %v", name, Sources())
		}
		if name == SourceTrail && o.TrailBucket == "" {
			return nil, errors.New("source trail needs the name of the bucket that the trail delivers to")
		}
		if name == SourceLogBucket && o.LogBucket == "" {
			return nil, errors.New("source log-bucket needs the name of the bucket that logs are delivered to")
		}
		if name == SourceKinesis && len(o.KinesisStreams) == 0 {
			return nil, errors.New("source kinesis needs the names of data streams that logs are delivered to")
		}
	}
	if o.TrailQueue != "" && o.TrailBucket == "" {
		return nil, errors.New("the queue of a trail needs the name of the bucket that the trail delivers to: files in others are not read")
	}
	if o.TrailQueue != "" {
		if _, err := parseQueueURL(o.TrailQueue); err != nil {
			return nil, err
		}
	}
	if err := o.Groups.check(); err != nil {
		return nil, err
	}
	if err := o.Machines.check(); err != nil {
		return nil, err
	}
	if err := o.Accounts.check(); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(o.Regions, func(r string) bool { return !regionForm.MatchString(r) }); i >= 0 {
		return nil, fmt.Errorf("%q is no region: give names such as eu-central-1", clip(o.Regions[i], maxIDBytes))
	}
	return slices.DeleteFunc(Sources(), func(name string) bool {
		if len(o.Sources) == 0 {
			return name == SourceTrail && o.TrailBucket == "" || name == SourceLogBucket && o.LogBucket == "" ||
				name == SourceInventory && o.ConfigAggregator == "" || name == SourceKinesis && len(o.KinesisStreams) == 0
		}
		return !slices.Contains(o.Sources, name)
	}), nil
}

var regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d+$`)

// reads reports whether a source is one of those to read.
func (o *Options) reads(source string) bool {
	return len(o.Sources) == 0 || slices.Contains(o.Sources, source)
}

// account asks STS whose credentials these are; it needs no permission.
func account(ctx context.Context, o Options) (string, error) {
	s := newSource(o, "account", "")
	id, err := call(ctx, &s, "sts:GetCallerIdentity", sts.NewFromConfig(o.AWS).GetCallerIdentity, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("find the account: %w", err)
	}
	return aws.ToString(id.Account), nil
}

func discover(ctx context.Context, o Options, name string) ([]fleet.Collector, error) {
	switch name {
	case SourceXRay:
		return []fleet.Collector{newTraces(o)}, nil
	case SourceCloudTrail:
		return []fleet.Collector{newLookup(o), newInsights(o)}, nil
	case SourceConfig:
		return []fleet.Collector{newChanges(o)}, nil
	case SourceVerdicts:
		if o.ConfigAggregator != "" {
			return []fleet.Collector{newVerdicts(o), newAggregateVerdicts(o)}, nil
		}
		return []fleet.Collector{newVerdicts(o)}, nil
	case SourceInventory:
		return []fleet.Collector{newInventory(o)}, nil
	case SourceKinesis:
		return discoverStreams(ctx, o)
	case SourceExecutions:
		return discoverExecutions(ctx, o)
	case SourceLogs:
		return discoverLogs(ctx, o)
	case SourceLogBucket:
		return discoverBucket(ctx, o)
	}
	return discoverTrail(ctx, o)
}

func discoverLogs(ctx context.Context, o Options) ([]fleet.Collector, error) {
	client := cloudwatchlogs.NewFromConfig(o.AWS)
	s := newSource(o, SourceLogs, "")
	all, err := groups(ctx, &s, client, false)
	if err != nil {
		return nil, err
	}
	cs := make([]fleet.Collector, 0, len(all))
	for i := range all {
		cs = append(cs, newLogs(o, client, &all[i]))
	}
	return cs, nil
}

func discoverTrail(ctx context.Context, o Options) ([]fleet.Collector, error) {
	if o.TrailQueue != "" {
		q, err := newTrailQueue(o)
		if err != nil {
			return nil, err
		}
		return []fleet.Collector{q}, nil
	}
	client := bucketClient(o)
	s := newSource(o, SourceTrail, "")
	folders, err := trailFolders(ctx, &s, client)
	if err != nil {
		return nil, err
	}
	place := o.trailPlace()
	cs := make([]fleet.Collector, 0, len(folders))
	for _, f := range folders {
		t := &trail{source: newSource(o, SourceTrail, place), client: client, bucket: o.TrailBucket, folder: f.path}
		t.region = f.region
		t.stream = SourceTrail + "/" + o.Account + "/" + f.region + "/" + place
		if f.kind != trailFolderKinds[0] {
			t.stream += "/" + f.kind
		}
		cs = append(cs, t)
	}
	return cs, nil
}

// failedSource stands for streams that could not be listed, for another reason
// than a denial.
type failedSource struct {
	source
	why error
}

// Collect yields the error.
func (f *failedSource) Collect(context.Context, fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) { yield(fleet.Batch{}, f.why) }
}

// deniedSource stands for streams that could not even be listed.
type deniedSource struct {
	source
	why *deniedError
}

// Collect yields the ledger entry that says so.
func (d *deniedSource) Collect(_ context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := d.bounds(w, 0, logsReach)
		out := &output{s: &d.source, yield: yield, window: read}
		out.end(d.why)
	}
}

// ready is o with its defaults, its account, and clients that retry and keep to
// the quotas, and the sources that are wanted.
func (o Options) ready(ctx context.Context) (Options, []string, error) {
	o = o.withDefaults()
	wanted, err := o.wanted()
	if err != nil || o.placed {
		return o, wanted, err
	}
	if o.AWS.Region == "" {
		return o, nil, errors.New("no AWS region is set: name one in the configuration or in AWS_REGION")
	}
	if o.AWS.Retryer == nil {
		o.AWS = withRetries(o.AWS)
	}
	if o.Account == "" {
		if o.Account, err = account(ctx, o); err != nil {
			return o, nil, err
		}
	}
	o.bare = o.AWS
	o.AWS = o.Limiter.limit(o.AWS, o.Account)
	return o, wanted, nil
}

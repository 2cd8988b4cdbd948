package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

const (
	// placesAtOnce is how many places are looked into at once.
	placesAtOnce = 8
	// placePatience is how long one of several places may take to say what it has:
	// a throttled account must not hold up the others.
	placePatience = time.Minute
)

// A Place is an account in a region.
type Place struct {
	Account, Region string
	// Options are those with which Discover, Estimates and Examine read this place
	// alone.
	Options Options
	// Err is why it cannot be read: a role that may not be assumed.
	Err error
}

// Places are the accounts and regions that o says to read. One whose role cannot
// be assumed has an Err; an error is one that leaves no place to read.
func Places(ctx context.Context, o Options) ([]Place, error) {
	o, _, err := o.ready(ctx)
	if err != nil {
		return nil, err
	}
	accounts := []string{o.Account}
	if o.Accounts.several() {
		if accounts, err = o.accounts(ctx); err != nil {
			return nil, err
		}
	}
	regions := o.Regions
	if len(regions) == 0 {
		regions = []string{o.AWS.Region}
	}
	var ps []Place
	alone := len(accounts) == 1 && len(regions) == 1 && accounts[0] == o.Account
	for _, account := range accounts {
		for i, region := range regions {
			in := o.in(account, region)
			if !alone {
				in.Sources = without(without(in.Sources, SourceLogBucket), SourceKinesis)
			}
			if i > 0 || !alone && o.TrailQueue != "" { // a trail's bucket has all regions of an account
				in.Sources = without(in.Sources, SourceTrail)
			}
			if o.ConfigAggregator != "" && (account != o.Account || region != o.AWS.Region) {
				in.Sources = without(in.Sources, SourceInventory) // the aggregator's own place has it
				in.ConfigAggregator = ""
			}
			if len(in.Sources) > 0 {
				ps = append(ps, Place{account, region, in, nil})
			}
		}
	}
	if own := o.own(); !alone && len(own) > 0 {
		in := o.in(o.Account, o.AWS.Region) // whose they are, not whose evidence is in them
		in.Sources = own
		ps = append(ps, Place{o.Account, o.AWS.Region, in, nil})
	}
	if o.ConfigAggregator != "" && !slices.ContainsFunc(ps, func(p Place) bool { return p.Options.ConfigAggregator != "" }) {
		return nil, fmt.Errorf("the aggregator %s is read in the caller's own account and region, %s in %s, which is not among those to read", o.ConfigAggregator, o.Account, o.AWS.Region)
	}
	if len(ps) == 0 {
		return nil, errors.New("there is no account to read: all are excluded, or the organization has none of those that are named")
	}
	return ps, assumeAll(ctx, ps)
}

// own are the sources that are read once, whatever accounts there are.
func (o *Options) own() []string {
	var own []string
	if o.LogBucket != "" && o.reads(SourceLogBucket) {
		own = append(own, SourceLogBucket)
	}
	if len(o.KinesisStreams) > 0 && o.reads(SourceKinesis) {
		own = append(own, SourceKinesis)
	}
	if o.TrailQueue != "" && o.reads(SourceTrail) {
		own = append(own, SourceTrail)
	}
	return own
}

// assumeAll opens the sessions of foreign accounts, side by side.
func assumeAll(ctx context.Context, ps []Place) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(placesAtOnce)
	for i := range ps {
		p := &ps[i]
		if !p.Options.foreign {
			continue
		}
		g.Go(func() error {
			pctx, stop := context.WithTimeout(gctx, placePatience)
			defer stop()
			s := newSource(p.Options, "account", "")
			retrieve := func(ctx context.Context, _ *struct{}, _ ...struct{}) (aws.Credentials, error) {
				return p.Options.AWS.Credentials.Retrieve(ctx)
			}
			if _, err := call(pctx, &s, "sts:AssumeRole", retrieve, nil); err != nil {
				p.Err = fmt.Errorf("assume %s: %w", p.Options.Accounts.roleIn(p.Account, p.Options.partition()), err)
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// accounts are those to read, in order.
func (o *Options) accounts(ctx context.Context) ([]string, error) {
	ids := o.Accounts.IDs
	if o.Accounts.Organization {
		all, err := o.Sessions.organization(ctx, *o)
		if err != nil {
			return nil, err
		}
		named := ids
		ids = slices.Collect(filtered(all, func(id string) bool { return len(named) == 0 || slices.Contains(named, id) }))
	}
	ids = slices.Collect(filtered(ids, func(id string) bool { return !slices.Contains(o.Accounts.Exclude, id) }))
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// in is o for one place. Buckets are read by whoever calls.
func (o Options) in(account, region string) Options {
	p := o
	p.Sources, _ = o.wanted() // it was ready
	p.Regions, p.placed = nil, true
	p.AWS.Region = region
	if account != o.Account {
		p.foreign = true
		p.AWS = o.bare
		p.AWS.Region = region
		p.AWS.Credentials = o.Sessions.assume(o.AWS, o.Accounts.roleIn(account, o.partition()), o.Accounts.ExternalID)
		p.AWS = p.Limiter.limit(p.AWS, account)
		p.Account = account
	}
	if p.bucketAWS == nil {
		p.bucketAWS = &o.AWS
	}
	return p
}

func without(sources []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return s == name })
}

// streams are those of one place. What cannot be listed stands for all of its
// streams, and the other places are read.
func (p *Place) streams(ctx context.Context, alone bool) ([]fleet.Collector, error) {
	wanted, err := p.Options.wanted()
	if err != nil || p.Err != nil {
		return p.unread(wanted, p.Err), err
	}
	if alone {
		return discoverAll(ctx, p.Options, wanted)
	}
	pctx, stop := context.WithTimeout(ctx, placePatience)
	defer stop()
	found, err := discoverAll(pctx, p.Options, wanted)
	if err != nil && ctx.Err() == nil {
		return p.unread(wanted, fmt.Errorf("account %s, region %s: %w", p.Account, p.Region, err)), nil
	}
	return found, err
}

// unread stands for the streams of a place that cannot be read.
func (p *Place) unread(wanted []string, why error) []fleet.Collector {
	var found []fleet.Collector
	for _, name := range wanted {
		s := newSource(p.Options, name, "")
		if denied, ok := errors.AsType[*deniedError](why); ok {
			found = append(found, &deniedSource{s, denied})
		} else {
			found = append(found, &failedSource{s, why})
		}
	}
	return found
}

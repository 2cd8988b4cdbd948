package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

const (
	// tailGroups is how many groups a session of Live Tail takes, as AWS has it, and
	// tailSessions how many are opened: AWS allows 15 in an account and region, which
	// people want to use too. Groups beyond them are read by the passes alone.
	tailGroups, tailSessions = 10, 5
	// tailEvery is how long lines are gathered before their groups are looked at: a
	// look is a call and a commit.
	tailEvery = 2 * time.Second
	// tailRelist is after how long sessions are opened anew, for groups that are new.
	tailRelist = 10 * time.Minute
	// tailAgain is how long a session that ended is left alone, and tailRefused one
	// that AWS does not open.
	tailAgain, tailRefused = 5 * time.Second, 5 * time.Minute
	// tailOverlap is all that a look reads again: the next pass reads more.
	tailOverlap = time.Millisecond
)

// LiveTail asks for a look at each log group in which Live Tail shows new lines,
// until ctx ends. Its events have no ids, so that they say only where to look: the
// lines are read by FilterLogEvents, with the ids that the passes give them, and
// what a session leaves out, since it is sampled, over or refused, is in the next
// look or the next pass.
func LiveTail(ctx context.Context, o Options, looks chan<- fleet.Glance) error {
	ps, err := Places(ctx, o)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for i := range ps {
		if ps[i].Err != nil {
			continue // Discover says why
		}
		in, wanted, err := ps[i].Options.ready(ctx)
		if err != nil || !slices.Contains(wanted, SourceLogs) {
			continue
		}
		in.Overlap = tailOverlap
		t := &tailer{source: newSource(in, SourceLogs, "live tail"), client: cloudwatchlogs.NewFromConfig(in.AWS), looks: looks}
		g.Go(func() error { t.run(ctx); return nil })
	}
	return g.Wait()
}

// run tails the groups of one place until ctx ends.
func (t *tailer) run(ctx context.Context) {
	for ctx.Err() == nil {
		all, err := groups(ctx, &t.source, t.client, false)
		if err == nil {
			t.round(ctx, all)
			continue
		}
		t.Logger.WarnContext(ctx, "log groups are not tailed, since they could not be listed", "stream", t.stream, "error", err)
		_ = t.wait(ctx, tailRefused) // ends with ctx, which is looked at
	}
}

// tailer follows groups.
type tailer struct {
	source
	client *cloudwatchlogs.Client
	looks  chan<- fleet.Glance

	mu     sync.Mutex
	groups map[string]*logGroup // by account and name, as events name them
	seen   map[string]time.Time // of the groups with new lines, the earliest of them
}

// round tails groups for a while.
func (t *tailer) round(ctx context.Context, all []logGroup) {
	ctx, cancel := context.WithTimeout(ctx, tailRelist)
	defer cancel()
	all = slices.DeleteFunc(all, func(g logGroup) bool { return g.class != "" && g.class != types.LogGroupClassStandard })
	if most := tailSessions * tailGroups; len(all) > most {
		t.Logger.WarnContext(ctx, "some log groups are not tailed: passes alone read them", "tailed", most, "groups", len(all))
		all = all[:most]
	}
	t.groups, t.seen = map[string]*logGroup{}, map[string]time.Time{}
	for i := range all {
		t.groups[all[i].account+":"+all[i].name] = &all[i]
	}
	if len(all) == 0 {
		<-ctx.Done() // until there may be some
		return
	}
	var g errgroup.Group
	for chunk := range slices.Chunk(all, tailGroups) {
		g.Go(func() error { t.follow(ctx, chunk); return nil })
	}
	g.Go(func() error { t.look(ctx); return nil })
	_ = g.Wait() // none of them errs
}

// follow keeps a session open.
func (t *tailer) follow(ctx context.Context, all []logGroup) {
	for ctx.Err() == nil {
		opened, err := t.session(ctx, all)
		if ctx.Err() != nil {
			return
		}
		rest := tailAgain
		if !opened {
			rest = tailRefused
			t.Logger.WarnContext(ctx, "Live Tail is refused: passes alone read these log groups", "groups", len(all), "error", err)
		}
		_ = t.wait(ctx, rest) // ends with ctx, which is looked at
	}
}

// session reads one session to its end, and reports whether there was one.
func (t *tailer) session(ctx context.Context, all []logGroup) (opened bool, err error) {
	in := &cloudwatchlogs.StartLiveTailInput{}
	for i := range all {
		in.LogGroupIdentifiers = append(in.LogGroupIdentifiers, t.arnOf(&all[i]))
	}
	if t.Groups.Filter != "" {
		in.LogEventFilterPattern = &t.Groups.Filter
	}
	out, err := call(ctx, &t.source, "logs:StartLiveTail", t.client.StartLiveTail, in, t.streaming)
	if err != nil {
		return false, err
	}
	stream := out.GetStream()
	defer stream.Close() // only read from
	sampled := false
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case event, ok := <-stream.Events():
			if !ok {
				return true, stream.Err() // three hours are over, or the connection broke
			}
			update, ok := event.(*types.StartLiveTailResponseStreamMemberSessionUpdate)
			if !ok {
				continue
			}
			t.note(update.Value.SessionResults)
			if m := update.Value.SessionMetadata; m != nil && m.Sampled && !sampled {
				sampled = true
				t.Logger.InfoContext(ctx, "Live Tail is sampled: looks and passes read what it leaves out", "groups", len(all))
			}
		}
	}
}

// streaming makes a client ready for an answer that does not end. An endpoint that
// was given has no host of its own for it.
func (t *tailer) streaming(o *cloudwatchlogs.Options) {
	if c, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
		o.HTTPClient = c.WithTimeout(0)
	}
	if o.BaseEndpoint == nil {
		return
	}
	o.APIOptions = append(slices.Clone(o.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("muster:OneHost", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
		}), middleware.Before)
	})
}

func (t *tailer) arnOf(g *logGroup) string {
	if g.arn != "" {
		return g.arn
	}
	return fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s", t.partition(), t.region, g.account, g.name)
}

// note remembers which groups have new lines, and from when.
func (t *tailer) note(lines []types.LiveTailSessionLogEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range lines {
		group := t.groupOf(aws.ToString(e.LogGroupIdentifier))
		at, ok := timeOfMillis(aws.ToInt64(e.Timestamp))
		if t.groups[group] == nil || !ok {
			continue
		}
		if first, seen := t.seen[group]; !seen || at.Before(first) {
			t.seen[group] = at
		}
	}
}

// groupOf is the group that an event names, by account and name. AWS documents a
// name or an ARN, and sends the account and the name.
func (t *tailer) groupOf(identifier string) string {
	identifier = strings.TrimSuffix(identifier, ":*")
	if parts := strings.SplitN(identifier, ":", 7); len(parts) == 7 && parts[0] == "arn" {
		return parts[4] + ":" + parts[6]
	}
	if !strings.Contains(identifier, ":") { // which no name of a group has
		return t.Account + ":" + identifier
	}
	return identifier
}

// look asks for looks at the groups with new lines, every now and then.
func (t *tailer) look(ctx context.Context) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t.mu.Lock()
		seen := t.seen
		t.seen = map[string]time.Time{}
		t.mu.Unlock()
		for group, from := range seen {
			select {
			case t.looks <- fleet.Glance{Stream: newLogs(t.Options, t.client, t.groups[group]), From: from}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// tail is what doctor finds out about Live Tail: a session is opened and closed.
func (d *doctor) tail(ctx context.Context, all []logGroup) {
	t := &tailer{source: d.source, client: cloudwatchlogs.NewFromConfig(d.AWS)}
	in := &cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{t.arnOf(&all[0])}}
	out, err := call(ctx, &d.source, "logs:StartLiveTail", t.client.StartLiveTail, in, t.streaming)
	if denied, ok := errors.AsType[*deniedError](err); ok {
		d.missing("permission", "lines within seconds", "allow logs:StartLiveTail, or leave out --live-tail", "logs:StartLiveTail is denied: %v", denied.err)
		return
	}
	if err != nil {
		d.missing("logs", "lines within seconds", "leave out --live-tail", "Live Tail is refused: %v", err)
		return
	}
	_ = out.GetStream().Close() // only its head was asked for
	d.ok("permission", "logs:StartLiveTail is allowed")
}

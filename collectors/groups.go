package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// GroupChoice says which log groups are read: those that are named, and of the
// listed ones those that a prefix or a pattern finds. With neither names nor
// prefixes nor patterns all are listed. Of these, those are left out that are
// excluded, or lack a tag, or are of another class.
type GroupChoice struct {
	Names    []string // exact, or ARNs
	Prefixes []string
	Patterns []string // with * for any characters and ? for one
	Exclude  []string // patterns, too
	Tags     []string // "key=value", or "key" for any value; a group must have them all
	Classes  []string // of log groups; empty means any
	// Linked reads the groups of source accounts too, in the monitoring account of
	// CloudWatch's cross-account observability; LinkedAccounts reads those of these
	// source accounts alone.
	Linked         bool
	LinkedAccounts []string
	// Filter is a filter pattern of CloudWatch Logs, by which AWS hands over less.
	Filter string
}

// logGroup is a group that is read.
type logGroup struct {
	name    string
	account string
	arn     string // without ":*"; "" for a group that was named
	class   types.LogGroupClass
	kept    int32 // days; 0 for ever
	bytes   int64
	created time.Time
}

// maxLinkedAccounts is how many accounts DescribeLogGroups takes at a time.
const maxLinkedAccounts = 20

// check says what is wrong with a choice.
func (g *GroupChoice) check() error {
	for _, c := range g.Classes {
		if !slices.Contains(types.LogGroupClass("").Values(), types.LogGroupClass(c)) {
			return fmt.Errorf("unknown log group class %q: choose from %v", c, types.LogGroupClass("").Values())
		}
	}
	for _, t := range g.Tags {
		if key, _, _ := strings.Cut(t, "="); key == "" {
			return fmt.Errorf("log group tag %q has no key: give key=value, or key for any value", t)
		}
	}
	const longestFilter = 1024 // as AWS has it
	if len(g.Filter) > longestFilter {
		return fmt.Errorf("the filter pattern has %d characters: CloudWatch Logs takes %d", len(g.Filter), longestFilter)
	}
	if slices.Contains(g.Prefixes, "") || slices.Contains(g.Patterns, "") || slices.Contains(g.Names, "") {
		return errors.New("an empty name, prefix or pattern of log groups: leave it out to read all")
	}
	return nil
}

// linked reports whether groups of other accounts are listed.
func (g *GroupChoice) linked() bool { return g.Linked || len(g.LinkedAccounts) > 0 }

// lists reports whether AWS has to be asked which groups there are.
func (g *GroupChoice) lists() bool {
	return len(g.Names) == 0 || len(g.Prefixes)+len(g.Patterns) > 0
}

// searches are the prefixes to list, none of which lies in another.
func (g *GroupChoice) searches() []string {
	all := slices.Clone(g.Prefixes)
	for _, p := range g.Patterns {
		all = append(all, p[:len(p)-len(strings.TrimLeft(p, literal))])
	}
	slices.Sort(all)
	var least []string
	for _, p := range all {
		if len(least) == 0 || !strings.HasPrefix(p, least[len(least)-1]) {
			least = append(least, p)
		}
	}
	if len(least) == 0 {
		return []string{""}
	}
	return least
}

// literal are the characters that names of log groups have.
const literal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/#"

// wants reports whether a listed group is chosen by its name and class.
func (g *GroupChoice) wants(l *logGroup) bool {
	found := len(g.Prefixes)+len(g.Patterns) == 0 ||
		slices.ContainsFunc(g.Prefixes, func(p string) bool { return strings.HasPrefix(l.name, p) }) ||
		matchesAny(g.Patterns, l.name)
	return found && (len(g.Classes) == 0 || slices.Contains(g.Classes, string(l.class)))
}

func (g *GroupChoice) excludes(name string) bool { return matchesAny(g.Exclude, name) }

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return glob(p).MatchString(name) })
}

// glob is the expression of a pattern with * and ?.
func glob(pattern string) *regexp.Regexp {
	text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + text + "$") // quoted: it cannot fail
}

// groups lists the log groups to read, by name. describe asks AWS about those
// that are named, too.
func groups(ctx context.Context, s *source, client *cloudwatchlogs.Client, describe bool) ([]logGroup, error) {
	found := map[string]logGroup{} // by account and name
	add := func(g *logGroup) { found[g.account+" "+g.name] = *g }
	if s.Groups.lists() {
		for _, prefix := range s.Groups.searches() {
			if err := s.listGroups(ctx, client, prefix, func(g *logGroup) {
				withTraces := g.name == spansGroup && g.account == s.account && s.reads(SourceXRay)
				if s.Groups.wants(g) && !withTraces {
					add(g)
				}
			}); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range s.Groups.Names {
		g := named(name, s.account)
		if describe && g.arn == "" {
			if err := s.listGroups(ctx, client, name, func(l *logGroup) {
				if l.name == name {
					g = *l
				}
			}); err != nil {
				return nil, err
			}
		}
		add(&g)
	}
	var all []logGroup
	for _, g := range found {
		if s.Groups.excludes(g.name) {
			continue
		}
		has, err := s.hasTags(ctx, client, &g)
		if err != nil {
			return nil, err
		}
		if has {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b logGroup) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.account, b.account))
	})
	return all, nil
}

// named is a group by its name or its ARN.
func named(name, account string) logGroup {
	const parts, accountAt, nameAt = 7, 4, 6
	if words := strings.SplitN(strings.TrimSuffix(name, ":*"), ":", parts); len(words) == parts && words[0] == "arn" {
		return logGroup{name: words[nameAt], account: words[accountAt], arn: strings.TrimSuffix(name, ":*")}
	}
	return logGroup{name: name, account: account}
}

// listGroups hands over the groups with a prefix, to the last page.
func (s *source) listGroups(ctx context.Context, client *cloudwatchlogs.Client, prefix string, each func(*logGroup)) error {
	in := &cloudwatchlogs.DescribeLogGroupsInput{}
	if prefix != "" {
		in.LogGroupNamePrefix = &prefix
	}
	if len(s.Groups.Classes) == 1 {
		in.LogGroupClass = types.LogGroupClass(s.Groups.Classes[0])
	}
	if !s.Groups.linked() {
		return s.pagesOfGroups(ctx, client, in, each)
	}
	in.IncludeLinkedAccounts = aws.Bool(true)
	if len(s.Groups.LinkedAccounts) == 0 {
		return s.pagesOfGroups(ctx, client, in, each)
	}
	for accounts := range slices.Chunk(s.Groups.LinkedAccounts, maxLinkedAccounts) {
		in.AccountIdentifiers = accounts
		if err := s.pagesOfGroups(ctx, client, in, each); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) pagesOfGroups(ctx context.Context, client *cloudwatchlogs.Client, in *cloudwatchlogs.DescribeLogGroupsInput, each func(*logGroup)) error {
	return s.afresh(ctx, func() error {
		in := *in // a page token that is refused is forgotten
		var p pager
		for {
			page, err := call(ctx, s, "logs:DescribeLogGroups", client.DescribeLogGroups, &in)
			if err != nil {
				return fmt.Errorf("list log groups: %w", err)
			}
			for i := range page.LogGroups {
				each(described(&page.LogGroups[i], s.account))
			}
			more, err := p.next(page.NextToken)
			if err != nil || !more {
				return err
			}
			in.NextToken = page.NextToken
		}
	})
}

func described(g *types.LogGroup, account string) *logGroup {
	arn := strings.TrimSuffix(aws.ToString(g.Arn), ":*")
	return &logGroup{
		name: aws.ToString(g.LogGroupName), account: cmp.Or(named(arn, "").account, account), arn: arn, class: g.LogGroupClass,
		kept: aws.ToInt32(g.RetentionInDays), bytes: aws.ToInt64(g.StoredBytes), created: time.UnixMilli(aws.ToInt64(g.CreationTime)),
	}
}

// tagsKept is how long the tags of a group are remembered: they are asked for group
// by group, and a daemon lists groups twice a minute.
const tagsKept = 15 * time.Minute

// GroupTags remembers the tags of log groups from one Discover to the next. The
// zero value is usable; safe for concurrent use.
type GroupTags struct {
	mu   sync.Mutex
	tags map[string]groupTags // by ARN
}

type groupTags struct {
	tags map[string]string
	at   time.Time
}

// hasTags reports whether a group has the tags that are asked for.
func (s *source) hasTags(ctx context.Context, client *cloudwatchlogs.Client, g *logGroup) (bool, error) {
	if len(s.Groups.Tags) == 0 {
		return true, nil
	}
	tags, err := s.tagsOf(ctx, client, g)
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		return false, nil // deleted since it was listed
	}
	if err != nil {
		return false, fmt.Errorf("read the tags of log group %s: %w", g.name, err)
	}
	for _, want := range s.Groups.Tags {
		key, value, one := strings.Cut(want, "=")
		if got, has := tags[key]; !has || one && got != value {
			return false, nil
		}
	}
	return true, nil
}

func (s *source) tagsOf(ctx context.Context, client *cloudwatchlogs.Client, g *logGroup) (map[string]string, error) {
	arn := cmp.Or(g.arn, fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s", s.partition(), s.region, g.account, g.name))
	s.GroupTags.mu.Lock()
	known, ok := s.GroupTags.tags[arn]
	s.GroupTags.mu.Unlock()
	if ok && s.Now().Sub(known.at) < tagsKept {
		return known.tags, nil
	}
	out, err := call(ctx, s, "logs:ListTagsForResource", client.ListTagsForResource, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return nil, err
	}
	s.GroupTags.mu.Lock()
	defer s.GroupTags.mu.Unlock()
	if s.GroupTags.tags == nil {
		s.GroupTags.tags = map[string]groupTags{}
	}
	s.GroupTags.tags[arn] = groupTags{out.Tags, s.Now()}
	return out.Tags, nil
}

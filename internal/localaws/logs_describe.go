package localaws

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxLogDescribed is the most groups or streams that a Describe call answers,
// and its default.
const maxLogDescribed = 50

type describeLogGroupsInput struct {
	LogGroupNamePrefix  string `json:"logGroupNamePrefix"`
	LogGroupNamePattern string `json:"logGroupNamePattern"`
	NextToken           string `json:"nextToken"`
	Limit               *int   `json:"limit"`

	AccountIdentifiers    []string `json:"accountIdentifiers"`
	IncludeLinkedAccounts bool     `json:"includeLinkedAccounts"`
	LogGroupClass         string   `json:"logGroupClass"`
	LogGroupIdentifiers   []string `json:"logGroupIdentifiers"` // refused
}

type describeLogGroupsOutput struct {
	LogGroups []describedLogGroup `json:"logGroups"`
	NextToken string              `json:"nextToken,omitempty"`
}

type describedLogGroup struct {
	LogGroupName      string `json:"logGroupName"`
	CreationTime      int64  `json:"creationTime"` // Unix milliseconds
	MetricFilterCount int    `json:"metricFilterCount"`
	ARN               string `json:"arn"` // ends in :*
	StoredBytes       int64  `json:"storedBytes"`
	RetentionInDays   int    `json:"retentionInDays,omitempty"`
	LogGroupClass     string `json:"logGroupClass"`
	LogGroupARN       string `json:"logGroupArn"` // the same without :*
	DeletionProtected bool   `json:"deletionProtectionEnabled"`
}

// A namePosition is where a page of a Describe call begins: behind the name.
type namePosition struct {
	Query string // fingerprint of the request that the token belongs to
	Name  string
	Time  int64 // Unix milliseconds, when ordered by time
}

// describeGroups is DescribeLogGroups, by name.
func (s *logStore) describeGroups(c *call, in describeLogGroupsInput) (describeLogGroupsOutput, error) {
	out := describeLogGroupsOutput{LogGroups: []describedLogGroup{}}
	if in.LogGroupNamePrefix != "" && in.LogGroupNamePattern != "" {
		return out, failf("InvalidParameterException",
			"LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	if in.LogGroupIdentifiers != nil {
		return out, failf("InvalidParameterException", "This stand-in describes log groups by prefix, pattern, class and account only.")
	}
	if len(in.AccountIdentifiers) > maxDescribedAccounts {
		return out, logsInvalid("Value at 'accountIdentifiers' failed to satisfy constraint: Member must have length less than or equal to %d", maxDescribedAccounts)
	}
	query := fingerprint("groups", in.LogGroupNamePrefix, in.LogGroupNamePattern, in.LogGroupClass, in.IncludeLinkedAccounts, in.AccountIdentifiers)
	limit, from, err := s.described(c, in.Limit, in.NextToken, query)
	if err != nil {
		return out, err
	}
	all := s.describedGroups(c, &in)
	if in.IncludeLinkedAccounts {
		for _, l := range s.linked() {
			all = append(all, l.describedGroups(c, &in)...)
		}
	}
	slices.SortFunc(all, func(a, b describedLogGroup) int { return strings.Compare(a.position(), b.position()) })
	for i := range all {
		if all[i].position() <= from.Name {
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = s.tokens.seal(c.Time, namePosition{Query: query, Name: out.LogGroups[limit-1].position()})
			break
		}
		out.LogGroups = append(out.LogGroups, all[i])
	}
	return out, nil
}

// maxDescribedAccounts is how many accountIdentifiers DescribeLogGroups takes.
const maxDescribedAccounts = 20

// position orders groups by name, and those of one name by account.
func (g *describedLogGroup) position() string { return g.LogGroupName + " " + g.LogGroupARN }

// describedGroups are the groups of one account that a request asks for.
func (s *logStore) describedGroups(c *call, in *describeLogGroupsInput) []describedLogGroup {
	if in.IncludeLinkedAccounts && len(in.AccountIdentifiers) > 0 && !slices.Contains(in.AccountIdentifiers, s.account) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []describedLogGroup
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[name]
		if !strings.HasPrefix(name, in.LogGroupNamePrefix) || in.LogGroupClass != "" && g.class != in.LogGroupClass ||
			!strings.Contains(strings.ToLower(name), strings.ToLower(in.LogGroupNamePattern)) {
			continue
		}
		arn := "arn:aws:logs:" + c.Region + ":" + cmp.Or(s.account, c.Account) + ":log-group:" + name
		all = append(all, describedLogGroup{
			LogGroupName: name, CreationTime: g.created, ARN: arn + ":*", LogGroupARN: arn,
			StoredBytes: g.storedBytes, RetentionInDays: g.retention, LogGroupClass: g.class,
		})
	}
	return all
}

type describeLogStreamsInput struct {
	LogGroupName        string `json:"logGroupName"`
	LogGroupIdentifier  string `json:"logGroupIdentifier"`
	LogStreamNamePrefix string `json:"logStreamNamePrefix"`
	OrderBy             string `json:"orderBy"`
	Descending          bool   `json:"descending"`
	NextToken           string `json:"nextToken"`
	Limit               *int   `json:"limit"`
}

type describeLogStreamsOutput struct {
	LogStreams []describedLogStream `json:"logStreams"`
	NextToken  string               `json:"nextToken,omitempty"`
}

// A describedLogStream has no event times before its first event.
type describedLogStream struct {
	LogStreamName       string `json:"logStreamName"`
	CreationTime        int64  `json:"creationTime"` // Unix milliseconds, as all here
	FirstEventTimestamp int64  `json:"firstEventTimestamp,omitempty"`
	LastEventTimestamp  int64  `json:"lastEventTimestamp,omitempty"`
	LastIngestionTime   int64  `json:"lastIngestionTime,omitempty"`
	UploadSequenceToken string `json:"uploadSequenceToken,omitempty"`
	ARN                 string `json:"arn"`
	// StoredBytes has been zero on AWS for every stream since 2019.
	StoredBytes int64 `json:"storedBytes"`
}

// describeStreams is DescribeLogStreams, by name or by the last event's time.
func (s *logStore) describeStreams(c *call, in describeLogStreamsInput) (describeLogStreamsOutput, error) {
	out := describeLogStreamsOutput{LogStreams: []describedLogStream{}}
	byTime := in.OrderBy == "LastEventTime"
	switch {
	case in.OrderBy != "" && in.OrderBy != "LogStreamName" && !byTime:
		return out, logsInvalid("Value '%s' at 'orderBy' failed to satisfy constraint: Member must satisfy enum value set: [LogStreamName, LastEventTime]", in.OrderBy)
	case byTime && in.LogStreamNamePrefix != "":
		return out, failf("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	case in.LogGroupName != "" && in.LogGroupIdentifier != "":
		return out, failf("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	}
	query := fingerprint("streams", in.LogGroupName, in.LogGroupIdentifier, in.LogStreamNamePrefix, byTime, in.Descending)
	limit, from, err := s.described(c, in.Limit, in.NextToken, query)
	if err != nil {
		return out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return out, err
	}
	order := streamOrder(byTime, in.Descending)
	for _, st := range slices.SortedFunc(maps.Values(g.streams), order) {
		if !strings.HasPrefix(st.name, in.LogStreamNamePrefix) ||
			from.Name != "" && order(st, &logStream{name: from.Name, last: from.Time}) <= 0 {
			continue
		}
		if len(out.LogStreams) == limit {
			last := out.LogStreams[limit-1]
			out.NextToken = s.tokens.seal(c.Time, namePosition{Query: query, Name: last.LogStreamName, Time: last.LastEventTimestamp})
			break
		}
		out.LogStreams = append(out.LogStreams, st.describe(c.arn("log-group:"+g.name)))
	}
	return out, nil
}

// streamOrder compares streams as DescribeLogStreams orders them.
func streamOrder(byTime, descending bool) func(a, b *logStream) int {
	return func(a, b *logStream) int {
		order := cmp.Compare(a.name, b.name)
		if byTime {
			order = cmp.Or(cmp.Compare(a.last, b.last), order)
		}
		if descending {
			return -order
		}
		return order
	}
}

func (st *logStream) describe(groupARN string) describedLogStream {
	d := describedLogStream{
		LogStreamName: st.name, CreationTime: st.created, FirstEventTimestamp: st.first,
		LastEventTimestamp: st.last, LastIngestionTime: st.ingested,
		ARN: groupARN + ":log-stream:" + st.name,
	}
	if st.accepted > 0 {
		d.UploadSequenceToken = fmt.Sprintf("%056d", st.accepted)
	}
	return d
}

// described checks what the Describe calls share: the page's size and its beginning.
func (s *logStore) described(c *call, limit *int, token, query string) (int, namePosition, error) {
	from := namePosition{Query: query}
	if limit == nil {
		limit = new(maxLogDescribed)
	}
	if *limit < 1 || *limit > maxLogDescribed {
		return 0, from, logsInvalid("Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", *limit, maxLogDescribed)
	}
	if token == "" {
		return *limit, from, nil
	}
	if err := s.tokens.open(c.Time, token, &from); err != nil || from.Query != query {
		return 0, from, failf("InvalidParameterException", "The specified nextToken is invalid.")
	}
	return *limit, from, nil
}

package localaws

import (
	"context"
	"strings"
)

// operations are those of CloudWatch Logs that the stand-in offers.
func (s *logStore) operations() map[string]operation {
	return map[string]operation{
		"CreateLogGroup":  typed(s.createGroup),
		"CreateLogStream": typed(s.createStream),
		"PutLogEvents":    typed(s.put),
		"FilterLogEvents": typed(s.filter),
		"GetLogEvents":    typed(s.get),
		"StartLiveTail":   s.startLiveTail,
		"StartQuery":      typed(s.startQuery),
		"GetQueryResults": typed(s.queryResults),
		"StopQuery":       typed(s.stopQuery),
		"DescribeQueries": typed(s.describeQueries),

		"DeleteLogGroup":        typed(s.deleteGroup),
		"PutRetentionPolicy":    typed(s.putRetention),
		"DeleteRetentionPolicy": typed(s.deleteRetention),
		"TagResource":           typed(s.tagResource),
		"UntagResource":         typed(s.untagResource),
		"ListTagsForResource":   typed(s.listTags),

		"PutSubscriptionFilter":       typed(s.putSubscription),
		"DescribeSubscriptionFilters": typed(s.describeSubscriptions),
		"DeleteSubscriptionFilter":    typed(s.deleteSubscription),

		"DescribeLogGroups":  typed(s.describeGroups),
		"DescribeLogStreams": typed(s.describeStreams),
	}
}

// typed makes an operation of a function on its decoded input.
func typed[In, Out any](f func(*call, In) (Out, error)) operation {
	return func(_ context.Context, c *call) (any, error) {
		var in In
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		return f(c, in)
	}
}

// group finds a log group by its name or by its identifier, which is a name or
// an ARN; exactly one of the two must be given. The caller holds the lock.
func (s *logStore) group(name, identifier string) (*logGroup, error) {
	switch {
	case name != "" && identifier != "":
		return nil, failf("InvalidParameterException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	case name == "" && identifier == "":
		return nil, logsInvalid("Value null at 'logGroupName' failed to satisfy constraint: Member must not be null")
	case name == "":
		name = identifier
		if _, resource, ok := strings.Cut(identifier, ":log-group:"); ok {
			name = resource
		}
	}
	g := s.groups[name]
	if g == nil {
		return nil, failf("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return g, nil
}

// of is the store of the account that an identifier names: the store's own, or
// that of a source account that it sees.
func (s *logStore) of(identifier string) *logStore {
	const parts, accountAt = 6, 4
	words := strings.SplitN(identifier, ":", parts)
	if len(words) < parts || words[0] != "arn" || words[accountAt] == s.account {
		return s
	}
	for _, l := range s.linked() {
		if l.account == words[accountAt] {
			return l
		}
	}
	return s
}

// readable refuses what AWS lets nobody do with a group that is not of the class
// STANDARD. The text is the stand-in's own.
func (g *logGroup) readable() error {
	if g.class != classStandard {
		return failf("InvalidParameterException", "Log groups of the class %s do not support this operation.", g.class)
	}
	return nil
}

func noLogStream() *apiError {
	return failf("ResourceNotFoundException", "The specified log stream does not exist.")
}

// logsInvalid is the error for an input that breaks the model's constraints.
func logsInvalid(format string, args ...any) *apiError {
	return failf("InvalidParameterException", "1 validation error detected: "+format, args...)
}

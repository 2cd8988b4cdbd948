package localaws

import (
	"maps"
	"slices"
	"strings"
)

type logGroupNameInput struct {
	LogGroupName string `json:"logGroupName"`
}

// deleteGroup is DeleteLogGroup: all of its events go, those that were not
// visible yet too.
func (s *logStore) deleteGroup(c *call, in logGroupNameInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, "")
	if err != nil {
		return nil, err
	}
	delete(s.groups, g.name)
	s.pending = slices.DeleteFunc(s.pending, func(p pendingEvent) bool { return p.group == g })
	s.held.Add(-g.storedBytes)
	return nil, nil
}

// retentionDays are what PutRetentionPolicy takes.
var retentionDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

type retentionInput struct {
	LogGroupName    string `json:"logGroupName"`
	RetentionInDays int    `json:"retentionInDays"`
}

// putRetention is PutRetentionPolicy. It is kept and shown: no run of the
// stand-in is as long as a day.
func (s *logStore) putRetention(c *call, in retentionInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	if !slices.Contains(retentionDays, in.RetentionInDays) {
		return nil, logsInvalid("Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", in.RetentionInDays, retentionDays)
	}
	return nil, s.setRetention(in.LogGroupName, in.RetentionInDays)
}

// deleteRetention is DeleteRetentionPolicy.
func (s *logStore) deleteRetention(c *call, in logGroupNameInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	return nil, s.setRetention(in.LogGroupName, 0)
}

func (s *logStore) setRetention(name string, days int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(name, "")
	if err != nil {
		return err
	}
	g.retention = days
	return nil
}

// maxTags is how many tags a resource can have.
const maxTags = 50

type tagInput struct {
	ResourceARN string            `json:"resourceArn"`
	Tags        map[string]string `json:"tags"`
	TagKeys     []string          `json:"tagKeys"`
}

// tagged finds the log group of a resource's ARN. The caller holds the lock.
func (s *logStore) tagged(arn string) (*logGroup, error) {
	if !strings.Contains(arn, ":log-group:") {
		return nil, failf("ResourceNotFoundException", "The specified resource does not exist.")
	}
	return s.group("", strings.TrimSuffix(arn, ":*"))
}

// tagResource is TagResource, of log groups.
func (s *logStore) tagResource(_ *call, in tagInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.tagged(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return nil, g.tag(in.Tags)
}

func (g *logGroup) tag(tags map[string]string) error {
	all := maps.Clone(g.tags)
	if all == nil {
		all = make(map[string]string, len(tags))
	}
	maps.Copy(all, tags)
	if len(all) > maxTags {
		return failf("TooManyTagsException", "A resource can have no more than %d tags.", maxTags)
	}
	g.tags = all
	return nil
}

// untagResource is UntagResource.
func (s *logStore) untagResource(_ *call, in tagInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.tagged(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	for _, key := range in.TagKeys {
		delete(g.tags, key)
	}
	return nil, nil
}

type tagsOutput struct {
	Tags map[string]string `json:"tags"`
}

// listTags is ListTagsForResource.
func (s *logStore) listTags(_ *call, in tagInput) (tagsOutput, error) {
	out := tagsOutput{map[string]string{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.tagged(in.ResourceARN)
	if err != nil {
		return out, err
	}
	maps.Copy(out.Tags, g.tags)
	return out, nil
}

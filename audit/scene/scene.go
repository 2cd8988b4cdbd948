// Package scene tells where a finding happened, from the records that show it:
// the account, region and resource that reports print and that waivers name.
package scene

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"muster/fleet"
)

// Scene is where one finding happened. What its evidence does not tell is empty.
type Scene struct {
	Account, Region string
	// Partition is that of the ARNs: aws, aws-cn or aws-us-gov.
	Partition string
	// Principals are who did it, first seen first.
	Principals []string
	// ARN is the resource's, where a record or the finding itself has one.
	ARN string
	// Tags are the resource's, from its newest configuration.
	Tags map[string]string
	// Records are the evidence that the store still has, in the order of the
	// finding's ids.
	Records []*fleet.Record
}

// Of gathers the scene of a finding from the records of its evidence, by id, and
// from the newest changes of resources, by the resource as the finding names it.
func Of(f *fleet.Finding, evidence, changes map[string]fleet.Record) Scene {
	var s Scene
	for _, id := range f.Evidence {
		if rec, ok := evidence[id]; ok {
			s.take(f, &rec)
		}
	}
	if c, ok := changes[f.Resource]; ok && f.Resource != "" {
		s.Tags = tags(c.Raw)
		s.arn(f, &c)
		s.place(c.Account, c.Region)
	}
	if s.ARN == "" && strings.HasPrefix(f.Resource, "arn:") {
		s.ARN = f.Resource
	}
	if parts := strings.SplitN(s.ARN, ":", arnParts); len(parts) == arnParts {
		s.Partition = parts[1]
		s.place(parts[4], parts[3])
	}
	if s.Partition == "" {
		s.Partition = partition(s.Region)
	}
	return s
}

// arnParts are arn, partition, service, region, account and resource.
const arnParts = 6

func (s *Scene) take(f *fleet.Finding, rec *fleet.Record) {
	s.Records = append(s.Records, rec)
	s.place(rec.Account, rec.Region)
	s.arn(f, rec)
	if rec.Principal != "" && !slices.Contains(s.Principals, rec.Principal) {
		s.Principals = append(s.Principals, rec.Principal)
	}
}

func (s *Scene) place(account, region string) {
	if s.Account == "" {
		s.Account = account
	}
	if s.Region == "" {
		s.Region = region
	}
}

// arn looks for the ARN of the finding's resource among those of a record: the
// one that ends in the resource's name.
func (s *Scene) arn(f *fleet.Finding, rec *fleet.Record) {
	if s.ARN != "" {
		return
	}
	_, name, ok := strings.Cut(f.Resource, "/")
	if !ok || name == "" {
		return
	}
	for _, r := range rec.Resources {
		if rest, ok := strings.CutSuffix(r, name); ok && strings.HasPrefix(r, "arn:") && strings.ContainsAny(rest[len(rest)-1:], ":/") {
			s.ARN = r
			return
		}
	}
}

// partition is that of a region.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// tags reads those of a configuration item, which has them as a map or as a
// list; nil for none.
func tags(raw []byte) map[string]string {
	var item struct {
		Tags          json.RawMessage `json:"tags"`
		Configuration struct {
			Tags json.RawMessage `json:"tags"`
		} `json:"configuration"`
	}
	if json.Unmarshal(raw, &item) != nil && item.Tags == nil {
		return nil
	}
	out := map[string]string{}
	for _, text := range []json.RawMessage{item.Configuration.Tags, item.Tags} {
		var byKey map[string]string
		if json.Unmarshal(text, &byKey) == nil {
			maps.Copy(out, byKey)
			continue
		}
		var list []struct{ Key, Value string }
		if json.Unmarshal(text, &list) == nil {
			for _, t := range list {
				out[t.Key] = t.Value
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

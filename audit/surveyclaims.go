package audit

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"muster/fleet"
)

// granted takes a policy that is written into a role: what its statements allow
// on resources with a name of their own.
func (s *survey) granted(r *fleet.Record) {
	v := view(r)
	role := v.json("requestParameters.roleName")
	if role == "" || r.Error != "" {
		return
	}
	for _, resource := range allowed(v.json("requestParameters.policyDocument")) {
		c := kept(s.claims, [2]string{role, resource}, func() *claim {
			return &claim{Role: role, Resource: resource}
		})
		if c != nil {
			c.ID = r.ID
			s.keep(r)
		}
	}
}

// statement is as much of a statement of a policy document as claims need.
type statement struct {
	Effect   string
	Resource oneOrMany
}

// oneOrMany is a text or a list of texts, as policy documents have it.
type oneOrMany []string

// UnmarshalJSON takes either.
func (o *oneOrMany) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(o))
}

// allowed are the canonical names of the resources that a policy document allows
// something on. A pattern names nothing that could be unused.
func allowed(document string) []string {
	var many struct{ Statement []statement }
	if json.Unmarshal([]byte(document), &many) != nil {
		var one struct{ Statement statement }
		if json.Unmarshal([]byte(document), &one) != nil {
			return nil
		}
		many.Statement = []statement{one.Statement}
	}
	var out []string
	for _, st := range many.Statement {
		for _, arn := range st.Resource {
			if name := canonical(arn); st.Effect == "Allow" && name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// claimed are the types of resources that claims are about, by the part of an ARN
// that tells them: the service, and what stands before the name.
var claimed = map[string]string{
	"dynamodb:table/": "AWS::DynamoDB::Table", "sqs:": "AWS::SQS::Queue", "sns:": "AWS::SNS::Topic",
	"s3:": "AWS::S3::Bucket", "lambda:function:": "AWS::Lambda::Function",
}

// canonical is the canonical name of what an ARN names; "" for a pattern, and for
// what is of no type that claims are about.
func canonical(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || strings.ContainsAny(arn, "*?$") {
		return ""
	}
	for key, typ := range claimed {
		service, before, _ := strings.Cut(key, ":")
		name, ok := strings.CutPrefix(parts[5], before)
		if service == parts[2] && ok {
			name, _, _ = strings.Cut(name, "/") // what lies within it
			return fleet.ResourceName(typ, name)
		}
	}
	return ""
}

// touch notes what a role has called, for the claims on it.
func (s *survey) touch(r *fleet.Record) {
	role := roleOf(r.Principal)
	if role == "" {
		return
	}
	for _, resource := range r.CanonicalResources() {
		typ, _, _ := strings.Cut(resource, "/")
		s.kinds[typ]++
		key := [2]string{role, resource}
		if _, known := s.touched[key]; known || len(s.touched) < maxKeys {
			s.touched[key]++
		} else {
			s.blind = true
		}
	}
	if len(s.lastCall) < maxNames || s.lastCall[role] != nil {
		s.lastCall[role] = light(r)
	}
}

// sortedClaims are none where there is no telling who has called what.
func (s *survey) sortedClaims() []*claim {
	if s.blind {
		return nil
	}
	all := slices.SortedFunc(maps.Values(s.claims), func(a, b *claim) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Resource, b.Resource))
	})
	for _, c := range all {
		c.IDs = []string{c.ID}
		typ, _, _ := strings.Cut(c.Resource, "/")
		c.Calls, c.Visible = s.touched[[2]string{c.Role, c.Resource}], s.kinds[typ]
		if last := s.lastCall[c.Role]; last != nil && last.ID != c.ID {
			c.IDs = append(c.IDs, last.ID)
			s.keep(last)
		}
	}
	return all
}

// configured takes a resource's newest configuration for what it is related to.
func (s *survey) configured(r *fleet.Record) {
	names := r.CanonicalResources()
	if len(names) == 0 || len(s.related) >= maxNames && s.related[names[0]] == nil {
		return
	}
	s.related[names[0]] = nil
	if text := r.Attributes.Get("relationships"); text != "" {
		s.related[names[0]] = strings.Split(text, "; ")
	}
}

// spread says of each change whom it may concern: by calls and by relationships.
func (s *survey) spread() {
	users, ids := map[string][]string{}, map[string][]string{}
	note := func(key, service string, of []string) {
		if !slices.Contains(users[key], service) {
			users[key] = append(users[key], service)
			ids[key] = append(ids[key], of[max(0, len(of)-1):]...)
		}
	}
	for _, u := range s.view.Uses {
		note(u.Resource, u.Service, u.IDs)
	}
	for _, e := range s.view.Edges {
		if e.Remote {
			note(runs(e.Target), e.Service, e.IDs)
		}
	}
	for _, c := range s.view.Changes {
		key := c.Resource
		if c.Service != "" {
			key = runs(c.Service)
		}
		c.Users, c.UseIDs, c.Related = users[key], ids[key], s.related[c.Resource]
		c.UseIDs = c.UseIDs[:min(len(c.UseIDs), maxSamples)]
	}
}

// opposites are the verbs that put back what another one did, when they are asked
// for with the same parameters.
var opposites = map[string]string{
	"Authorize": "Revoke", "Revoke": "Authorize", "Attach": "Detach", "Detach": "Attach",
	"Stop": "Start", "Start": "Stop", "Enable": "Disable", "Disable": "Enable",
	"Register": "Deregister", "Deregister": "Register", "Associate": "Disassociate", "Disassociate": "Associate",
}

// undoes reports whether a later change does away with an earlier one: it is the
// opposite of it, or says again what was said before it.
func undoes(later, earlier *change, before []*change) bool {
	if later.params == 0 || earlier.params == 0 {
		return false
	}
	_, did, _ := strings.Cut(earlier.Name, ":")
	_, does, _ := strings.Cut(later.Name, ":")
	for verb, opposite := range opposites {
		if rest, ok := strings.CutPrefix(did, verb); ok && does == opposite+rest {
			return later.params == earlier.params
		}
	}
	if later.Name != earlier.Name || later.params == earlier.params {
		return false
	}
	for _, c := range slices.Backward(before) {
		if c.Name == later.Name {
			return c.params == later.params
		}
	}
	return false
}

// undo notes of the latest changes of a resource which of those that a person made
// a new one puts back.
func undo(list []*change, c *change) {
	for i, e := range slices.Backward(list) {
		if e.Person && e.UndoneID == "" && e.Resource == c.Resource && undoes(c, e, list[:i]) {
			e.UndoneBy, e.UndoneID, e.Lasted = cmp.Or(c.Principal, "somebody"), c.ID, c.Time.Sub(e.Time).Seconds()
			return
		}
	}
}

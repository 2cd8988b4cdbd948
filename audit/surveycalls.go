package audit

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"

	"muster/fleet"
)

// call takes an API call of the window. CloudTrail's times are whole seconds:
// what obtains credentials is taken before the calls of its second, which may be
// made with them.
func (s *survey) call(r *fleet.Record) {
	if r.Seen.IssuedKey != "" {
		s.issued(r)
	}
	if len(s.second) > 0 && !s.second[0].Time.Equal(r.Time) {
		s.flush()
	}
	if r.Seen.AccessKey != "" {
		s.second = append(s.second, light(r))
	}
	s.firstOf(r)
	s.touch(r)
	switch r.Attributes.Get(fleet.AttrEventSource) + " " + r.Attributes.Get(fleet.AttrEventName) {
	case "servicediscovery.amazonaws.com CreateService":
		v := view(r)
		s.registry[v.json("responseElements.service.id")] = v.json("responseElements.service.name")
	case "servicediscovery.amazonaws.com RegisterInstance":
		s.register(r, 1)
	case "servicediscovery.amazonaws.com DeregisterInstance":
		s.register(r, -1)
	case "iam.amazonaws.com PutRolePolicy":
		s.granted(r)
	}
	if r.Write() && r.Keys.Trace == "" {
		s.change(r)
	}
}

// flush gives the calls of the second that is over to their sessions.
func (s *survey) flush() {
	for _, r := range s.second {
		x := s.sessions[r.Seen.AccessKey]
		if x == nil {
			continue
		}
		x.Calls++
		if !slices.Contains(x.Names, r.Name) && len(x.Names) < maxSamples {
			x.Names = append(x.Names, r.Name)
		}
		if len(x.IDs) > maxSamples {
			x.IDs = slices.Delete(x.IDs, 1, 2) // the first is the call that obtained it
		}
		x.IDs = append(x.IDs, r.ID)
		s.keep(r)
	}
	s.second = s.second[:0]
}

// issue is who obtained a temporary key, and with which key.
type issue struct{ by, with string }

// issued notes who obtained temporary credentials. Those that were obtained with
// temporary ones are sessions of a chain.
func (s *survey) issued(r *fleet.Record) {
	if len(s.keys) >= maxKeys {
		return
	}
	s.keys[r.Seen.IssuedKey] = issue{r.Principal, r.Seen.AccessKey}
	if !strings.Contains(r.Principal, ":assumed-role/") {
		return
	}
	x := bounded(s, s.sessions, r.Seen.IssuedKey, func() *session {
		return &session{Principal: view(r).json("responseElements.assumedRoleUser.arn")}
	})
	if x != nil && len(x.IDs) == 0 {
		s.first(&x.IDs, r)
	}
}

// maxChain bounds a chain; AWS itself sets no bound to it.
const maxChain = 10

// chains says who obtained the credentials of each session, the first in front.
func (s *survey) chains() {
	s.flush()
	for key, x := range s.sessions {
		for i, ok := s.keys[key]; ok && len(x.Chain) < maxChain; i, ok = s.keys[i.with] {
			x.Chain = append(x.Chain, i.by)
		}
		slices.Reverse(x.Chain)
	}
}

// firstOf notes the first call of an operation by a role.
func (s *survey) firstOf(r *fleet.Record) {
	role := roleOf(r.Principal)
	if role == "" {
		return
	}
	seen := bounded(s, s.roles, role, func() *roleSeen { return &roleSeen{since: r.Time} })
	if seen == nil {
		return
	}
	f := bounded(s, s.firsts, [2]string{role, r.Name}, func() *firstCall {
		s.keep(r)
		return &firstCall{
			ID: r.ID, Role: role, Principal: r.Principal, Name: r.Name,
			Known: r.Time.Sub(seen.since).Seconds(), Calls: seen.calls,
		}
	})
	if f != nil {
		seen.calls++
	}
}

// roleOf is the role of the ARN of a session; "" for none.
func roleOf(principal string) string {
	_, path, ok := strings.Cut(principal, ":assumed-role/")
	role, _, _ := strings.Cut(path, "/")
	if !ok {
		return ""
	}
	return role
}

// register counts the instances of a service in Cloud Map, by its id: what gave
// it a name may be of the same second, and come later.
func (s *survey) register(r *fleet.Record, n int64) {
	id := view(r).json("requestParameters.serviceId")
	if id == "" || r.Error != "" {
		return
	}
	e := bounded(s, s.entries, id, func() *service { return &service{First: r.Time} })
	if e == nil {
		return
	}
	e.Registered += n
	if n > 0 {
		s.latest(&e.RegisterIDs, r)
	}
}

// registered gives the services what is registered of them. The name of one that
// was created before the window is not known, and it is left alone.
func (s *survey) registered() {
	for id, e := range s.entries {
		if name := s.registry[id]; name != "" {
			if v := s.service(name, e.First); v != nil {
				v.Registered += e.Registered
				v.RegisterIDs = append(v.RegisterIDs, e.RegisterIDs...)
			}
		}
	}
}

// executors are the types of resources that run a service of their name.
var executors = []string{"AWS::ECS::Service", "AWS::Lambda::Function"}

// change notes an API call that wrote something.
func (s *survey) change(r *fleet.Record) {
	for _, resource := range r.CanonicalResources() {
		if strings.HasPrefix(resource, "AWS::ECS::Cluster/") {
			continue // named along with the service in it
		}
		c := &change{
			ID: r.ID, Time: r.Time, Name: r.Name, Principal: r.Principal, Person: person(r),
			UserAgent: r.Attributes.Get(fleet.AttrUserAgent), Resource: resource, ManagedBy: s.managers[resource],
			params: asked(r),
		}
		key := resource
		typ, name, _ := strings.Cut(resource, "/")
		if slices.Contains(executors, typ) {
			c.Service = name[strings.LastIndexByte(name, '/')+1:]
			key = runs(c.Service)
		}
		if role := roleOf(r.Principal); role != "" {
			s.managers[resource] = role
		}
		s.remember(key, c)
		s.keep(r)
		return // one call changes one thing, whatever it names along
	}
}

func (s *survey) remember(key string, c *change) {
	list := s.changes[key]
	if len(list) == 0 && len(s.changes) >= maxChanges {
		s.cut = true
		return
	}
	if n := len(list); n > 0 {
		list[n-1].end = c.Time
	}
	if len(list) >= maxPerThing {
		list = slices.Delete(list, 0, 1)
	}
	undo(list, c)
	s.changes[key] = append(list, c)
}

// asked is a hash of the parameters of a call; 0 for none.
func asked(r *fleet.Record) uint64 {
	var call struct{ RequestParameters map[string]any }
	if r.Error != "" || json.Unmarshal(r.Raw, &call) != nil || len(call.RequestParameters) == 0 {
		return 0
	}
	delete(call.RequestParameters, "clientToken")     // another one each time
	text, err := json.Marshal(call.RequestParameters) // keys in order
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write(text)
	return h.Sum64()
}

// person reports whether a call was made by a human being's own credentials.
func person(r *fleet.Record) bool {
	switch {
	case strings.Contains(r.Principal, ":assumed-role/AWSReservedSSO_"):
		return true
	case r.Attributes.Get("identity_type") == "Root", strings.HasSuffix(r.Principal, ":root"):
		return true
	}
	return strings.Contains(r.Principal, ":user/")
}

// weigh adds a request of a service, or a call on a resource, and how long it
// took to the changes around it. CloudTrail cuts the times of changes to seconds.
func (s *survey) weigh(key string, v *record, seconds float64) {
	const cut = 1e9 // nanoseconds
	for _, c := range s.changes[key] {
		switch d := v.Time.Sub(c.Time); {
		case d < 0 && -d <= changeReach:
			c.Before.add(s, v, seconds)
			return // later changes have it after this one
		case d >= 0 && d <= changeReach && (c.end.IsZero() || v.Time.Before(c.end.Add(cut))):
			c.After.add(s, v, seconds)
		}
	}
}

func (l *traffic) add(s *survey, v *record, seconds float64) {
	l.Requests++
	l.Mean += (seconds - l.Mean) / float64(l.Requests)
	if v.Error != "" && v.Error != "error" {
		l.Errors++
		s.first(&l.ErrorIDs, v.src)
	}
	l.Ratio = float64(l.Errors) / float64(l.Requests)
}

func (s *survey) sortedChanges() []*change {
	var out []*change
	for _, list := range s.changes {
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b *change) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	return out
}

package localaws

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// cloudMap is Cloud Map (service discovery): HTTP namespaces, their services,
// and the instances of those. Safe for concurrent use.
type cloudMap struct {
	mu         sync.Mutex
	namespaces map[string]*mapNamespace // by id
	operations map[string]mapOperation  // by id; all are done at once
}

type mapNamespace struct {
	id, name string
	services map[string]*mapService // by id
}

type mapService struct {
	id, name  string
	instances map[string]map[string]string // attributes by id
}

type mapOperation struct {
	kind    string
	targets map[string]string
}

func newCloudMap() *cloudMap {
	return &cloudMap{namespaces: make(map[string]*mapNamespace), operations: make(map[string]mapOperation)}
}

func (m *cloudMap) api() map[string]operation {
	return map[string]operation{
		"CreateHttpNamespace": typed(locked(&m.mu, m.createNamespace)),
		"GetOperation":        typed(locked(&m.mu, m.operation)),
		"ListNamespaces":      typed(locked(&m.mu, m.listNamespaces)),
		"CreateService":       typed(locked(&m.mu, m.createService)),
		"ListServices":        typed(locked(&m.mu, m.listServices)),
		"RegisterInstance":    typed(locked(&m.mu, m.registerInstance)),
		"DeregisterInstance":  typed(locked(&m.mu, m.deregisterInstance)),
		"ListInstances":       typed(locked(&m.mu, m.listInstances)),
		"DiscoverInstances":   typed(locked(&m.mu, m.discoverInstances)),
	}
}

// locked runs an operation with a store's lock held.
func locked[In, Out any](mu sync.Locker, f func(*call, In) (Out, error)) func(*call, In) (Out, error) {
	return func(c *call, in In) (Out, error) {
		mu.Lock()
		defer mu.Unlock()
		return f(c, in)
	}
}

// answer is an output of few fields.
type answer map[string]any

// notFound has the status that Cloud Map's model gives what is not there.
func notFound(code, format string, args ...any) *apiError {
	e := failf(code, format, args...)
	e.Status = http.StatusNotFound
	return e
}

// start notes an operation that is done already, and answers its id.
func (m *cloudMap) start(c *call, kind string, targets map[string]string) answer {
	id := strings.ToLower(newCode(32)) + "-" + strings.ToLower(newCode(8))
	m.operations[id] = mapOperation{kind, targets}
	c.record(nil, answer{"operationId": id})
	return answer{"OperationId": id}
}

func (m *cloudMap) createNamespace(c *call, in struct{ Name string }) (answer, error) {
	if in.Name == "" {
		return nil, failf("InvalidInput", "The name of a namespace is missing.")
	}
	for _, n := range m.namespaces {
		if n.name == in.Name {
			return nil, failf("NamespaceAlreadyExists", "Namespace already exists with the name %s.", in.Name)
		}
	}
	n := &mapNamespace{id: "ns-" + strings.ToLower(newCode(16)), name: in.Name, services: make(map[string]*mapService)}
	m.namespaces[n.id] = n
	return m.start(c, "CREATE_NAMESPACE", map[string]string{"NAMESPACE": n.id}), nil
}

func (m *cloudMap) operation(_ *call, in struct{ OperationID string }) (answer, error) {
	o, ok := m.operations[in.OperationID]
	if !ok {
		return nil, notFound("OperationNotFound", "Operation %s not found.", in.OperationID)
	}
	return answer{"Operation": answer{"Id": in.OperationID, "Type": o.kind, "Status": "SUCCESS", "Targets": o.targets}}, nil
}

func (m *cloudMap) listNamespaces(c *call, _ struct{}) (answer, error) {
	all := []answer{}
	for _, n := range slices.SortedFunc(maps.Values(m.namespaces), func(a, b *mapNamespace) int { return cmp.Compare(a.name, b.name) }) {
		all = append(all, answer{"Id": n.id, "Name": n.name, "Type": "HTTP", "Arn": c.arn("namespace/" + n.id), "ServiceCount": len(n.services)})
	}
	return answer{"Namespaces": all}, nil
}

func (m *cloudMap) createService(c *call, in struct{ Name, NamespaceID string }) (answer, error) {
	n := m.namespaces[in.NamespaceID]
	if n == nil {
		return nil, notFound("NamespaceNotFound", "The namespace %s can't be found.", in.NamespaceID)
	}
	if in.Name == "" {
		return nil, failf("InvalidInput", "The name of a service is missing.")
	}
	if s := n.named(in.Name); s != nil {
		return nil, failf("ServiceAlreadyExists", "Service already exists with the name %s.", in.Name)
	}
	s := &mapService{id: "srv-" + strings.ToLower(newCode(16)), name: in.Name, instances: make(map[string]map[string]string)}
	n.services[s.id] = s
	c.touch("AWS::ServiceDiscovery::Service", c.arn("service/"+s.id))
	out := answer{"Service": answer{
		"Id": s.id, "Name": s.name, "NamespaceId": n.id, "Arn": c.arn("service/" + s.id), "Type": "HTTP",
	}}
	c.record(nil, answer{"service": answer{"id": s.id, "name": s.name, "namespaceId": n.id, "arn": c.arn("service/" + s.id)}})
	return out, nil
}

func (n *mapNamespace) named(name string) *mapService {
	for _, s := range n.services {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (m *cloudMap) listServices(c *call, _ struct{}) (answer, error) {
	all := []answer{}
	for _, n := range m.namespaces {
		for _, s := range n.services {
			all = append(all, answer{
				"Id": s.id, "Name": s.name, "Type": "HTTP", "Arn": c.arn("service/" + s.id), "InstanceCount": len(s.instances),
			})
		}
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Compare(a["Name"].(string), b["Name"].(string)) })
	return answer{"Services": all}, nil
}

// service finds a service of any namespace by its id.
func (m *cloudMap) service(c *call, id string) (*mapService, error) {
	c.touch("AWS::ServiceDiscovery::Service", c.arn("service/"+id))
	for _, n := range m.namespaces {
		if s := n.services[id]; s != nil {
			return s, nil
		}
	}
	return nil, notFound("ServiceNotFound", "Service not found: %s.", id)
}

func (m *cloudMap) registerInstance(c *call, in struct {
	ServiceID, InstanceID string
	Attributes            map[string]string
},
) (answer, error) {
	s, err := m.service(c, in.ServiceID)
	if err != nil {
		return nil, err
	}
	if in.InstanceID == "" {
		return nil, failf("InvalidInput", "The id of an instance is missing.")
	}
	s.instances[in.InstanceID] = in.Attributes
	return m.start(c, "REGISTER_INSTANCE", map[string]string{"INSTANCE": in.InstanceID, "SERVICE": s.id}), nil
}

func (m *cloudMap) deregisterInstance(c *call, in struct{ ServiceID, InstanceID string }) (answer, error) {
	s, err := m.service(c, in.ServiceID)
	if err != nil {
		return nil, err
	}
	if _, ok := s.instances[in.InstanceID]; !ok {
		return nil, notFound("InstanceNotFound", "No instance found with id %s.", in.InstanceID)
	}
	delete(s.instances, in.InstanceID)
	return m.start(c, "DEREGISTER_INSTANCE", map[string]string{"INSTANCE": in.InstanceID, "SERVICE": s.id}), nil
}

func (m *cloudMap) listInstances(c *call, in struct{ ServiceID string }) (answer, error) {
	s, err := m.service(c, in.ServiceID)
	if err != nil {
		return nil, err
	}
	all := []answer{}
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		all = append(all, answer{"Id": id, "Attributes": s.instances[id]})
	}
	return answer{"Instances": all}, nil
}

func (m *cloudMap) discoverInstances(_ *call, in struct{ NamespaceName, ServiceName string }) (answer, error) {
	for _, n := range m.namespaces {
		if n.name != in.NamespaceName {
			continue
		}
		s := n.named(in.ServiceName)
		if s == nil {
			return nil, notFound("ServiceNotFound", "Service not found: %s.", in.ServiceName)
		}
		all := []answer{}
		for _, id := range slices.Sorted(maps.Keys(s.instances)) {
			all = append(all, answer{
				"InstanceId": id, "NamespaceName": n.name, "ServiceName": s.name,
				"HealthStatus": "HEALTHY", "Attributes": s.instances[id],
			})
		}
		return answer{"Instances": all, "InstancesRevision": len(m.operations)}, nil
	}
	return nil, notFound("NamespaceNotFound", "The namespace %s can't be found.", in.NamespaceName)
}

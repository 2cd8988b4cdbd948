package localaws

import (
	"maps"
	"slices"
)

// maxIndexedAnnotations is how many annotations of a trace X-Ray indexes.
const maxIndexedAnnotations = 50

// A traceSummary is what GetTraceSummaries tells about one trace.
type traceSummary struct {
	ID               string                        `json:"Id"`
	StartTime        timestamp                     `json:"StartTime"`
	Duration         float64                       `json:"Duration"`               // seconds
	ResponseTime     *float64                      `json:"ResponseTime,omitempty"` // seconds; absent while the root is in progress
	HasFault         bool                          `json:"HasFault"`
	HasError         bool                          `json:"HasError"`
	HasThrottle      bool                          `json:"HasThrottle"`
	IsPartial        bool                          `json:"IsPartial"`
	HTTP             *summaryHTTP                  `json:"Http,omitempty"`
	Annotations      map[string][]summaryAnnotated `json:"Annotations"`
	Users            []summaryUser                 `json:"Users"`
	ServiceIDs       []summaryService              `json:"ServiceIds"`
	EntryPoint       summaryService                `json:"EntryPoint"`
	Revision         int                           `json:"Revision"`
	MatchedEventTime timestamp                     `json:"MatchedEventTime"`
}

type summaryHTTP struct {
	URL       string `json:"HttpURL,omitempty"`
	Status    int    `json:"HttpStatus,omitempty"`
	Method    string `json:"HttpMethod,omitempty"`
	UserAgent string `json:"UserAgent,omitempty"`
	ClientIP  string `json:"ClientIp,omitempty"`
}

type summaryService struct {
	Name      string   `json:"Name"`
	Names     []string `json:"Names"`
	AccountID string   `json:"AccountId"`
	Type      string   `json:"Type,omitempty"`
}

type summaryUser struct {
	UserName   string           `json:"UserName"`
	ServiceIDs []summaryService `json:"ServiceIds"`
}

type summaryAnnotated struct {
	Value      summaryValue     `json:"AnnotationValue"`
	ServiceIDs []summaryService `json:"ServiceIds"`
}

// A summaryValue has exactly one member.
type summaryValue struct {
	Number  *float64 `json:"NumberValue,omitempty"`
	Boolean *bool    `json:"BooleanValue,omitempty"`
	String  *string  `json:"StringValue,omitempty"`
}

func (t *foundTrace) summary(account string) traceSummary {
	root := t.root()
	sum := traceSummary{
		ID: t.id, StartTime: timestamp{t.start()}, Duration: toSeconds(t.end().Sub(t.start())),
		HasFault: root.Fault, HasError: root.Error, HTTP: root.HTTP.summary(),
		Annotations: map[string][]summaryAnnotated{}, Users: []summaryUser{}, ServiceIDs: []summaryService{},
		EntryPoint: root.service(account), Revision: t.revision, MatchedEventTime: timestamp{t.matched},
	}
	if !root.InProgress {
		sum.ResponseTime = new(toSeconds(root.end().Sub(root.start())))
	}
	for _, g := range t.segments {
		service := g.service(account)
		sum.HasThrottle = sum.HasThrottle || g.Throttle
		sum.IsPartial = sum.IsPartial || g.InProgress
		sum.annotate(&g.segmentDocument, service)
		if g.User != "" {
			sum.addUser(g.User, service)
		}
		if g.Type != "subsegment" {
			sum.ServiceIDs = addService(sum.ServiceIDs, service)
		}
	}
	return sum
}

func (g *segment) service(account string) summaryService {
	return summaryService{Name: g.Name, Names: []string{g.Name}, AccountID: account, Type: g.Origin}
}

func (h segmentHTTP) summary() *summaryHTTP {
	if h == (segmentHTTP{}) {
		return nil
	}
	return &summaryHTTP{
		URL: h.Request.URL, Status: h.Response.Status, Method: h.Request.Method,
		UserAgent: h.Request.UserAgent, ClientIP: h.Request.ClientIP,
	}
}

// annotate adds the annotations of a segment and of what is nested in it, in a
// fixed order and up to the number that X-Ray indexes.
func (sum *traceSummary) annotate(d *segmentDocument, service summaryService) {
	for _, key := range slices.Sorted(maps.Keys(d.Annotations)) {
		var v summaryValue
		switch value := d.Annotations[key].(type) {
		case string:
			v.String = &value
		case bool:
			v.Boolean = &value
		case float64:
			v.Number = &value
		default:
			continue
		}
		values := sum.Annotations[key]
		if values == nil && len(sum.Annotations) == maxIndexedAnnotations {
			continue
		}
		at := slices.IndexFunc(values, func(a summaryAnnotated) bool { return a.Value.equal(v) })
		if at < 0 {
			sum.Annotations[key] = append(values, summaryAnnotated{v, []summaryService{service}})
		} else {
			values[at].ServiceIDs = addService(values[at].ServiceIDs, service)
		}
	}
	for i := range d.Subsegments {
		sum.annotate(&d.Subsegments[i], service)
	}
}

func (v summaryValue) equal(o summaryValue) bool {
	return same(v.Number, o.Number) && same(v.Boolean, o.Boolean) && same(v.String, o.String)
}

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// addUser adds a segment's user and the service that served it.
func (sum *traceSummary) addUser(name string, service summaryService) {
	at := slices.IndexFunc(sum.Users, func(u summaryUser) bool { return u.UserName == name })
	if at < 0 {
		sum.Users = append(sum.Users, summaryUser{name, []summaryService{service}})
		return
	}
	sum.Users[at].ServiceIDs = addService(sum.Users[at].ServiceIDs, service)
}

// addService adds a service that is not there yet.
func addService(services []summaryService, service summaryService) []summaryService {
	if slices.ContainsFunc(services, func(o summaryService) bool { return o.Name == service.Name && o.Type == service.Type }) {
		return services
	}
	return append(services, service)
}

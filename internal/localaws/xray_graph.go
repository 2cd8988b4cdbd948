package localaws

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// servicesPerPage is how many services a page of a graph has. AWS states no
// number; a graph of the sample fleet fits on one.
const servicesPerPage = 100

// A graphService is a node of the service graph.
type graphService struct {
	ReferenceID  int          `json:"ReferenceId"`
	Name         string       `json:"Name"`
	Names        []string     `json:"Names"`
	Root         bool         `json:"Root,omitempty"`
	AccountID    string       `json:"AccountId,omitempty"`
	Type         string       `json:"Type,omitempty"`
	State        string       `json:"State"`
	StartTime    timestamp    `json:"StartTime"`
	EndTime      timestamp    `json:"EndTime"`
	Edges        []*graphEdge `json:"Edges"`
	Statistics   *graphStats  `json:"SummaryStatistics,omitempty"` // none of a client
	Durations    []graphBin   `json:"DurationHistogram"`
	ResponseBins []graphBin   `json:"ResponseTimeHistogram"`

	times map[float64]int
	edges map[nodeKey]*graphEdge
}

type graphEdge struct {
	ReferenceID  int        `json:"ReferenceId"`
	StartTime    timestamp  `json:"StartTime"`
	EndTime      timestamp  `json:"EndTime"`
	Statistics   graphStats `json:"SummaryStatistics"`
	ResponseBins []graphBin `json:"ResponseTimeHistogram"`
	Aliases      []struct{} `json:"Aliases"`

	times map[float64]int
}

type graphBin struct {
	Value float64 `json:"Value"` // seconds
	Count int     `json:"Count"`
}

type graphStats struct {
	OK     int `json:"OkCount"`
	Errors struct {
		Throttle int `json:"ThrottleCount"`
		Other    int `json:"OtherCount"`
		Total    int `json:"TotalCount"`
	} `json:"ErrorStatistics"`
	Faults struct {
		Other int `json:"OtherCount"`
		Total int `json:"TotalCount"`
	} `json:"FaultStatistics"`
	Total        int     `json:"TotalCount"`
	ResponseTime float64 `json:"TotalResponseTime"` // seconds
}

// count adds one answered request.
func (s *graphStats) count(fault, failed, throttle bool, took time.Duration) {
	s.Total++
	s.ResponseTime += toSeconds(took)
	switch {
	case fault:
		s.Faults.Other++
		s.Faults.Total++
	case throttle:
		s.Errors.Throttle++
		s.Errors.Total++
	case failed:
		s.Errors.Other++
		s.Errors.Total++
	default:
		s.OK++
	}
}

// nodeKey tells services apart, as X-Ray does by name and type.
type nodeKey struct{ name, kind string }

// A graph collects services and who calls whom.
type graph struct {
	account string
	nodes   map[nodeKey]*graphService
}

func newGraph(account string) *graph {
	return &graph{account: account, nodes: map[nodeKey]*graphService{}}
}

// add counts a trace.
func (g *graph) add(t *trace) {
	callers := make(map[string]nodeKey) // of the spans that call others, by span id
	called := make(map[string]bool)     // span ids that another segment names as its parent
	for _, s := range t.segments {
		key := nodeKey{s.Name, s.Origin}
		if s.Type == "subsegment" {
			key = g.ownerOf(t, s)
		}
		register(callers, &s.segmentDocument, key)
		called[s.ParentID] = true
	}
	for _, s := range t.segments {
		if s.Type == "subsegment" {
			g.calls(&s.segmentDocument, callers, called)
			continue
		}
		node := g.node(nodeKey{s.Name, s.Origin})
		node.seen(s.start(), s.end())
		node.Statistics.count(s.Fault, s.Error, s.Throttle, s.took())
		node.times[toSeconds(s.took())]++
		from, ok := callers[s.ParentID]
		if s.ParentID == "" {
			node.Root = true
			from, ok = nodeKey{s.Name, "client"}, true
		}
		if ok {
			g.edge(from, &s.segmentDocument, nodeKey{s.Name, s.Origin})
		}
		for i := range s.Subsegments {
			g.calls(&s.Subsegments[i], callers, called)
		}
	}
}

// ownerOf is the service of the segment that a subsegment sent alone belongs to.
func (g *graph) ownerOf(t *trace, s *segment) nodeKey {
	for _, o := range t.segments {
		if o.Type != "subsegment" && contains(&o.segmentDocument, s.ParentID) {
			return nodeKey{o.Name, o.Origin}
		}
	}
	return nodeKey{s.Name, s.Origin}
}

func contains(d *segmentDocument, id string) bool {
	return d.ID == id || slices.ContainsFunc(d.Subsegments, func(sub segmentDocument) bool { return contains(&sub, id) })
}

// register notes whose a span and everything below it is.
func register(callers map[string]nodeKey, d *segmentDocument, key nodeKey) {
	callers[d.ID] = key
	for i := range d.Subsegments {
		register(callers, &d.Subsegments[i], key)
	}
}

// calls adds what a subsegment calls that does not report itself: AWS's services
// and what is remote. X-Ray infers a node of it.
func (g *graph) calls(d *segmentDocument, callers map[string]nodeKey, called map[string]bool) {
	if (d.Namespace == "aws" || d.Namespace == "remote") && !called[d.ID] {
		key := nodeKey{d.Name, d.inferredType()}
		node := g.node(key)
		node.seen(d.start(), d.end())
		node.Statistics.count(d.Fault, d.Error, d.Throttle, d.took())
		node.times[toSeconds(d.took())]++
		g.edge(callers[d.ID], d, key)
	}
	for i := range d.Subsegments {
		g.calls(&d.Subsegments[i], callers, called)
	}
}

// inferredType is the type of a service that only its callers report.
func (d *segmentDocument) inferredType() string {
	if d.Namespace == "remote" {
		return "remote"
	}
	switch d.Name {
	case "DynamoDB", "dynamodb":
		return "AWS::DynamoDB::Table"
	case "SQS", "sqs":
		return "AWS::SQS::Queue"
	case "SNS", "sns":
		return "AWS::SNS"
	case "S3", "s3":
		return "AWS::S3::Bucket"
	}
	return "AWS::" + d.Name
}

func (g *graph) node(key nodeKey) *graphService {
	if n := g.nodes[key]; n != nil {
		return n
	}
	n := &graphService{
		Name: key.name, Names: []string{key.name}, AccountID: g.account, Type: key.kind, State: "active",
		times: map[float64]int{}, edges: map[nodeKey]*graphEdge{},
	}
	if key.kind != "client" {
		n.Statistics = &graphStats{}
	}
	g.nodes[key] = n
	return n
}

func (n *graphService) seen(start, end time.Time) {
	extend(&n.StartTime, &n.EndTime, start, end)
}

// extend widens a window; the zero end is of what is still in progress.
func extend(from, to *timestamp, start, end time.Time) {
	if from.IsZero() || start.Before(from.Time) {
		from.Time = start
	}
	if end.After(to.Time) || to.IsZero() {
		to.Time = cmp.Or(end, start)
	}
}

func (g *graph) edge(from nodeKey, d *segmentDocument, to nodeKey) {
	caller := g.node(from)
	start, end := d.start(), d.end()
	if from.kind == "client" {
		caller.seen(start, end)
	}
	e := caller.edges[to]
	if e == nil {
		e = &graphEdge{times: map[float64]int{}, Aliases: []struct{}{}}
		caller.edges[to] = e
	}
	extend(&e.StartTime, &e.EndTime, start, end)
	e.Statistics.count(d.Fault, d.Error, d.Throttle, d.took())
	e.times[toSeconds(d.took())]++
}

// services numbers the nodes and lists them by name and type.
func (g *graph) services() []*graphService {
	keys := slices.SortedFunc(maps.Keys(g.nodes), func(a, b nodeKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	out := make([]*graphService, len(keys))
	for i, key := range keys {
		out[i] = g.nodes[key]
		out[i].ReferenceID = i
	}
	for _, n := range out {
		n.Edges, n.ResponseBins = []*graphEdge{}, bins(n.times)
		n.Durations = n.ResponseBins
		for to, e := range n.edges {
			e.ReferenceID, e.ResponseBins = g.nodes[to].ReferenceID, bins(e.times)
			n.Edges = append(n.Edges, e)
		}
		slices.SortFunc(n.Edges, func(a, b *graphEdge) int { return a.ReferenceID - b.ReferenceID })
	}
	return out
}

// bins are a histogram, shortest time first.
func bins(times map[float64]int) []graphBin {
	out := []graphBin{}
	for _, v := range slices.Sorted(maps.Keys(times)) {
		out = append(out, graphBin{v, times[v]})
	}
	return out
}

package collectors

import (
	"bytes"
	"encoding/json"

	"muster/fleet"
)

var (
	segmentNames  = namesOf[segmentDoc]()
	httpNames     = namesOf[segmentHTTP]()
	awsNames      = namesOf[segmentAWS]()
	sqlNames      = namesOf[segmentSQL]()
	requestNames  = &fieldNames{[]string{"method", "url", "client_ip", "user_agent"}, 1<<len("method") | 1<<len("url") | 1<<len("client_ip") | 1<<len("user_agent")}
	responseNames = &fieldNames{[]string{"status"}, 1 << len("status")}
)

// segmentNode is a segment or a subsegment as a scanner reads it.
type segmentNode struct {
	segmentDoc
	start, end     float64
	started, ended bool
	first, behind  int // where it lies in the document
	depth          int
	parent         int // of nodes, -1 for the segment
	hasNested      bool
}

// segmentReader reads X-Ray documents by a scanner. It keeps its room.
type segmentReader struct {
	scanner
	nodes []segmentNode // each behind the one that it is nested in
	at    int           // the node that is being read
	room  fleet.Attributes
}

// read reads the document that doc begins with, and returns its canonical
// spelling. What is refused is for the careful way.
func (g *segmentReader) read(doc []byte) (length int, canonical []byte, ok bool) {
	if !g.scan(doc) {
		return 0, nil, false
	}
	length = g.pos
	doc = doc[:length:length]
	if g.spaced || g.secret {
		doc = compact(doc)
		if !g.scan(doc) || g.spaced || g.secret || g.pos != len(doc) {
			return 0, nil, false
		}
	}
	d := &g.nodes[0].segmentDoc
	return length, doc, d.TraceID != "" && d.ID != ""
}

func (g *segmentReader) scan(doc []byte) bool {
	g.begin(doc)
	g.nodes = g.nodes[:0]
	return g.node(-1, 0)
}

// node reads a segment or subsegment.
func (g *segmentReader) node(parent, depth int) bool {
	if depth > maxNesting {
		return false
	}
	g.peek()
	at := len(g.nodes)
	g.nodes = append(g.nodes, segmentNode{first: g.pos, depth: depth, parent: parent})
	above, base := g.at, g.base
	g.at, g.base = at, scannedDepth+2*depth // a list and an object
	ok := g.object(g.member)
	g.at, g.base = above, base
	g.nodes[at].behind = g.pos
	return ok
}

func (g *segmentReader) member(key []byte) bool {
	n := &g.nodes[g.at]
	if p := n.stringField(key); p != nil {
		return g.stringInto(p)
	}
	switch string(key) {
	case "start_time":
		n.started = true
		return g.floatInto(&n.start)
	case "end_time":
		n.ended = true
		return g.floatInto(&n.end)
	case "in_progress":
		return g.boolInto(&n.InProgress)
	case "inferred":
		return g.boolInto(&n.Inferred)
	case "error":
		return g.boolInto(&n.Error)
	case "fault":
		return g.boolInto(&n.Fault)
	case "throttle":
		return g.boolInto(&n.Throttle)
	case "cause":
		return g.rawInto(key, &n.Cause)
	case "annotations":
		return g.rawInto(key, &n.Annotations)
	case "http":
		return g.objectInto(g.http)
	case "aws":
		return g.objectInto(g.aws)
	case "sql":
		return g.objectInto(g.sql)
	case "subsegments":
		return g.subsegments()
	}
	if n.depth == 0 && telling(key) {
		return false
	}
	return g.other(key, segmentNames) // links are for the careful way
}

// stringField is the field for a member that is a string.
func (d *segmentDoc) stringField(key []byte) *string {
	switch string(key) {
	case "trace_id":
		return &d.TraceID
	case "id":
		return &d.ID
	case "parent_id":
		return &d.ParentID
	case "name":
		return &d.Name
	case "type":
		return &d.Type
	case "namespace":
		return &d.Namespace
	case "origin":
		return &d.Origin
	case "user":
		return &d.User
	case "resource_arn":
		return &d.ResourceARN
	}
	return nil
}

// subsegments reads the nested ones. A second list, and elements that are no
// objects, are for the careful way.
func (g *segmentReader) subsegments() bool {
	at := g.at
	if g.nodes[at].hasNested {
		return false
	}
	g.nodes[at].hasNested = true
	if g.peek() == 'n' {
		return g.literal(nil)
	}
	depth := g.nodes[at].depth + 1
	return g.array(func() bool { return g.node(at, depth) })
}

func (g *segmentReader) http(key []byte) bool {
	switch string(key) {
	case "request":
		return g.objectInto(g.request)
	case "response":
		return g.objectInto(g.response)
	}
	return g.other(key, httpNames)
}

func (g *segmentReader) request(key []byte) bool {
	r := &g.nodes[g.at].HTTP.Request
	switch string(key) {
	case "method":
		return g.stringInto(&r.Method)
	case "url":
		return g.stringInto(&r.URL)
	case "client_ip":
		return g.stringInto(&r.ClientIP)
	case "user_agent":
		return g.stringInto(&r.UserAgent)
	}
	return g.other(key, requestNames)
}

func (g *segmentReader) response(key []byte) bool {
	if string(key) == "status" {
		spelled, ok := g.number()
		g.nodes[g.at].HTTP.Response.Status = json.Number(spelled)
		return ok
	}
	return g.other(key, responseNames)
}

func (g *segmentReader) aws(key []byte) bool {
	a := &g.nodes[g.at].AWS
	switch string(key) {
	case "account_id":
		return g.stringInto(&a.AccountID)
	case "region":
		return g.stringInto(&a.Region)
	case "operation":
		return g.stringInto(&a.Operation)
	case "request_id":
		return g.stringInto(&a.RequestID)
	case "table_name":
		return g.stringInto(&a.TableName)
	case "queue_url":
		return g.stringInto(&a.QueueURL)
	case "topic_arn":
		return g.stringInto(&a.TopicARN)
	case "bucket_name":
		return g.stringInto(&a.Bucket)
	case "function_name":
		return g.stringInto(&a.Function)
	case "message_id":
		return g.stringInto(&a.MessageID)
	}
	return g.other(key, awsNames) // lists of names and log groups are for the careful way
}

func (g *segmentReader) sql(key []byte) bool {
	switch string(key) {
	case "url":
		return g.stringInto(&g.nodes[g.at].SQL.URL)
	case "sanitized_query":
		return g.stringInto(&g.nodes[g.at].SQL.Query)
	}
	return g.other(key, sqlNames)
}

// spans appends what was read to room, as parseSegmentCarefully turns it into
// spans.
func (g *segmentReader) spans(doc []byte, o origin, room []fleet.Record) ([]fleet.Record, bool) {
	s := segmentScan{origin: o, spans: room, room: &g.room}
	if len(g.nodes) > fewSpans {
		s.at = make(map[string]int, len(g.nodes))
	}
	var ids [maxNesting + 1]string // of the nodes above, by depth
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.started {
			n.Start = &n.start
		}
		if n.ended {
			n.End = &n.end
		}
		parent := ""
		if n.depth > 0 {
			parent = ids[n.depth-1]
		}
		span, err := s.one(&n.segmentDoc, doc[n.first:n.behind:n.behind], parent, n.depth)
		if err != nil {
			return nil, false
		}
		ids[n.depth] = span
	}
	return s.spans, true
}

// parseSegment turns an X-Ray document, a segment or a subsegment that was sent
// alone, into one span each for itself and its subsegments. A document that
// holds one subsegment twice, in progress and finished, gives the finished one.
//
// A document that cannot be understood gives one record that keeps it raw, with
// the reason in fleet.AttrUnreadable.
func parseSegment(doc []byte, o origin) []fleet.Record {
	var g segmentReader
	if length, canonical, ok := g.read(bytes.Clone(doc)); ok && length == len(doc) {
		if spans, ok := g.spans(canonical, o, nil); ok {
			return spans
		}
	}
	return parseSegmentCarefully(doc, o)
}

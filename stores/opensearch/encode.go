package opensearch

import (
	"strconv"

	"muster/fleet"
)

// object appends a JSON object member by member. The follower shares a machine's
// cores with the engine often enough: encoding/json takes four times as long,
// which is what the tests hold this against.
type object struct {
	b     []byte
	empty bool
}

// open begins an object at the end of b.
func open(b []byte) object { return object{append(b, '{'), true} }

func (o *object) close() []byte { return append(o.b, '}') }

func (o *object) key(name string) {
	if !o.empty {
		o.b = append(o.b, ',')
	}
	o.empty = false
	o.b = append(append(append(o.b, '"'), name...), `":`...)
}

// text is always there, full or not.
func (o *object) text(name, value string) {
	o.key(name)
	o.b = appendText(o.b, value)
}

// full is there unless the value is empty.
func (o *object) full(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) number(name string, n int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

// count is there unless it is 0.
func (o *object) count(name string, n int64) {
	if n != 0 {
		o.number(name, n)
	}
}

func (o *object) flag(name string, v bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, v)
}

// texts is there unless it is empty.
func (o *object) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	for i, v := range values {
		o.b = append(o.b, "[,"[min(i, 1)])
		o.b = appendText(o.b, v)
	}
	o.b = append(o.b, ']')
}

// inner is the object of a member, which must be closed with outer.
func (o *object) inner(name string) object {
	o.key(name)
	return open(o.b)
}

// outer goes on behind an inner object.
func (o *object) outer(inner object) { o.b = inner.close() }

func (w *row) append(b []byte) []byte {
	o := open(b)
	o.text("id", w.ID)
	o.number("revision", int64(w.Revision))
	o.text("kind", string(w.Kind))
	o.number("time_us", w.TimeUS)
	o.count("duration_us", w.DurationUS)
	o.full("account", w.Account)
	o.full("region", w.Region)
	o.full("service", w.Service)
	o.full("name", w.Name)
	o.texts("resources", w.Resources)
	o.full("principal", w.Principal)
	o.full("error", w.Error)
	o.flag("failed", w.Failed)
	if w.Write {
		o.flag("write", true)
	}
	o.full("message", w.Message)
	o.full("trace_id", w.Trace)
	o.full("span_id", w.Span)
	o.full("parent_id", w.Parent)
	o.full("request_id", w.Request)
	o.texts("message_ids", w.Messages)
	o.full("correlation_id", w.Correlation)
	o.full("origin", w.Origin)
	o.full("access_key_id", w.AccessKey)
	o.full("issued_key_id", w.IssuedKey)
	w.appendLinks(&o)
	o.texts("annotations", w.Annotations)
	if len(w.Attributes) > 0 {
		a := o.inner("attributes")
		for k, v := range w.Attributes.All() {
			a.key("")
			a.b = a.b[:len(a.b)-len(`"":`)] // a key from outside is quoted as a text
			a.b = append(appendText(a.b, k), ':')
			a.b = appendText(a.b, v)
		}
		o.outer(a)
	}
	o.full("raw", w.Raw)
	return o.close()
}

func (w *row) appendLinks(o *object) {
	o.full("request_scope", string(w.RequestScope))
	for _, l := range [...]struct {
		via, sure string
		link      fleet.Link
	}{
		{"trace_via", "trace_sure", fleet.Link{Via: w.TraceVia, Sure: w.TraceSure}},
		{"request_via", "request_sure", fleet.Link{Via: w.RequestVia, Sure: w.RequestSure}},
		{"correlation_via", "correlation_sure", fleet.Link{Via: w.CorrelationVia, Sure: w.CorrelationSure}},
		{"origin_via", "origin_sure", fleet.Link{Via: w.OriginVia, Sure: w.OriginSure}},
	} {
		o.full(l.via, string(l.link.Via))
		o.full(l.sure, string(l.link.Sure))
	}
	o.full("seen_trace_id", w.SeenTrace)
	o.full("seen_request_id", w.SeenRequest)
	o.full("seen_correlation_id", w.SeenCorrelation)
}

func (d *spanDocument) append(b []byte) []byte {
	o := open(b)
	o.key("muster")
	o.b = d.Muster.append(o.b)
	o.full("@timestamp", d.Timestamp)
	o.text("traceId", d.Trace)
	o.text("spanId", d.Span)
	o.text("parentSpanId", d.Parent)
	o.text("name", d.Name)
	o.text("kind", d.Kind)
	o.text("serviceName", d.Service)
	o.full("startTime", d.Start)
	o.full("endTime", d.End)
	o.number("durationInNanos", d.Nanos)
	status := o.inner("status")
	status.number("code", int64(d.Status.Code))
	status.full("message", d.Status.Message)
	o.outer(status)
	o.text("traceGroup", d.Group)
	o.key("traceGroupFields")
	o.b = d.GroupField.append(o.b)
	appendSurroundings(&o, &d.Attributes, &d.Resource)
	return o.close()
}

func (f *groupFields) append(b []byte) []byte {
	o := open(b)
	o.full("endTime", f.End)
	o.number("durationInNanos", f.Nanos)
	o.number("statusCode", int64(f.Code))
	return o.close()
}

func (d *logDocument) append(b []byte) []byte {
	o := open(b)
	o.key("muster")
	o.b = d.Muster.append(o.b)
	o.full("@timestamp", d.Timestamp)
	o.full("time", d.Time)
	o.full("traceId", d.Trace)
	o.full("spanId", d.Span)
	o.full("serviceName", d.Service)
	severity := o.inner("severity")
	severity.full("text", d.Severity.Text)
	o.outer(severity)
	o.text("body", d.Body)
	appendSurroundings(&o, &d.Attributes, &d.Resource)
	return o.close()
}

func appendSurroundings(o *object, a *attributes, r *resource) {
	in := o.inner("attributes")
	in.full("http.request.method", a.HTTPMethod)
	in.count("http.response.status_code", int64(a.HTTPStatus))
	in.full("aws.log.group.name", a.LogGroup)
	o.outer(in)
	of := o.inner("resource")
	in = of.inner("attributes")
	in.full("service.name", r.Attributes.Service)
	in.full("cloud.account.id", r.Attributes.Account)
	in.full("cloud.region", r.Attributes.Region)
	of.outer(in)
	o.outer(of)
}

func (d *eventDocument) append(b []byte) []byte {
	o := open(b)
	o.key("muster")
	o.b = d.Muster.append(o.b)
	o.full("@timestamp", d.Timestamp)
	o.full("event.action", d.Action)
	o.full("event.provider", d.Provider)
	o.text("event.outcome", d.Outcome)
	o.full("cloud.account.id", d.Account)
	o.full("cloud.region", d.Region)
	o.full("service.name", d.Service)
	o.full("user.name", d.User)
	o.full("source.address", d.Source)
	o.full("user_agent.original", d.Agent)
	o.full("error.code", d.Error)
	o.full("trace.id", d.Trace)
	o.full("message", d.Message)
	o.texts("resources", d.Resources)
	return o.close()
}

package opensearch

import "strconv"

// object appends a JSON object member by member, each named by its key as it is
// sent: `"id":`. The follower shares a machine's cores with the engine often
// enough: encoding/json takes six times as long, which is what the tests hold this
// against.
type object struct{ b []byte }

// open begins an object at the end of b.
func open(b []byte) object { return object{append(b, '{')} }

// close ends it. Behind its last member, if it has any, is a comma.
func (o *object) close() []byte {
	if last := len(o.b) - 1; o.b[last] == ',' {
		o.b[last] = '}'
		return o.b
	}
	return append(o.b, '}')
}

// text is always there, full or not.
func (o *object) text(key, value string) {
	o.b = append(appendText(append(o.b, key...), value), ',')
}

// full is there unless the value is empty.
func (o *object) full(key, value string) {
	if value != "" {
		o.text(key, value)
	}
}

// date is there unless a date cannot say it.
func (o *object) date(key string, d date) {
	if !d.IsZero() {
		o.b = append(d.append(append(o.b, key...)), ',')
	}
}

func (o *object) number(key string, n int64) {
	o.b = append(strconv.AppendInt(append(o.b, key...), n, 10), ',')
}

// count is there unless it is 0.
func (o *object) count(key string, n int64) {
	if n != 0 {
		o.number(key, n)
	}
}

func (o *object) flag(key string, v bool) {
	o.b = append(strconv.AppendBool(append(o.b, key...), v), ',')
}

// texts is there unless it is empty.
func (o *object) texts(key string, values []string) {
	if len(values) == 0 {
		return
	}
	o.b = append(o.b, key...)
	for i, v := range values {
		o.b = append(o.b, "[,"[min(i, 1)])
		o.b = appendText(o.b, v)
	}
	o.b = append(o.b, ']', ',')
}

// inner is the object of a member, which must be closed with outer.
func (o *object) inner(key string) object { return open(append(o.b, key...)) }

// outer goes on behind an inner object.
func (o *object) outer(inner object) { o.b = append(inner.close(), ',') }

func (w *row) append(b []byte) []byte {
	o := open(b)
	o.text(`"id":`, w.ID)
	o.number(`"revision":`, int64(w.Revision))
	o.text(`"kind":`, string(w.Kind))
	o.number(`"time_us":`, w.TimeUS)
	o.count(`"duration_us":`, w.DurationUS)
	o.full(`"account":`, w.Account)
	o.full(`"region":`, w.Region)
	o.full(`"service":`, w.Service)
	o.full(`"name":`, w.Name)
	o.texts(`"resources":`, w.Resources)
	o.full(`"principal":`, w.Principal)
	o.full(`"error":`, w.Error)
	o.flag(`"failed":`, w.Failed)
	if w.Write {
		o.flag(`"write":`, true)
	}
	o.full(`"message":`, w.Message)
	o.full(`"trace_id":`, w.Trace)
	o.full(`"span_id":`, w.Span)
	o.full(`"parent_id":`, w.Parent)
	o.full(`"request_id":`, w.Request)
	o.texts(`"message_ids":`, w.Messages)
	o.full(`"correlation_id":`, w.Correlation)
	o.full(`"origin":`, w.Origin)
	o.full(`"access_key_id":`, w.AccessKey)
	o.full(`"issued_key_id":`, w.IssuedKey)
	w.appendLinks(&o)
	o.texts(`"annotations":`, w.Annotations)
	if len(w.Attributes) > 0 {
		a := o.inner(`"attributes":`)
		for k, v := range w.Attributes.All() {
			a.b = append(appendText(a.b, k), ':')
			a.b = append(appendText(a.b, v), ',')
		}
		o.outer(a)
	}
	o.full(`"raw":`, w.Raw)
	return o.close()
}

func (w *row) appendLinks(o *object) {
	o.full(`"request_scope":`, string(w.RequestScope))
	o.full(`"trace_via":`, string(w.TraceVia))
	o.full(`"trace_sure":`, string(w.TraceSure))
	o.full(`"request_via":`, string(w.RequestVia))
	o.full(`"request_sure":`, string(w.RequestSure))
	o.full(`"correlation_via":`, string(w.CorrelationVia))
	o.full(`"correlation_sure":`, string(w.CorrelationSure))
	o.full(`"origin_via":`, string(w.OriginVia))
	o.full(`"origin_sure":`, string(w.OriginSure))
	o.full(`"seen_trace_id":`, w.SeenTrace)
	o.full(`"seen_request_id":`, w.SeenRequest)
	o.full(`"seen_correlation_id":`, w.SeenCorrelation)
}

func (d *spanDocument) append(b []byte) []byte {
	o := open(b)
	o.b = append(d.Muster.append(append(o.b, `"muster":`...)), ',')
	o.date(`"@timestamp":`, d.Timestamp)
	o.text(`"traceId":`, d.Trace)
	o.text(`"spanId":`, d.Span)
	o.text(`"parentSpanId":`, d.Parent)
	o.text(`"name":`, d.Name)
	o.text(`"kind":`, d.Kind)
	o.text(`"serviceName":`, d.Service)
	o.date(`"startTime":`, d.Start)
	o.date(`"endTime":`, d.End)
	o.number(`"durationInNanos":`, d.Nanos)
	status := o.inner(`"status":`)
	status.number(`"code":`, int64(d.Status.Code))
	status.full(`"message":`, d.Status.Message)
	o.outer(status)
	o.text(`"traceGroup":`, d.Group)
	o.b = append(d.GroupField.append(append(o.b, `"traceGroupFields":`...)), ',')
	appendSurroundings(&o, &d.Attributes, &d.Resource)
	return o.close()
}

func (f *groupFields) append(b []byte) []byte {
	o := open(b)
	o.date(`"endTime":`, f.End)
	o.number(`"durationInNanos":`, f.Nanos)
	o.number(`"statusCode":`, int64(f.Code))
	return o.close()
}

func (d *logDocument) append(b []byte) []byte {
	o := open(b)
	o.b = append(d.Muster.append(append(o.b, `"muster":`...)), ',')
	o.date(`"@timestamp":`, d.Timestamp)
	o.date(`"time":`, d.Time)
	o.full(`"traceId":`, d.Trace)
	o.full(`"spanId":`, d.Span)
	o.full(`"serviceName":`, d.Service)
	severity := o.inner(`"severity":`)
	severity.full(`"text":`, d.Severity.Text)
	o.outer(severity)
	o.text(`"body":`, d.Body)
	appendSurroundings(&o, &d.Attributes, &d.Resource)
	return o.close()
}

func appendSurroundings(o *object, a *attributes, r *resource) {
	in := o.inner(`"attributes":`)
	in.full(`"http.request.method":`, a.HTTPMethod)
	in.count(`"http.response.status_code":`, int64(a.HTTPStatus))
	in.full(`"aws.log.group.name":`, a.LogGroup)
	o.outer(in)
	of := o.inner(`"resource":`)
	in = of.inner(`"attributes":`)
	in.full(`"service.name":`, r.Attributes.Service)
	in.full(`"cloud.account.id":`, r.Attributes.Account)
	in.full(`"cloud.region":`, r.Attributes.Region)
	of.outer(in)
	o.outer(of)
}

func (d *eventDocument) append(b []byte) []byte {
	o := open(b)
	o.b = append(d.Muster.append(append(o.b, `"muster":`...)), ',')
	o.date(`"@timestamp":`, d.Timestamp)
	o.full(`"event.action":`, d.Action)
	o.full(`"event.provider":`, d.Provider)
	o.text(`"event.outcome":`, d.Outcome)
	o.full(`"cloud.account.id":`, d.Account)
	o.full(`"cloud.region":`, d.Region)
	o.full(`"service.name":`, d.Service)
	o.full(`"user.name":`, d.User)
	o.full(`"source.address":`, d.Source)
	o.full(`"user_agent.original":`, d.Agent)
	o.full(`"error.code":`, d.Error)
	o.full(`"trace.id":`, d.Trace)
	o.full(`"message":`, d.Message)
	o.texts(`"resources":`, d.Resources)
	return o.close()
}

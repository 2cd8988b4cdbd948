package localaws

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// segmentsOf turns spans into X-Ray's documents as the collector's awsxray
// exporter does: one document a span. A server's span, or one without a parent,
// is a segment; every other is a subsegment that is sent alone.
func segmentsOf(all []*otlp.ResourceSpans) []string {
	var out []string
	for _, r := range all {
		resource := attributesOf(r.GetResource())
		for _, scope := range r.ScopeSpans {
			for _, span := range scope.Spans {
				document, err := json.Marshal(exportedSegment(span, resource))
				if err != nil {
					continue // no number that JSON knows: nothing that an SDK sends
				}
				out = append(out, string(document))
			}
		}
	}
	return out
}

func attributesOf(r *resources.Resource) map[string]any { return valuesOf(r.GetAttributes()) }

func valuesOf(all []*common.KeyValue) map[string]any {
	out := make(map[string]any, len(all))
	for _, kv := range all {
		out[kv.Key] = valueOf(kv.Value)
	}
	return out
}

func valueOf(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_ArrayValue:
		out := make([]any, 0, len(v.ArrayValue.Values))
		for _, item := range v.ArrayValue.Values {
			out = append(out, valueOf(item))
		}
		return out
	case *common.AnyValue_KvlistValue:
		return valuesOf(v.KvlistValue.Values)
	}
	return nil
}

// exported is one span on its way to a document. What has found a place is
// taken out of its attributes; the rest becomes annotations and metadata.
type exported struct {
	span       *otlp.Span
	resource   map[string]any
	attributes map[string]any
	document   map[string]any
}

// badNameRunes are what a name may not have: the exporter leaves it out.
var badNameRunes = regexp.MustCompile(`[^ 0-9\pL_.:/%&#=+\\\-@]`)

func exportedSegment(span *otlp.Span, resource map[string]any) map[string]any {
	e := exported{span: span, resource: resource, attributes: valuesOf(span.Attributes), document: make(map[string]any)}
	trace, d := hex.EncodeToString(span.TraceId), e.document
	d["id"], d["trace_id"] = hex.EncodeToString(span.SpanId), "1-"+trace[:min(8, len(trace))]+"-"+trace[min(8, len(trace)):]
	d["start_time"], d["end_time"] = float64(span.StartTimeUnixNano)/1e9, float64(span.EndTimeUnixNano)/1e9
	if len(span.ParentSpanId) > 0 {
		d["parent_id"] = hex.EncodeToString(span.ParentSpanId)
	}
	isSegment := span.Kind == otlp.Span_SPAN_KIND_SERVER || len(span.ParentSpanId) == 0
	if !isSegment {
		d["type"] = "subsegment"
	}
	e.name()
	e.outcome()
	e.http()
	e.aws()
	if version, ok := resource["service.version"].(string); ok {
		d["service"] = map[string]any{"version": version}
	}
	e.links()
	e.rest(isSegment)
	return d
}

// text is a string attribute; "" for none.
func (e *exported) text(key string) string {
	s, _ := e.attributes[key].(string)
	return s
}

// name sets name and namespace. X-Ray's names are those of services, where
// OpenTelemetry's are those of operations.
func (e *exported) name() {
	isAWS := e.text("rpc.system") == "aws-api"
	name := cmp.Or(e.text("peer.service"), e.text("aws.service"))
	if name == "" && e.span.Kind == otlp.Span_SPAN_KIND_SERVER {
		name, _ = e.resource["service.name"].(string)
	}
	name = cmp.Or(name, e.text("rpc.service"), e.text("http.host"), e.text("net.peer.name"), e.text("server.address"),
		badNameRunes.ReplaceAllString(e.span.Name, ""), "span")
	e.document["name"] = name
	switch {
	case isAWS:
		e.document["namespace"] = "aws"
	case e.span.Kind == otlp.Span_SPAN_KIND_CLIENT:
		e.document["namespace"] = "remote"
	}
}

// outcome sets error, fault, throttle and cause. The status of HTTP decides
// where there is one.
func (e *exported) outcome() {
	failed := e.span.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR
	code, _ := cmpAny(e.attributes["http.response.status_code"], e.attributes["http.status_code"]).(int64)
	switch {
	case code >= http.StatusInternalServerError && code < 600:
		e.document["fault"] = true
	case code >= http.StatusBadRequest && code < http.StatusInternalServerError:
		e.document["error"] = true
		if code == http.StatusTooManyRequests {
			e.document["throttle"] = true
		}
	case failed:
		e.document["fault"] = true
	}
	remote := e.span.Kind == otlp.Span_SPAN_KIND_CLIENT || e.span.Kind == otlp.Span_SPAN_KIND_PRODUCER
	var exceptions []any
	for _, event := range e.span.Events {
		if event.Name != "exception" {
			continue
		}
		said := valuesOf(event.Attributes)
		exceptions = append(exceptions, map[string]any{
			"id": newHex(16), "type": said["exception.type"], "message": said["exception.message"], "remote": remote,
		})
	}
	if len(exceptions) == 0 && failed && e.span.Status.Message != "" {
		exceptions = append(exceptions, map[string]any{"id": newHex(16), "message": e.span.Status.Message})
	}
	if len(exceptions) > 0 {
		e.document["cause"] = map[string]any{"exceptions": exceptions}
	}
}

func cmpAny(a, b any) any {
	if a != nil {
		return a
	}
	return b
}

// take removes the first of several attributes that is there.
func (e *exported) take(keys ...string) any {
	var found any
	for _, key := range keys {
		if v, ok := e.attributes[key]; ok {
			found = cmpAny(found, v)
			delete(e.attributes, key)
		}
	}
	return found
}

// http sets the http block, from the names of either semantic convention.
func (e *exported) http() {
	request, response := make(map[string]any), make(map[string]any)
	put := func(to map[string]any, key string, v any) {
		if v != nil && v != "" {
			to[key] = v
		}
	}
	method := e.take("http.request.method", "http.method")
	status := e.take("http.response.status_code", "http.status_code")
	if method == nil && status == nil {
		return
	}
	put(request, "method", method)
	put(request, "user_agent", e.take("user_agent.original", "http.user_agent"))
	put(request, "client_ip", e.take("client.address", "http.client_ip"))
	put(request, "url", e.url())
	put(response, "status", status)
	put(response, "content_length", e.take("http.response.body.size", "http.response_content_length"))
	e.document["http"] = map[string]any{"request": request, "response": response}
}

// url is the full URL of a client's span, and is put together for a server's.
func (e *exported) url() any {
	if full := e.take("url.full", "http.url"); full != nil {
		return full
	}
	host, _ := e.take("server.address", "http.host", "net.host.name").(string)
	path, _ := e.take("url.path", "http.target").(string)
	scheme, _ := e.take("url.scheme", "http.scheme").(string)
	if host == "" {
		return nil
	}
	return cmp.Or(scheme, "http") + "://" + host + path
}

// aws sets the aws block.
func (e *exported) aws() {
	aws := map[string]any{"xray": map[string]any{
		"sdk": "opentelemetry for " + cmp.Or(asText(e.resource["telemetry.sdk.language"]), "go"), "auto_instrumentation": false,
		"sdk_version": asText(e.resource["telemetry.sdk.version"]),
	}}
	for key, names := range map[string][]string{
		"operation": {"rpc.method", "aws.operation"}, "region": {"cloud.region", "aws.region"},
		"request_id": {"aws.request_id", "aws.requestId", "aws.request.id"}, "queue_url": {"aws.queue_url", "aws.queue.url"},
		"table_name": {"aws.table_name", "aws.table.name"},
	} {
		if v := e.take(names...); v != nil {
			aws[key] = v
		}
	}
	e.document["aws"] = aws
}

func asText(v any) string {
	s, _ := v.(string)
	return s
}

func (e *exported) links() {
	var links []any
	for _, l := range e.span.Links {
		trace := hex.EncodeToString(l.TraceId)
		if len(trace) != 32 {
			continue
		}
		links = append(links, map[string]any{"trace_id": "1-" + trace[:8] + "-" + trace[8:], "id": hex.EncodeToString(l.SpanId)})
	}
	if len(links) > 0 {
		e.document["links"] = links
	}
}

// annotationsAttribute lists the attributes that are to be annotations.
const annotationsAttribute = "aws.xray.annotations"

// badKeyRunes are what a key of an annotation may not have.
var badKeyRunes = regexp.MustCompile(`[^0-9a-zA-Z_.]`)

// rest puts what has no place of its own into annotations and metadata, and
// what the resource says into the metadata of segments.
func (e *exported) rest(isSegment bool) {
	asked, _ := e.take(annotationsAttribute).([]any)
	if user := asText(e.take("enduser.id")); user != "" {
		e.document["user"] = user
	}
	annotations, metadata := make(map[string]any), make(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(e.attributes)) {
		if slices.Contains(asked, any(key)) {
			annotations[badKeyRunes.ReplaceAllString(key, "_")] = e.attributes[key]
		} else {
			metadata[key] = e.attributes[key]
		}
	}
	if isSegment {
		for key, v := range e.resource {
			metadata["otel.resource."+key] = v
		}
	}
	if len(annotations) > 0 {
		e.document["annotations"] = annotations
	}
	if len(metadata) > 0 {
		e.document["metadata"] = map[string]any{"default": metadata}
	}
}

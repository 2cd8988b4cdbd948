package collectors

import (
	"strings"

	"muster/fleet"
)

// clientFields hold what a client sent, by the folded name of the field: an id
// that only stands in one of them is nobody's word where the line is of an access
// log.
var clientFields = map[string]bool{
	"path": true, "resourcepath": true, "rawpath": true, "rawquerystring": true, "querystring": true,
	"useragent": true, "referer": true, "referrer": true, "url": true, "uri": true, "requesturi": true,
	"request": true, "xforwardedfor": true, "xenvoyoriginalpath": true,
}

func isClientField(key []byte) bool {
	const longest = 24 // of clientFields, with its separators
	if len(key) > longest {
		return false
	}
	var buf [maxName]byte
	return clientFields[string(foldName(&buf, key))]
}

// accessJSON reads the fields of a line that is of an access log in JSON, whose
// fields are named as AWS's and Envoy's documents name them, and reports whether
// it is. A line with a message of its own is the fleet's.
func (s *lineScan) accessJSON() bool {
	if s.message != "" || s.hasInner {
		return false
	}
	return s.gatewayJSON() || s.envoyJSON()
}

// attribute is the first of some attributes that says something.
func (s *lineScan) attribute(names ...string) string {
	for _, n := range names {
		if v := s.attributes.Get(n); v != "" && v != "-" {
			return v
		}
	}
	return ""
}

// gatewayJSON reads what API Gateway logs of a REST, HTTP or WebSocket API.
func (s *lineScan) gatewayJSON() bool {
	status := s.attribute("status", "statusCode", "integrationStatus")
	method := s.attribute("httpMethod")
	route := s.attribute("routeKey")
	of := s.attribute("resourcePath", "routeKey", "apiId", "stage", "requestTime", "requestTimeEpoch", "domainName", "extendedRequestId")
	if !isStatus(status) || method == "" && route == "" || of == "" || s.keys.Request == "" {
		return false
	}
	path := s.attribute("path", "rawPath", "resourcePath")
	if m, p, ok := strings.Cut(route, " "); ok { // "GET /orders/{id}"; "$default" has no method
		method, path = firstOf(method, m), firstOf(path, p)
	}
	s.accessed(access{
		format: formatAPIGateway, method: method, target: firstOf(path, route), status: status,
		client: s.attribute("ip", "sourceIp", "sourceIP", "clientIp", "identity.sourceIp"),
		agent:  s.attribute("userAgent", "identity.userAgent"),
		took:   s.attribute("responseLatency", "latency"),
	})
	// The integration's id is the invocation's: it joins a request whose trace was
	// not logged to the function that served it.
	if id := s.attribute("integrationRequestId", "integration.requestId", "awsEndpointRequestId"); id != "" {
		s.set("api_request_id", s.keys.Request)
		s.takeRequest(id, fleet.ScopeLambda)
	}
	return true
}

// envoyJSON reads what Envoy logs where it logs JSON.
func (s *lineScan) envoyJSON() bool {
	status := s.attribute("response_code")
	method := s.attribute("method", ":method")
	if !isStatus(status) || method == "" || !isMethod(method) ||
		s.attribute("upstream_host", "upstream_cluster", "authority", "bytes_received", "start_time") == "" {
		return false
	}
	forwarded, _, _ := strings.Cut(s.attribute("x_forwarded_for", "downstream_remote_address"), ",")
	s.accessed(access{
		format: formatEnvoy, method: method, target: s.attribute("path", "x-envoy-original-path"), status: status,
		client: withoutPort(forwarded), agent: s.attribute("user_agent"), took: s.attribute("duration"),
	})
	s.when = firstOf(s.when, s.attribute("start_time"))
	s.set("upstream", s.attribute("upstream_host"))
	return true
}

package collectors

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// Formats of lines that are more than a fleet's own words, as the attribute
// log_format names them.
const (
	attrLogFormat     = "log_format"
	formatAPIGateway  = "apigateway"
	formatBalancer    = "alb"
	formatEnvoy       = "envoy"
	formatCommon      = "clf" // NCSA's, of whatever server writes it
	formatLambdaStats = "lambda-report"
)

// access is what a line of an access log says of one request.
type access struct {
	format         string
	method, target string // target as it was logged: a path or a URL
	status         string
	client, agent  string
	took           string // in milliseconds, decimal
}

// accessed makes the line one of an access log.
func (s *lineScan) accessed(a access) {
	s.set(attrLogFormat, a.format)
	s.set(fleet.AttrHTTPMethod, a.method)
	if isStatus(a.status) && a.status != "0" {
		s.set(fleet.AttrHTTPStatus, a.status)
		s.fault = faultOf(a.status)
	}
	s.set(fleet.AttrSourceIP, a.client)
	s.set(fleet.AttrUserAgent, a.agent)
	s.set("duration_ms", a.took)
	name := "http_path"
	if strings.Contains(a.target, "://") {
		name = "http_url"
	}
	s.set(name, a.target)
	words := []string{a.method, a.target, a.status}
	if a.took != "" {
		words = append(words, a.took+" ms")
	}
	s.message = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// set adds an attribute; "-" is how access logs spell nothing.
func (s *lineScan) set(name, value string) {
	if value != "-" {
		set(&s.attributes, name, value)
	}
}

// faultOf is how a span would call what a status says.
func faultOf(status string) string {
	switch {
	case status == "429":
		return "throttle"
	case status[0] == '4':
		return "error"
	case status[0] == '5':
		return "fault"
	}
	return ""
}

// access reads a line of text that is of an access log, and reports whether it
// was. The ids are taken from where the server wrote them: what a client sent,
// its URL and its agent, may say anything.
func (s *lineScan) access(raw []byte) bool {
	if len(raw) == 0 || !mayBeAccess(raw) {
		return false
	}
	cs := columns(raw)
	switch {
	case raw[0] == '[':
		return s.envoy(raw, cs)
	case len(cs) > 0 && balancerTypes[cs[0].text]:
		return s.balancer(cs)
	}
	return s.common(raw, cs)
}

// mayBeAccess passes over most other lines at a glance: a request stands in
// quotes, near the beginning.
func mayBeAccess(raw []byte) bool {
	const near = 512 // addresses, times and sizes stand before it
	quote := bytes.IndexByte(raw[:min(near, len(raw))], '"')
	if quote < 0 || quote+1 == len(raw) {
		return false
	}
	c := raw[quote+1]
	return c >= 'A' && c <= 'Z' || c == '-'
}

// What stands behind the flags in Envoy's lines: bytes in and out, the time and
// the upstream's; then who it was forwarded for, agent, request id, authority and
// upstream host.
const envoyNumbers, envoyTexts = 4, 5

func areNumbers(cs []column) bool {
	return !slices.ContainsFunc(cs, func(c column) bool { return !c.isNumber() })
}

// envoy reads Envoy's default format, which App Mesh's proxies have too, and the
// longer one of Istio.
func (s *lineScan) envoy(raw []byte, cs []column) bool {
	const least, numbersAt, details = 13, 4, 3
	if len(cs) < least || cs[0].quote != '[' || cs[1].quote != '"' || !isStatus(cs[2].text) {
		return false
	}
	method, target, ok := requestLine(cs[1].text)
	if _, err := time.Parse(time.RFC3339Nano, cs[0].text); err != nil || !ok {
		return false
	}
	at := numbersAt
	if !areNumbers(cs[at : at+envoyNumbers]) { // Istio says why before it
		at += details
	}
	if len(cs) < at+envoyNumbers+envoyTexts || !areNumbers(cs[at:at+envoyNumbers]) {
		return false
	}
	s.when = cs[0].text
	if at > numbersAt {
		s.set("response_details", cs[numbersAt].text)
	}
	tail := cs[at+envoyNumbers:]
	forwarded, _, _ := strings.Cut(tail[0].value(), ",")
	s.accessed(access{
		format: formatEnvoy, method: method, target: target, status: cs[2].text,
		client: forwarded, agent: tail[1].value(), took: cs[at+2].value(),
	})
	s.set("response_flags", cs[3].text)
	s.set("request_bytes", cs[at].text)
	s.set("response_bytes", cs[at+1].text)
	s.set("upstream_ms", cs[at+3].text)
	s.take(appRequestKey, tail[2].text)
	s.set("authority", tail[3].text)
	s.set("upstream", tail[4].text)
	s.text(raw[tail[4].behind:]) // what a fleet added to the format
	return true
}

// common reads the Common Log Format: API Gateway's, which ends in its request
// id, and that of servers, which may end in the referrer and the agent.
func (s *lineScan) common(raw []byte, cs []column) bool {
	const least = 7
	if len(cs) < least || cs[0].quote != 0 || cs[3].quote != '[' || cs[4].quote != '"' || !isStatus(cs[5].text) {
		return false
	}
	method, target, ok := requestLine(cs[4].text)
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", cs[3].text)
	if err != nil || !ok {
		return false
	}
	s.when = at.UTC().Format(time.RFC3339Nano)
	a := access{format: formatCommon, method: method, target: target, status: cs[5].text, client: cs[0].value()}
	behind := cs[6].behind
	if rest := cs[least:]; len(rest) >= 2 && rest[0].quote == '"' && rest[1].quote == '"' {
		a.agent = rest[1].value()
		behind = rest[1].behind
	} else if len(rest) > 0 && rest[0].quote == 0 && isGatewayID(rest[0].text) {
		a.format = formatAPIGateway
		s.take(appRequestKey, rest[0].text)
		behind = rest[0].behind
	}
	s.accessed(a)
	s.set("response_bytes", cs[6].text)
	s.set("caller", cs[1].text)
	s.set("user", cs[2].text)
	s.text(raw[behind:])
	return true
}

// isGatewayID reports whether a text is a request id of API Gateway: a UUID of a
// REST API, or the shorter one of an HTTP API, which ends in a sign of base64.
func isGatewayID(s string) bool {
	const uuidLength, shortest, longest = 36, 15, 20
	if len(s) == uuidLength && strings.Count(s, "-") == 4 {
		return true
	}
	return len(s) >= shortest && len(s) <= longest && strings.HasSuffix(s, "=")
}

// balancerTypes are what the lines of an Application Load Balancer begin with.
var balancerTypes = map[string]bool{"http": true, "https": true, "h2": true, "grpcs": true, "ws": true, "wss": true}

// Columns of an Application Load Balancer's lines.
const (
	albTime = iota + 1
	albName
	albClient
	albTarget
	albRequestTime
	albTargetTime
	albResponseTime
	albStatus
	albTargetStatus
	albReceived
	albSent
	albRequest
	albAgent
	albCipher
	albProtocol
	albGroup
	albTrace
	albDomain
	albCertificate
	albRule
	albCreated
	albActions
	albRedirect
	albErrorReason
)

// balancer reads a line of an Application Load Balancer.
func (s *lineScan) balancer(cs []column) bool {
	if len(cs) <= albTrace || cs[albRequest].quote != '"' || cs[albTrace].quote != '"' {
		return false
	}
	method, target, ok := requestLine(cs[albRequest].text)
	if _, err := time.Parse(time.RFC3339Nano, cs[albTime].text); err != nil || !ok {
		return false
	}
	s.when = cs[albTime].text
	s.accessed(access{
		format: formatBalancer, method: method, target: target, status: cs[albStatus].text,
		client: withoutPort(cs[albClient].value()), agent: cs[albAgent].value(),
		took: sumMillis(cs[albRequestTime], cs[albTargetTime], cs[albResponseTime]),
	})
	s.takeTrace(cs[albTrace].text)
	s.set("load_balancer", cs[albName].text)
	s.set("target", cs[albTarget].text)
	s.set("target_status", cs[albTargetStatus].text)
	s.set("request_bytes", cs[albReceived].text)
	s.set("response_bytes", cs[albSent].text)
	s.set("target_group", cs[albGroup].text)
	for name, i := range map[string]int{"domain": albDomain, "actions": albActions, "error_reason": albErrorReason} {
		if i < len(cs) {
			s.set(name, cs[i].text)
		}
	}
	if s.service == "" {
		s.service = balancerName(cs[albName].text)
	}
	return true
}

// balancerName is "orders" of "app/orders/50dc6c495c0c9188".
func balancerName(resource string) string {
	parts := strings.Split(resource, "/")
	if len(parts) == 3 {
		return parts[1]
	}
	return resource
}

func withoutPort(address string) string {
	if i := strings.LastIndexByte(address, ':'); i > 0 && isDigits(address[i+1:]) {
		return strings.Trim(address[:i], "[]")
	}
	return address
}

// sumMillis adds times in seconds; one that is -1 did not end.
func sumMillis(cs ...column) string {
	sum := 0.0
	for _, c := range cs {
		seconds, err := strconv.ParseFloat(c.text, 64)
		if err != nil || seconds < 0 {
			return ""
		}
		sum += seconds
	}
	return strconv.FormatFloat(math.Round(sum*1e6)/1e3, 'f', -1, 64) // AWS gives microseconds
}

package collectors

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/fleet"
)

// keyName says which key a field, annotation or "name: value" holds.
type keyName int

const (
	noKey keyName = iota
	traceKey
	xrayRootKey // "Root=1-…": a trace in X-Ray's spelling only
	spanKey
	awsRequestKey
	lambdaRequestKey
	requestKey // whose id it is depends on what is around it
	appRequestKey
	messageKey
	correlationKey
)

// keyNames are the names by which ids appear in logs and annotations, without
// case and separators.
var keyNames = map[string]keyName{
	"traceid": traceKey, "xraytraceid": traceKey, "awsxraytraceid": traceKey, "xamzntraceid": traceKey,
	"amzntraceid": traceKey, "oteltraceid": traceKey, "traceparent": traceKey, "trace": traceKey,
	"root":   xrayRootKey,
	"spanid": spanKey, "otelspanid": spanKey, "segmentid": spanKey,
	"awsrequestid": awsRequestKey, "xamznrequestid": awsRequestKey, "xamzrequestid": awsRequestKey,
	"lambdarequestid": lambdaRequestKey, "functionrequestid": lambdaRequestKey,
	"requestid": requestKey, "xrequestid": appRequestKey,
	"messageid": messageKey, "messageids": messageKey, "snsmessageid": messageKey, "sqsmessageid": messageKey,
	"correlationid": correlationKey, "xcorrelationid": correlationKey,
}

// Bounds on ids from outside.
const (
	maxIDBytes    = 256 // Secrets Manager hands out request ids of 143
	maxMessageIDs = 32  // SQS hands out 10 at a time
)

// keyScan collects the ids that one record shows. The first id of a kind wins;
// of request ids, the most telling scope does: the invocation that a line
// belongs to, then the AWS call that it is about, then a client's header.
type keyScan struct {
	keys   fleet.Keys
	lambda bool // the line is a Lambda function's
}

func lookupKey(name []byte) keyName {
	const longest = 24 // of keyNames, with its separators
	if len(name) < len("root") || len(name) > longest {
		return noKey
	}
	var buf [maxName]byte
	return keyNames[string(foldName(&buf, name))]
}

// field takes an id from a JSON field or an annotation, and reports whether the
// field is one that holds ids.
func (s *keyScan) field(path, key []byte, value string) bool {
	name := lookupKey(key)
	if name == noKey && len(path) > len(key) {
		name = lookupKey(lastTwo(path)) // {"trace":{"id":…}}
	}
	value = strings.TrimSpace(value)
	if name == noKey || !isID(value) {
		return false
	}
	s.take(name, value)
	return true
}

// lastTwo is the end of a dotted path: "b.c" of "a.b.c".
func lastTwo(path []byte) []byte {
	i := bytes.LastIndexByte(path, '.')
	if i < 0 {
		return path
	}
	return path[bytes.LastIndexByte(path[:i], '.')+1:]
}

// text takes ids from free text: "name: value", "name=value", and JSON in it.
// It is linear and allocates only for what it finds.
func (s *keyScan) text(text []byte) {
	for i := range text {
		if text[i] != ':' && text[i] != '=' {
			continue
		}
		name, _ := nameBefore(text, i)
		found := lookupKey(name)
		if found == noKey {
			if found = requestIDBefore(text, i, name); found == noKey {
				continue
			}
		}
		if found == requestKey {
			found = s.whoseRequest(text, i)
		}
		near := text[:min(len(text), i+maxTraceHeader)] // keeps hostile text linear
		start, end := valueAfter(near, i+1)
		s.take(found, strings.TrimRight(string(near[start:end]), "."))
	}
}

// requestIDBefore finds the name with a space in it, "Request ID: …" of AWS's errors.
func requestIDBefore(text []byte, i int, name []byte) keyName {
	const words = "request id"
	if len(name) != len("id") || i < len(words) || !bytes.EqualFold(text[i-len(words):i], []byte(words)) {
		return noKey
	}
	return requestKey
}

// whoseRequest tells the scope of a bare "RequestId" in text: an invocation's
// in the lines that Lambda itself writes, an AWS service's in the text of an
// SDK's error, else the application's.
func (s *keyScan) whoseRequest(text []byte, at int) keyName {
	if s.lambda || isLambdaPlatformLine(text) {
		return lambdaRequestKey
	}
	const near = 160 // an SDK puts the status code right before the id
	before := text[max(0, at-near):at]
	if bytes.Contains(before, []byte("StatusCode:")) || bytes.Contains(before, []byte("tatus code:")) ||
		bytes.Contains(before, []byte("tatus Code:")) || bytes.Contains(before, []byte("(Service:")) {
		return awsRequestKey
	}
	return requestKey
}

func isLambdaPlatformLine(text []byte) bool {
	for _, p := range []string{"START RequestId: ", "END RequestId: ", "REPORT RequestId: "} {
		if len(text) > len(p) && string(text[:len(p)]) == p {
			return true
		}
	}
	return false
}

// take keeps an id, if it is one and none of its kind is kept yet.
func (s *keyScan) take(name keyName, value string) {
	k := &s.keys
	switch name {
	case traceKey:
		s.takeTrace(value)
	case xrayRootKey:
		if strings.HasPrefix(value, "1-") {
			s.takeTrace(value)
		}
	case spanKey:
		if id, ok := fleet.ParseSpanID(value); ok && k.Span == "" {
			k.Span = id
		}
	case awsRequestKey:
		s.takeRequest(value, fleet.ScopeAWS)
	case lambdaRequestKey:
		s.takeRequest(value, fleet.ScopeLambda)
	case requestKey, appRequestKey:
		if s.lambda && name == requestKey {
			s.takeRequest(value, fleet.ScopeLambda)
			return
		}
		s.takeRequest(value, fleet.ScopeApp)
	case messageKey:
		if isID(value) && len(k.Messages) < maxMessageIDs && !slices.Contains(k.Messages, value) {
			k.Messages = append(k.Messages, value)
		}
	case correlationKey:
		if isID(value) && k.Correlation == "" {
			k.Correlation = value
		}
	case noKey:
	}
}

func (s *keyScan) takeTrace(value string) {
	trace, span, ok := parseTrace(value)
	if !ok {
		return
	}
	if s.keys.Trace == "" {
		s.keys.Trace = trace
	}
	if s.keys.Span == "" && s.keys.Trace == trace {
		s.keys.Span = span
	}
}

func (s *keyScan) takeRequest(value string, scope fleet.Scope) {
	if isID(value) && scopeRank(scope) > scopeRank(s.keys.Scope) {
		s.keys.Request, s.keys.Scope = value, scope
	}
}

func scopeRank(s fleet.Scope) int {
	return slices.Index([]fleet.Scope{"", fleet.ScopeApp, fleet.ScopeAWS, fleet.ScopeLambda}, s)
}

// maxTraceHeader bounds a trace header: the id and three more fields.
const maxTraceHeader = 512

// parseTrace reads a trace id in any spelling: 32 hex digits, X-Ray's "1-8-24",
// W3C's traceparent (whose span id it returns too), X-Ray's header, or "id@span". The zero
// id, which an unsampled SDK context yields, is none.
func parseTrace(s string) (trace, span string, ok bool) {
	if i := strings.Index(s, "Root="); i >= 0 {
		s, _, _ = strings.Cut(s[i+len("Root="):], ";")
	}
	const traceparentLength = 55 // 00-<32>-<16>-<2>
	if len(s) == traceparentLength && s[2] == '-' && s[35] == '-' && s[52] == '-' {
		trace, ok = fleet.ParseTraceID(s[3:35])
		if ok {
			span, _ = fleet.ParseSpanID(s[36:52])
		}
		return trace, span, ok
	}
	s, after, _ := strings.Cut(s, "@") // what X-Ray's SDK for Java puts into log lines
	if trace, ok = fleet.ParseTraceID(s); ok {
		span, _ = fleet.ParseSpanID(after)
	}
	return trace, span, ok
}

// longestNoID is the length of the longest word that says that there is no id.
const longestNoID = max(len("undefined"), len(maskMark))

// isID reports whether a value can be an id: one word of printable bytes that
// does not just say that there is none.
func isID(s string) bool {
	if s == "" || len(s) > maxIDBytes || !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	if len(s) > longestNoID {
		return true
	}
	switch strings.ToLower(s) {
	case "-", "null", "nil", "none", "undefined", "n/a", "(null)", "<nil>", "true", "false", maskMark:
		return false
	}
	return true
}

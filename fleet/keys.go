package fleet

import (
	"slices"
	"strings"
)

// Keys are the ids by which a record is joined to others. In Record.Seen they
// are as observed and their links are zero; in Record.Keys they are resolved.
type Keys struct {
	// Trace is 32 lower-case hex digits, never all zeros; "" for none.
	Trace string
	// Span and Parent are 16 lower-case hex digits; resolving never changes them.
	Span   string
	Parent string
	// Request is a request id; Scope says who handed it out.
	Request string
	Scope   Scope
	// Messages are the ids of queue or topic messages sent or received.
	Messages []string
	// Correlation is the application's id of a business journey.
	Correlation string
	// AccessKey is the key that an API call was made with, and IssuedKey the
	// temporary key that it handed out. Neither is a secret.
	AccessKey string
	IssuedKey string
	// Origin is the principal behind a temporary credential. Resolved only.
	Origin string

	TraceLink       Link
	RequestLink     Link
	CorrelationLink Link
	OriginLink      Link
}

// Amend sets what resolving gives: trace, request, correlation and origin, each
// with its link. The rest is as it was seen.
func (k *Keys) Amend(a *Keys) {
	k.Trace, k.TraceLink = a.Trace, a.TraceLink
	k.Request, k.Scope, k.RequestLink = a.Request, a.Scope, a.RequestLink
	k.Correlation, k.CorrelationLink = a.Correlation, a.CorrelationLink
	k.Origin, k.OriginLink = a.Origin, a.OriginLink
}

// Scope says who handed out a request id; ids join within one scope only.
type Scope string

// The scopes of request ids.
const (
	ScopeAWS    Scope = "aws"    // an AWS service's answer: joins API calls
	ScopeLambda Scope = "lambda" // an invocation: joins its log lines
	ScopeApp    Scope = "app"    // a client's header: joins what shows the same header
)

// Link says how a resolved key came to be. The zero Link means that there is no key.
type Link struct {
	Via  Rung
	Sure Certainty
}

// Rung is a step of the ladder.
type Rung string

// The rungs in the order in which they run. RungSeen is no rung: the record
// showed the key itself.
const (
	RungSeen    Rung = "seen"
	RungTouch   Rung = "touch"
	RungRequest Rung = "request"
	RungMessage Rung = "message"
	RungTrace   Rung = "trace"
	RungSession Rung = "session"
)

// Rungs lists the rungs in the order in which they run.
func Rungs() []Rung {
	return []Rung{RungSeen, RungTouch, RungRequest, RungMessage, RungTrace, RungSession}
}

// Certainty says how sure a link is.
type Certainty string

// The certainties. A chain is as sure as its weakest link.
const (
	Exact    Certainty = "exact"
	Inferred Certainty = "inferred"
)

// Weakest is the certainty of a chain of links.
func Weakest(cs ...Certainty) Certainty {
	if slices.Contains(cs, Inferred) {
		return Inferred
	}
	return Exact
}

const (
	traceDigits = 32
	spanDigits  = 16
)

// ParseTraceID turns either spelling of a trace id, X-Ray's "1-8-24" or W3C's
// 32 hex digits in any case, into muster's: 32 lower-case hex digits. The zero
// id, which an unsampled SDK context yields, is no id.
func ParseTraceID(s string) (string, bool) {
	if len(s) == traceDigits+3 && s[0] == '1' && s[1] == '-' && s[10] == '-' {
		s = s[2:10] + s[11:]
	}
	return hexID(s, traceDigits)
}

// ParseSpanID reads a span or segment id: 16 hex digits in any case, which come
// back in lower case. The zero id is no id.
func ParseSpanID(s string) (string, bool) { return hexID(s, spanDigits) }

// hexID is s in lower case if it is so many hex digits, not all of them zero.
func hexID(s string, digits int) (string, bool) {
	if len(s) != digits {
		return "", false
	}
	zero, lower := true, true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '0':
		case c >= '1' && c <= '9' || c >= 'a' && c <= 'f':
			zero = false
		case c >= 'A' && c <= 'F':
			zero, lower = false, false
		default:
			return "", false
		}
	}
	if zero {
		return "", false
	}
	if !lower {
		s = strings.ToLower(s)
	}
	return s, true
}

// FormatTraceID spells a trace id as X-Ray and people do: "1-8-24". Anything
// that is not 32 digits comes back as it is.
func FormatTraceID(id string) string {
	if len(id) != traceDigits {
		return id
	}
	return "1-" + id[:8] + "-" + id[8:]
}

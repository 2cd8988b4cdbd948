package correlate

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

//go:embed outofband.sql
var outOfBandSQL string

// OutOfBandSQL is OutOfBand as one SELECT over the views api_calls, spans and
// logs, in Trino's dialect, which DuckDB and Athena read too: outofband.sql,
// where its columns are listed.
func OutOfBandSQL() string { return outOfBandSQL }

// Unaccounted is an API call made with a role that no span accounts for.
type Unaccounted struct {
	Call   fleet.Ref
	Role   string // the session's ARN up to its name
	Reason Reason
	Sure   fleet.Certainty
}

// Reason says why no span accounts for a call.
type Reason string

// The reasons, in the order in which they are thought of: the first that holds
// is given.
const (
	// OtherAddress: none of the role's traced calls comes from that network.
	OtherAddress Reason = "other address"
	// OtherAgent: none of the role's traced calls is made with that program.
	OtherAgent Reason = "other user agent"
	// Unsampled: the call, or a log line with its request id, shows a trace that
	// has no spans; or, inferred, all else about the call is as in those traced.
	Unsampled Reason = "unsampled"
	// Retried: it failed, and a traced call of the same kind followed within a
	// minute. A span keeps the request id of the last attempt only.
	Retried Reason = "retried"
	// Uninstrumented: no call of the role is traced, or none to that operation.
	Uninstrumented Reason = "uninstrumented"
)

// retryWindow is how long an SDK tries again: its longest wait between attempts
// is 20 seconds, and it makes three.
const retryWindow = time.Minute

// roleCall is what the answer needs of one call with a role.
type roleCall struct {
	ref                         fleet.Ref
	timeUS                      int64
	role, network, agent        string
	operation                   string // event source and name
	request, trace              string
	failed, byRequest, withSpan bool
}

// OutOfBand lists the API calls of some resolved records that were made with a
// role and that no span accounts for: none shows their request id, and none is
// of their trace. Calls that AWS makes on a role's behalf, which show a name in
// place of an address, are not among them. The answer is in the order of time,
// and does not depend on that of the records.
func OutOfBand(rs []fleet.Record) []Unaccounted {
	var b Bands
	for i := range rs {
		b.Add(&rs[i])
	}
	return b.OutOfBand()
}

// Bands takes in resolved records one by one, for OutOfBand. It keeps no more of
// a record than the answer needs. The zero Bands is ready for use.
type Bands struct {
	spans  map[string]struct{} // traces that have any
	logged map[string][]string // the traces that log lines show, by request id
	calls  []roleCall
}

// Add takes in one record.
func (b *Bands) Add(r *fleet.Record) {
	switch r.Kind {
	case fleet.KindSpan:
		if r.Keys.Trace != "" {
			if b.spans == nil {
				b.spans = map[string]struct{}{}
			}
			b.spans[r.Keys.Trace] = struct{}{}
		}
	case fleet.KindLog:
		if r.Seen.Request != "" && r.Seen.Scope == fleet.ScopeAWS && r.Seen.Trace != "" {
			if b.logged == nil {
				b.logged = map[string][]string{}
			}
			if ts := b.logged[r.Seen.Request]; !slices.Contains(ts, r.Seen.Trace) {
				b.logged[r.Seen.Request] = append(ts, r.Seen.Trace)
			}
		}
	case fleet.KindAPICall:
		role, network := RoleOf(r.Principal), networkOf(r.Attributes.Get(fleet.AttrSourceIP))
		if role == "" || network == "" {
			return
		}
		b.calls = append(b.calls, roleCall{
			ref: fleet.Ref{ID: r.ID, Kind: r.Kind, Time: r.Time}, timeUS: r.TimeUS(),
			role: role, network: network, agent: agentOf(r.Attributes.Get(fleet.AttrUserAgent)),
			operation: r.Attributes.Get(fleet.AttrEventSource) + "\x00" + r.Attributes.Get(fleet.AttrEventName),
			request:   r.Keys.Request, trace: r.Keys.Trace,
			failed: r.Error != "", byRequest: r.Keys.TraceLink.Via == fleet.RungRequest,
		})
	}
}

// habit is something that the traced calls of a role do.
type habit struct{ role, what string }

// OutOfBand is the answer for all that was added.
func (b *Bands) OutOfBand() []Unaccounted {
	roles, networks, agents := map[string]bool{}, map[habit]bool{}, map[habit]bool{}
	operations := map[habit][]int64{} // the times of the traced calls
	for i := range b.calls {
		c := &b.calls[i]
		_, spans := b.spans[c.trace]
		if c.withSpan = c.byRequest || spans; c.withSpan {
			roles[c.role] = true
			networks[habit{c.role, c.network}], agents[habit{c.role, c.agent}] = true, true
			operations[habit{c.role, c.operation}] = append(operations[habit{c.role, c.operation}], c.timeUS)
		}
	}
	for _, times := range operations {
		slices.Sort(times)
	}
	var out []Unaccounted
	for i := range b.calls {
		c := &b.calls[i]
		if c.withSpan {
			continue
		}
		u := Unaccounted{Call: c.ref, Role: c.role, Sure: fleet.Inferred}
		traced := operations[habit{c.role, c.operation}]
		switch {
		case roles[c.role] && !networks[habit{c.role, c.network}]:
			u.Reason, u.Sure = OtherAddress, fleet.Exact
		case roles[c.role] && !agents[habit{c.role, c.agent}]:
			u.Reason, u.Sure = OtherAgent, fleet.Exact
		case c.trace != "" || b.loggedWithoutSpans(c.request):
			u.Reason, u.Sure = Unsampled, fleet.Exact
		case c.failed && within(traced, c.timeUS, retryWindow):
			u.Reason = Retried
		case len(traced) == 0:
			u.Reason = Uninstrumented
		default:
			u.Reason = Unsampled
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(x, y Unaccounted) int {
		if c := x.Call.Time.Compare(y.Call.Time); c != 0 {
			return c
		}
		return strings.Compare(x.Call.ID, y.Call.ID)
	})
	return out
}

// loggedWithoutSpans reports whether a log line shows a request together with a
// trace that has no spans.
func (b *Bands) loggedWithoutSpans(request string) bool {
	return request != "" && slices.ContainsFunc(b.logged[request], func(trace string) bool {
		_, spans := b.spans[trace]
		return !spans
	})
}

// within reports whether one of some sorted times is timeUS or up to d later.
func within(times []int64, timeUS int64, d time.Duration) bool {
	at, _ := slices.BinarySearch(times, timeUS)
	return at < len(times) && times[at] <= timeUS+d.Microseconds()
}

var (
	roleForm    = regexp.MustCompile(`^.*?:assumed-role/[^/]+`)
	addressForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)
	privateForm = regexp.MustCompile(`^(10|192\.168|172\.(1[6-9]|2[0-9]|3[01])|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\.`)
)

// RoleOf is the role of a session's ARN, which is what comes before the name of
// the session; "" for a principal that is no session of a role.
func RoleOf(principal string) string { return roleForm.FindString(principal) }

// networkOf is the part of an address by which calls count as coming from one
// place: of a private one the first 16 bits, the largest network that a VPC has;
// of a public one the first 24; of IPv6 the first three groups as written. It is
// "" for the name of an AWS service.
func networkOf(address string) string {
	octets := 3
	switch {
	case strings.Contains(address, ":"):
		return strings.Join(leading(strings.Split(address, ":"), 3), ":")
	case !addressForm.MatchString(address):
		return ""
	case privateForm.MatchString(address):
		octets = 2
	}
	return strings.Join(leading(strings.Split(address, "."), octets), ".")
}

func leading(parts []string, n int) []string { return parts[:min(n, len(parts))] }

// agentOf is the name of the program in a user agent, without its version.
func agentOf(userAgent string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(userAgent, "["), "/")
	return name
}

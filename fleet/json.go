package fleet

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// timeFormat is RFC 3339 in UTC with all six digits of the microseconds, so
// that printed times sort as text.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// FormatTime spells a time as muster's JSON does. The zero time is "".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// recordJSON has the column names of the view "records"; scripts rely on them.
type recordJSON struct {
	ID              string     `json:"id"`
	Revision        int        `json:"revision"`
	Kind            Kind       `json:"kind"`
	Time            string     `json:"time"`
	TimeUS          int64      `json:"time_us"`
	DurationUS      int64      `json:"duration_us"`
	Account         string     `json:"account"`
	Region          string     `json:"region"`
	Service         string     `json:"service"`
	Name            string     `json:"name"`
	Resources       []string   `json:"resources"`
	Principal       string     `json:"principal"`
	Error           string     `json:"error"`
	Message         string     `json:"message"`
	Trace           string     `json:"trace_id"`
	Span            string     `json:"span_id"`
	Parent          string     `json:"parent_id"`
	Request         string     `json:"request_id"`
	RequestScope    Scope      `json:"request_scope"`
	Messages        []string   `json:"message_ids"`
	Correlation     string     `json:"correlation_id"`
	Origin          string     `json:"origin"`
	AccessKey       string     `json:"access_key_id"`
	IssuedKey       string     `json:"issued_key_id"`
	TraceVia        Rung       `json:"trace_via"`
	TraceSure       Certainty  `json:"trace_sure"`
	RequestVia      Rung       `json:"request_via"`
	RequestSure     Certainty  `json:"request_sure"`
	CorrelationVia  Rung       `json:"correlation_via"`
	CorrelationSure Certainty  `json:"correlation_sure"`
	SeenTrace       string     `json:"seen_trace_id"`
	SeenRequest     string     `json:"seen_request_id"`
	SeenCorrelation string     `json:"seen_correlation_id"`
	EventSource     string     `json:"event_source"`
	EventName       string     `json:"event_name"`
	SourceIP        string     `json:"source_ip"`
	UserAgent       string     `json:"user_agent"`
	ReadOnly        bool       `json:"read_only"`
	HTTPMethod      string     `json:"http_method"`
	HTTPStatus      int        `json:"http_status"`
	LogGroup        string     `json:"log_group"`
	Attributes      Attributes `json:"attributes"`
	Raw             string     `json:"raw"`
}

// MarshalJSON spells a record with the column names of the view "records".
func (r Record) MarshalJSON() ([]byte, error) {
	status, _ := strconv.Atoi(r.Attributes.Get(AttrHTTPStatus))
	raw, rest := EncodeRaw(r.Raw), RestAttributes(r.Attributes)
	return json.Marshal(recordJSON{
		ID: r.ID, Revision: r.Revision, Kind: r.Kind,
		Time: FormatTime(r.Time), TimeUS: r.TimeUS(), DurationUS: r.Duration.Microseconds(),
		Account: r.Account, Region: r.Region, Service: r.Service, Name: r.Name,
		Resources: orEmpty(r.Resources), Principal: r.Principal, Error: r.Error, Message: r.Message,
		Trace: r.Keys.Trace, Span: r.Keys.Span, Parent: r.Keys.Parent,
		Request: r.Keys.Request, RequestScope: r.Keys.Scope, Messages: orEmpty(r.Keys.Messages),
		Correlation: r.Keys.Correlation, Origin: r.Keys.Origin,
		AccessKey: r.Keys.AccessKey, IssuedKey: r.Keys.IssuedKey,
		TraceVia: r.Keys.TraceLink.Via, TraceSure: r.Keys.TraceLink.Sure,
		RequestVia: r.Keys.RequestLink.Via, RequestSure: r.Keys.RequestLink.Sure,
		CorrelationVia: r.Keys.CorrelationLink.Via, CorrelationSure: r.Keys.CorrelationLink.Sure,
		SeenTrace: r.Seen.Trace, SeenRequest: r.Seen.Request, SeenCorrelation: r.Seen.Correlation,
		EventSource: r.Attributes.Get(AttrEventSource), EventName: r.Attributes.Get(AttrEventName),
		SourceIP: r.Attributes.Get(AttrSourceIP), UserAgent: r.Attributes.Get(AttrUserAgent),
		ReadOnly:   r.Attributes.Get(AttrReadOnly) == "true",
		HTTPMethod: r.Attributes.Get(AttrHTTPMethod), HTTPStatus: status,
		LogGroup: r.Attributes.Get(AttrLogGroup), Attributes: rest, Raw: raw,
	})
}

// RestAttributes are the attributes without a column of their own. It never
// returns nil, and never the list it was given.
func RestAttributes(all Attributes) Attributes {
	rest, lifted := make(Attributes, 0, len(all)), LiftedAttributes()
	for _, a := range all {
		if !slices.Contains(lifted, a.Name) {
			rest = append(rest, a)
		}
	}
	return rest
}

// rawBase64 marks evidence that is not valid UTF-8 and is therefore stored in base64.
const rawBase64 = "base64:"

// EncodeRaw spells evidence as text: as it is, or marked and in base64 when it
// is not valid UTF-8 (or looks marked already).
func EncodeRaw(raw []byte) string {
	if utf8.Valid(raw) && (len(raw) < len(rawBase64) || string(raw[:len(rawBase64)]) != rawBase64) {
		return string(raw)
	}
	return rawBase64 + base64.StdEncoding.EncodeToString(raw)
}

// DecodeRaw undoes EncodeRaw. Text that was never encoded comes back as it is.
func DecodeRaw(s string) []byte {
	if s == "" {
		return nil
	}
	if len(s) >= len(rawBase64) && s[:len(rawBase64)] == rawBase64 {
		if b, err := base64.StdEncoding.DecodeString(s[len(rawBase64):]); err == nil {
			return b
		}
	}
	return []byte(s)
}

// MarshalJSON spells a finding as scripts rely on.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Fingerprint string   `json:"fingerprint"`
		Policy      string   `json:"policy"`
		Title       string   `json:"title"`
		Severity    Severity `json:"severity"`
		Status      Status   `json:"status"`
		FirstSeen   string   `json:"first_seen"`
		LastSeen    string   `json:"last_seen"`
		Count       int      `json:"count"`
		Message     string   `json:"message"`
		Remedy      string   `json:"remedy"`
		Resource    string   `json:"resource"`
		Service     string   `json:"service"`
		Trace       string   `json:"trace_id"`
		Evidence    []string `json:"evidence"`
	}{
		f.Fingerprint, f.Policy, f.Title, f.Severity, f.Status, FormatTime(f.FirstSeen), FormatTime(f.LastSeen),
		f.Count, f.Message, f.Remedy, f.Resource, f.Service, f.Trace, orEmpty(f.Evidence),
	})
}

// MarshalJSON spells a dossier as scripts rely on.
func (t Trace) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Trace       string    `json:"trace_id"`
		Correlation string    `json:"correlation_id"`
		Records     []Record  `json:"records"`
		Findings    []Finding `json:"findings"`
		Related     []string  `json:"related"`
	}{t.ID, t.Correlation, orEmpty(t.Records), orEmpty(t.Findings), orEmpty(t.Related)})
}

// MarshalJSON spells a line of the trace list with the names of the columns of "records".
func (s Summary) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Trace       string   `json:"trace_id"`
		Correlation string   `json:"correlation_id"`
		Start       string   `json:"time"`
		DurationUS  int64    `json:"duration_us"`
		Service     string   `json:"service"`
		Name        string   `json:"name"`
		Error       string   `json:"error"`
		Services    []string `json:"services"`
		Spans       int      `json:"spans"`
		Logs        int      `json:"logs"`
		APICalls    int      `json:"api_calls"`
		Changes     int      `json:"changes"`
		Errors      int      `json:"errors"`
	}{
		s.Trace, s.Correlation, FormatTime(s.Start), s.Duration.Microseconds(), s.Service, s.Name, s.Error,
		orEmpty(s.Services), s.Spans, s.Logs, s.APICalls, s.Changes, s.Errors,
	})
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

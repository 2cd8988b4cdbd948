package lake

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"muster/fleet"
)

// row is a record as the table "evidence" holds it: the one translation of a
// fleet.Record on its way out. The ids are Iceberg's field ids; they count
// depth first, as CreateTable does, and never change for a column. Absent text
// is "", and map values stay required: parquet-go loses optional ones.
type row struct {
	ID              string            `parquet:"id,id(1)"`
	Revision        int32             `parquet:"revision,id(2)"`
	Kind            string            `parquet:"kind,id(3),dict"`
	Time            int64             `parquet:"time,id(4),timestamp(microsecond)"`
	TimeUS          int64             `parquet:"time_us,id(5)"`
	DurationUS      int64             `parquet:"duration_us,id(6)"`
	Account         string            `parquet:"account,id(7),dict"`
	Region          string            `parquet:"region,id(8),dict"`
	Service         string            `parquet:"service,id(9),dict"`
	Name            string            `parquet:"name,id(10),dict"`
	Resources       []string          `parquet:"resources,id(11),list" parquet-element:",id(12),dict"`
	Principal       string            `parquet:"principal,id(13),dict"`
	Error           string            `parquet:"error,id(14),dict"`
	Message         string            `parquet:"message,id(15)"`
	Trace           string            `parquet:"trace_id,id(16),dict"`
	Span            string            `parquet:"span_id,id(17)"`
	Parent          string            `parquet:"parent_id,id(18)"`
	Request         string            `parquet:"request_id,id(19)"`
	RequestScope    string            `parquet:"request_scope,id(20),dict"`
	Messages        []string          `parquet:"message_ids,id(21),list" parquet-element:",id(22)"`
	Correlation     string            `parquet:"correlation_id,id(23),dict"`
	Origin          string            `parquet:"origin,id(24),dict"`
	AccessKey       string            `parquet:"access_key_id,id(25),dict"`
	IssuedKey       string            `parquet:"issued_key_id,id(26),dict"`
	TraceVia        string            `parquet:"trace_via,id(27),dict"`
	TraceSure       string            `parquet:"trace_sure,id(28),dict"`
	RequestVia      string            `parquet:"request_via,id(29),dict"`
	RequestSure     string            `parquet:"request_sure,id(30),dict"`
	CorrelationVia  string            `parquet:"correlation_via,id(31),dict"`
	CorrelationSure string            `parquet:"correlation_sure,id(32),dict"`
	SeenTrace       string            `parquet:"seen_trace_id,id(33),dict"`
	SeenRequest     string            `parquet:"seen_request_id,id(34)"`
	SeenCorrelation string            `parquet:"seen_correlation_id,id(35),dict"`
	EventSource     string            `parquet:"event_source,id(36),dict"`
	EventName       string            `parquet:"event_name,id(37),dict"`
	SourceIP        string            `parquet:"source_ip,id(38),dict"`
	UserAgent       string            `parquet:"user_agent,id(39),dict"`
	ReadOnly        bool              `parquet:"read_only,id(40)"`
	HTTPMethod      string            `parquet:"http_method,id(41),dict"`
	HTTPStatus      int32             `parquet:"http_status,id(42)"`
	LogGroup        string            `parquet:"log_group,id(43),dict"`
	Attributes      map[string]string `parquet:"attributes,id(44)" parquet-key:",id(45),dict" parquet-value:",id(46)"`
	Raw             string            `parquet:"raw,id(47)"`
	// Amends marks a row that replaces an earlier row of the same record. Among
	// a record's rows the greatest (Revision, Amendment) is the live one.
	Amends bool `parquet:"amends,id(48)"`
	// Amendment is the sequence number of the commit that wrote an amending
	// row, 0 on the others.
	Amendment int64 `parquet:"amendment,id(49)"`

	// Unlifted are the attributes of a record on its way into a file, all of
	// them: lifting them into columns is left to whoever
	// encodes the row, and Attributes is empty. nil on all other rows.
	Unlifted fleet.Attributes `parquet:"-"`
}

// newRow translates a resolved record. Text that is not valid UTF-8, which no
// engine reads, gets replacement characters; raw evidence is kept exactly.
func newRow(r *fleet.Record) row {
	out := unliftedRow(r)
	all := out.Unlifted
	out.Unlifted, out.Attributes = nil, make(map[string]string, len(all))
	out.lift(all, func(name, value string) { out.Attributes[name] = value })
	return out
}

// unliftedRow is newRow, but for the attributes, which it shares with the record.
func unliftedRow(r *fleet.Record) row {
	out := row{
		ID: text(r.ID), Revision: int32(r.Revision), Kind: text(string(r.Kind)),
		Time: r.TimeUS(), TimeUS: r.TimeUS(), DurationUS: r.Duration.Microseconds(),
		Account: text(r.Account), Region: text(r.Region), Service: text(r.Service), Name: text(r.Name),
		Resources: texts(r.Resources), Principal: text(r.Principal), Error: text(r.Error), Message: text(r.Message),
		SeenTrace: text(r.Seen.Trace), SeenRequest: text(r.Seen.Request), SeenCorrelation: text(r.Seen.Correlation),
		Span: text(r.Seen.Span), Parent: text(r.Seen.Parent), Messages: texts(r.Seen.Messages),
		AccessKey: text(r.Seen.AccessKey), IssuedKey: text(r.Seen.IssuedKey),
		Raw: encodeRaw(r.Raw), Unlifted: r.Attributes,
	}
	out.setKeys(&r.Keys)
	return out
}

// encodeRaw is fleet.EncodeRaw, without a copy of what stays as it is: nobody
// writes to a record's evidence.
func encodeRaw(raw []byte) string {
	if len(raw) > 0 && raw[0] == '{' && utf8.Valid(raw) { // so that it cannot look encoded
		return unsafe.String(unsafe.SliceData(raw), len(raw))
	}
	return fleet.EncodeRaw(raw)
}

// setKeys writes the keys that resolving may change.
func (w *row) setKeys(k *fleet.Keys) {
	w.Trace, w.TraceVia, w.TraceSure = text(k.Trace), string(k.TraceLink.Via), string(k.TraceLink.Sure)
	w.Request, w.RequestVia, w.RequestSure = text(k.Request), string(k.RequestLink.Via), string(k.RequestLink.Sure)
	w.RequestScope = string(k.Scope)
	w.Correlation = text(k.Correlation)
	w.CorrelationVia, w.CorrelationSure = string(k.CorrelationLink.Via), string(k.CorrelationLink.Sure)
	w.Origin = text(k.Origin)
}

// lift sets the columns of the attributes that have one, and gives the others to
// rest. A value that its column could not give back is among these.
func (w *row) lift(all fleet.Attributes, rest func(name, value string)) {
	for k, v := range all.All() {
		column := w.lifted(k)
		switch {
		case column != nil && v != "" && utf8.ValidString(v):
			*column = v
		case k == fleet.AttrReadOnly && v == "true":
			w.ReadOnly = true
		case k == fleet.AttrHTTPStatus && canonicalStatus(v):
			n, _ := strconv.ParseInt(v, 10, 32)
			w.HTTPStatus = int32(n)
		default:
			rest(text(k), text(v))
		}
	}
}

// liftedColumns is how many attributes have a column.
var liftedColumns = len(fleet.LiftedAttributes())

// liftedText names the attributes that have a text column, in order.
var liftedText = []string{
	fleet.AttrEventName, fleet.AttrEventSource, fleet.AttrHTTPMethod,
	fleet.AttrLogGroup, fleet.AttrSourceIP, fleet.AttrUserAgent,
}

// lifted is the text column that an attribute is lifted to, nil for none.
func (w *row) lifted(name string) *string {
	switch name {
	case fleet.AttrEventSource:
		return &w.EventSource
	case fleet.AttrEventName:
		return &w.EventName
	case fleet.AttrSourceIP:
		return &w.SourceIP
	case fleet.AttrUserAgent:
		return &w.UserAgent
	case fleet.AttrHTTPMethod:
		return &w.HTTPMethod
	case fleet.AttrLogGroup:
		return &w.LogGroup
	}
	return nil
}

// canonicalStatus reports whether a status comes back the same from a number
// column, in which 0 means none.
func canonicalStatus(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n != 0 && strconv.FormatInt(n, 10) == s
}

// record translates back.
func (w *row) record() fleet.Record {
	var r fleet.Record
	w.into(&r)
	r.Attributes, r.Raw = w.attributes(), fleet.DecodeRaw(w.Raw)
	return r
}

// into is record, in place of an empty one and but for the attributes and the
// evidence. What resolving never changes is read from one column into both Seen
// and Keys.
func (w *row) into(r *fleet.Record) {
	r.ID, r.Revision, r.Kind = w.ID, int(w.Revision), fleet.Kind(w.Kind)
	r.Time, r.Duration = time.UnixMicro(w.TimeUS).UTC(), time.Duration(w.DurationUS)*time.Microsecond
	r.Account, r.Region, r.Service, r.Name = w.Account, w.Region, w.Service, w.Name
	r.Resources, r.Principal, r.Error, r.Message = orNil(w.Resources), w.Principal, w.Error, w.Message
	seen, keys := &r.Seen, &r.Keys
	seen.Trace, seen.Request, seen.Correlation = w.SeenTrace, w.SeenRequest, w.SeenCorrelation
	seen.Span, seen.Parent, seen.Messages = w.Span, w.Parent, orNil(w.Messages)
	seen.AccessKey, seen.IssuedKey = w.AccessKey, w.IssuedKey
	keys.Span, keys.Parent, keys.Messages = seen.Span, seen.Parent, seen.Messages
	keys.AccessKey, keys.IssuedKey = seen.AccessKey, seen.IssuedKey
	keys.Trace, keys.TraceLink = w.Trace, fleet.Link{Via: fleet.Rung(w.TraceVia), Sure: fleet.Certainty(w.TraceSure)}
	keys.Request, keys.RequestLink = w.Request, fleet.Link{Via: fleet.Rung(w.RequestVia), Sure: fleet.Certainty(w.RequestSure)}
	keys.Scope = fleet.Scope(w.RequestScope)
	keys.Correlation = w.Correlation
	keys.CorrelationLink = fleet.Link{Via: fleet.Rung(w.CorrelationVia), Sure: fleet.Certainty(w.CorrelationSure)}
	if w.SeenRequest != "" {
		seen.Scope = keys.Scope // a seen request is never replaced, so both are of one scope
	}
	if w.Origin != "" {
		keys.Origin = w.Origin
		keys.OriginLink = fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact} // the only way to an origin
	}
}

// attributes puts the lifted attributes back among the others; nil when there are none.
func (w *row) attributes() fleet.Attributes {
	all := fleet.AttributesFrom(w.Attributes)
	w.unlift(&all)
	return all
}

// unlift puts the attributes that have a column back among the others.
func (w *row) unlift(all *fleet.Attributes) {
	for _, k := range liftedText {
		if v := *w.lifted(k); v != "" {
			all.Set(k, v)
		}
	}
	if w.ReadOnly {
		all.Set(fleet.AttrReadOnly, "true")
	}
	if w.HTTPStatus != 0 {
		all.Set(fleet.AttrHTTPStatus, strconv.Itoa(int(w.HTTPStatus)))
	}
}

// text is s as an engine can read it.
func text(s string) string {
	if s == "" { // as most columns of most rows are
		return s
	}
	return validText(s)
}

func validText(s string) string {
	if utf8.ValidString(s) { // several times as fast as what follows
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// texts is text of each, the list itself when all of it is valid. It is never nil:
// the columns are required.
func texts(in []string) []string {
	if len(in) == 0 {
		return []string{}
	}
	if !slices.ContainsFunc(in, func(s string) bool { return !utf8.ValidString(s) }) {
		return in
	}
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = text(s)
	}
	return out
}

func orNil(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}

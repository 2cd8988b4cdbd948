package lake

import (
	"strings"

	"github.com/parquet-go/parquet-go"
)

// hiveRow is a record in a plain Parquet file: the columns of the view
// "records", without the kind, which the folder's name says.
type hiveRow struct {
	ID              string            `parquet:"id"`
	Revision        int32             `parquet:"revision"`
	Time            int64             `parquet:"time,timestamp(microsecond)"`
	TimeUS          int64             `parquet:"time_us"`
	DurationUS      int64             `parquet:"duration_us"`
	Account         string            `parquet:"account,dict"`
	Region          string            `parquet:"region,dict"`
	Service         string            `parquet:"service,dict"`
	Name            string            `parquet:"name,dict"`
	Resources       []string          `parquet:"resources,list"`
	Principal       string            `parquet:"principal,dict"`
	Error           string            `parquet:"error,dict"`
	Message         string            `parquet:"message"`
	Trace           string            `parquet:"trace_id,dict"`
	Span            string            `parquet:"span_id"`
	Parent          string            `parquet:"parent_id"`
	Request         string            `parquet:"request_id"`
	RequestScope    string            `parquet:"request_scope,dict"`
	Messages        []string          `parquet:"message_ids,list"`
	Correlation     string            `parquet:"correlation_id,dict"`
	Origin          string            `parquet:"origin,dict"`
	AccessKey       string            `parquet:"access_key_id,dict"`
	IssuedKey       string            `parquet:"issued_key_id,dict"`
	TraceVia        string            `parquet:"trace_via,dict"`
	TraceSure       string            `parquet:"trace_sure,dict"`
	RequestVia      string            `parquet:"request_via,dict"`
	RequestSure     string            `parquet:"request_sure,dict"`
	CorrelationVia  string            `parquet:"correlation_via,dict"`
	CorrelationSure string            `parquet:"correlation_sure,dict"`
	SeenTrace       string            `parquet:"seen_trace_id,dict"`
	SeenRequest     string            `parquet:"seen_request_id"`
	SeenCorrelation string            `parquet:"seen_correlation_id,dict"`
	EventSource     string            `parquet:"event_source,dict"`
	EventName       string            `parquet:"event_name,dict"`
	SourceIP        string            `parquet:"source_ip,dict"`
	UserAgent       string            `parquet:"user_agent,dict"`
	ReadOnly        bool              `parquet:"read_only"`
	HTTPMethod      string            `parquet:"http_method,dict"`
	HTTPStatus      int32             `parquet:"http_status"`
	LogGroup        string            `parquet:"log_group,dict"`
	Attributes      map[string]string `parquet:"attributes"`
	Raw             string            `parquet:"raw"`
}

func newHiveRow(r *row) hiveRow {
	return hiveRow{
		ID: r.ID, Revision: r.Revision, Time: r.Time, TimeUS: r.TimeUS, DurationUS: r.DurationUS,
		Account: r.Account, Region: r.Region, Service: r.Service, Name: r.Name, Resources: r.Resources,
		Principal: r.Principal, Error: r.Error, Message: r.Message, Trace: r.Trace, Span: r.Span,
		Parent: r.Parent, Request: r.Request, RequestScope: r.RequestScope, Messages: r.Messages,
		Correlation: r.Correlation, Origin: r.Origin, AccessKey: r.AccessKey, IssuedKey: r.IssuedKey,
		TraceVia: r.TraceVia, TraceSure: r.TraceSure, RequestVia: r.RequestVia, RequestSure: r.RequestSure,
		CorrelationVia: r.CorrelationVia, CorrelationSure: r.CorrelationSure, SeenTrace: r.SeenTrace,
		SeenRequest: r.SeenRequest, SeenCorrelation: r.SeenCorrelation, EventSource: r.EventSource,
		EventName: r.EventName, SourceIP: r.SourceIP, UserAgent: r.UserAgent, ReadOnly: r.ReadOnly,
		HTTPMethod: r.HTTPMethod, HTTPStatus: r.HTTPStatus, LogGroup: r.LogGroup, Attributes: r.Attributes,
		Raw: r.Raw,
	}
}

// hiveColumns are the columns as a CREATE TABLE of Hive lists them.
func hiveColumns() string {
	var out []string
	for _, f := range parquet.SchemaOf(hiveRow{}).Fields() {
		out = append(out, "  `"+f.Name()+"` "+hiveType(f))
	}
	return strings.Join(out, ",\n")
}

func hiveType(n parquet.Node) string {
	switch {
	case !n.Leaf() && len(n.Fields()[0].Fields()) == 1:
		return "array<string>"
	case !n.Leaf():
		return "map<string,string>"
	case isTime(n):
		return "timestamp"
	case n.Type().Kind() == parquet.Boolean:
		return "boolean"
	case n.Type().Kind() == parquet.Int32:
		return "int"
	case n.Type().Kind() == parquet.Int64:
		return "bigint"
	default:
		return "string"
	}
}

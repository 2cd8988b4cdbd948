package main

// requests are the spans of services that were asked something, failures of
// them those that went wrong. A status code of 2 is OpenTelemetry's "error".
const (
	requests = `kind : "SPAN_KIND_SERVER"`
	failures = requests + ` and status.code : 2`
	entries  = `parentSpanId : ""`
	outgoing = `kind : "SPAN_KIND_CLIENT"`
)

// overview is the board of a fleet: rates, errors and latency by service and
// route, what AWS was asked, and how complete the evidence for it is.
func overview() board {
	return board{
		id: "muster-fleet-overview", title: "muster: fleet overview", from: "now-1h",
		note: "Rates, errors and latency by service and route, and how complete the evidence is.",
		rows: [][]panel{
			{
				{
					id: "muster-fleet-totals", title: "Requests", kind: "metric", index: spans, query: requests, w: 12, h: 8,
					aggs: []agg{count("requests"), number("cardinality", "serviceName", "services")},
				},
				{
					id: "muster-fleet-failed", title: "Failed requests", kind: "metric", index: spans, query: failures, w: 12, h: 8,
					aggs: []agg{count("failed")},
				},
				{
					id: "muster-fleet-latency-total", title: "Latency of whole traces", kind: "metric", index: spans, query: entries, w: 24, h: 8,
					aggs: []agg{latencies(50, 95, 99)},
				},
			},
			{
				{
					id: "muster-fleet-rate", title: "Requests by service", kind: "line", index: spans, query: requests, w: 24, h: 14,
					aggs: []agg{count("requests"), overTime(), terms(group, "serviceName", "service", 10)},
				},
				{
					id: "muster-fleet-errors", title: "Failed requests by service", kind: "histogram", index: spans, query: failures, w: 24, h: 14,
					aggs: []agg{count("failed"), overTime(), terms(group, "serviceName", "service", 10)},
				},
			},
			{
				{
					id: "muster-fleet-latency", title: "Latency over time", kind: "line", index: spans, query: requests, w: 24, h: 14,
					aggs: []agg{latencies(50, 95, 99), overTime()},
				},
				{
					id: "muster-fleet-services", title: "Services", kind: "table", index: spans, query: requests, w: 24, h: 14,
					note: "Requests that each service answered, and how long it took.",
					aggs: []agg{count("requests"), latencies(50, 95, 99), terms(bucket, "serviceName", "service", 50)},
				},
			},
			{
				{
					id: "muster-fleet-routes", title: "Routes", kind: "table", index: spans, query: entries, w: 24, h: 14,
					note: "What the fleet was asked from outside: the roots of traces.",
					aggs: []agg{count("requests"), latencies(50, 95), terms(bucket, "traceGroup", "route", 50)},
				},
				{
					id: "muster-fleet-routes-failed", title: "Failures by service and route", kind: "table", index: spans, query: failures, w: 24, h: 14,
					aggs: []agg{
						count("failed"), terms(bucket, "serviceName", "service", 20), terms(bucket, "name", "operation", 10),
						terms(bucket, "status.message", "error", 5),
					},
				},
			},
			{
				{
					id: "muster-fleet-dependencies", title: "Calls to AWS and other services", kind: "table", index: spans, query: outgoing, w: 24, h: 14,
					aggs: []agg{
						count("calls"), latencies(50, 95), terms(bucket, "serviceName", "service", 20),
						terms(bucket, "name", "call", 10),
					},
				},
				{
					id: "muster-fleet-logs", title: "Log lines by level", kind: "histogram", index: logs, w: 24, h: 14,
					aggs: []agg{count("lines"), overTime(), terms(group, "severity.text", "level", 8)},
				},
			},
			{
				{
					id: "muster-fleet-joined", title: "How records were joined to a trace", kind: "table", index: records, w: 24, h: 14,
					note: "By kind of record: the rung that led to the trace and how sure it is; none is a record without a trace.",
					aggs: []agg{
						count("records"), terms(bucket, "muster.kind", "kind", 10), orNone(terms(bucket, "muster.trace_via", "joined by", 10)),
						orNone(terms(bucket, "muster.trace_sure", "certainty", 3)),
					},
				},
				{
					id: "muster-fleet-coverage", title: "Completeness of the sources", kind: "table", index: coverage, w: 24, h: 14,
					note: "How much of each stream was read, and why a window is not complete.",
					aggs: []agg{
						number("sum", "records", "records"), number("sum", "covered_seconds", "seconds read"),
						number("max", "window_end", "seen up to"),
						terms(bucket, "stream", "stream", 50), terms(bucket, "coverage", "coverage", 3), orNone(terms(bucket, "reason", "reason", 5)),
					},
				},
			},
		},
	}
}

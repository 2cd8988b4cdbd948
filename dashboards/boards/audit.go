package main

// standing are the findings that somebody has to look at.
const standing = `not status : "resolved" and not status : "waived"`

// writes are the management calls that changed something and went through.
const writes = `muster.write : true`

// audit is the board of what the policies hold against the fleet, and of what
// was changed and by whom.
func audit() board {
	return board{
		id: "muster-audit", title: "muster: audit", from: "now-30d",
		note: "Findings by policy, severity, service and age; changes, and who made them.",
		rows: [][]panel{
			{
				{
					id: "muster-audit-total", title: "Standing findings", kind: "metric", index: findings, query: standing, w: 12, h: 12,
					aggs: []agg{count("findings"), number("cardinality", "policy", "policies"), number("cardinality", "service", "services")},
				},
				{
					id: "muster-audit-severity", title: "By severity", kind: "pie", index: findings, query: standing, w: 12, h: 12,
					aggs: []agg{count("findings"), terms(segment, "severity", "severity", 5)},
				},
				{
					id: "muster-audit-age", title: "By age", kind: "table", index: findings, query: standing, w: 24, h: 12,
					note: "Since when they have been there.",
					aggs: []agg{count("findings"), ages(bucket, "first_seen", "first seen"), terms(bucket, "severity", "severity", 5)},
				},
			},
			{
				{
					id: "muster-audit-policies", title: "By policy", kind: "table", index: findings, query: standing, w: 24, h: 14,
					aggs: []agg{
						count("findings"), number("sum", "count", "times seen"), number("max", "last_seen", "last seen"),
						terms(bucket, "policy", "policy", 50), terms(bucket, "severity", "severity", 5),
					},
				},
				{
					id: "muster-audit-services", title: "By service", kind: "histogram", index: findings, query: standing, w: 24, h: 14,
					aggs: []agg{count("findings"), orNone(terms(segment, "service", "service", 20)), terms(group, "severity", "severity", 5)},
				},
			},
			{
				{
					id: "muster-audit-life", title: "Seen over time", kind: "histogram", index: findings, w: 24, h: 12,
					aggs: []agg{count("findings"), overTime(), terms(group, "status", "status", 5)},
				},
				{
					id: "muster-audit-changes", title: "Configuration changes over time", kind: "histogram", index: changes, w: 24, h: 12,
					aggs: []agg{count("changes"), overTime(), terms(group, "event.action", "change", 8)},
				},
			},
			{
				{
					id: "muster-audit-who", title: "Who changed what", kind: "table", index: calls, query: writes, w: 24, h: 14,
					note: "API calls that changed something, by the principal that made them.",
					aggs: []agg{
						count("calls"), number("max", "@timestamp", "last"), terms(bucket, "user.name", "who", 30),
						terms(bucket, "event.action", "call", 10),
					},
				},
				{
					id: "muster-audit-resources", title: "What was changed", kind: "table", index: changes, w: 24, h: 14,
					note: "Changes that AWS Config saw; a joined request leads to who did it.",
					aggs: []agg{
						count("changes"), number("max", "@timestamp", "last"), terms(bucket, "resources", "resource", 30),
						orNone(terms(bucket, "muster.request_id", "request", 3)),
					},
				},
			},
			{
				{
					id: "muster-audit-findings", title: "Findings", kind: "search", index: findings, query: standing, w: 48, h: 20,
					columns: []string{"severity", "status", "policy", "service", "resource", "message", "trace_id"},
				},
			},
		},
	}
}

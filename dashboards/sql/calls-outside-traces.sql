-- Which API calls belong to no trace: people, scripts, and code that is not
-- instrumented? Grouped by who is behind them, from where, and why: of a role's
-- calls, whether they are unsampled, retried, uninstrumented, or come from
-- another address or program than those that are traced. The reasons are those
-- of "muster calls --out-of-band".
WITH

-- Calls that AWS makes on a role's behalf show a name in place of an address.
-- Addresses count by their network: of private ones the first 16 bits, the
-- largest network that a VPC has; of public ones the first 24; of IPv6 the first
-- three groups.
called AS (
  SELECT id, time_us, error, request_id, trace_id, trace_via, event_source, event_name,
    regexp_extract(principal, '^.*?:assumed-role/[^/]+', 0) AS role,
    CASE WHEN source_ip LIKE '%:%' THEN regexp_extract(source_ip, '^[^:]*(:[^:]*)?(:[^:]*)?', 0)
      WHEN regexp_like(source_ip, '^(10|192\.168|172\.(1[6-9]|2[0-9]|3[01])|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\.')
        THEN regexp_extract(source_ip, '^[0-9]+\.[0-9]+', 0)
      ELSE regexp_extract(source_ip, '^[0-9]+\.[0-9]+\.[0-9]+', 0) END AS network,
    regexp_extract(user_agent, '^\[?([^/]*)', 1) AS agent
  FROM api_calls
  WHERE regexp_like(principal, '^.*?:assumed-role/[^/]+')
    AND (source_ip LIKE '%:%' OR regexp_like(source_ip, '^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$'))
),
traced AS (
  SELECT DISTINCT trace_id FROM spans WHERE trace_id <> ''
),
judged AS (
  SELECT c.*, c.trace_via = 'request' OR t.trace_id IS NOT NULL AS accounted
  FROM called c LEFT JOIN traced t ON t.trace_id = c.trace_id
),

-- What the calls of a role that are traced do.
known_role AS (SELECT DISTINCT role FROM judged WHERE accounted),
known_network AS (SELECT DISTINCT role, network FROM judged WHERE accounted),
known_agent AS (SELECT DISTINCT role, agent FROM judged WHERE accounted),
known_operation AS (SELECT DISTINCT role, event_source, event_name FROM judged WHERE accounted),

-- Log lines that show a request together with a trace that has no spans.
logged AS (
  SELECT DISTINCT l.seen_request_id AS request_id
  FROM logs l LEFT JOIN traced t ON t.trace_id = l.seen_trace_id
  WHERE l.seen_request_id <> '' AND l.request_scope = 'aws' AND l.seen_trace_id <> '' AND t.trace_id IS NULL
),
-- Attempts that failed before a traced call of the same kind, in a minute
-- (60,000,000 microseconds). A span keeps the request id of the last one only.
retried AS (
  SELECT DISTINCT f.id, f.time_us
  FROM judged f
  JOIN judged a ON a.role = f.role AND a.event_source = f.event_source AND a.event_name = f.event_name
    AND a.time_us BETWEEN f.time_us AND f.time_us + 60000000
  WHERE f.error <> '' AND NOT f.accounted AND a.accounted
),
out_of_band AS (
  SELECT j.id, j.time_us, j.role,
    CASE WHEN r.role IS NOT NULL AND n.role IS NULL THEN 'other address'
      WHEN r.role IS NOT NULL AND a.role IS NULL THEN 'other user agent'
      WHEN j.trace_id <> '' OR l.request_id IS NOT NULL THEN 'unsampled'
      WHEN x.id IS NOT NULL THEN 'retried'
      WHEN o.role IS NULL THEN 'uninstrumented'
      ELSE 'unsampled' END AS reason,
    CASE WHEN r.role IS NOT NULL AND (n.role IS NULL OR a.role IS NULL) OR j.trace_id <> '' OR l.request_id IS NOT NULL
      THEN 'exact' ELSE 'inferred' END AS sure
  FROM judged j
  LEFT JOIN known_role r ON r.role = j.role
  LEFT JOIN known_network n ON n.role = j.role AND n.network = j.network
  LEFT JOIN known_agent a ON a.role = j.role AND a.agent = j.agent
  LEFT JOIN known_operation o ON o.role = j.role AND o.event_source = j.event_source AND o.event_name = j.event_name
  LEFT JOIN logged l ON l.request_id = j.request_id
  LEFT JOIN retried x ON x.id = j.id AND x.time_us = j.time_us
  WHERE NOT j.accounted
),

outside AS (
  SELECT coalesce(o.role, nullif(c.origin, ''), c.principal) AS who,
    CASE WHEN o.id IS NOT NULL THEN o.reason
      WHEN c.principal LIKE '%:assumed-role/%' THEN 'made by AWS' ELSE 'not by a role' END AS reason,
    coalesce(o.sure, '') AS sure, c.source_ip, c.event_source, c.event_name, c."time"
  FROM api_calls c LEFT JOIN out_of_band o ON o.id = c.id AND o.time_us = c.time_us
  WHERE c.trace_id = '' OR o.id IS NOT NULL
)

SELECT who, reason, sure, source_ip, event_source, event_name, count(*) AS calls, max("time") AS last_seen
FROM outside
GROUP BY who, reason, sure, source_ip, event_source, event_name
ORDER BY calls DESC, who, reason, event_source, event_name, source_ip

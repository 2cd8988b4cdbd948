-- API calls that were made with a role and that no span accounts for, each with
-- the reason. It is the same as OutOfBand in outofband.go, and a test holds the
-- two together.
--
-- Reads  the views api_calls, spans and logs.
-- Yields one row per call: id, time_us, role, reason, sure (exact or inferred).
--
-- Trino's dialect, also read by DuckDB and Athena.
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
)

SELECT id, time_us, role, reason, sure FROM out_of_band

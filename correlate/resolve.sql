-- The ladder: which ids belong to which record. It is the same as Resolve in
-- ladder.go, row for row, and a test holds the two together.
--
-- Reads  "seen", one row per record, its id unique, absent text '' and never NULL:
--        id, kind, time_us, account, region, resources (array), error,
--        read_only (boolean), event_category, seen_trace_id, seen_request_id,
--        seen_request_scope, message_ids (array), seen_correlation_id,
--        access_key_id, issued_key_id, principal.
-- Yields one row per record: id, then each resolved key with the rung that gave
--        it (_via) and how sure it is (_sure: exact or inferred), then origin.
--
-- Trino's dialect, also read by DuckDB and Athena. No recursion: rounds are
-- written out. Ties always go to the smaller time_us, then to the smaller id.
WITH

-- Rung 1, touch (inferred). AWS Config does not say which request led to a
-- change. The latest write to the same resource in the 15 minutes
-- (900,000,000 microseconds) before it is taken for the cause.
canonical AS (
  SELECT s.id, s.kind, s.time_us, s.account, s.region, r.resource, s.error, s.read_only,
    s.event_category, s.seen_request_id, s.seen_request_scope
  FROM seen s CROSS JOIN UNNEST(s.resources) AS r (resource)
  WHERE r.resource LIKE 'AWS::%'
),
changed AS (
  SELECT id, time_us, account, region, resource
  FROM canonical
  WHERE kind IN ('change', 'verdict') AND seen_request_id = ''
),
written AS (
  SELECT id, time_us, account, region, resource, seen_request_id
  FROM canonical
  WHERE kind = 'api_call' AND error = '' AND NOT read_only AND event_category <> 'Data'
    AND seen_request_id <> '' AND seen_request_scope = 'aws'
),
caused AS (
  SELECT c.id, w.seen_request_id AS request_id,
    row_number() OVER (PARTITION BY c.id ORDER BY w.time_us DESC, w.id) AS choice
  FROM changed c
  JOIN written w ON w.account = c.account AND w.region = c.region AND w.resource = c.resource
    AND w.time_us BETWEEN c.time_us - 900000000 AND c.time_us
),
touch AS (
  SELECT id, request_id FROM caused WHERE choice = 1
),
requested AS (
  SELECT s.id, s.kind, s.time_us, s.seen_trace_id, s.seen_correlation_id, s.access_key_id,
    coalesce(t.request_id, s.seen_request_id) AS request_id,
    CASE WHEN t.id IS NULL THEN s.seen_request_scope ELSE 'aws' END AS request_scope,
    CASE WHEN t.id IS NOT NULL THEN 'touch' WHEN s.seen_request_id <> '' THEN 'seen' ELSE '' END AS request_via,
    CASE WHEN t.id IS NOT NULL THEN 'inferred' WHEN s.seen_request_id <> '' THEN 'exact' ELSE '' END AS request_sure
  FROM seen s LEFT JOIN touch t ON t.id = s.id
),

-- Rung 2, request to trace (exact). Whatever shows a request id, spans apart,
-- takes the trace of the earliest span that shows the same id in the same scope.
-- A request that was inferred leads to a trace that is.
asking AS (
  SELECT r.*,
    -- '' finds no span. The condition is not part of the join, which must stay one of equals.
    CASE WHEN r.kind <> 'span' AND r.seen_trace_id = '' THEN r.request_id ELSE '' END AS asked_id
  FROM requested r
),
spans_by_request AS (
  SELECT seen_request_scope, seen_request_id, seen_trace_id,
    row_number() OVER (PARTITION BY seen_request_scope, seen_request_id ORDER BY time_us, id) AS choice
  FROM seen
  WHERE kind = 'span' AND seen_trace_id <> '' AND seen_request_id <> ''
),
request_trace AS (
  SELECT seen_request_scope AS request_scope, seen_request_id AS request_id, seen_trace_id AS trace_id
  FROM spans_by_request WHERE choice = 1
),

-- Rung 3, message to trace (exact). What shows a message id and has no trace
-- takes that of the earliest record that shows the same message and a trace.
shown AS (
  SELECT s.id, s.time_us, s.seen_trace_id, m.message_id
  FROM seen s CROSS JOIN UNNEST(s.message_ids) AS m (message_id)
  WHERE m.message_id <> ''
),
offered AS (
  SELECT b.id, l.seen_trace_id AS trace_id,
    row_number() OVER (PARTITION BY b.id ORDER BY l.time_us, l.id) AS choice
  FROM shown b
  JOIN (
    SELECT message_id, seen_trace_id, time_us, id,
      row_number() OVER (PARTITION BY message_id ORDER BY time_us, id) AS turn
    FROM shown
    WHERE seen_trace_id <> ''
  ) l ON l.message_id = b.message_id
  WHERE b.seen_trace_id = '' AND l.turn = 1
),
message_trace AS (
  SELECT id, trace_id FROM offered WHERE choice = 1
),
traced AS (
  SELECT r.id, r.time_us, r.seen_correlation_id, r.access_key_id,
    r.request_id, r.request_scope, r.request_via, r.request_sure,
    CASE WHEN r.seen_trace_id <> '' THEN r.seen_trace_id
      ELSE coalesce(q.trace_id, m.trace_id, '') END AS trace_id,
    CASE WHEN r.seen_trace_id <> '' THEN 'seen' WHEN q.trace_id IS NOT NULL THEN 'request'
      WHEN m.trace_id IS NOT NULL THEN 'message' ELSE '' END AS trace_via,
    CASE WHEN r.seen_trace_id <> '' THEN 'exact' WHEN q.trace_id IS NOT NULL THEN r.request_sure
      WHEN m.trace_id IS NOT NULL THEN 'exact' ELSE '' END AS trace_sure
  FROM asking r
  LEFT JOIN request_trace q ON q.request_scope = r.request_scope AND q.request_id = r.asked_id
  LEFT JOIN message_trace m ON m.id = r.id
),

-- Rung 4, trace to correlation. The records of a trace take the correlation id
-- of its earliest record that shows one.
correlated AS (
  SELECT trace_id, id, time_us, seen_correlation_id, trace_sure,
    row_number() OVER (PARTITION BY trace_id ORDER BY time_us, id) AS choice
  FROM traced
  WHERE trace_id <> '' AND seen_correlation_id <> ''
),
donor AS (
  SELECT trace_id, id, time_us, seen_correlation_id AS correlation_id, trace_sure AS sure
  FROM correlated WHERE choice = 1
),

-- Traces that show one message are tied: one journey. A trace without a donor
-- is named after the nearest of those with one that are up to four ties away, of
-- several after that with the earliest; where there is none, after the earliest
-- trace. A tie leads on through traces without a donor only: a consumer of two
-- journeys' messages makes one of neither.
tied AS (
  SELECT DISTINCT message_id, seen_trace_id AS trace_id
  FROM shown
  WHERE seen_trace_id <> '' AND message_id IN (
    SELECT message_id FROM shown WHERE seen_trace_id <> ''
    GROUP BY message_id HAVING count(DISTINCT seen_trace_id) > 1)
),
started AS (
  SELECT seen_trace_id AS trace_id, min(time_us) AS time_us
  FROM seen
  WHERE seen_trace_id IN (SELECT trace_id FROM tied)
  GROUP BY seen_trace_id
),
named AS (
  SELECT s.trace_id,
    coalesce(d.correlation_id, s.trace_id) AS correlation_id,
    coalesce(d.sure, 'exact') AS sure,
    row_number() OVER (ORDER BY
      CASE WHEN d.id IS NULL THEN 1 ELSE 0 END,
      coalesce(d.time_us, s.time_us),
      coalesce(d.id, s.trace_id)) - count(d.id) OVER () AS place
  FROM started s LEFT JOIN donor d ON d.trace_id = s.trace_id
),
-- Four hops; each goes from the traces to their messages (a) and back (b). The
-- places of traces with a donor are not above 0; who has one of these keeps it.
hop_0 AS (
  SELECT t.message_id, t.trace_id, n.place
  FROM tied t JOIN named n ON n.trace_id = t.trace_id
),
hop_1a AS (
  SELECT message_id, trace_id, CASE WHEN place <= 0 THEN place END AS own, min(place) OVER (PARTITION BY message_id) AS place
  FROM hop_0
),
hop_1b AS (SELECT message_id, trace_id, coalesce(own, min(place) OVER (PARTITION BY trace_id)) AS place FROM hop_1a),
hop_2a AS (
  SELECT message_id, trace_id, CASE WHEN place <= 0 THEN place END AS own, min(place) OVER (PARTITION BY message_id) AS place
  FROM hop_1b
),
hop_2b AS (SELECT message_id, trace_id, coalesce(own, min(place) OVER (PARTITION BY trace_id)) AS place FROM hop_2a),
hop_3a AS (
  SELECT message_id, trace_id, CASE WHEN place <= 0 THEN place END AS own, min(place) OVER (PARTITION BY message_id) AS place
  FROM hop_2b
),
hop_3b AS (SELECT message_id, trace_id, coalesce(own, min(place) OVER (PARTITION BY trace_id)) AS place FROM hop_3a),
hop_4a AS (
  SELECT message_id, trace_id, CASE WHEN place <= 0 THEN place END AS own, min(place) OVER (PARTITION BY message_id) AS place
  FROM hop_3b
),
hop_4b AS (SELECT DISTINCT trace_id, coalesce(own, min(place) OVER (PARTITION BY trace_id)) AS place FROM hop_4a),
journey AS (
  SELECT h.trace_id, n.correlation_id, n.sure FROM hop_4b h JOIN named n ON n.place = h.place
),

-- Rung 5, session (exact). A call made with temporary credentials was made by
-- whoever obtained them, and by whoever obtained those, up to four steps back.
issued AS (
  SELECT issued_key_id, access_key_id, principal,
    row_number() OVER (PARTITION BY issued_key_id ORDER BY time_us, id) AS choice
  FROM seen
  WHERE issued_key_id <> ''
),
issuer AS (
  SELECT issued_key_id, access_key_id, principal FROM issued WHERE choice = 1
),
session AS (
  SELECT a.issued_key_id AS access_key_id,
    coalesce(d.principal, c.principal, b.principal, a.principal) AS origin
  FROM issuer a
  LEFT JOIN issuer b ON b.issued_key_id = a.access_key_id
  LEFT JOIN issuer c ON c.issued_key_id = b.access_key_id
  LEFT JOIN issuer d ON d.issued_key_id = c.access_key_id
)

SELECT t.id,
  t.trace_id, t.trace_via, t.trace_sure,
  t.request_id, t.request_scope, t.request_via, t.request_sure,
  CASE WHEN t.seen_correlation_id <> '' THEN t.seen_correlation_id
    ELSE coalesce(d.correlation_id, j.correlation_id, '') END AS correlation_id,
  CASE WHEN t.seen_correlation_id <> '' THEN 'seen' WHEN d.trace_id IS NOT NULL THEN 'trace'
    WHEN j.trace_id IS NOT NULL THEN 'message' ELSE '' END AS correlation_via,
  CASE WHEN t.seen_correlation_id <> '' THEN 'exact'
    WHEN d.trace_id IS NULL AND j.trace_id IS NULL THEN ''
    WHEN t.trace_sure = 'inferred' OR coalesce(d.sure, j.sure) = 'inferred' THEN 'inferred'
    ELSE 'exact' END AS correlation_sure,
  coalesce(s.origin, '') AS origin
FROM traced t
LEFT JOIN donor d ON d.trace_id = t.trace_id
LEFT JOIN journey j ON j.trace_id = t.trace_id
LEFT JOIN session s ON s.access_key_id = t.access_key_id

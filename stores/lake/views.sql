-- What can be asked of a lake. The same text serves DuckDB over a folder and
-- Trino or Athena over S3. It stands on four relations as they are committed:
-- evidence, finding_states, run_states and ledger. A moment is the time itself in
-- DuckDB, and without its time zone, which is UTC, in Athena, whose views have no
-- times with one.

-- records: every piece of evidence once. A row that amends replaces the rows of
-- the same record with a smaller version, which is its revision and then the
-- number of the commit that amended it. A record is an id among those of its
-- kind and UTC day (86,400,000,000 microseconds). Of the table only what lies in
-- a kind, a "day" or a range of time_us is read when a query asks for no more.
CREATE VIEW records AS
SELECT r.id, r.revision, r.kind, moment(r."time") AS "time", r.time_us, r.duration_us, r.account, r.region, r.service, r.name,
  r.resources, r.principal, r.error, r.message, r.trace_id, r.span_id, r.parent_id, r.request_id, r.request_scope,
  r.message_ids, r.correlation_id, r.origin, r.access_key_id, r.issued_key_id, r.trace_via, r.trace_sure,
  r.request_via, r.request_sure, r.correlation_via, r.correlation_sure, r.seen_trace_id, r.seen_request_id,
  r.seen_correlation_id, r.event_source, r.event_name, r.source_ip, r.user_agent, r.read_only, r.http_method,
  r.http_status, r.log_group, r.attributes, r.raw, CAST(r."time" AS date) AS "day"
FROM evidence r
LEFT JOIN (
  SELECT kind, id, time_us - time_us % 86400000000 AS day_us,
    max(CAST(revision AS BIGINT) * 1000000000000 + amendment) AS version
  FROM evidence
  WHERE amends
  GROUP BY kind, id, time_us - time_us % 86400000000
) a ON a.kind = r.kind AND a.id = r.id AND a.day_us = r.time_us - r.time_us % 86400000000
WHERE a.version IS NULL OR a.version = CAST(r.revision AS BIGINT) * 1000000000000 + r.amendment;

CREATE VIEW spans AS SELECT * FROM records WHERE kind = 'span';

CREATE VIEW logs AS SELECT * FROM records WHERE kind = 'log';

CREATE VIEW api_calls AS SELECT * FROM records WHERE kind = 'api_call';

CREATE VIEW changes AS SELECT * FROM records WHERE kind = 'change';

CREATE VIEW verdicts AS SELECT * FROM records WHERE kind = 'verdict';

-- traces: one row per trace, named after its earliest span without a parent,
-- or else after its earliest record. Spans say when it began and ended, if there
-- are any: CloudTrail cuts times to whole seconds.
CREATE VIEW traces AS
SELECT trace_id,
  coalesce(min_by(correlation_id, time_us) FILTER (WHERE correlation_id <> ''), '') AS correlation_id,
  coalesce(min("time") FILTER (WHERE kind = 'span'), min("time")) AS "time",
  coalesce(min(time_us) FILTER (WHERE kind = 'span'), min(time_us)) AS time_us,
  coalesce(max(time_us + duration_us) FILTER (WHERE kind = 'span') - min(time_us) FILTER (WHERE kind = 'span'),
    max(time_us) - min(time_us)) AS duration_us,
  coalesce(min_by(service, time_us) FILTER (WHERE kind = 'span' AND parent_id = ''), min_by(service, time_us)) AS service,
  coalesce(min_by(name, time_us) FILTER (WHERE kind = 'span' AND parent_id = ''), min_by(name, time_us)) AS name,
  coalesce(nullif(min_by(error, time_us) FILTER (WHERE kind = 'span' AND parent_id = ''), ''),
    min_by(error, time_us) FILTER (WHERE error <> ''), '') AS error,
  array_agg(DISTINCT service) FILTER (WHERE service <> '') AS services,
  count(*) FILTER (WHERE kind = 'span') AS spans,
  count(*) FILTER (WHERE kind = 'log') AS logs,
  count(*) FILTER (WHERE kind = 'api_call') AS api_calls,
  count(*) FILTER (WHERE kind = 'change') AS changes,
  count(*) FILTER (WHERE error <> '') AS errors
FROM records
WHERE trace_id <> ''
GROUP BY trace_id;

-- findings and runs: the newest state of each.
CREATE VIEW findings AS
SELECT s.fingerprint, s.policy, s.title, s.severity, s.status, moment(s.first_seen) AS first_seen,
  moment(s.last_seen) AS last_seen, s."count", s.message,
  s.remedy, s.resource, s.service, s.trace_id, s.evidence
FROM finding_states s
JOIN (SELECT fingerprint, max(saved) AS saved FROM finding_states GROUP BY fingerprint) n
  ON n.fingerprint = s.fingerprint AND n.saved = s.saved;

-- Of the runs with one set of policies the first spells their versions out.
CREATE VIEW runs AS
SELECT s.id, moment(s.started) AS started, moment(s.ended) AS ended, s.window_start_us, s.window_end_us,
  s.policies, s.findings, s.not_judged, coalesce(s.program, '') AS program,
  coalesce(s.policy_set, '') AS policy_set, coalesce(v.versions, '') AS policy_versions
FROM run_states s
JOIN (SELECT id, max(saved) AS saved FROM run_states GROUP BY id) n ON n.id = s.id AND n.saved = s.saved
LEFT JOIN (SELECT policy_set, max(policy_versions) AS versions FROM run_states GROUP BY policy_set) v
  ON v.policy_set = s.policy_set;

-- The same job as muster import, by DuckDB: spans, log lines and CloudTrail
-- events from gzipped files to joined, sorted Parquet with the same columns.
-- $corpus and $out are replaced; a statement ends at a semicolon at a line's end.
-- Documents are read as text and taken apart with from_json, which is 14 times
-- as fast as a typed read_json. It does not mask secrets, tell formats apart,
-- commit atomically or know ids that are there already; muster does.
SET preserve_insertion_order = false;

CREATE MACRO trace_of(s) AS replace(substr(s, 3), '-', '');
CREATE MACRO us(s) AS CAST(round(s * 1000000) AS BIGINT);

-- Segment documents: one row for a segment and for each subsegment in it.
CREATE TABLE document AS
SELECT json AS raw, from_json(json, '{"trace_id":"VARCHAR","id":"VARCHAR","parent_id":"VARCHAR","name":"VARCHAR",
  "start_time":"DOUBLE","end_time":"DOUBLE","annotations":"MAP(VARCHAR, VARCHAR)","http":"JSON","aws":"JSON","subsegments":"JSON[]"}') AS d
FROM read_json_objects('$corpus/segments/*.gz', format = 'newline_delimited');

CREATE TABLE span AS
WITH part AS (
  SELECT d.trace_id AS trace, d.name AS service, '' AS above, d.parent_id AS parent, 'segment' AS span_type, d.annotations AS annotations,
    raw, from_json(raw, '{"id":"VARCHAR","name":"VARCHAR","namespace":"VARCHAR","start_time":"DOUBLE","end_time":"DOUBLE","http":{"request":{"method":"VARCHAR","url":"VARCHAR","client_ip":"VARCHAR","user_agent":"VARCHAR"},"response":{"status":"INTEGER"}},"aws":{"operation":"VARCHAR","region":"VARCHAR","request_id":"VARCHAR","table_name":"VARCHAR","topic_arn":"VARCHAR"}}') AS s
  FROM document
  UNION ALL
  SELECT trace, service, above, above, 'subsegment', NULL, raw,
    from_json(raw, '{"id":"VARCHAR","name":"VARCHAR","namespace":"VARCHAR","start_time":"DOUBLE","end_time":"DOUBLE","http":{"request":{"method":"VARCHAR","url":"VARCHAR","client_ip":"VARCHAR","user_agent":"VARCHAR"},"response":{"status":"INTEGER"}},"aws":{"operation":"VARCHAR","region":"VARCHAR","request_id":"VARCHAR","table_name":"VARCHAR","topic_arn":"VARCHAR"}}')
  FROM (SELECT d.trace_id AS trace, d.name AS service, d.id AS above, unnest(d.subsegments) AS raw FROM document)
)
SELECT trace_of(trace) || '/' || s.id AS id, 1 AS revision, us(s.start_time) AS time_us, us(s.end_time) - us(s.start_time) AS duration_us,
  '' AS account, coalesce(s.aws.region, '') AS region, service,
  CASE WHEN s.aws.operation IS NOT NULL THEN s.name || ':' || s.aws.operation
    WHEN s.http.request.method IS NULL THEN s.name
    WHEN s.namespace = 'remote' THEN s.http.request.method || ' ' || regexp_extract(s.http.request.url, '^[a-z]+://([^/]*)', 1)
    ELSE s.http.request.method || ' ' || regexp_extract(s.http.request.url, '^[a-z]+://[^/]*([^?]*)', 1) END AS name,
  CASE WHEN s.aws.table_name IS NOT NULL THEN ['AWS::DynamoDB::Table/' || s.aws.table_name]
    WHEN s.aws.topic_arn IS NOT NULL THEN ['AWS::SNS::Topic/' || split_part(s.aws.topic_arn, ':', 6), s.aws.topic_arn]
    ELSE CAST([] AS VARCHAR[]) END AS resources,
  '' AS principal, '' AS error, '' AS message,
  trace_of(trace) AS seen_trace_id, s.id AS span_id, coalesce(parent, '') AS parent_id,
  coalesce(s.aws.request_id, '') AS seen_request_id, CASE WHEN s.aws.request_id IS NULL THEN '' ELSE 'aws' END AS request_scope,
  coalesce(annotations['correlation_id'], '') AS seen_correlation_id, '' AS access_key_id,
  '' AS event_source, '' AS event_name, coalesce(s.http.request.client_ip, '') AS source_ip, coalesce(s.http.request.user_agent, '') AS user_agent,
  false AS read_only, coalesce(s.http.request.method, '') AS http_method, coalesce(s.http.response.status, 0) AS http_status, '' AS log_group,
  map_from_entries(list_filter([
    {'key': 'span_type', 'value': span_type}, {'key': 'namespace', 'value': s.namespace}, {'key': 'http_url', 'value': s.http.request.url},
    {'key': 'aws_operation', 'value': s.aws.operation}, {'key': 'annotation.correlation_id', 'value': annotations['correlation_id']},
    {'key': 'segment_name', 'value': CASE WHEN s.aws.operation IS NOT NULL OR s.http.request.method IS NOT NULL THEN s.name END}
  ], lambda e: e.value IS NOT NULL)) AS attributes,
  CAST(raw AS VARCHAR) AS raw
FROM part;
DROP TABLE document;

-- Log lines: an event whose message is JSON itself.
CREATE TABLE log AS
WITH event AS (
  SELECT e, from_json(e.message, '{"time":"TIMESTAMP","level":"VARCHAR","service":"VARCHAR","msg":"VARCHAR","trace_id":"VARCHAR","span_id":"VARCHAR","aws_request_id":"VARCHAR"}') AS m,
    from_json(e.message, '"MAP(VARCHAR, VARCHAR)"') AS fields
  FROM (
    SELECT from_json(json, '{"eventId":"VARCHAR","logGroupName":"VARCHAR","logStreamName":"VARCHAR","timestamp":"BIGINT","message":"VARCHAR"}') AS e
    FROM read_json_objects('$corpus/logs/*.gz', format = 'newline_delimited')
  )
)
SELECT e.eventId AS id, 0 AS revision,
  CASE WHEN epoch_us(m.time) // 1000 = e.timestamp THEN epoch_us(m.time) ELSE e.timestamp * 1000 END AS time_us,
  0 AS duration_us, '' AS account, '' AS region, m.service AS service, m.level AS name, CAST([] AS VARCHAR[]) AS resources,
  '' AS principal, CASE WHEN m.level IN ('ERROR', 'FATAL') THEN 'error' ELSE '' END AS error, m.msg AS message,
  coalesce(m.trace_id, '') AS seen_trace_id, coalesce(m.span_id, '') AS span_id, '' AS parent_id,
  coalesce(m.aws_request_id, '') AS seen_request_id, CASE WHEN m.aws_request_id IS NULL THEN '' ELSE 'aws' END AS request_scope,
  '' AS seen_correlation_id, '' AS access_key_id, '' AS event_source, '' AS event_name, '' AS source_ip, '' AS user_agent,
  false AS read_only, '' AS http_method, 0 AS http_status, e.logGroupName AS log_group,
  map_concat(map_from_entries(list_filter(map_entries(fields),
    lambda f: f.key NOT IN ('time', 'level', 'service', 'msg', 'trace_id', 'span_id', 'aws_request_id'))),
    MAP {'log_stream': e.logStreamName}) AS attributes,
  e.message AS raw
FROM event;

-- CloudTrail events: the elements of the array in each file.
CREATE TABLE api_call AS
WITH event AS (
  SELECT raw, from_json(raw, '{"eventVersion":"VARCHAR","eventID":"VARCHAR","requestID":"VARCHAR","eventTime":"TIMESTAMP","eventSource":"VARCHAR","eventName":"VARCHAR",
    "eventType":"VARCHAR","eventCategory":"VARCHAR","awsRegion":"VARCHAR","recipientAccountId":"VARCHAR","readOnly":"BOOLEAN","sourceIPAddress":"VARCHAR","userAgent":"VARCHAR",
    "errorCode":"VARCHAR","vpcEndpointId":"VARCHAR","tlsDetails":{"tlsVersion":"VARCHAR"},
    "userIdentity":{"type":"VARCHAR","arn":"VARCHAR","accountId":"VARCHAR","accessKeyId":"VARCHAR","sessionContext":{"sessionIssuer":{"arn":"VARCHAR","userName":"VARCHAR"},"attributes":{"mfaAuthenticated":"VARCHAR"}}},
    "requestParameters":{"tableName":"VARCHAR","topicArn":"VARCHAR","message":"VARCHAR","messageStructure":"VARCHAR","returnConsumedCapacity":"VARCHAR","key":{"order_id":"VARCHAR"}},
    "additionalEventData":"MAP(VARCHAR, VARCHAR)","resources":[{"ARN":"VARCHAR","type":"VARCHAR"}]}') AS e
  FROM (
    SELECT unnest(from_json(json, '{"Records":"JSON[]"}').Records) AS raw
    FROM read_json_objects('$corpus/trail/*.gz', format = 'unstructured', maximum_object_size = 268435456)
  )
)
SELECT e.eventID AS id, 0 AS revision, epoch_us(e.eventTime) AS time_us, 0 AS duration_us,
  e.recipientAccountId AS account, e.awsRegion AS region, split_part(e.eventSource, '.', 1) AS service,
  split_part(e.eventSource, '.', 1) || ':' || e.eventName AS name,
  CASE WHEN e.requestParameters.tableName IS NOT NULL THEN ['AWS::DynamoDB::Table/' || e.requestParameters.tableName, e.resources[1].ARN]
    ELSE ['AWS::SNS::Topic/' || split_part(e.requestParameters.topicArn, ':', 6), e.requestParameters.topicArn] END AS resources,
  e.userIdentity.arn AS principal, coalesce(e.errorCode, '') AS error,
  split_part(e.userIdentity.arn, 'assumed-role/', 2) || ' called ' || split_part(e.eventSource, '.', 1) || ':' || e.eventName || ' on '
    || coalesce(e.requestParameters.tableName, split_part(e.requestParameters.topicArn, ':', 6)) || ' from ' || e.sourceIPAddress AS message,
  '' AS seen_trace_id, '' AS span_id, '' AS parent_id, e.requestID AS seen_request_id, 'aws' AS request_scope, '' AS seen_correlation_id,
  e.userIdentity.accessKeyId AS access_key_id, e.eventSource AS event_source, e.eventName AS event_name, e.sourceIPAddress AS source_ip, e.userAgent AS user_agent,
  e.readOnly AS read_only, '' AS http_method, 0 AS http_status, '' AS log_group,
  map_concat(map_from_entries(list_filter([
    {'key': 'event_category', 'value': e.eventCategory}, {'key': 'event_version', 'value': e.eventVersion}, {'key': 'event_type', 'value': e.eventType},
    {'key': 'identity_type', 'value': e.userIdentity.type}, {'key': 'user_name', 'value': e.userIdentity.sessionContext.sessionIssuer.userName},
    {'key': 'mfa', 'value': e.userIdentity.sessionContext.attributes.mfaAuthenticated}, {'key': 'session_issuer', 'value': e.userIdentity.sessionContext.sessionIssuer.arn},
    {'key': 'identity_account', 'value': e.userIdentity.accountId}, {'key': 'vpc_endpoint', 'value': e.vpcEndpointId}, {'key': 'tls_version', 'value': e.tlsDetails.tlsVersion},
    {'key': 'request.tableName', 'value': e.requestParameters.tableName}, {'key': 'request.topicArn', 'value': e.requestParameters.topicArn},
    {'key': 'request.message', 'value': e.requestParameters.message}, {'key': 'request.messageStructure', 'value': e.requestParameters.messageStructure},
    {'key': 'request.returnConsumedCapacity', 'value': e.requestParameters.returnConsumedCapacity}, {'key': 'request.key.order_id', 'value': e.requestParameters.key.order_id}
  ], lambda a: a.value IS NOT NULL)),
    map_from_entries(list_transform(map_entries(e.additionalEventData), lambda a: {'key': 'additional.' || a.key, 'value': a.value}))) AS attributes,
  CAST(raw AS VARCHAR) AS raw
FROM event;

-- Rung 2: a request id leads to the trace of the earliest span that shows it.
CREATE TABLE request_trace AS
SELECT request_scope, seen_request_id, arg_min(seen_trace_id, (time_us, id)) AS trace_id
FROM span WHERE seen_request_id <> '' GROUP BY ALL;

-- Rung 4: the correlation id of a trace's earliest record that shows one.
CREATE TABLE donor AS
SELECT seen_trace_id AS trace_id, arg_min(seen_correlation_id, (time_us, id)) AS correlation_id
FROM span WHERE seen_correlation_id <> '' GROUP BY ALL;

CREATE MACRO joined(t) AS TABLE
WITH traced AS (
  SELECT s.*, CASE WHEN s.seen_trace_id <> '' THEN s.seen_trace_id ELSE coalesce(q.trace_id, '') END AS trace_id,
    CASE WHEN s.seen_trace_id <> '' THEN 'seen' WHEN q.trace_id IS NOT NULL THEN 'request' ELSE '' END AS trace_via
  FROM query_table(t) s
  LEFT JOIN request_trace q ON q.request_scope = s.request_scope AND q.seen_request_id = CASE WHEN s.seen_trace_id = '' THEN s.seen_request_id ELSE NULL END
)
SELECT r.id, r.revision, t AS kind, make_timestamp(r.time_us) AS time, r.time_us, r.duration_us, r.account, r.region, r.service, r.name, r.resources,
  r.principal, r.error, r.message, r.trace_id, r.span_id, r.parent_id, r.seen_request_id AS request_id, r.request_scope, CAST([] AS VARCHAR[]) AS message_ids,
  CASE WHEN r.seen_correlation_id <> '' THEN r.seen_correlation_id ELSE coalesce(d.correlation_id, '') END AS correlation_id,
  '' AS origin, r.access_key_id, '' AS issued_key_id, r.trace_via, CASE WHEN r.trace_via = '' THEN '' ELSE 'exact' END AS trace_sure,
  CASE WHEN r.seen_request_id = '' THEN '' ELSE 'seen' END AS request_via, CASE WHEN r.seen_request_id = '' THEN '' ELSE 'exact' END AS request_sure,
  CASE WHEN r.seen_correlation_id <> '' THEN 'seen' WHEN d.trace_id IS NOT NULL THEN 'trace' ELSE '' END AS correlation_via,
  CASE WHEN r.seen_correlation_id <> '' OR d.trace_id IS NOT NULL THEN 'exact' ELSE '' END AS correlation_sure,
  r.seen_trace_id, r.seen_request_id, r.seen_correlation_id, r.event_source, r.event_name, r.source_ip, r.user_agent, r.read_only,
  r.http_method, r.http_status, r.log_group, r.attributes, r.raw, false AS amends, CAST(0 AS BIGINT) AS amendment
FROM traced r LEFT JOIN donor d ON d.trace_id = r.trace_id
ORDER BY trace_id, time_us, id;

COPY (FROM joined('span')) TO '$out/span.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20000);
COPY (FROM joined('log')) TO '$out/log.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20000);
COPY (FROM joined('api_call')) TO '$out/api_call.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20000);

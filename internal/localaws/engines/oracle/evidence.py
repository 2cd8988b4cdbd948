"""Calls every operation by which evidence is written and collected."""

import gzip
import json
import time
import urllib.request

GROUP = "/oracle/orders"


def run(c, watch):
    """On a prompt stand-in: exact answers, every error."""
    logs(c, watch)
    xray(c, watch)
    drain(c.endpoint)
    cloudtrail(c, watch)
    config(c, watch)


def collect(c, watch):
    """On a stand-in full of trouble: nothing may be lost behind it."""
    now = milliseconds()
    c.logs.create_log_group(logGroupName=GROUP)
    c.logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    put(c, now, range(200))
    ids = [f"1-6b060a20-{n:024x}" for n in range(200)]
    for n, trace in enumerate(ids):
        c.xray.put_trace_segments(TraceSegmentDocuments=[segment(trace, f"{n:016x}")])
    for n in range(120):
        c.sqs.create_queue(QueueName=f"oracle-{n}")
    drain(c.endpoint)
    events, pages = c.pages("logs", "filter_log_events", "events", logGroupName=GROUP, limit=20)
    watch.expect(len({e["eventId"] for e in events}) == 200 and pages > 10, f"{len(events)} log events on {pages} pages")
    summaries, pages = c.pages("xray", "get_trace_summaries", "TraceSummaries", **window())
    watch.expect({s["Id"] for s in summaries} == set(ids), f"{len(summaries)} summaries on {pages} pages")
    for trace in ids[:20]:
        left, tries = [trace], 0
        while left and tries < 50:
            left, tries = c.xray.batch_get_traces(TraceIds=left).get("UnprocessedTraceIds", []), tries + 1
        watch.expect(not left, f"trace {trace} never came")
    found, _ = c.pages("config", "list_discovered_resources", "resourceIdentifiers", resourceType="AWS::SQS::Queue", limit=10)
    watch.expect(len({r["resourceId"] for r in found}) == 120, f"{len(found)} queues discovered")
    events, pages = c.pages("cloudtrail", "lookup_events", "Events")
    made = {json.loads(e["CloudTrailEvent"])["requestID"] for e in events if e["EventName"] == "CreateQueue"}
    watch.expect(len(made) == 120 and pages > 3, f"{len(made)} CreateQueue events on {pages} pages")
    filed = {e["requestID"] for e in trail_files(c) if e["eventName"] == "CreateQueue"}
    watch.expect(filed == made, f"{len(filed)} CreateQueue events in the trail's files")


def trail_files(c):
    """All events of the trail's files, as CloudTrail delivers them."""
    bucket = c.cloudtrail.describe_trails()["trailList"][0]["S3BucketName"]
    keys, _ = c.pages("s3", "list_objects_v2", "Contents", Bucket=bucket, PaginationConfig={"PageSize": 2})
    for key in sorted({k["Key"] for k in keys if "/CloudTrail-Digest/" not in k["Key"]}):
        body = c.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        yield from json.loads(gzip.decompress(body))["Records"]


def logs(c, watch):
    now = milliseconds()
    c.logs.create_log_group(logGroupName=GROUP)
    c.logs.create_log_group(logGroupName=GROUP + "-2")
    for stream in ("a", "b"):
        c.logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    put(c, now, range(30))
    day = 24 * 3600 * 1000
    rejected = c.logs.put_log_events(
        logGroupName=GROUP, logStreamName="b",
        logEvents=[{"timestamp": now + offset, "message": "m"} for offset in (-15 * day, 0, 3 * 3600 * 1000)],
    )["rejectedLogEventsInfo"]
    watch.expect(rejected == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}, f"rejected: {rejected}")
    events, pages = c.pages("logs", "filter_log_events", "events", logGroupName=GROUP, startTime=now, endTime=now + 29, limit=7)
    watch.expect(len(events) == 31 and pages == 5, f"filter_log_events: {len(events)} events on {pages} pages")
    groups, _ = c.pages("logs", "describe_log_groups", "logGroups", limit=1)
    watch.expect(len(groups) == 2, f"describe_log_groups: {len(groups)} groups")
    streams, _ = c.pages("logs", "describe_log_streams", "logStreams", logGroupName=GROUP, orderBy="LastEventTime", limit=1)
    watch.expect(len(streams) == 2, f"describe_log_streams: {len(streams)} streams")
    c.refused("ResourceAlreadyExistsException", c.logs.create_log_group, logGroupName=GROUP)
    c.refused("ResourceNotFoundException", c.logs.create_log_stream, logGroupName="x", logStreamName="a")
    c.refused("ResourceAlreadyExistsException", c.logs.create_log_stream, logGroupName=GROUP, logStreamName="a")
    c.refused("InvalidParameterException", c.logs.create_log_group, logGroupName="a b")
    c.refused("ResourceNotFoundException", c.logs.filter_log_events, logGroupName="x")
    c.refused("InvalidParameterException", c.logs.filter_log_events, logGroupName=GROUP, filterPattern='{ $.a = "b"')
    c.refused("InvalidParameterException", c.logs.filter_log_events, logGroupName=GROUP, nextToken="x")
    c.refused("InvalidParameterException", c.logs.describe_log_groups, limit=51)
    c.refused("ResourceNotFoundException", c.logs.describe_log_streams, logGroupName="x")
    c.refused("InvalidParameterException", c.logs.put_log_events, logGroupName=GROUP, logStreamName="a",
              logEvents=[{"timestamp": now, "message": "m"}, {"timestamp": now - 1, "message": "m"}])


def xray(c, watch):
    ids = [f"1-6b060a20-{n:024x}" for n in range(150)]
    for n, trace in enumerate(ids):
        c.xray.put_trace_segments(TraceSegmentDocuments=[segment(trace, f"{n:016x}")])
    unprocessed = c.xray.put_trace_segments(TraceSegmentDocuments=["{", "{}"])["UnprocessedTraceSegments"]
    watch.expect([u["ErrorCode"] for u in unprocessed] == ["ParseError", "MissingId"], f"unprocessed: {unprocessed}")
    for kind in ("TraceId", "Event", "Service"):
        summaries, pages = c.pages("xray", "get_trace_summaries", "TraceSummaries", TimeRangeType=kind, **window())
        watch.expect([s["Id"] for s in summaries] == ids[::-1] and pages == 2, f"{kind}: {len(summaries)} summaries on {pages} pages")
    batch = c.xray.batch_get_traces(TraceIds=ids[:4] + ["1-6b060a20-" + 24 * "f"])
    watch.expect(batch["Traces"][0]["Segments"][0]["Document"] == segment(ids[0], f"{0:016x}"), "a document changed")
    watch.expect(len(batch["UnprocessedTraceIds"]) == 1, "an unknown trace is not unprocessed")
    watch.expect(c.xray.get_trace_segment_destination()["Destination"] == "XRay", "segments go elsewhere")
    rules, _ = c.pages("xray", "get_sampling_rules", "SamplingRuleRecords")
    watch.expect(rules[0]["SamplingRule"]["FixedRate"] == 1, "not everything is sampled")
    c.xray.get_sampling_targets(SamplingStatisticsDocuments=[
        {"RuleName": name, "ClientID": 24 * "a", "Timestamp": int(time.time()), "RequestCount": 1, "SampledCount": 1}
        for name in ("Default", "gone")
    ])
    c.refused("InvalidRequestException", c.xray.batch_get_traces, TraceIds=ids[:6])
    c.refused("InvalidRequestException", c.xray.put_trace_segments, TraceSegmentDocuments=[])
    for expression, want in (('service("orders") { fault } AND annotation.amount = 42.5', 150), (f'annotation.correlation_id = "{ids[7]}"', 1), ("ok", 0)):
        found, _ = c.pages("xray", "get_trace_summaries", "TraceSummaries", FilterExpression=expression, **window())
        watch.expect(len(found) == want, f"{expression}: {len(found)} summaries")
    for expression in ("fautl", 'service("orders") { fault', "http.status CONTAINS 2"):
        c.refused("InvalidRequestException", c.xray.get_trace_summaries, FilterExpression=expression, **window())
    c.refused("InvalidRequestException", c.xray.get_trace_summaries, NextToken="x", **window())


def cloudtrail(c, watch):
    signin = urllib.request.Request(c.endpoint + "/_muster/signin", data=b'{"user":"root","mfa":false}', method="POST")
    urllib.request.urlopen(signin).close()
    made = c.sqs.create_queue(QueueName="oracle-trail")["ResponseMetadata"]["RequestId"]
    drain(c.endpoint)
    events, pages = c.pages("cloudtrail", "lookup_events", "Events", PaginationConfig={"PageSize": 10})
    distinct = len({e["EventId"] for e in events})
    watch.expect(pages > 1 and distinct == len(events), f"lookup_events: {len(events)} events, {distinct} distinct, on {pages} pages")
    watch.expect(any(e["EventName"] == "ConsoleLogin" for e in events), "no ConsoleLogin")
    one, _ = c.pages("cloudtrail", "lookup_events", "Events", LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}])
    watch.expect(one and all(e["EventName"] == "CreateQueue" for e in one), f"by name: {len(one)} events")
    known = [json.loads(e["CloudTrailEvent"])["requestID"] for e in one]
    watch.expect(made in known, f"no event has the request id {made} of the response")
    trail = c.cloudtrail.describe_trails()["trailList"][0]
    c.cloudtrail.get_trail_status(Name=trail["Name"])
    c.cloudtrail.get_event_selectors(TrailName=trail["TrailARN"])
    keys, _ = c.pages("s3", "list_objects_v2", "Contents", Bucket=trail["S3BucketName"])
    watch.expect(len(keys) > 0, "no files in the trail's bucket")
    c.refused("TrailNotFoundException", c.cloudtrail.get_trail_status, Name="other")
    c.refused("InvalidNextTokenException", c.cloudtrail.lookup_events, NextToken="x")
    c.refused("InvalidMaxResultsException", c.cloudtrail.lookup_events, MaxResults=51)
    c.refused("InvalidTimeRangeException", c.cloudtrail.lookup_events, StartTime=2000000000, EndTime=1999999999)


def config(c, watch):
    c.config.describe_configuration_recorders()
    c.config.describe_configuration_recorder_status()
    groups, _ = c.pages("config", "list_discovered_resources", "resourceIdentifiers", resourceType="AWS::EC2::SecurityGroup")
    watch.expect(len(groups) == 1, f"{len(groups)} security groups discovered")
    key = {k: groups[0][k] for k in ("resourceType", "resourceId")}
    items, _ = c.pages("config", "get_resource_config_history", "configurationItems", PaginationConfig={"PageSize": 1}, **key)
    watch.expect(len(items) == 3, f"{len(items)} configuration items of the security group")
    got = c.config.batch_get_resource_config(resourceKeys=[key, {"resourceType": "AWS::S3::Bucket", "resourceId": "none"}])
    watch.expect(len(got["baseConfigurationItems"]) == 1, f"batch_get_resource_config: {got}")
    c.refused("ResourceNotDiscoveredException", c.config.get_resource_config_history, resourceType="AWS::S3::Bucket", resourceId="none")
    c.refused("ValidationException", c.config.batch_get_resource_config, resourceKeys=[])
    c.refused("InvalidLimitException", c.config.list_discovered_resources, resourceType="AWS::S3::Bucket", limit=101)
    c.refused("InvalidNextTokenException", c.config.list_discovered_resources, resourceType="AWS::S3::Bucket", nextToken="x")


def milliseconds():
    return int(time.time() * 1000)


def window():
    """The hour around now, in seconds."""
    now = int(time.time())
    return {"StartTime": now - 1800, "EndTime": now + 1800}


def put(c, base, offsets):
    c.logs.put_log_events(
        logGroupName=GROUP, logStreamName="a",
        logEvents=[{"timestamp": base + n, "message": f"line {n}"} for n in offsets],
    )


STARTED = time.time()


def segment(trace, span):
    """A finished segment; later spans start later."""
    start = STARTED + int(span, 16) / 1000
    return json.dumps({
        "trace_id": trace, "id": span, "name": "orders", "start_time": start, "end_time": start + 0.01,
        "http": {"request": {"method": "POST", "url": "http://orders/"}, "response": {"status": 503}},
        "fault": True, "user": "user-7", "annotations": {"correlation_id": trace, "amount": 42.5, "vip": True},
    })


def drain(endpoint):
    urllib.request.urlopen(urllib.request.Request(endpoint + "/_muster/drain", method="POST")).close()

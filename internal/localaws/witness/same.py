"""python same.py ENDPOINT CASE...

Makes the calls of each case at an AWS and prints what came of it, one JSON object
of all cases: what is the same at any AWS, without what differs from run to run.
"""

import gzip
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import services

GROUP = "/witness/orders"
TRACE = "1-6b060a20-0123456789abcdef01234567"


def main(endpoint, *cases):
    aws = lambda service: boto3.client(service, endpoint_url=endpoint, config=Config(inject_host_prefix=False))  # noqa: E731
    now = int(time.time()) * 1000
    logs = aws("logs")
    logs.create_log_group(logGroupName=GROUP)
    for stream in ("a", "b"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    for stream, lines in (
        ("a", [(0, "ERROR one"), (20, "INFO two"), (40, "an exact phrase")]),
        ("b", [(10, "ERROR three"), (30, "WARN four"), (50, "phrase exact an")]),
    ):
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[{"timestamp": now + at, "message": m} for at, m in lines])
    make = lambda case: globals()[case](aws, logs, now) if case in globals() else getattr(services, case)(aws)  # noqa: E731
    json.dump({case: make(case) for case in cases}, sys.stdout, indent=1, sort_keys=True, default=str)


def messages(logs, **arguments):
    return [e["message"] for page in logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **arguments) for e in page["events"]]


def window(aws, logs, now):
    """Both ends are inclusive."""
    return sorted(messages(logs, startTime=now + 10, endTime=now + 40))


def merged(aws, logs, now):
    """The streams' lines in the order of their times."""
    return messages(logs, interleaved=True)


def terms(aws, logs, now):
    return {p: sorted(messages(logs, filterPattern=p)) for p in ("", "ERROR", "ERROR three", '"an exact phrase"', '"error"')}


def excluded(aws, logs, now):
    return sorted(messages(logs, filterPattern="-ERROR"))


def paged(aws, logs, now):
    pages = [[e["message"] for e in p["events"]] for p in logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, limit=4, interleaved=True)]
    return sorted(m for p in pages for m in p)


def described(aws, logs, now):
    group = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]
    streams = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    return {
        "group": {k: group[k] for k in ("logGroupName", "metricFilterCount")}, "arn": group["arn"].split(":", 5)[5],
        "streams": [{"name": s["logStreamName"], "first": s["firstEventTimestamp"] - now, "last": s["lastEventTimestamp"] - now} for s in streams],
    }


def refused(aws, logs, now):
    def code(call, **arguments):
        try:
            call(**arguments)
        except ClientError as e:
            return e.response["Error"]["Code"]
        return "an answer"

    return {
        "a group again": code(logs.create_log_group, logGroupName=GROUP),
        "a stream again": code(logs.create_log_stream, logGroupName=GROUP, logStreamName="a"),
        "no group": code(logs.filter_log_events, logGroupName="none"),
        "no group to put into": code(logs.put_log_events, logGroupName="none", logStreamName="a", logEvents=[{"timestamp": now, "message": "m"}]),
        "no stream": code(logs.put_log_events, logGroupName=GROUP, logStreamName="none", logEvents=[{"timestamp": now, "message": "m"}]),
    }


def traces(aws, logs, now):
    """Segment documents come back byte for byte."""
    xray, start = aws("xray"), now / 1000
    document = json.dumps({"trace_id": TRACE, "id": "0123456789abcdef", "name": "orders", "start_time": start, "end_time": start + 1, "annotations": {"n": 1}})
    unprocessed = xray.put_trace_segments(TraceSegmentDocuments=[document])["UnprocessedTraceSegments"]
    found = xray.batch_get_traces(TraceIds=[TRACE])["Traces"]
    return {"unprocessed": unprocessed, "same": [s["Document"] == document for t in found for s in t["Segments"]], "ids": [t["Id"] for t in found]}


def summed(aws, logs, now):
    """How long traces took, by when they began; documents that are refused; ids that are unknown."""
    xray, start = aws("xray"), now / 1000
    trace = lambda n: f"1-{int(start):08x}-{n:024x}"  # noqa: E731
    documents = [
        json.dumps({"trace_id": trace(n), "id": f"{n:016x}", "name": "orders", "start_time": start + n, "end_time": start + n + took})
        for n, took in ((1, 3), (2, 2))
    ]
    refused = xray.put_trace_segments(TraceSegmentDocuments=[*documents, "{"])["UnprocessedTraceSegments"]
    pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=start - 60, EndTime=start + 60)
    found = {t["Id"]: t for p in pages for t in p["TraceSummaries"]}
    return {
        "refused": len(refused), "code": [bool(r.get("ErrorCode")) for r in refused],
        "took": [round(found[trace(n)]["Duration"], 3) if trace(n) in found else None for n in (1, 2)],
        "before": len([t for p in xray.get_paginator("get_trace_summaries").paginate(StartTime=start - 120, EndTime=start - 60) for t in p["TraceSummaries"]]),
        "unknown": len(xray.batch_get_traces(TraceIds=[trace(9)])["Traces"]),
    }


def subscribed(aws, logs, now):
    """What a subscription puts into a Kinesis stream."""
    kinesis = aws("kinesis")
    kinesis.create_stream(StreamName="witness", ShardCount=1)
    arn = kinesis.describe_stream_summary(StreamName="witness")["StreamDescriptionSummary"]["StreamARN"]
    role = "arn:aws:iam::123456789012:role/logs"
    logs.put_subscription_filter(logGroupName=GROUP, filterName="all", filterPattern="", destinationArn=arn, roleArn=role)
    logs.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=[{"timestamp": now + 60, "message": "subscribed"}])
    shard = kinesis.list_shards(StreamName="witness")["Shards"][0]["ShardId"]
    at = kinesis.get_shard_iterator(StreamName="witness", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    out = []
    for record in kinesis.get_records(ShardIterator=at)["Records"]:
        payload = json.loads(gzip.decompress(record["Data"]))
        if payload["messageType"] == "DATA_MESSAGE":
            out.append({
                "members": sorted(payload), "group": payload["logGroup"], "stream": payload["logStream"], "filters": payload["subscriptionFilters"],
                "events": [{"members": sorted(e), "message": e["message"], "at": e["timestamp"] - now} for e in payload["logEvents"]],
            })
    logs.delete_subscription_filter(logGroupName=GROUP, filterName="all")
    return out


def tailed(aws, logs, now):
    arn = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["arn"].removesuffix(":*")
    stream = logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    kinds, seen = [], []
    deadline = time.time() + 30
    for event in stream:
        kinds += [k for k in event if k not in kinds]
        if "sessionStart" in event:
            logs.put_log_events(logGroupName=GROUP, logStreamName="b", logEvents=[{"timestamp": int(time.time() * 1000), "message": "tailed"}])
        seen += [r["message"] for r in event.get("sessionUpdate", {}).get("sessionResults", [])]
        if "tailed" in seen or time.time() > deadline:
            break
    stream.close()
    return {"kinds": kinds, "seen": [m for m in seen if m == "tailed"]}


def trail(aws, logs, now):
    """A call's event, found by its name."""
    sqs, cloudtrail = aws("sqs"), aws("cloudtrail")
    sqs.create_queue(QueueName="witness")
    found, deadline = [], time.time() + 10
    while not found and time.time() < deadline:
        found = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}])["Events"]
    record = json.loads(found[0]["CloudTrailEvent"])
    return {
        "name": found[0]["EventName"], "source": found[0]["EventSource"], "same id": found[0]["EventId"] == record["eventID"],
        "record": {k: record[k] for k in ("eventName", "eventSource", "awsRegion", "eventType")},
    }


if __name__ == "__main__":
    main(*sys.argv[1:])

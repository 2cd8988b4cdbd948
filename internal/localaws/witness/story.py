"""python story.py ENDPOINT TRACE_ID

Pulls the whole story of one request out of an AWS by hand, with nothing but
boto3: the trace, its log lines, its CloudTrail events and what Config knows of
the resources that it touched. Credentials and region come from the environment.
Prints one JSON object.
"""

import gzip
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import boto3

# How much later than a request its lines and events may bear their times.
SLACK = timedelta(minutes=10)


def main(endpoint, trace):
    bare = trace.removeprefix("1-").replace("-", "")
    aws = lambda service: boto3.client(service, endpoint_url=endpoint)  # noqa: E731
    spans = find_trace(aws("xray"), f"1-{bare[:8]}-{bare[8:]}")
    if not spans:
        sys.exit(f"there is no trace {trace}")
    start = datetime.fromtimestamp(min(s["start_time"] for s in spans), timezone.utc)
    end = datetime.fromtimestamp(max(s.get("end_time", 0) for s in spans), timezone.utc) + SLACK
    requests = {s["aws"]["request_id"] for s in spans if s.get("namespace") == "aws" and s.get("aws", {}).get("request_id")}
    events = find_events(aws("s3"), aws("cloudtrail"), requests, start, end)
    json.dump({
        "trace": bare,
        "spans": [{"id": s["id"], "name": s["name"], "start": s["start_time"]} for s in spans],
        "lines": find_lines(aws("logs"), bare, start, end),
        "events": [{"id": e["eventID"], "name": e["eventName"], "request": e.get("requestID"), "who": e["userIdentity"].get("arn")} for e in events],
        "changes": find_changes(aws("config"), events, end),
    }, sys.stdout, indent=1, default=str)


def find_trace(xray, trace):
    """All segments of a trace, flat, wherever X-Ray has put them."""
    if xray.get_trace_segment_destination()["Destination"] == "XRay":
        documents = [s["Document"] for t in xray.batch_get_traces(TraceIds=[trace])["Traces"] for s in t["Segments"]]
    else:
        documents = retrieve(xray, trace)
    spans = []
    for document in documents:
        flatten(json.loads(document), spans)
    return spans


def retrieve(xray, trace):
    """Transaction Search hands out whole traces by way of a retrieval."""
    now = datetime.now(timezone.utc)
    token = xray.start_trace_retrieval(TraceIds=[trace], StartTime=now - timedelta(days=1), EndTime=now)["RetrievalToken"]
    while (page := xray.list_retrieved_traces(RetrievalToken=token))["RetrievalStatus"] in ("SCHEDULED", "RUNNING"):
        time.sleep(0.2)
    documents = []
    while True:
        documents += [s["Document"] for t in page["Traces"] for s in t["Spans"]]
        if not page.get("NextToken"):
            return documents
        page = xray.list_retrieved_traces(RetrievalToken=token, NextToken=page["NextToken"])


def flatten(segment, spans):
    spans.append(segment)
    for sub in segment.get("subsegments") or ():
        flatten(sub, spans)


def find_lines(logs, bare, start, end):
    """The lines that show the trace's id, in either spelling, in any log group."""
    spellings = (bare, f"1-{bare[:8]}-{bare[8:]}")
    found = {}
    for group in everything(logs, "describe_log_groups", "logGroups"):
        if group["logGroupName"] == "aws/spans":
            continue
        for spelling in spellings:
            for event in everything(
                logs, "filter_log_events", "events", logGroupName=group["logGroupName"], filterPattern=f'"{spelling}"',
                startTime=milliseconds(start), endTime=milliseconds(end),
            ):
                found[event["eventId"]] = {"group": group["logGroupName"], "message": event["message"]}
    return list(found.values())


def find_events(s3, cloudtrail, requests, start, end):
    """The events of the trace's calls: data events are in the trail's files only."""
    bucket = cloudtrail.describe_trails()["trailList"][0]["S3BucketName"]
    found = {}
    for object in everything(s3, "list_objects_v2", "Contents", Bucket=bucket):
        if "/CloudTrail/" not in object["Key"] or object["LastModified"] < start - SLACK:
            continue
        body = s3.get_object(Bucket=bucket, Key=object["Key"])["Body"].read()
        for event in json.loads(gzip.decompress(body))["Records"]:
            if event.get("requestID") in requests:
                found[event["eventID"]] = event
    for event in everything(cloudtrail, "lookup_events", "Events", StartTime=start - timedelta(seconds=1), EndTime=end):
        record = json.loads(event["CloudTrailEvent"])
        if record.get("requestID") in requests:
            found[record["eventID"]] = record
    return sorted(found.values(), key=lambda e: (e["eventTime"], e["eventID"]))


def find_changes(config, events, end):
    """The newest picture, before the request ended, of each resource that it touched."""
    touched = {(r["type"], r["ARN"].split(":", 5)[-1].split("/")[-1]) for e in events for r in e.get("resources") or () if "type" in r}
    changes = []
    for kind, name in sorted(touched):
        try:
            found = everything(config, "list_discovered_resources", "resourceIdentifiers", resourceType=kind, resourceName=name)
        except config.exceptions.ClientError:
            continue  # a kind of resource that Config does not record
        for resource in found:
            items = everything(
                config, "get_resource_config_history", "configurationItems",
                resourceType=kind, resourceId=resource["resourceId"], laterTime=end,
            )
            if items:
                changes.append({"resource": f"{kind}/{name}", "status": items[0]["configurationItemStatus"], "state": items[0]["configurationStateId"]})
    return changes


def everything(client, operation, result, **arguments):
    """All items of all pages: a page may be empty and still not be the last."""
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get(result, [])]


def milliseconds(moment):
    return int(moment.timestamp() * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])

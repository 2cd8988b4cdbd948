"""python -m oracle.faults ENDPOINTS CLOCK KEY SECRET

Meets each fault that the stand-in injects, on a stand-in of its own that has
that fault alone, and shows that nothing is lost behind it. ENDPOINTS is JSON:
endpoints by the names of the functions here. CLOCK?seconds=N moves all clocks.
"""

import json
import sys
import time
import traceback
import urllib.request
from collections import Counter

from botocore.exceptions import BotoCoreError, ClientError

from .evidence import GROUP, drain, milliseconds, put, segment, trail_files, window
from .session import Clients
from .watch import Watch

SERVICES = ("sts", "sqs", "s3", "ec2", "cloudtrail", "config", "logs", "xray")
LINES = 60


class Fault:
    """A stand-in with a fault: one calls it once, many until it answers."""

    def __init__(self, endpoint, clock, key, secret, watch):
        self.endpoint, self.clock, self.watch, self.key = endpoint, clock, watch, (key, secret)
        self.one = Clients(endpoint, key, secret, watch, attempts=1, services=SERVICES)
        self.many = Clients(endpoint, key, secret, watch, attempts=20, services=SERVICES)

    def advance(self, seconds):
        urllib.request.urlopen(f"{self.clock}?seconds={seconds}").close()

    def lines(self):
        """Puts log lines a millisecond apart."""
        self.many.logs.create_log_group(logGroupName=GROUP)
        self.many.logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
        put(self.many, milliseconds(), range(LINES))

    def found(self):
        """The log events that can be read."""
        return self.many.pages("logs", "filter_log_events", "events", logGroupName=GROUP, limit=20)[0]

    def whole(self):
        ids = {e["eventId"] for e in self.found()}
        self.watch.expect(len(ids) == LINES, f"{len(ids)} of {LINES} lines are found")

    def outcomes(self, call, times=40, **arguments):
        """How often a call, made once each time, ended in which way."""
        ends = Counter()
        for _ in range(times):
            try:
                call(**arguments)
                ends["ok"] += 1
            except ClientError as e:
                ends[e.response["Error"]["Code"]] += 1
            except BotoCoreError as e:
                ends[type(e).__name__] += 1
        return ends

    def meets(self, code, call, **arguments):
        ends = self.outcomes(call, **arguments)
        self.watch.expect(set(ends) == {"ok", code}, f"{call.__name__} ended as {dict(ends)}, wanted some ok and some {code}")

    def always(self, code, call, **arguments):
        ends = self.outcomes(call, times=2, **arguments)
        self.watch.expect(set(ends) == {code}, f"{call.__name__} ended as {dict(ends)}, wanted {code}")


def throttle(f):
    f.lines()
    f.meets("ThrottlingException", f.one.logs.filter_log_events, logGroupName=GROUP)
    f.meets("ThrottledException", f.one.xray.get_trace_summaries, **window())
    f.meets("ThrottlingException", f.one.cloudtrail.lookup_events)
    f.meets("ThrottlingException", f.one.config.list_discovered_resources, resourceType="AWS::SQS::Queue")
    bucket = f.many.cloudtrail.describe_trails()["trailList"][0]["S3BucketName"]
    f.meets("SlowDown", f.one.s3.list_objects_v2, Bucket=bucket)
    f.whole()


def fail(f):
    f.lines()
    f.meets("InternalFailure", f.one.logs.filter_log_events, logGroupName=GROUP)
    f.meets("InternalFailure", f.one.xray.get_trace_summaries, **window())
    f.whole()


def empty_page(f):
    f.lines()
    for n in range(40):
        f.one.xray.put_trace_segments(TraceSegmentDocuments=[segment(f"1-6b060a20-{n:024x}", f"{n:016x}")])
    token, pages, empty = {}, 0, 0
    while True:
        page = f.one.logs.filter_log_events(logGroupName=GROUP, limit=5, **token)
        pages, empty = pages + 1, empty + (not page["events"])
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    f.watch.expect(0 < empty < pages, f"{empty} of {pages} pages are empty")
    ends = Counter(len(f.one.xray.batch_get_traces(TraceIds=[f"1-6b060a20-{n:024x}"])["UnprocessedTraceIds"]) for n in range(40))
    f.watch.expect(set(ends) == {0, 1}, f"unprocessed ids: {ends}")
    f.whole()


def repeat(f):
    f.lines()
    for n in range(20):
        f.one.sqs.create_queue(QueueName=f"oracle-{n}")
    drain(f.endpoint)
    events = f.found()
    f.watch.expect(len(events) > LINES, f"{len(events)} log events, none of them twice")
    filed = Counter(e["eventID"] for e in trail_files(f.many))
    f.watch.expect(max(filed.values()) > 1, "no event is twice in the trail's files")
    f.whole()


def addendum(f):
    for n in range(30):
        f.one.sqs.create_queue(QueueName=f"oracle-{n}")
    drain(f.endpoint)
    records = list(trail_files(f.many))
    originals = {e["eventID"]: e for e in records if not e.get("addendum")}
    added = [e for e in records if e.get("addendum")]
    f.watch.expect(added and all(e["addendum"]["originalEventID"] in originals for e in added), f"{len(added)} addenda")
    for e in added:
        first = originals[e["addendum"]["originalEventID"]]
        f.watch.expect("resources" not in first and e["resources"], "an addendum brings what was there")


def late(f):
    """Three times the delay of a minute."""
    f.lines()
    f.advance(120)
    f.watch.expect(not f.found(), "late lines can be read after two minutes")
    f.advance(70)
    f.whole()


def late_by(f):
    """Up to an hour."""
    f.lines()
    seen = [len(f.found())]
    for seconds in (600, 1200, 1200):
        f.advance(seconds)
        seen.append(len(f.found()))
    f.watch.expect(seen == sorted(seen) and seen[0] < LINES / 4 and seen[1] < seen[3] < LINES, f"of {LINES} lines there are {seen}")
    f.advance(660)
    f.whole()


def delays(f):
    """A minute for logs, five for Config, ten for LookupEvents, fifteen for the trail's files."""
    f.lines()
    f.one.sqs.create_queue(QueueName="oracle")
    made = lambda: {
        "logs": bool(f.found()),
        "config": bool(f.one.config.list_discovered_resources(resourceType="AWS::SQS::Queue")["resourceIdentifiers"]),
        "lookup": any(e["EventName"] == "CreateQueue" for e in f.one.pages("cloudtrail", "lookup_events", "Events")[0]),
        "trail": any(e["eventName"] == "CreateQueue" for e in trail_files(f.one)),
    }
    for seconds, want in ((0, set()), (70, {"logs"}), (240, {"logs", "config"}), (300, {"logs", "config", "lookup"}), (300, {"logs", "config", "lookup", "trail"})):
        f.advance(seconds)
        got = {kind for kind, there in made().items() if there}
        f.watch.expect(got == want, f"{got} can be read, wanted {want}")


def reset(f):
    f.lines()
    ends = f.outcomes(f.one.logs.filter_log_events, logGroupName=GROUP)
    broken = {"ConnectionClosedError", "ResponseStreamingError"}  # before the answer, or in it
    f.watch.expect(ends["ok"] and broken & set(ends) and set(ends) <= broken | {"ok"}, f"calls ended as {dict(ends)}")
    f.whole()


def expired_page(f):
    f.lines()
    seen, refused = set(), 0
    for _ in range(200):
        token = {}
        try:
            while True:
                page = f.one.logs.filter_log_events(logGroupName=GROUP, limit=20, **token)
                seen |= {e["eventId"] for e in page["events"]}
                if "nextToken" not in page:
                    break
                token = {"nextToken": page["nextToken"]}
        except ClientError as e:
            refused += 1
            f.watch.expect(e.response["Error"]["Code"] == "InvalidParameterException", f"an expired token: {e}")
    f.watch.expect(refused and len(seen) == LINES, f"{refused} tokens were refused, {len(seen)} lines found")


def expired_session(f):
    f.lines()
    role = f"arn:aws:iam::{f.one.sts.get_caller_identity()['Account']}:role/muster-orders"
    made = f.one.sts.assume_role(RoleArn=role, RoleSessionName="oracle")["Credentials"]
    session = Clients(f.endpoint, made["AccessKeyId"], made["SecretAccessKey"], f.watch, 1, made["SessionToken"], services=("logs", "s3"))
    f.meets("ExpiredTokenException", session.logs.filter_log_events, logGroupName=GROUP)
    f.advance(2 * 3600)
    f.always("ExpiredTokenException", session.logs.filter_log_events, logGroupName=GROUP)
    f.always("ExpiredToken", session.s3.list_buckets)
    f.whole()


def same_millisecond(f):
    f.lines()
    times = {e["timestamp"] for e in f.found()}
    f.watch.expect(len(times) < LINES, f"{LINES} lines have {len(times)} times")
    f.whole()


def all_calls(f):
    f.meets("Throttling", f.one.sts.get_caller_identity)
    f.meets("RequestLimitExceeded", f.one.ec2.describe_security_groups)
    f.lines()


def quotas(f):
    ends = f.outcomes(f.one.cloudtrail.lookup_events, times=10)
    f.watch.expect(set(ends) == {"ok", "ThrottlingException"} and ends["ok"] >= 2, f"ten calls at once ended as {dict(ends)}")
    f.advance(2)
    f.one.cloudtrail.lookup_events()


def skew(f):
    f.always("InvalidSignatureException", f.one.logs.describe_log_groups)
    f.always("SignatureDoesNotMatch", f.one.sts.get_caller_identity)
    f.always("RequestTimeTooSkewed", f.one.s3.list_buckets)


def deny(f):
    f.lines()
    f.always("AccessDeniedException", f.one.logs.filter_log_events, logGroupName=GROUP)
    f.always("AccessDenied", f.one.s3.list_buckets)
    f.watch.expect(len(f.one.logs.describe_log_groups()["logGroups"]) == 1, "what is not denied is denied")


def transaction_search(f):
    f.watch.expect(f.one.xray.get_trace_segment_destination()["Destination"] == "CloudWatchLogs", "segments go elsewhere")
    trace = f"1-6b060a20-{1:024x}"
    f.one.xray.put_trace_segments(TraceSegmentDocuments=[segment(trace, f"{1:016x}")])
    drain(f.endpoint)
    f.watch.expect(not f.one.xray.batch_get_traces(TraceIds=[trace])["Traces"], "BatchGetTraces finds the trace")
    spans = f.one.logs.filter_log_events(logGroupName="aws/spans")["events"]
    f.watch.expect(len(spans) == 1, f"{len(spans)} spans in aws/spans")


def main(endpoints, clock, key, secret):
    flaws = []
    for name, endpoint in json.loads(endpoints).items():
        watch, begun = Watch(), time.time()
        try:
            globals()[name](Fault(endpoint, clock, key, secret, watch))
        except (BotoCoreError, ClientError, KeyError, IndexError, TypeError):
            watch.flaws.append("the client gave up: " + traceback.format_exc())
        print(f"fault {name}: {sum(watch.answers.values())} answers, {sum(map(len, watch.errors.values()))} kinds of errors, {time.time() - begun:.1f} s")
        flaws += [f"{name}: {flaw}" for flaw in dict.fromkeys(watch.flaws)]
    for flaw in flaws:
        print(f"DEVIATION {flaw}")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

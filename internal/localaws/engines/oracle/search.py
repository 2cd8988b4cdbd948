"""X-Ray with Transaction Search, graphs and sampling rules."""

import json
import time

from .evidence import drain, segment, window


def run(c, watch):
    rules(c, watch)
    graphs(c, watch)
    search(c, watch)


def rules(c, watch):
    rule = {
        "RuleName": "oracle", "ResourceARN": "*", "Priority": 9000, "FixedRate": 0.1, "ReservoirSize": 5, "ServiceName": "orders",
        "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1,
    }
    made = c.xray.create_sampling_rule(SamplingRule=rule)["SamplingRuleRecord"]["SamplingRule"]
    watch.expect({k: made[k] for k in rule} == rule, f"the sampling rule is {made}")
    c.refused("InvalidRequestException", c.xray.create_sampling_rule, SamplingRule=rule)
    c.xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": "oracle", "FixedRate": 0.5})
    statistics, _ = c.pages("xray", "get_sampling_statistic_summaries", "SamplingStatisticSummaries")
    watch.expect(statistics and statistics[0]["RuleName"] == "Default", f"statistics: {statistics}")
    c.xray.delete_sampling_rule(RuleName="oracle")
    c.refused("InvalidRequestException", c.xray.delete_sampling_rule, RuleName="Default")


def graphs(c, watch):
    found, _ = c.pages("xray", "get_service_graph", "Services", **window())
    names = {(s["Name"], s.get("Type")) for s in found}
    watch.expect(names == {("orders", None), ("orders", "client")}, f"the graph has {names}")
    one, _ = c.pages("xray", "get_trace_graph", "Services", TraceIds=[f"1-6b060a20-{0:024x}"])
    watch.expect(len(one) == 2, f"a trace's graph has {len(one)} services")
    watch.expect([g["GroupName"] for g in c.xray.get_groups()["Groups"]] == ["Default"], "there are other groups")
    c.refused("InvalidRequestException", c.xray.get_service_graph, StartTime=1, EndTime=100000)


def search(c, watch):
    c.refused("InvalidRequestException", c.xray.start_trace_retrieval, TraceIds=["x"], **window())
    watch.expect(c.xray.update_trace_segment_destination(Destination="CloudWatchLogs")["Status"] == "PENDING", "the destination is not pending")
    ids = [f"1-7b060a20-{n:024x}" for n in range(7)]
    for n, trace in enumerate(ids):
        c.xray.put_trace_segments(TraceSegmentDocuments=[segment(trace, f"{n + 1:016x}")])
    drain(c.endpoint)
    watch.expect(not c.xray.batch_get_traces(TraceIds=ids[:5])["Traces"], "BatchGetTraces finds what went to CloudWatch Logs")
    spans, _ = c.pages("logs", "filter_log_events", "events", logGroupName="aws/spans", filterPattern='{ $.name = "orders" }')
    traces = {json.loads(s["message"])["traceId"] for s in spans}
    watch.expect(traces == {i[2:].replace("-", "") for i in ids}, f"aws/spans has the traces {traces}")

    token = c.xray.start_trace_retrieval(TraceIds=ids, **window())["RetrievalToken"]
    watch.expect(not c.xray.list_retrieved_traces(RetrievalToken=token)["Traces"], "traces before the retrieval is complete")
    wait(lambda: c.xray.list_retrieved_traces(RetrievalToken=token)["RetrievalStatus"] == "COMPLETE")
    for kind in ("XRAY", "OTEL"):
        found, pages = c.tokens("xray", "list_retrieved_traces", "Traces", RetrievalToken=token, TraceFormat=kind)
        watch.expect([t["Id"] for t in found] == ids and pages == 2, f"{kind}: {len(found)} traces on {pages} pages")
    graph, _ = c.tokens("xray", "get_retrieved_traces_graph", "Services", RetrievalToken=token)
    watch.expect(len(graph) == 2, f"the retrieved graph has {len(graph)} services")
    c.xray.cancel_trace_retrieval(RetrievalToken=token)
    c.refused("ResourceNotFoundException", c.xray.list_retrieved_traces, RetrievalToken="x")
    c.refused("InvalidRequestException", c.xray.update_trace_segment_destination, Destination="CloudWatchLogs")
    rule = c.xray.get_indexing_rules()["IndexingRules"][0]["Rule"]["Probabilistic"]
    watch.expect(rule["DesiredSamplingPercentage"] == 1.0, f"{rule} is indexed")
    c.xray.update_indexing_rule(Name="Default", Rule={"Probabilistic": {"DesiredSamplingPercentage": 100}})
    summaries, _ = c.pages("xray", "get_trace_summaries", "TraceSummaries", **window())
    watch.expect({s["Id"] for s in summaries} >= set(ids), f"{len(summaries)} summaries")
    c.refused("ResourceNotFoundException", c.xray.update_indexing_rule, Name="x", Rule={"Probabilistic": {"DesiredSamplingPercentage": 1}})
    c.xray.update_trace_segment_destination(Destination="XRay")


def wait(done, seconds=15):
    """Asks until it is told yes."""
    deadline = time.time() + seconds
    while not done():
        if time.time() > deadline:
            raise KeyError("what was waited for did not come")
        time.sleep(0.1)

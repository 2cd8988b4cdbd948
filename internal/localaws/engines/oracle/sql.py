"""Calls every operation of Athena."""

import time

OUT = {"OutputLocation": "s3://oracle-results/"}


def run(c, watch):
    athena = c.athena
    athena.create_work_group(Name="oracle", Configuration={"ResultConfiguration": OUT, "BytesScannedCutoffPerQuery": 10_000_000}, Description="an oracle's")
    group = athena.get_work_group(WorkGroup="oracle")["WorkGroup"]
    watch.expect(group["Configuration"]["BytesScannedCutoffPerQuery"] == 10_000_000, f"work group: {group}")
    c.refused("InvalidRequestException", athena.get_work_group, WorkGroup="nobody")
    c.refused("InvalidRequestException", athena.create_work_group, Name="oracle")
    c.refused("InvalidRequestException", athena.create_work_group, Name="frugal", Configuration={"BytesScannedCutoffPerQuery": 5})

    good = finish(athena, "SELECT n, 'text' AS t FROM UNNEST(sequence(1, 30)) AS x (n)", WorkGroup="oracle")
    watch.expect(good["Status"]["State"] == "SUCCEEDED", f"a good statement: {good['Status']}")
    rows, pages = [], 0
    for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=good["QueryExecutionId"], PaginationConfig={"PageSize": 10}):
        rows += page["ResultSet"]["Rows"]
        pages += 1
    watch.expect(len(rows) == 31 and pages == 4, f"{len(rows)} rows on {pages} pages")
    bad = finish(athena, "SELECT * FROM nowhere.nothing", ResultConfiguration=OUT)
    watch.expect(bad["Status"]["State"] == "FAILED", f"a bad statement: {bad['Status']}")
    batch = athena.batch_get_query_execution(QueryExecutionIds=[good["QueryExecutionId"], bad["QueryExecutionId"], "nothing"])
    watch.expect(len(batch["QueryExecutions"]) == 2 and len(batch["UnprocessedQueryExecutionIds"]) == 1, f"batch: {batch}")
    athena.stop_query_execution(QueryExecutionId=good["QueryExecutionId"])

    for wrong in (
        {"QueryString": "SELEC 1", "ResultConfiguration": OUT},
        {"QueryString": "SELECT 1"},
        {"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": "here"}},
        {"QueryString": "SELECT 1", "WorkGroup": "nobody"},
        {"QueryString": "SELECT 1", "ResultConfiguration": OUT, "ClientRequestToken": "short"},
    ):
        c.refused("InvalidRequestException", athena.start_query_execution, **wrong)
    for call in (athena.get_query_execution, athena.get_query_results, athena.stop_query_execution):
        c.refused("InvalidRequestException", call, QueryExecutionId="nothing")
    c.refused("InvalidRequestException", athena.get_query_results, QueryExecutionId=bad["QueryExecutionId"])
    c.refused("InvalidRequestException", athena.get_query_results, QueryExecutionId=good["QueryExecutionId"], MaxResults=1001)
    c.refused("InvalidRequestException", athena.get_query_results, QueryExecutionId=good["QueryExecutionId"], NextToken="x")
    c.refused("InvalidRequestException", athena.batch_get_query_execution, QueryExecutionIds=[])


def finish(athena, statement, **arguments):
    """A statement's execution once it has ended."""
    name = athena.start_query_execution(QueryString=statement, **arguments)["QueryExecutionId"]
    while True:
        execution = athena.get_query_execution(QueryExecutionId=name)["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        time.sleep(0.1)

"""The other ways by which log lines, events and configurations are had."""

import gzip
import hashlib
import io
import json
import time

from .evidence import GROUP, drain, milliseconds, put, trail_files
from .search import wait


def run(c, watch):
    pages_of_a_stream(c, watch)
    live_tail(c, watch)
    insights(c, watch)
    subscriptions(c, watch)
    groups(c, watch)
    trail(c, watch)
    rules(c, watch)
    packs(c, watch)
    aggregators(c, watch)
    queries(c, watch)
    snapshots(c, watch)
    organization(c, watch)


def pages_of_a_stream(c, watch):
    got, token = [], None
    while True:
        arguments = {"nextToken": token} if token else {}
        page = c.logs.get_log_events(logGroupName=GROUP, logStreamName="a", startFromHead=True, limit=7, **arguments)
        got += page["events"]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    watch.expect([e["message"] for e in got] == [f"line {n}" for n in range(30)], f"get_log_events: {len(got)} events")
    c.refused("InvalidParameterException", c.logs.get_log_events, logGroupName=GROUP, logStreamName="a", nextToken="x")
    c.refused("ResourceNotFoundException", c.logs.get_log_events, logGroupName=GROUP, logStreamName="none")


def live_tail(c, watch):
    arn = c.logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["logGroupArn"]
    stream = c.logs.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="tailed")["responseStream"]
    started, seen = False, []
    for event in stream:
        if "sessionStart" in event:
            started = event["sessionStart"]["logGroupIdentifiers"] == [arn]
            c.logs.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=[
                {"timestamp": milliseconds(), "message": m} for m in ("a tailed line", "another line")
            ])
        if "sessionUpdate" in event:
            seen += [r["message"] for r in event["sessionUpdate"]["sessionResults"]]
            if seen:
                break
    stream.close()
    watch.expect(started and seen == ["a tailed line"], f"live tail: started {started}, {seen}")
    c.refused("InvalidParameterException", c.logs.start_live_tail, logGroupIdentifiers=[GROUP])
    c.refused("ResourceNotFoundException", c.logs.start_live_tail, logGroupIdentifiers=[arn + "x"])


def insights(c, watch):
    now = int(time.time())
    query = {"logGroupNames": [GROUP], "startTime": now - 3600, "endTime": now + 3600}
    begun = c.logs.start_query(queryString='fields @message | filter @message like /^line/ | stats count(*) as n by bin(1d)', **query)["queryId"]
    wait(lambda: c.logs.get_query_results(queryId=begun)["status"] == "Complete")
    counted = sum(int(f["value"]) for row in c.logs.get_query_results(queryId=begun)["results"] for f in row if f["field"] == "n")
    watch.expect(counted == 30, f"insights counts {counted} lines")
    other = c.logs.start_query(queryString="fields @timestamp, @message | sort @timestamp desc | limit 5", **query)["queryId"]
    watch.expect(c.logs.stop_query(queryId=other)["success"], "a query cannot be stopped")
    known = c.logs.describe_queries(logGroupName=GROUP)["queries"]
    watch.expect({q["queryId"] for q in known} == {begun, other}, f"describe_queries: {known}")
    c.refused("MalformedQueryException", c.logs.start_query, queryString="select 1", **query)
    c.refused("ResourceNotFoundException", c.logs.get_query_results, queryId="x")
    c.refused("ResourceNotFoundException", c.logs.start_query, queryString="fields @message", **(query | {"logGroupNames": ["none"]}))


def subscriptions(c, watch):
    role = "arn:aws:iam::111122223333:role/muster-logs"
    c.s3.create_bucket(Bucket="oracle-hose")
    hose = c.firehose.create_delivery_stream(DeliveryStreamName="oracle", ExtendedS3DestinationConfiguration={
        "RoleARN": role, "BucketARN": "arn:aws:s3:::oracle-hose", "Prefix": "logs/",
    })["DeliveryStreamARN"]
    c.kinesis.create_stream(StreamName="oracle", ShardCount=1)
    stream = c.kinesis.describe_stream_summary(StreamName="oracle")["StreamDescriptionSummary"]["StreamARN"]
    for name, to in (("hose", hose), ("stream", stream)):
        c.logs.put_subscription_filter(logGroupName=GROUP, filterName=name, filterPattern="subscribed", destinationArn=to, roleArn=role)
    c.refused("LimitExceededException", c.logs.put_subscription_filter, logGroupName=GROUP, filterName="third", filterPattern="", destinationArn=stream, roleArn=role)
    c.refused("InvalidParameterException", c.logs.put_subscription_filter, logGroupName=GROUP, filterName="hose", filterPattern="", destinationArn=hose)
    c.logs.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=[{"timestamp": milliseconds(), "message": "a subscribed line"}])
    drain(c.endpoint)
    lines = []
    keys, _ = c.pages("s3", "list_objects_v2", "Contents", Bucket="oracle-hose", Prefix="logs/")
    for key in keys:
        lines += payload_lines(c.s3.get_object(Bucket="oracle-hose", Key=key["Key"])["Body"].read())
    shard = c.kinesis.list_shards(StreamName="oracle")["Shards"][0]["ShardId"]
    at = c.kinesis.get_shard_iterator(StreamName="oracle", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    for record in c.kinesis.get_records(ShardIterator=at)["Records"]:
        lines += payload_lines(record["Data"])
    watch.expect(lines == ["a subscribed line"] * 2, f"subscriptions brought {lines}")
    found = c.logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]
    watch.expect([f["filterName"] for f in found] == ["hose", "stream"], f"filters: {found}")
    for name in ("hose", "stream"):
        c.logs.delete_subscription_filter(logGroupName=GROUP, filterName=name)
    c.refused("ResourceNotFoundException", c.logs.delete_subscription_filter, logGroupName=GROUP, filterName="hose")
    c.firehose.put_record(DeliveryStreamName="oracle", Record={"Data": b"x"})
    c.firehose.describe_delivery_stream(DeliveryStreamName="oracle")
    c.firehose.list_delivery_streams()
    c.firehose.delete_delivery_stream(DeliveryStreamName="oracle")
    c.kinesis.put_record(StreamName="oracle", Data=b"x", PartitionKey="p")
    c.refused("ResourceNotFoundException", c.kinesis.describe_stream_summary, StreamName="none")
    c.refused("ResourceNotFoundException", c.firehose.describe_delivery_stream, DeliveryStreamName="none")


def payload_lines(body):
    """The messages of payloads, which are gzip members one behind the other."""
    text = gzip.GzipFile(fileobj=io.BytesIO(body)).read().decode()
    lines = []
    for document in text.splitlines():
        payload = json.loads(document)
        if payload["messageType"] == "DATA_MESSAGE":
            lines += [e["message"] for e in payload["logEvents"]]
    return lines


def groups(c, watch):
    c.logs.create_log_group(logGroupName="/oracle/tagged", tags={"a": "1"})
    arn = c.logs.describe_log_groups(logGroupNamePrefix="/oracle/tagged")["logGroups"][0]["logGroupArn"]
    c.logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    c.logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    watch.expect(c.logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}, "tags are not kept")
    c.logs.put_retention_policy(logGroupName="/oracle/tagged", retentionInDays=14)
    c.logs.delete_retention_policy(logGroupName="/oracle/tagged")
    c.logs.delete_log_group(logGroupName="/oracle/tagged")
    c.refused("ResourceNotFoundException", c.logs.delete_log_group, logGroupName="/oracle/tagged")


def trail(c, watch):
    name = c.cloudtrail.describe_trails()["trailList"][0]["Name"]
    c.logs.create_log_group(logGroupName="/oracle/trail")
    arn = c.logs.describe_log_groups(logGroupNamePrefix="/oracle/trail")["logGroups"][0]["arn"]
    c.cloudtrail.update_trail(Name=name, CloudWatchLogsLogGroupArn=arn, CloudWatchLogsRoleArn="arn:aws:iam::111122223333:role/muster-trail")
    c.refused("InsightNotEnabledException", c.cloudtrail.get_insight_selectors, TrailName=name)
    c.cloudtrail.put_insight_selectors(TrailName=name, InsightSelectors=[{"InsightType": "ApiCallRateInsight"}])
    c.cloudtrail.get_insight_selectors(TrailName=name)
    queue = c.sqs.create_queue(QueueName="oracle-bridge")["QueueUrl"]
    c.events.put_rule(Name="oracle", EventPattern=json.dumps({"source": ["aws.sns"], "detail": {"eventName": ["CreateTopic"]}}))
    target = c.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    watch.expect(c.events.put_targets(Rule="oracle", Targets=[{"Id": "1", "Arn": target}])["FailedEntryCount"] == 0, "a target failed")
    made = c.sns.create_topic(Name="oracle-bridge")["ResponseMetadata"]["RequestId"]
    for n in range(25):
        c.sns.create_topic(Name=f"oracle-burst-{n}")
    drain(c.endpoint)
    logged, _ = c.pages("logs", "filter_log_events", "events", logGroupName="/oracle/trail", filterPattern='{ $.requestID = "' + made + '" }')
    watch.expect(len(logged) == 1, f"{len(logged)} events of a call in the trail's log group")
    wrapped = json.loads(c.sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"])
    watch.expect(wrapped["detail"]["requestID"] == made and wrapped["detail-type"] == "AWS API Call via CloudTrail", f"EventBridge sent {wrapped}")
    unusual, _ = c.pages("cloudtrail", "lookup_events", "Events", EventCategory="insight")
    watch.expect([e["EventName"] for e in unusual] == ["CreateTopic"], f"insight events: {unusual}")
    c.events.list_rules()
    c.events.list_targets_by_rule(Rule="oracle")
    sent = c.events.put_events(Entries=[{"Source": "oracle", "DetailType": "t", "Detail": "{}"}, {"Source": "oracle", "DetailType": "t", "Detail": "["}])
    watch.expect(sent["FailedEntryCount"] == 1, f"put_events: {sent}")
    c.refused("InvalidEventPatternException", c.events.put_rule, Name="oracle", EventPattern="[]")
    c.refused("ResourceNotFoundException", c.events.put_targets, Rule="none", Targets=[])
    c.events.remove_targets(Rule="oracle", Ids=["1"])
    c.events.delete_rule(Name="oracle")

    watch.expect(c.cloudtrail.update_trail(Name=name, EnableLogFileValidation=True)["LogFileValidationEnabled"], "files are not validated")
    c.sns.create_topic(Name="oracle-digested")
    drain(c.endpoint)
    bucket = c.cloudtrail.describe_trails()["trailList"][0]["S3BucketName"]
    keys, _ = c.pages("s3", "list_objects_v2", "Contents", Bucket=bucket)
    digests = [k["Key"] for k in keys if "/CloudTrail-Digest/" in k["Key"]]
    watch.expect(digests, "there is no digest")
    for key in digests:
        for file in json.loads(gzip.decompress(c.s3.get_object(Bucket=bucket, Key=key)["Body"].read()))["logFiles"]:
            body = c.s3.get_object(Bucket=bucket, Key=file["s3Object"])["Body"].read()
            watch.expect(hashlib.sha256(body).hexdigest() == file["hashValue"], f"{file['s3Object']} is not what the digest says")

    c.cloudtrail.stop_logging(Name=name)
    hidden = c.sqs.create_queue(QueueName="oracle-unlogged")["ResponseMetadata"]["RequestId"]
    watch.expect(not c.cloudtrail.get_trail_status(Name=name)["IsLogging"], "a stopped trail is logging")
    c.cloudtrail.start_logging(Name=name)
    drain(c.endpoint)
    filed = {e.get("requestID") for e in trail_files(c)}
    watch.expect(made in filed and hidden not in filed, "the files are not what the trail should have written")


def rules(c, watch):
    c.config.put_config_rule(ConfigRule={"ConfigRuleName": "oracle-ssh", "Source": {"Owner": "AWS", "SourceIdentifier": "INCOMING_SSH_DISABLED"}})
    c.config.put_config_rule(ConfigRule={"ConfigRuleName": "oracle-custom", "Source": {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": "arn:aws:lambda:us-east-1:111122223333:function:f"}})
    c.config.put_evaluations(ResultToken="oracle-custom", Evaluations=[
        {"ComplianceResourceType": "AWS::SQS::Queue", "ComplianceResourceId": "q", "ComplianceType": "NON_COMPLIANT", "OrderingTimestamp": int(time.time())}
    ])
    watch.expect(len(c.pages("config", "describe_config_rules", "ConfigRules")[0]) == 2, "there are not two rules")
    verdicts = {r["ConfigRuleName"]: r["Compliance"]["ComplianceType"] for r in c.pages("config", "describe_compliance_by_config_rule", "ComplianceByConfigRules")[0]}
    watch.expect(verdicts == {"oracle-ssh": "COMPLIANT", "oracle-custom": "NON_COMPLIANT"}, f"verdicts: {verdicts}")
    details, _ = c.pages("config", "get_compliance_details_by_config_rule", "EvaluationResults", ConfigRuleName="oracle-custom")
    watch.expect(len(details) == 1, f"details: {details}")
    said, _ = c.pages("config", "get_resource_config_history", "configurationItems", resourceType="AWS::Config::ResourceCompliance", resourceId="AWS::SQS::Queue/q")
    watch.expect([json.loads(i["configuration"])["complianceType"] for i in said] == ["NON_COMPLIANT"], f"the timeline of a queue: {said}")
    c.pages("config", "get_compliance_details_by_resource", "EvaluationResults", ResourceType="AWS::SQS::Queue", ResourceId="q")
    c.pages("config", "describe_compliance_by_resource", "ComplianceByResources", ResourceType="AWS::SQS::Queue")
    c.refused("NoSuchConfigRuleException", c.config.get_compliance_details_by_config_rule, ConfigRuleName="none")
    c.refused("InvalidResultTokenException", c.config.put_evaluations, ResultToken="none", Evaluations=[])
    c.refused("InvalidParameterValueException", c.config.put_config_rule, ConfigRule={"ConfigRuleName": "x", "Source": {"Owner": "AWS", "SourceIdentifier": "NONE"}})
    c.config.delete_config_rule(ConfigRuleName="oracle-custom")


def packs(c, watch):
    rule = {"Type": "AWS::Config::ConfigRule", "Properties": {"ConfigRuleName": "dlq", "Source": {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": "arn:aws:lambda:us-east-1:111122223333:function:f"}}}
    c.config.put_conformance_pack(ConformancePackName="oracle-pack", TemplateBody=json.dumps({"Resources": {"Dlq": rule}}))
    found, _ = c.pages("config", "describe_conformance_packs", "ConformancePackDetails")
    watch.expect([p["ConformancePackName"] for p in found] == ["oracle-pack"], f"packs: {found}")
    name = [r["ConfigRuleName"] for r in c.pages("config", "describe_config_rules", "ConfigRules")[0] if r["ConfigRuleName"].startswith("dlq-conformance-pack-")][0]
    c.config.put_evaluations(ResultToken=name, Evaluations=[
        {"ComplianceResourceType": "AWS::SQS::Queue", "ComplianceResourceId": "p", "ComplianceType": "NON_COMPLIANT", "OrderingTimestamp": int(time.time())}
    ])
    said = c.config.get_conformance_pack_compliance_details(ConformancePackName="oracle-pack", Limit=10)["ConformancePackRuleEvaluationResults"]
    watch.expect([s["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ConfigRuleName"] for s in said] == [name], f"a pack: {said}")
    c.refused("NoSuchConformancePackException", c.config.get_conformance_pack_compliance_details, ConformancePackName="none")
    c.refused("ConformancePackTemplateValidationException", c.config.put_conformance_pack, ConformancePackName="bad", TemplateBody="{}")


def aggregators(c, watch):
    account = c.sts.get_caller_identity()["Account"]
    made = c.config.put_configuration_aggregator(
        ConfigurationAggregatorName="oracle-all", AccountAggregationSources=[{"AccountIds": [account], "AllAwsRegions": True}]
    )["ConfigurationAggregator"]
    found, _ = c.pages("config", "describe_configuration_aggregators", "ConfigurationAggregators")
    watch.expect(found == [made], f"aggregators: {found}")
    found, _ = c.pages("config", "select_aggregate_resource_config", "Results", ConfigurationAggregatorName="oracle-all",
                       Expression="SELECT accountId, resourceName WHERE resourceType = 'AWS::SQS::Queue' AND resourceName LIKE 'oracle%'")
    watch.expect(json.dumps({"accountId": account, "resourceName": "oracle"}, separators=(",", ":")) in found, f"select_aggregate_resource_config: {found}")
    rules, _ = c.pages("config", "describe_aggregate_compliance_by_config_rules", "AggregateComplianceByConfigRules", ConfigurationAggregatorName="oracle-all")
    bad = [r for r in rules if r["Compliance"]["ComplianceType"] == "NON_COMPLIANT"]
    watch.expect(bad and bad[0]["AccountId"] == account, f"rules of an aggregator: {rules}")
    said, _ = c.pages("config", "get_aggregate_compliance_details_by_config_rule", "AggregateEvaluationResults", ConfigurationAggregatorName="oracle-all",
                      ConfigRuleName=bad[0]["ConfigRuleName"], AccountId=account, AwsRegion=bad[0]["AwsRegion"])
    watch.expect(len(said) == 1 and said[0]["AccountId"] == account, f"verdicts of an aggregator: {said}")
    c.refused("NoSuchConfigurationAggregatorException", c.config.select_aggregate_resource_config, ConfigurationAggregatorName="none", Expression="SELECT resourceId")
    c.refused("InvalidParameterValueException", c.config.put_configuration_aggregator, ConfigurationAggregatorName="none")


def queries(c, watch):
    found, _ = c.pages("config", "select_resource_config", "Results", Expression="SELECT resourceName WHERE resourceType = 'AWS::SQS::Queue' AND resourceName LIKE 'oracle%'")
    watch.expect('{"resourceName":"oracle"}' in found, f"select_resource_config: {found}")
    c.refused("InvalidExpressionException", c.config.select_resource_config, Expression="SELECT")


def snapshots(c, watch):
    c.refused("NoSuchDeliveryChannelException", c.config.deliver_config_snapshot, deliveryChannelName="default")
    c.s3.create_bucket(Bucket="oracle-config")
    c.config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "oracle-config"})
    c.config.describe_delivery_channels()
    snapshot = c.config.deliver_config_snapshot(deliveryChannelName="default")["configSnapshotId"]
    keys, _ = c.pages("s3", "list_objects_v2", "Contents", Bucket="oracle-config")
    bodies = [json.loads(gzip.decompress(c.s3.get_object(Bucket="oracle-config", Key=k["Key"])["Body"].read())) for k in keys if "ConfigSnapshot" in k["Key"]]
    watch.expect([b["configSnapshotId"] for b in bodies] == [snapshot] and bodies[0]["configurationItems"], f"{len(bodies)} snapshots")


def organization(c, watch):
    accounts, _ = c.pages("organizations", "list_accounts", "Accounts", PaginationConfig={"PageSize": 1})
    watch.expect([a["Id"] for a in accounts] == ["111122223333", "444455556666"], f"accounts: {accounts}")
    c.organizations.describe_organization()
    c.organizations.describe_account(AccountId="444455556666")
    c.refused("AccountNotFoundException", c.organizations.describe_account, AccountId="000000000000")

"""The cases of same.py that are about what the fleet lives on: queues to keys.

Each takes a maker of clients and returns what is the same at any AWS.
"""

import hashlib
import json
import time

import boto3
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/witness"

# SNS signs its envelopes and offers an end of the subscription in them. Nobody
# can sign for AWS, so that the stand-in leaves it be; the others make it up.
SIGNATURE = {"Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL"}


def code(call, **arguments):
    """How a call ends that should be refused."""
    try:
        call(**arguments)
    except ClientError as e:
        return e.response["Error"]["Code"]
    return "an answer"


def queues(aws):
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName="witness-queue", Attributes={"VisibilityTimeout": "30", "DelaySeconds": "0"})["QueueUrl"]
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="one", MessageAttributes={"kind": {"DataType": "String", "StringValue": "order"}},
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-6b060a20-0123456789abcdef01234567"}},
    )
    got = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"][0]
    hidden = sqs.receive_message(QueueUrl=url).get("Messages", [])
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    batch = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "two"}, {"Id": "b", "MessageBody": "three"}])
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    gone = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(taken)])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
    settings = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "DelaySeconds", "QueueArn"])["Attributes"]
    return {
        "same url": sqs.get_queue_url(QueueName="witness-queue")["QueueUrl"] == url, "again": sqs.create_queue(QueueName="witness-queue")["QueueUrl"] == url,
        "sums": [sent["MD5OfMessageBody"] == hashlib.md5(b"one").hexdigest(), sent["MD5OfMessageAttributes"], got["MD5OfBody"] == sent["MD5OfMessageBody"]],
        "same id": got["MessageId"] == sent["MessageId"], "attributes": sorted(a for a in got["Attributes"] if a != "SenderId"),
        "header": got["Attributes"]["AWSTraceHeader"], "receives": got["Attributes"]["ApproximateReceiveCount"], "kind": got["MessageAttributes"]["kind"],
        "hidden": len(hidden), "counted": counted, "batch": sorted(s["Id"] for s in batch["Successful"]), "taken": sorted(m["Body"] for m in taken),
        "gone": sorted(s["Id"] for s in gone["Successful"]), "settings": settings | {"QueueArn": settings["QueueArn"].split(":")[-1]},
        "other settings": code(sqs.create_queue, QueueName="witness-queue", Attributes={"VisibilityTimeout": "7"}),
        "no queue": [code(sqs.get_queue_url, QueueName="none"), code(sqs.send_message, QueueUrl=url + "x", MessageBody="m")],
    }


def dead(aws):
    """A message that is taken too often goes to the dead-letter queue."""
    sqs = aws("sqs")
    last = sqs.create_queue(QueueName="witness-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=last, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = sqs.create_queue(QueueName="witness-tried", Attributes={
        "VisibilityTimeout": "0", "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"}),
    })["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")["MessageId"]
    tries = [len(sqs.receive_message(QueueUrl=url).get("Messages", [])) for _ in range(3)]
    found = sqs.receive_message(QueueUrl=last).get("Messages", [])
    return {"tries": tries, "dead": [m["Body"] for m in found], "same id": [m["MessageId"] == sent for m in found]}


def topics(aws):
    sns, sqs = aws("sns"), aws("sqs")
    url = sqs.create_queue(QueueName="witness-news")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="witness")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)["SubscriptionArn"]
    sent = sns.publish(TopicArn=topic, Message="news", MessageAttributes={"kind": {"DataType": "String", "StringValue": "order"}})["MessageId"]
    envelope = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    return {
        "again": sns.create_topic(Name="witness")["TopicArn"] == topic, "subscription": subscription.startswith(topic + ":"),
        "members": sorted(set(envelope) - SIGNATURE), "message": envelope["Message"], "kind": envelope["MessageAttributes"], "type": envelope["Type"],
        "same id": envelope["MessageId"] == sent, "topic": envelope["TopicArn"] == topic, "no topic": code(sns.publish, TopicArn=topic + "x", Message="m"),
    }


def tables(aws):
    db, table = aws("dynamodb"), "witness"
    db.create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
    )
    for n in range(5):
        db.put_item(TableName=table, Item={"id": {"S": "a"}, "n": {"N": str(n)}, "tags": {"L": [{"BOOL": True}, {"NULL": True}]}, "raw": {"B": b"\x00\x01"}})
    key = {"id": {"S": "a"}, "n": {"N": "1"}}
    new = db.update_item(
        TableName=table, Key=key, UpdateExpression="SET #s = :s", ExpressionAttributeNames={"#s": "status"}, ExpressionAttributeValues={":s": {"S": "paid"}}, ReturnValues="ALL_NEW",
    )["Attributes"]
    asked = {"TableName": table, "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "a"}}, "ScanIndexForward": False, "Limit": 2}
    pages = [[i["n"]["N"] for i in p["Items"]] for p in db.get_paginator("query").paginate(**asked)]
    begun = db.query(**asked)
    scanned = db.scan(TableName=table)
    return {
        "status": db.describe_table(TableName=table)["Table"]["TableStatus"], "new": new, "item": db.get_item(TableName=table, Key=key)["Item"],
        "nothing": "Item" in db.get_item(TableName=table, Key=key | {"n": {"N": "9"}}), "pages": [p for p in pages if p],
        "begun": {k: begun[k] for k in ("Count", "ScannedCount", "LastEvaluatedKey")}, "scanned": [scanned["Count"], scanned["ScannedCount"]],
        "once": code(db.put_item, TableName=table, Item=key, ConditionExpression="attribute_not_exists(id)"),
        "no table": [code(db.get_item, TableName="none", Key=key), code(db.describe_table, TableName="none")],
        "half a key": code(db.get_item, TableName=table, Key={"id": {"S": "a"}}),
        "a table again": code(db.create_table, TableName=table, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}]),
        "deleted": db.delete_table(TableName=table)["TableDescription"]["TableName"],
    }


def objects(aws):
    s3, bucket = aws("s3"), "witness-objects"
    s3.create_bucket(Bucket=bucket)
    for key in ("a", "b/1", "b/2", "c d", "e"):
        put = s3.put_object(Bucket=bucket, Key=key, Body=b"content", ContentType="text/plain")
    read, head = s3.get_object(Bucket=bucket, Key="b/1"), s3.head_object(Bucket=bucket, Key="c d")
    pages = [[o["Key"] for o in p["Contents"]] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})]
    folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    unset = code(s3.get_bucket_policy, Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})["Deleted"]
    return {
        "sum": put["ETag"], "read": [read["Body"].read().decode(), read["ContentType"], read["ContentLength"], read["ETag"]], "head": [head["ContentLength"], head["ETag"]],
        "pages": pages, "folders": [[o["Key"] for o in folders["Contents"]], folders["CommonPrefixes"], folders["KeyCount"], folders["IsTruncated"]],
        "after": [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, StartAfter="b/15")["Contents"]],
        "policy": [unset, json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])], "deleted": sorted(d["Key"] for d in deleted),
        "refused": [code(s3.get_object, Bucket=bucket, Key="none"), code(s3.head_object, Bucket=bucket, Key="none"), code(s3.list_objects_v2, Bucket="none-such"),
                    code(s3.delete_bucket, Bucket=bucket), code(s3.head_bucket, Bucket="none-such")],
    }


def groups(aws):
    ec2 = aws("ec2")
    group = ec2.create_security_group(GroupName="witness", Description="for a witness")["GroupId"]
    world = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    opened = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=world)["Return"]
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    again = code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=world)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=world)
    return {
        "opened": opened, "name": rules["GroupName"], "rules": rules["IpPermissions"], "again": again,
        "closed": ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"],
        "no group": code(ec2.describe_security_groups, GroupIds=["sg-00000000000000000"]),
        "a group again": code(ec2.create_security_group, GroupName="witness", Description="again"),
    }


def keys(aws):
    kms = aws("kms")
    made = kms.create_key(Description="a witness's")["KeyMetadata"]
    key = made["KeyId"]
    before = kms.describe_key(KeyId=key)["KeyMetadata"]
    gone = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kept = {k: made[k] for k in ("Description", "KeyState", "Enabled", "KeyUsage", "KeyManager", "Origin")}
    out = {
        "made": kept, "same": {k: before[k] for k in kept} == kept, "days": round((gone["DeletionDate"].timestamp() - time.time()) / 86400),
        "state": kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "by arn": kms.describe_key(KeyId=made["Arn"])["KeyMetadata"]["KeyId"] == key,
    }
    kms.cancel_key_deletion(KeyId=key)
    return out | {
        "saved": kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "no key": code(kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000"),
    }


def people(aws):
    iam = aws("iam")
    user = iam.create_user(UserName="witness")["User"]
    key = iam.create_access_key(UserName="witness")["AccessKey"]
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_user_policy(UserName="witness", PolicyArn=administrator)
    iam.detach_user_policy(UserName="witness", PolicyArn=administrator)
    hers = boto3.client("sts", endpoint_url=iam.meta.endpoint_url, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    return {
        "user": [user["Path"], user["UserName"], user["Arn"].split(":")[-1], user["UserId"][:4]], "key": [key["UserName"], key["Status"], key["AccessKeyId"][:4]],
        "who": hers.get_caller_identity()["Arn"] == user["Arn"], "a user again": code(iam.create_user, UserName="witness"),
        "no user": [code(iam.create_access_key, UserName="none"), code(iam.attach_user_policy, UserName="none", PolicyArn=administrator)],
        "not attached": code(iam.detach_user_policy, UserName="witness", PolicyArn=administrator),
    }


def sessions(aws):
    sts = aws("sts")
    account = sts.get_caller_identity()["Account"]
    made = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/muster-witness", RoleSessionName="w-1")
    keys = made["Credentials"]
    his = boto3.client("sts", endpoint_url=sts.meta.endpoint_url, aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    who = his.get_caller_identity()
    return {
        "arn": made["AssumedRoleUser"]["Arn"].split(":")[-1], "id": made["AssumedRoleUser"]["AssumedRoleId"].split(":")[-1],
        "role": made["AssumedRoleUser"]["AssumedRoleId"][:4], "key": keys["AccessKeyId"][:4], "hours": round((keys["Expiration"].timestamp() - time.time()) / 3600),
        "who": who["Arn"].split(":")[-1], "same": who["UserId"] == made["AssumedRoleUser"]["AssumedRoleId"],
    }


def found(aws):
    """Cloud Map: what is registered is discovered."""
    sd = aws("servicediscovery")
    done = sd.get_operation(OperationId=sd.create_http_namespace(Name="witness")["OperationId"])["Operation"]
    space = done["Targets"]["NAMESPACE"]
    service = sd.create_service(Name="orders", NamespaceId=space)["Service"]["Id"]
    sd.register_instance(ServiceId=service, InstanceId="i-1", Attributes={"url": "http://192.0.2.1"})
    instances = sd.discover_instances(NamespaceName="witness", ServiceName="orders")["Instances"]
    out = {
        "operation": [done["Type"], done["Status"]], "space": [n["Name"] for n in sd.list_namespaces()["Namespaces"] if n["Id"] == space],
        "service": [s["Name"] for s in sd.list_services()["Services"] if s["Id"] == service],
        "found": [{k: i[k] for k in ("InstanceId", "NamespaceName", "ServiceName")} | {"url": i["Attributes"].get("url")} for i in instances],
        "listed": [i["Id"] for i in sd.list_instances(ServiceId=service)["Instances"]],
        "refused": [code(sd.create_http_namespace, Name="witness"), code(sd.register_instance, ServiceId="srv-none", InstanceId="i", Attributes={}),
                    code(sd.discover_instances, NamespaceName="none", ServiceName="orders")],
    }
    sd.deregister_instance(ServiceId=service, InstanceId="i-1")
    return out | {"gone": sd.discover_instances(NamespaceName="witness", ServiceName="orders")["Instances"]}


def tasks(aws):
    ecs = aws("ecs")
    one, two = (ecs.register_task_definition(family="witness", containerDefinitions=[{"name": "c", "image": f"i:{n}", "memory": 128}])["taskDefinition"] for n in (1, 2))
    return {
        "revisions": [one["revision"], two["revision"]], "arn": two["taskDefinitionArn"].split(":")[-2:], "status": two["status"],
        "image": two["containerDefinitions"][0]["image"],
    }


def routed(aws):
    """EventBridge: what a rule wants comes to its target in an envelope."""
    events, sqs = aws("events"), aws("sqs")
    url = sqs.create_queue(QueueName="witness-routed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(Name="witness", EventPattern=json.dumps({"source": ["witness"], "detail": {"kind": ["placed"]}}))["RuleArn"]
    failed = events.put_targets(Rule="witness", Targets=[{"Id": "1", "Arn": arn}])["FailedEntryCount"]
    sent = events.put_events(Entries=[{"Source": "witness", "DetailType": "t", "Detail": json.dumps({"kind": kind})} for kind in ("placed", "other")])
    came = [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]
    out = {
        "rule": rule.split(":")[-1], "failed": [failed, sent["FailedEntryCount"]], "members": [sorted(e) for e in came], "detail": [e["detail"] for e in came],
        "same id": [e["id"] == sent["Entries"][0]["EventId"] for e in came], "type": [[e["source"], e["detail-type"], e["version"]] for e in came],
        "listed": [r["Name"] for r in events.list_rules(NamePrefix="witness")["Rules"]], "targets": events.list_targets_by_rule(Rule="witness")["Targets"][0]["Id"],
        "no rule": code(events.put_targets, Rule="none", Targets=[{"Id": "1", "Arn": arn}]),
    }
    events.remove_targets(Rule="witness", Ids=["1"])
    events.delete_rule(Name="witness")
    return out | {"gone": events.list_rules(NamePrefix="witness")["Rules"]}


def hoses(aws):
    """Firehose: a stream to S3 is made, described and written to."""
    firehose, s3 = aws("firehose"), aws("s3")
    s3.create_bucket(Bucket="witness-hose")
    arn = firehose.create_delivery_stream(DeliveryStreamName="witness", ExtendedS3DestinationConfiguration={
        "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::witness-hose", "Prefix": "logs/",
    })["DeliveryStreamARN"]
    said = firehose.describe_delivery_stream(DeliveryStreamName="witness")["DeliveryStreamDescription"]
    for data in (b"one\n", b"two\n"):
        firehose.put_record(DeliveryStreamName="witness", Record={"Data": data})
    return {
        "arn": arn.split(":")[-1], "status": said["DeliveryStreamStatus"], "prefix": said["Destinations"][0]["ExtendedS3DestinationDescription"]["Prefix"],
        "listed": firehose.list_delivery_streams()["DeliveryStreamNames"], "no stream": code(firehose.put_record, DeliveryStreamName="none", Record={"Data": b"x"}),
    }


def ruled(aws):
    config = aws("config")
    rule = {"ConfigRuleName": "witness", "Description": "d", "Scope": {"ComplianceResourceTypes": ["AWS::SQS::Queue"]},
            "Source": {"Owner": "AWS", "SourceIdentifier": "SQS_QUEUE_DLQ_CHECK"}}
    config.put_config_rule(ConfigRule=rule)
    made = config.describe_config_rules(ConfigRuleNames=["witness"])["ConfigRules"][0]
    out = {
        "rule": {k: made.get(k) for k in rule}, "state": made["ConfigRuleState"], "arn": made["ConfigRuleArn"].split("/")[0].split(":")[-1],
        "no rule": code(config.describe_config_rules, ConfigRuleNames=["none"]),
    }
    config.delete_config_rule(ConfigRuleName="witness")
    return out | {"gone": code(config.describe_config_rules, ConfigRuleNames=["witness"])}


def tagged(aws):
    logs, name = aws("logs"), "/witness/tagged"
    logs.create_log_group(logGroupName=name, tags={"a": "1"})
    arn = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["arn"].removesuffix(":*")
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=14)
    kept = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"]
    logs.delete_retention_policy(logGroupName=name)
    out = {
        "tags": logs.list_tags_for_resource(resourceArn=arn)["tags"], "kept": kept, "forever": "retentionInDays" in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0],
    }
    logs.delete_log_group(logGroupName=name)
    return out | {"gone": logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"], "no group": code(logs.delete_log_group, logGroupName=name)}


def stream(aws):
    """GetLogEvents: pages from the head, until the token stays the same."""
    logs, name, now = aws("logs"), "/witness/stream", int(time.time()) * 1000
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="a")
    logs.put_log_events(logGroupName=name, logStreamName="a", logEvents=[{"timestamp": now + n, "message": f"line {n}"} for n in range(7)])
    pages, token = [], {}
    for _ in range(6):
        page = logs.get_log_events(logGroupName=name, logStreamName="a", startFromHead=True, limit=3, **token)
        pages.append([e["message"] for e in page["events"]])
        if token.get("nextToken") == page["nextForwardToken"]:
            break
        token = {"nextToken": page["nextForwardToken"]}
    window = logs.get_log_events(logGroupName=name, logStreamName="a", startFromHead=True, startTime=now + 1, endTime=now + 3)["events"]
    return {
        "pages": pages, "window": [e["message"] for e in window], "no stream": code(logs.get_log_events, logGroupName=name, logStreamName="none"),
        "newest": [e["message"] for e in logs.get_log_events(logGroupName=name, logStreamName="a", limit=2)["events"]],
    }


def trails(aws):
    """A trail's own settings; where there is none, it is made."""
    cloudtrail = aws("cloudtrail")
    if not cloudtrail.describe_trails()["trailList"]:
        aws("s3").create_bucket(Bucket="witness-trail")
        cloudtrail.create_trail(Name="muster", S3BucketName="witness-trail")
        cloudtrail.start_logging(Name="muster")
    one = cloudtrail.describe_trails()["trailList"][0]
    status = [cloudtrail.get_trail_status(Name=one["Name"])["IsLogging"]]
    cloudtrail.stop_logging(Name=one["Name"])
    status.append(cloudtrail.get_trail_status(Name=one["Name"])["IsLogging"])
    cloudtrail.start_logging(Name=one["TrailARN"])
    status.append(cloudtrail.get_trail_status(Name=one["TrailARN"])["IsLogging"])
    cloudtrail.put_insight_selectors(TrailName=one["Name"], InsightSelectors=[{"InsightType": "ApiCallRateInsight"}])
    return {
        "logging": status, "arn": one["TrailARN"].split(":")[-1], "digests": cloudtrail.update_trail(Name=one["Name"], EnableLogFileValidation=True)["LogFileValidationEnabled"],
        "insights": cloudtrail.get_insight_selectors(TrailName=one["Name"])["InsightSelectors"], "no trail": code(cloudtrail.get_trail_status, Name="none"),
    }

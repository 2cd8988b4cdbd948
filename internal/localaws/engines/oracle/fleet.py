"""Calls every operation by which the sample fleet lives: STS to EC2."""

import hashlib
import json


def run(c, watch):
    sts(c, watch)
    queue = sqs(c, watch)
    sns(c, watch, queue)
    dynamodb(c, watch)
    s3(c, watch)
    ec2(c, watch)


def sts(c, watch):
    who = c.sts.get_caller_identity()
    watch.expect(who["Arn"].endswith(":user/deployer"), f"the bootstrap key is {who['Arn']}")
    role = f"arn:aws:iam::{who['Account']}:role/muster-orders"
    session = c.sts.assume_role(RoleArn=role, RoleSessionName="orders-task")
    watch.expect(session["Credentials"]["AccessKeyId"].startswith("ASIA"), "a session's key is no ASIA key")
    c.refused("ValidationError", c.sts.assume_role, RoleArn="orders", RoleSessionName="orders-task")


def sqs(c, watch):
    url = c.sqs.create_queue(QueueName="oracle", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    watch.expect(c.sqs.get_queue_url(QueueName="oracle")["QueueUrl"] == url, "get_queue_url has another URL")
    c.sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0"})
    arn = c.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["QueueArn"]
    sent = c.sqs.send_message(
        QueueUrl=url,
        MessageBody="a message",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "order"}},
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-6b060a20-0123456789abcdef01234567"}},
    )
    watch.expect(sent["MD5OfMessageBody"] == hashlib.md5(b"a message").hexdigest(), "send_message has a wrong sum")
    for _ in range(2):
        c.sqs.send_message(QueueUrl=url, MessageBody="another")
    got = c.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    watch.expect(len(got) == 3, f"receive_message had {len(got)} of 3 messages")
    watch.expect("AWSTraceHeader" in got[0]["Attributes"], "a message lost its trace header")
    c.sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
    c.sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got[1:])]
        + [{"Id": "wrong", "ReceiptHandle": "wrong"}],
    )
    c.sqs.receive_message(QueueUrl=url)
    batch = c.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "one"}, {"Id": "2", "MessageBody": "two"}])
    watch.expect(len(batch["Successful"]) == 2, f"send_message_batch: {batch}")
    for m in c.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]:
        c.sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    c.refused("AWS.SimpleQueueService.NonExistentQueue", c.sqs.get_queue_url, QueueName="nobody")
    c.refused("AWS.SimpleQueueService.NonExistentQueue", c.sqs.send_message, QueueUrl=url + "x", MessageBody="m")
    c.refused("QueueAlreadyExists", c.sqs.create_queue, QueueName="oracle", Attributes={"VisibilityTimeout": "2"})
    c.refused("InvalidAttributeName", c.sqs.set_queue_attributes, QueueUrl=url, Attributes={"Colour": "red"})
    return url, arn


def sns(c, watch, queue):
    url, arn = queue
    topic = c.sns.create_topic(Name="oracle")["TopicArn"]
    c.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    published = c.sns.publish(
        TopicArn=topic, Message="news", MessageAttributes={"kind": {"DataType": "String", "StringValue": "order"}}
    )
    got = c.sqs.receive_message(QueueUrl=url)["Messages"][0]
    envelope = json.loads(got["Body"])
    watch.expect(envelope["MessageId"] == published["MessageId"], "the queue has another message id than publish")
    c.refused("NotFound", c.sns.publish, TopicArn=topic + "x", Message="news")
    c.refused("InvalidParameter", c.sns.publish, TopicArn=topic, Message="")
    c.refused("InvalidParameter", c.sns.create_topic, Name="a topic")


def dynamodb(c, watch):
    table = "oracle"
    c.dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    watch.expect(c.dynamodb.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE", "the table is not active")
    for n in range(5):
        item = {"id": {"S": "a"}, "n": {"N": str(n)}, "tags": {"L": [{"BOOL": True}, {"NULL": True}]}, "raw": {"B": b"\x00\x01"}}
        c.dynamodb.put_item(TableName=table, Item=item, ReturnConsumedCapacity="TOTAL")
    key = {"id": {"S": "a"}, "n": {"N": "1"}}
    watch.expect(c.dynamodb.get_item(TableName=table, Key=key)["Item"]["raw"] == {"B": b"\x00\x01"}, "bytes changed")
    watch.expect("Item" not in c.dynamodb.get_item(TableName=table, Key=key | {"n": {"N": "9"}}), "an item from nowhere")
    c.dynamodb.update_item(
        TableName=table, Key=key, UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "status"}, ExpressionAttributeValues={":s": {"S": "paid"}}, ReturnValues="ALL_NEW",
    )
    found, pages = c.pages(
        "dynamodb", "query", "Items", TableName=table, KeyConditionExpression="id = :id",
        ExpressionAttributeValues={":id": {"S": "a"}}, PaginationConfig={"PageSize": 2},
    )
    watch.expect(len(found) == 5 and pages == 3, f"query: {len(found)} items on {pages} pages")
    found, pages = c.pages("dynamodb", "scan", "Items", TableName=table, PaginationConfig={"PageSize": 2})
    watch.expect(len(found) == 5 and pages == 3, f"scan: {len(found)} items on {pages} pages")
    c.refused(
        "ConditionalCheckFailedException", c.dynamodb.put_item,
        TableName=table, Item=key, ConditionExpression="attribute_not_exists(id)",
    )
    c.refused("ResourceNotFoundException", c.dynamodb.get_item, TableName="nothing", Key=key)
    c.refused("ValidationException", c.dynamodb.get_item, TableName=table, Key={"id": {"S": "a"}})
    c.refused("ResourceInUseException", c.dynamodb.create_table, TableName=table, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")
    c.dynamodb.delete_table(TableName=table)
    c.refused("ResourceNotFoundException", c.dynamodb.describe_table, TableName=table)


def s3(c, watch):
    bucket = "oracle-receipts"
    c.s3.create_bucket(Bucket=bucket)
    c.s3.head_bucket(Bucket=bucket)
    c.s3.get_bucket_location(Bucket=bucket)
    watch.expect(bucket in [b["Name"] for b in c.s3.list_buckets()["Buckets"]], "list_buckets lacks the bucket")
    for n in range(5):
        c.s3.put_object(Bucket=bucket, Key=f"2026/{n}.json", Body=b"{}", ContentType="application/json")
    watch.expect(c.s3.get_object(Bucket=bucket, Key="2026/0.json")["Body"].read() == b"{}", "an object changed")
    c.s3.head_object(Bucket=bucket, Key="2026/0.json")
    found, pages = c.pages("s3", "list_objects_v2", "Contents", Bucket=bucket, Prefix="2026/", PaginationConfig={"PageSize": 2})
    watch.expect(len(found) == 5 and pages == 3, f"list_objects_v2: {len(found)} keys on {pages} pages")
    c.s3.list_objects(Bucket=bucket, Delimiter="/")
    c.refused("NoSuchKey", c.s3.get_object, Bucket=bucket, Key="nothing")
    c.refused("404", c.s3.head_object, Bucket=bucket, Key="nothing")
    c.refused("NoSuchBucket", c.s3.list_objects_v2, Bucket="no-such-bucket")
    c.refused("NotImplemented", c.s3.get_bucket_cors, Bucket=bucket)
    c.s3.delete_object(Bucket=bucket, Key="2026/0.json")
    c.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"2026/{n}.json"} for n in range(1, 5)]})
    c.s3.delete_bucket(Bucket=bucket)


def ec2(c, watch):
    group = c.ec2.create_security_group(GroupName="oracle", Description="for the oracle")["GroupId"]
    rules = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
    ]
    c.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    found = c.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    watch.expect(len(found) == 1 and len(found[0]["IpPermissions"]) == 2, f"describe_security_groups: {found}")
    c.refused("InvalidPermission.Duplicate", c.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=rules[:1])
    c.refused("InvalidGroup.Duplicate", c.ec2.create_security_group, GroupName="oracle", Description="again")
    c.refused("MissingParameter", c.ec2.create_security_group, GroupName="other")
    c.refused("InvalidGroup.NotFound", c.ec2.describe_security_groups, GroupIds=["sg-00000000000000000"])
    c.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)
    c.refused("InvalidPermission.NotFound", c.ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=rules)

"""Calls every operation of what the fleet stands on: IAM, KMS, Cloud Map, ECS, bucket policies."""

import json

from .session import Clients

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def run(c, watch):
    iam(c, watch)
    kms(c, watch)
    cloud_map(c, watch)
    ecs(c, watch)
    workflows(c, watch)
    policies(c, watch)
    notifications(c, watch)


def iam(c, watch):
    user = c.iam.create_user(UserName="oracle")["User"]
    watch.expect(user["Arn"].endswith(":user/oracle") and user["UserId"].startswith("AIDA"), f"a user: {user}")
    key = c.iam.create_access_key(UserName="oracle")["AccessKey"]
    hers = Clients(c.endpoint, key["AccessKeyId"], key["SecretAccessKey"], watch, 1, services=("sts",))
    who = hers.sts.get_caller_identity()["Arn"]
    watch.expect(who == user["Arn"], f"the new key is {who}")
    c.iam.attach_user_policy(UserName="oracle", PolicyArn=ADMINISTRATOR)
    c.iam.detach_user_policy(UserName="oracle", PolicyArn=ADMINISTRATOR)
    c.iam.attach_role_policy(RoleName="muster-orders", PolicyArn=ADMINISTRATOR)
    c.iam.detach_role_policy(RoleName="muster-orders", PolicyArn=ADMINISTRATOR)
    inline = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}'
    c.iam.put_role_policy(RoleName="muster-orders", PolicyName="inline", PolicyDocument=inline)
    c.refused("MalformedPolicyDocument", c.iam.put_role_policy, RoleName="muster-orders", PolicyName="inline", PolicyDocument="{")
    c.refused("EntityAlreadyExists", c.iam.create_user, UserName="oracle")
    c.refused("NoSuchEntity", c.iam.create_access_key, UserName="nobody")
    c.refused("NoSuchEntity", c.iam.attach_user_policy, UserName="nobody", PolicyArn=ADMINISTRATOR)
    c.refused("NoSuchEntity", c.iam.detach_role_policy, RoleName="muster-orders", PolicyArn=ADMINISTRATOR)
    c.refused("InvalidInput", c.iam.attach_role_policy, RoleName="muster-orders", PolicyArn="AdministratorAccess")


def kms(c, watch):
    key = c.kms.create_key(Description="an oracle's")["KeyMetadata"]["KeyId"]
    gone = c.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    watch.expect(gone["KeyState"] == "PendingDeletion", f"a deletion: {gone}")
    watch.expect(c.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion", "the key is not pending deletion")
    c.refused("KMSInvalidStateException", c.kms.schedule_key_deletion, KeyId=key)
    c.kms.cancel_key_deletion(KeyId=key)
    watch.expect(c.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled", "a key that was saved is not disabled")
    c.refused("KMSInvalidStateException", c.kms.cancel_key_deletion, KeyId=key)
    c.refused("NotFoundException", c.kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000")
    c.refused("ValidationException", c.kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=1)


def cloud_map(c, watch):
    sd = c.servicediscovery
    begun = sd.create_http_namespace(Name="oracle")["OperationId"]
    done = sd.get_operation(OperationId=begun)["Operation"]
    space = done["Targets"]["NAMESPACE"]
    watch.expect(done["Status"] == "SUCCESS", f"an operation: {done}")
    watch.expect(space in [n["Id"] for n in sd.list_namespaces()["Namespaces"]], "list_namespaces lacks the namespace")
    service = sd.create_service(Name="orders", NamespaceId=space)["Service"]["Id"]
    watch.expect(service in [s["Id"] for s in sd.list_services()["Services"]], "list_services lacks the service")
    sd.register_instance(ServiceId=service, InstanceId="i-1", Attributes={"AWS_INSTANCE_IPV4": "192.0.2.1"})
    found = sd.discover_instances(NamespaceName="oracle", ServiceName="orders")["Instances"]
    watch.expect([i["InstanceId"] for i in found] == ["i-1"], f"discover_instances: {found}")
    watch.expect(len(sd.list_instances(ServiceId=service)["Instances"]) == 1, "list_instances lacks the instance")
    sd.deregister_instance(ServiceId=service, InstanceId="i-1")
    c.refused("InstanceNotFound", sd.deregister_instance, ServiceId=service, InstanceId="i-1")
    c.refused("NamespaceAlreadyExists", sd.create_http_namespace, Name="oracle")
    c.refused("NamespaceNotFound", sd.create_service, Name="x", NamespaceId="ns-none")
    c.refused("ServiceAlreadyExists", sd.create_service, Name="orders", NamespaceId=space)
    c.refused("ServiceNotFound", sd.register_instance, ServiceId="srv-none", InstanceId="i", Attributes={})
    c.refused("OperationNotFound", sd.get_operation, OperationId="none")


SAGA = {"StartAt": "Book", "States": {
    "Book": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "ResultPath": None, "Next": "Insure",
             "Parameters": {"TableName": "oracle-couriers", "Item": {"order": {"S.$": "$.order"}}}},
    "Insure": {"Type": "Choice", "Choices": [{"Variable": "$.cents", "NumericGreaterThan": 400, "Next": "Refuse"}], "Default": "Rest"},
    "Rest": {"Type": "Wait", "Seconds": 3600, "End": True},
    "Refuse": {"Type": "Fail", "Error": "Uninsured", "Cause": "worth too much"},
}}


def workflows(c, watch):
    sf = c.stepfunctions
    c.dynamodb.create_table(TableName="oracle-couriers", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "order", "KeyType": "HASH"}],
                            AttributeDefinitions=[{"AttributeName": "order", "AttributeType": "S"}])
    role = "arn:aws:iam::111122223333:role/muster-couriers"
    machine = sf.create_state_machine(name="oracle", definition=json.dumps(SAGA), roleArn=role)["stateMachineArn"]
    fast = sf.create_state_machine(name="oracle-express", definition=json.dumps(SAGA), roleArn=role, type="EXPRESS")["stateMachineArn"]
    known, _ = c.pages("stepfunctions", "list_state_machines", "stateMachines", maxResults=1)
    watch.expect({m["stateMachineArn"]: m["type"] for m in known} == {machine: "STANDARD", fast: "EXPRESS"}, f"list_state_machines: {known}")
    failed = sf.start_execution(stateMachineArn=machine, name="dear", input=json.dumps({"order": "1", "cents": 500}))["executionArn"]
    waits = sf.start_execution(stateMachineArn=machine, name="cheap", input=json.dumps({"order": "2", "cents": 5}))["executionArn"]
    watch.expect(c.dynamodb.get_item(TableName="oracle-couriers", Key={"order": {"S": "1"}}).get("Item"), "the task put no item")
    watch.expect(sf.describe_execution(executionArn=failed)["status"] == "FAILED", "the execution did not fail")
    events, pages = c.pages("stepfunctions", "get_execution_history", "events", executionArn=failed, maxResults=3, includeExecutionData=False)
    watch.expect(pages > 1 and [e["type"] for e in events] == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
        "ChoiceStateEntered", "ChoiceStateExited", "FailStateEntered", "ExecutionFailed"], f"a history: {events}")
    running = sf.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    watch.expect([e["executionArn"] for e in running] == [waits], f"running: {running}")
    sf.stop_execution(executionArn=waits, error="Enough", cause="of it")
    both = sf.list_executions(stateMachineArn=machine)["executions"]
    watch.expect([e["status"] for e in both] == ["ABORTED", "FAILED"], f"list_executions: {both}")
    c.refused("ExecutionAlreadyExists", sf.start_execution, stateMachineArn=machine, name="dear", input="{}")
    c.refused("ExecutionDoesNotExist", sf.get_execution_history, executionArn=failed + "x")
    c.refused("StateMachineDoesNotExist", sf.list_executions, stateMachineArn=machine + "x")
    c.refused("StateMachineTypeNotSupported", sf.list_executions, stateMachineArn=fast)
    c.refused("InvalidDefinition", sf.create_state_machine, name="x", definition="{}", roleArn=role)
    c.refused("InvalidName", sf.create_state_machine, name="a b", definition=json.dumps(SAGA), roleArn=role)
    c.refused("InvalidToken", sf.list_state_machines, nextToken="x")


def ecs(c, watch):
    task = c.ecs.register_task_definition(family="oracle", containerDefinitions=[{"name": "c", "image": "i:1"}])["taskDefinition"]
    watch.expect(task["revision"] == 1, f"a task definition: {task}")
    c.ecs.update_service(service="oracle", taskDefinition=task["taskDefinitionArn"])
    got = c.ecs.describe_services(services=["oracle", "none"])
    watch.expect([s["taskDefinition"] for s in got["services"]] == [task["taskDefinitionArn"]] and len(got["failures"]) == 1, f"describe_services: {got}")
    c.refused("ClientException", c.ecs.register_task_definition, family="oracle", containerDefinitions=[])


def policies(c, watch):
    bucket = "oracle-policy"
    c.s3.create_bucket(Bucket=bucket)
    c.refused("NoSuchBucketPolicy", c.s3.get_bucket_policy, Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    c.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    watch.expect(json.loads(c.s3.get_bucket_policy(Bucket=bucket)["Policy"]) == policy, "the policy is another one")
    c.refused("MalformedPolicy", c.s3.put_bucket_policy, Bucket=bucket, Policy="{")
    c.s3.delete_bucket_policy(Bucket=bucket)
    c.s3.delete_bucket(Bucket=bucket)


def notifications(c, watch):
    bucket = "oracle-told"
    c.s3.create_bucket(Bucket=bucket)
    url = c.sqs.create_queue(QueueName="oracle-told")["QueueUrl"]
    queue = c.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = c.sns.create_topic(Name="oracle-told")["TopicArn"]
    c.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True)
    only = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "AWSLogs/"}]}}
    told = {
        "QueueConfigurations": [{"QueueArn": queue, "Events": ["s3:ObjectCreated:*"], "Filter": only}],
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:Put"]}],
    }
    c.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    got = c.s3.get_bucket_notification_configuration(Bucket=bucket)
    watch.expect(got["QueueConfigurations"][0]["QueueArn"] == queue, f"a notification: {got}")
    c.s3.put_object(Bucket=bucket, Key="AWSLogs/a file+.json", Body=b"{}")
    c.s3.put_object(Bucket=bucket, Key="other", Body=b"{}")
    bodies = [json.loads(m["Body"]) for m in c.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    bodies = [json.loads(b["Message"]) if b.get("Type") == "Notification" else b for b in bodies]
    tests = [b for b in bodies if b.get("Event") == "s3:TestEvent"]
    keys = sorted(r["s3"]["object"]["key"] for b in bodies for r in b.get("Records", []))
    watch.expect(len(tests) == 2 and keys == ["AWSLogs/a+file%2B.json", "AWSLogs/a+file%2B.json", "other"], f"told: {bodies}")
    told["QueueConfigurations"][0]["QueueArn"] = queue + "-none"
    c.refused("InvalidArgument", c.s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=told)
    c.refused("NoSuchBucket", c.s3.get_bucket_notification_configuration, Bucket="oracle-none")

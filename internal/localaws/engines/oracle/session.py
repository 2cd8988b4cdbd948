"""botocore clients of the stand-in."""

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"

# The services that the stand-in offers, by botocore's names.
SERVICES = ("sts", "sqs", "sns", "dynamodb", "s3", "ec2", "cloudtrail", "config", "logs", "xray", "athena",
            "organizations", "events", "firehose", "kinesis", "iam", "kms", "servicediscovery", "ecs", "stepfunctions")


class Clients:
    """One client for each service, all of them watched."""

    def __init__(self, endpoint, key, secret, watch, attempts, token=None, services=SERVICES):
        self.endpoint, self.watch = endpoint, watch
        self._session = botocore.session.Session()
        for name in services:
            client = self._session.create_client(
                name,
                region_name=REGION,
                endpoint_url=endpoint,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
                config=Config(
                    retries={"total_max_attempts": attempts, "mode": "standard"},
                    s3={"addressing_style": "path"},
                    inject_host_prefix=False,  # "stream-" before an address leads nowhere
                    parameter_validation=False,  # the stand-in is to refuse, not the client
                ),
            )
            setattr(self, name, watch.follow(client))

    def pages(self, client, operation, result, **arguments):
        """All items of a paginated operation, and the number of its pages."""
        items, count = [], 0
        for page in getattr(self, client).get_paginator(operation).paginate(**arguments):
            items += page.get(result, [])
            count += 1
        return items, count

    def tokens(self, client, operation, result, **arguments):
        """As pages, of an operation whose paging botocore does not know."""
        items, count = [], 0
        while True:
            page = getattr(getattr(self, client), operation)(**arguments)
            items += page.get(result, [])
            count += 1
            if not page.get("NextToken"):
                return items, count
            arguments["NextToken"] = page["NextToken"]

    def refused(self, code, call, **arguments):
        """Expects an error with this code; its shape is the watch's business."""
        try:
            call(**arguments)
        except ClientError as e:
            got = e.response["Error"]["Code"]
        else:
            got = "an answer"
        self.watch.expect(got == code, f"{call.__name__} {arguments}: wanted {code}, got {got}")

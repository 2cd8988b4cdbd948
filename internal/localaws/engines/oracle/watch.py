"""Sees every answer before botocore parses it, and judges it."""

import json
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict

from . import model

# AWS's errors that any operation may answer and no model lists.
COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidSignatureException", "SignatureDoesNotMatch", "InternalFailure", "InternalError", "InvalidAction",
    "SerializationException", "ServiceUnavailable", "Throttling", "ThrottlingException",
    "UnknownOperationException", "ValidationError", "ValidationException",
}

# EC2 and S3 list their errors in their documentation instead of their models.
DOCUMENTED_ERRORS = {
    "ec2": {
        "InvalidGroup.Duplicate", "InvalidGroup.NotFound", "InvalidParameterValue", "InvalidPermission.Duplicate",
        "InvalidPermission.NotFound", "MissingParameter", "RequestLimitExceeded", "UnauthorizedOperation",
    },
    "s3": {
        "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "BucketNotEmpty", "NoSuchBucket", "NoSuchKey",
        "InvalidBucketName", "NotImplemented", "SlowDown", "NoSuchBucketPolicy", "MalformedPolicy", "InvalidArgument",
        "RequestTimeTooSkewed",
    },
}

# EC2's reference shows these in answers whose models lack them.
EC2_COMMON = ("requestId", "return")

CONTENT_TYPES = {
    "json": ("application/x-amz-json-1.0", "application/x-amz-json-1.1"),
    "rest-json": ("application/json",),
    "query": ("text/xml",),
    "ec2": ("text/xml",),
    "rest-xml": ("application/xml",),
}


class Watch:
    """Counts answers and errors by operation, and keeps every flaw."""

    def __init__(self):
        self.answers = Counter()
        self.errors = defaultdict(Counter)
        self.flaws = []

    def follow(self, client):
        client.meta.events.register("before-parse", self._before_parse)
        return client

    def expect(self, right, text):
        """Records what the answers should have said together."""
        if not right:
            self.flaws.append(text)

    def _before_parse(self, operation_model, response_dict, **_):
        service = operation_model.service_model.service_name
        action = f"{service}.{operation_model.name}"
        status, body = response_dict["status_code"], response_dict["body"]
        headers = {k.lower(): v for k, v in response_dict["headers"].items()}
        if status < 300 and operation_model.has_event_stream_output:
            self.answers[action] += 1
            flaws = []  # the parser reads it as it comes
        elif status < 300:
            self.answers[action] += 1
            flaws = answer_flaws(operation_model, headers, body)
        else:
            code, flaws = error_flaws(operation_model, status, headers, body)
            self.errors[action][code] += 1
        if not (headers.get("x-amzn-requestid") or headers.get("x-amz-request-id")):
            if protocol(operation_model) != "ec2":  # which has it in the body
                flaws.append("no request id in the headers")
        self.flaws += [f"{action} ({status}): {flaw}" for flaw in flaws]


def protocol(operation_model):
    return operation_model.service_model.resolved_protocol


def content_type_flaws(operation_model, headers, body):
    kind = headers.get("content-type", "").split(";")[0]
    if not body or kind in CONTENT_TYPES[protocol(operation_model)]:
        return []
    return [f"the content type is {kind!r}"]


def answer_flaws(operation_model, headers, body):
    shape, kind = operation_model.output_shape, protocol(operation_model)
    if operation_model.has_streaming_output:
        return []  # the object itself, of any type
    flaws = content_type_flaws(operation_model, headers, body)
    if kind in ("json", "rest-json"):
        content = json.loads(body) if body else {}
        return flaws + (model.json_flaws(shape, content, "") if shape else [])
    if kind == "rest-xml":
        if shape is None or not body:
            return flaws
        payload = shape.serialization.get("payload")
        shape = shape.members[payload] if payload else shape
        if shape.type_name in ("string", "blob"):
            return []  # the payload itself, such as a bucket's policy
        return flaws + model.xml_flaws(shape, ET.fromstring(body), "")
    return flaws + query_flaws(operation_model, ET.fromstring(body))


def query_flaws(operation_model, root):
    """Flaws of the envelopes of the query and ec2 protocols, and of what is inside."""
    name, flaws = operation_model.name, []
    if model.local(root) != f"{name}Response":
        flaws.append(f"the root is {model.local(root)}")
    namespace = operation_model.metadata.get("xmlNamespace")
    if protocol(operation_model) == "ec2":
        namespace = f"http://ec2.amazonaws.com/doc/{operation_model.metadata['apiVersion']}/"
    if root.tag.split("}")[0].lstrip("{") != namespace:
        flaws.append(f"the root's namespace is not {namespace}")
    children = {model.local(c): c for c in root}
    if protocol(operation_model) == "ec2":
        if not children.get("requestId", root).text:
            flaws.append("no requestId")
        shape = operation_model.output_shape
        return flaws + (model.xml_flaws(shape, root, "", ignored=EC2_COMMON) if shape else [])
    if "ResponseMetadata" not in children:
        flaws.append("no ResponseMetadata")
    flaws += [f"{c} is unknown" for c in children if c not in ("ResponseMetadata", f"{name}Result")]
    if operation_model.output_shape is not None:
        result = children.get(f"{name}Result")
        if result is None:
            return flaws + [f"no {name}Result"]
        flaws += model.xml_flaws(operation_model.output_shape, result, "")
    return flaws


def error_flaws(operation_model, status, headers, body):
    """The error's code, and the flaws of the answer that carries it."""
    flaws = content_type_flaws(operation_model, headers, body)
    service = operation_model.service_model.service_name
    code, message = error_of(operation_model, status, headers, body)
    modelled = {s.error_code: s for s in operation_model.error_shapes}
    modelled.update({s.name: s for s in operation_model.error_shapes})
    # Clients also know an error by the code that the query protocol gave it.
    if code not in modelled and code not in COMMON_ERRORS | DOCUMENTED_ERRORS.get(service, set()):
        flaws.append(f"{code} is no error of this operation")
    if not message and body:
        flaws.append(f"{code} has no message")
    wanted = modelled[code].metadata.get("error", {}).get("httpStatusCode") if code in modelled else None
    if wanted and wanted != status:
        flaws.append(f"{code} should have the status {wanted}")
    return code, flaws


def error_of(operation_model, status, headers, body):
    kind = protocol(operation_model)
    if not body:  # the answer to a HEAD request
        return {404: "NoSuchKey", 403: "AccessDenied", 501: "NotImplemented"}.get(status, str(status)), ""
    if kind in ("json", "rest-json"):
        content = json.loads(body)
        code = headers.get("x-amzn-errortype") or content.get("__type", "")
        return code.split("#")[-1].split(":")[0], content.get("message") or content.get("Message")
    root = ET.fromstring(body)
    found = {model.local(e): e.text for e in root.iter()}
    wanted = {"query": "ErrorResponse", "ec2": "Response", "rest-xml": "Error"}[kind]
    if model.local(root) != wanted:
        return f"a {model.local(root)} in place of an {wanted}", found.get("Message")
    return found.get("Code", "no code"), found.get("Message")

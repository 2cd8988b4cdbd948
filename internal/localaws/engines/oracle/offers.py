"""Finds operations that the stand-in answers and nobody called here."""

import json
import urllib.error
import urllib.parse
import urllib.request

from . import watch as watching
from .session import SERVICES

# S3 has no name for an operation on the wire; what the stand-in does not serve
# there is refused as NotImplemented.
NAMELESS = {"s3"}


def uncalled(clients, watch):
    """Flaws of coverage: operations that the stand-in offers and nobody called."""
    for service in SERVICES:
        if service in NAMELESS:
            continue
        client = getattr(clients, service)
        for name in client.meta.service_model.operation_names:
            if f"{service}.{name}" in watch.answers:
                continue
            if offered(clients.endpoint, client.meta.service_model, name):
                yield f"{service}.{name} is offered but was not called here"


def offered(endpoint, service, name):
    """Asks for an operation, without any parameters."""
    operation = service.operation_model(name)
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=AKIDORACLE/20261124/us-east-1/{service.signing_name}/aws4_request, SignedHeaders=host, Signature=0"}
    protocol, path, body = watching.protocol(operation), "/", b"{}"
    if protocol == "json":
        headers["X-Amz-Target"] = f"{service.metadata['targetPrefix']}.{name}"
        headers["Content-Type"] = f"application/x-amz-json-{service.metadata['jsonVersion']}"
    elif protocol == "rest-json":
        path = operation.http["requestUri"]
        headers["Content-Type"] = "application/json"
    else:
        body = urllib.parse.urlencode({"Action": name, "Version": service.api_version}).encode()
    request = urllib.request.Request(endpoint + path, data=body, headers=headers, method=operation.http["method"])
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as e:
        text = e.read().decode()
        return "UnknownOperationException" not in text and "InvalidAction" not in text
    return True

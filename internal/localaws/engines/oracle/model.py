"""Compares raw answers with botocore's models of them.

botocore's own parsers drop what a model does not know and guess what is
missing; here every difference is a line of text. A check returns the list of
them, so an empty list is agreement.
"""

import base64
import binascii
import re
from datetime import datetime, timezone

# Times outside these are mistakes of unit or of zone, not evidence.
EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc).timestamp()
LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc).timestamp()

# AWS's own answers, too, say 1970 for the default sampling rule.
EPOCH_ALLOWED = {"CreatedAt", "ModifiedAt", "LastRuleModification"}

# AWS's default sampling rule is beyond the greatest priority that one can give.
RANGE_IGNORED = {"Priority"}

ISO_8601 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
INTEGER = re.compile(r"^-?\d+$")


def json_flaws(shape, value, path):
    """Flaws of a decoded JSON value that should have this shape."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return []
    if kind == "structure":
        return _json_structure(shape, value, path)
    if kind == "list":
        if not isinstance(value, list):
            return [f"{path} is not a list"]
        return _length(shape, len(value), path) + [
            flaw for i, v in enumerate(value) for flaw in json_flaws(shape.member, v, f"{path}[{i}]")
        ]
    if kind == "map":
        if not isinstance(value, dict):
            return [f"{path} is not a map"]
        return [
            flaw
            for k, v in value.items()
            for flaw in json_flaws(shape.key, k, f"{path} key") + json_flaws(shape.value, v, f"{path}[{k}]")
        ]
    return _json_scalar(shape, value, path)


def _json_structure(shape, value, path):
    if not isinstance(value, dict):
        return [f"{path} is not a structure"]
    members = {m.serialization.get("name", name): m for name, m in shape.members.items()}
    required = {shape.members[n].serialization.get("name", n) for n in shape.required_members}
    flaws = [f"{path}.{name} is not in the model" for name in value if name not in members]
    # AWS writes null for members that are not there, such as the last page's token.
    present = {name: v for name, v in value.items() if v is not None and name in members}
    flaws += [f"{path}.{name} is required" for name in sorted(required - set(present))]
    if getattr(shape, "is_tagged_union", False) and len(present) != 1:
        flaws.append(f"{path} is a union of {sorted(present)}")
    for name, v in present.items():
        flaws += json_flaws(members[name], v, f"{path}.{name}")
    return flaws


def _json_scalar(shape, value, path):
    kind = shape.type_name
    if kind in ("string", "character"):
        return _string(shape, value, path) if isinstance(value, str) else [f"{path} is not a string"]
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{path} is not a boolean"]
    if kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            return [f"{path} is not an {kind}"]
        return _integer(shape, value, path)
    if kind in ("float", "double"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return _range(shape, value, path) if number else [f"{path} is not a number"]
    if kind == "blob":
        return _blob(value, path)
    if kind == "timestamp":
        if shape.serialization.get("timestampFormat", "unixTimestamp") != "unixTimestamp":
            return _iso(value, path)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return [f"{path} is not a number of seconds"]
        return _moment(value, path)
    return [f"{path} has the type {kind}, which this oracle does not know"]


def xml_flaws(shape, element, path, ignored=()):
    """Flaws of an XML element; ignored are child elements of the protocol itself."""
    kind = shape.type_name
    if kind == "structure":
        return _xml_structure(shape, element, path, ignored)
    if kind == "list":
        name = shape.member.serialization.get("name", "member")
        wrong = [f"{path}.{local(c)} is not {name}" for c in element if local(c) != name]
        return wrong + [
            flaw for i, c in enumerate(element) for flaw in xml_flaws(shape.member, c, f"{path}[{i}]")
        ]
    text = element.text or ""
    if len(element):
        return [f"{path} is not a {kind} but has elements"]
    if kind in ("string", "character"):
        return _string(shape, text, path)
    if kind == "boolean":
        return [] if text in ("true", "false") else [f"{path} is {text!r}, not a boolean"]
    if kind in ("integer", "long"):
        return _integer(shape, int(text), path) if INTEGER.match(text) else [f"{path} is {text!r}, not an integer"]
    if kind == "blob":
        return _blob(text, path)
    if kind == "timestamp":
        return _iso(text, path)
    return [f"{path} has the type {kind}, which this oracle does not know"]


def _xml_structure(shape, element, path, ignored):
    members, attributes, required = {}, {}, set()
    for name, member in shape.members.items():
        at = member.serialization
        if at.get("location"):
            continue  # in a header or in the status
        wire = at.get("name", name)
        if member.type_name == "list" and at.get("flattened"):
            wire = member.member.serialization.get("name", wire)
        if at.get("xmlAttribute"):
            attributes[wire.split(":")[-1]] = member
            continue
        members[wire] = member
        if name in shape.required_members:
            required.add(wire)
    flaws = []
    for child in element:
        name = local(child)
        if name in ignored:
            continue
        member = members.get(name)
        if member is None:
            flaws.append(f"{path}.{name} is not in the model")
        elif member.type_name == "list" and member.serialization.get("flattened"):
            flaws += xml_flaws(member.member, child, f"{path}.{name}")
        else:
            flaws += xml_flaws(member, child, f"{path}.{name}")
    present = {local(c) for c in element}
    flaws += [f"{path}.{name} is required" for name in sorted(required - present)]
    flaws += [
        f"{path}@{name} is not in the model" for name in element.attrib if name.split("}")[-1] not in attributes
    ]
    return flaws


def local(element):
    """An element's name without its namespace."""
    return element.tag.split("}")[-1]


def _string(shape, value, path):
    enum = shape.metadata.get("enum")
    if shape.name == "RecorderStatus":
        value = value.capitalize()  # AWS's own answers are in capitals
    if enum and value not in enum:
        return [f"{path} is {value!r}, not one of {', '.join(enum)}"]
    return _length(shape, len(value), path)


def _length(shape, length, path):
    # The least length binds requests: AWS answers empty lists and texts, too.
    high = shape.metadata.get("max")
    if high is not None and length > high:
        return [f"{path} has a length of {length}, more than {high}"]
    return []


def _integer(shape, value, path):
    if shape.type_name == "integer" and abs(value) >= 1 << 31:
        return [f"{path} is {value}, more than 32 bits"]
    # CloudWatch Logs has milliseconds in a long of this name.
    if shape.name == "Timestamp":
        return _moment(value / 1000, path)
    return _range(shape, value, path)


def _range(shape, value, path):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if path.split(".")[-1] in RANGE_IGNORED:
        return []
    if low is not None and value < low or high is not None and value > high:
        return [f"{path} is {value}, not {low} to {high}"]
    return []


def _blob(value, path):
    try:
        base64.b64decode(value, validate=True)
    except (TypeError, binascii.Error):
        return [f"{path} is not base64"]
    return []


def _iso(value, path):
    if not isinstance(value, str) or not ISO_8601.match(value):
        return [f"{path} is {value!r}, not a time in ISO 8601"]
    return _moment(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp(), path)


def _moment(seconds, path):
    if seconds == 0 and path.split(".")[-1] in EPOCH_ALLOWED:
        return []
    if EARLIEST <= seconds < LATEST:
        return []
    return [f"{path} is {seconds} seconds since 1970, which no evidence can be from"]

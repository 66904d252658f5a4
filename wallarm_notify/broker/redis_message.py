"""What came out of a list of Redis, in the form that kombu makes messages of.

kombu raises on anything else, when the message is in no list any more.
"""

from base64 import b64encode
from contextlib import suppress
from typing import Any
from uuid import uuid4

from kombu.transport.virtual import Base64
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from wallarm_notify.schemas.json_text import NoJson, outline_of, text_of, value_of


def decoded(raw: bytes) -> Any:
    """What cannot be read is the body of a message that says nothing else."""
    with suppress(Exception):  # kombu makes objects of what it reads, and raises what they raise
        return loads(bytes_to_str(raw))
    with suppress(NoJson):
        return _piecewise(text_of(raw))
    encoded = b64encode(raw).decode("ascii")
    return {"body": encoded, "properties": {"body_encoding": "base64"}}


def _piecewise(text: str) -> dict[str, Any]:
    """The message that ``text`` is, read field by field; its body stays text. Raises NoJson."""
    fields = {name: piece.text for name, piece in outline_of(text, 1).fields.items()}
    body = fields.pop("body", None)
    if body is None or "headers" not in fields:
        raise NoJson("is no message")
    message = {name: value_of(value) for name, value in fields.items()}
    return message | {"body": value_of(body) if body.startswith('"') else body}


def well_formed(raw: Any, queue: str) -> dict[str, Any]:
    """What came out of ``queue`` on Redis, with what kombu needs to make any message of it.

    Without it kombu raises before anyone sees the message, which by then is in no queue.
    """
    if not isinstance(raw, dict):
        raw = {"body": dumps(raw)}
    given = raw.get("properties")
    properties = dict(given) if isinstance(given, dict) else {}
    headers = raw.get("headers")
    if not isinstance(properties.get("delivery_tag"), str):
        properties["delivery_tag"] = str(uuid4())
    # Whatever it says itself: what a message may do depends on the queue it was in.
    properties["delivery_info"] = {"exchange": "", "routing_key": queue}
    body = raw.get("body")
    if body is not None and not isinstance(body, str):
        body, properties["body_encoding"] = dumps(body), None
    elif not _is_encoded(body, properties.get("body_encoding")):
        properties["body_encoding"] = None
    return {
        **raw,
        "body": body,
        "headers": headers if isinstance(headers, dict) else {},
        "properties": properties,
    }


def _is_encoded(body: str | None, encoding: Any) -> bool:
    if encoding != "base64":
        return encoding in (None, "utf-8")
    try:
        Base64().decode(body or "")
    except ValueError:
        return False
    return True

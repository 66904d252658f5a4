"""Messages read from a list of Redis, brought into the form that kombu accepts.

kombu raises on any other form, when the message is no longer in a list.
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
    """Return the message in ``raw``.

    If it cannot be read, return a message whose body is ``raw`` and that has nothing else.
    """
    with suppress(
        Exception
    ):  # kombu makes objects of what it reads, whose errors may be of any type
        return loads(bytes_to_str(raw))
    with suppress(NoJson):
        return _piecewise(text_of(raw))
    encoded = b64encode(raw).decode("ascii")
    return {"body": encoded, "properties": {"body_encoding": "base64"}}


def _piecewise(text: str) -> dict[str, Any]:
    """Return the message in ``text``, read field by field; its body stays text. Raise NoJson if there is none."""
    fields = {name: piece.text for name, piece in outline_of(text, 1).fields.items()}
    body = fields.pop("body", None)
    if body is None or "headers" not in fields:
        raise NoJson("is no message")
    message = {name: value_of(value) for name, value in fields.items()}
    return message | {"body": value_of(body) if body.startswith('"') else body}


def well_formed(raw: Any, queue: str) -> dict[str, Any]:
    """Return a message from the Redis list of ``queue``, with everything that kombu needs.

    Without it kombu raises before anyone sees the message, which is in no queue by then.
    """
    if not isinstance(raw, dict):
        raw = {"body": dumps(raw)}
    given = raw.get("properties")
    properties = dict(given) if isinstance(given, dict) else {}
    headers = raw.get("headers")
    if not isinstance(properties.get("delivery_tag"), str):
        properties["delivery_tag"] = str(uuid4())
    # Replaces what the message says: what it may do depends on the queue it was in.
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

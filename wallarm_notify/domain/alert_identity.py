"""The dedup key (an idempotency key): PagerDuty takes two requests with one key for one alert (spec 4)."""

import json
from hashlib import sha256
from typing import Final

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def dedup_key(occurrence: str, origin: str, integration_id: int) -> str:
    """Return the key of a notification, equal in every attempt, replay and duplicate run.

    ``occurrence`` is the id of the event or firing; with ``origin`` and the integration it is the
    notification's identity. 64 hexadecimal digits.
    """
    # A JSON list: no character within a part can move the boundary between two.
    identity = _ENCODE([occurrence, origin, integration_id])
    return sha256(identity.encode("ascii")).hexdigest()


def start_of(key: str) -> int:
    """Return the first 8 bytes of a dedup key as a signed number.

    An index of it takes a third of the space that one of whole keys would.
    """
    return int.from_bytes(bytes.fromhex(key[:16]), signed=True)

"""The dedup key (an idempotency key): PagerDuty takes two requests with one key for one alert (spec 4)."""

import json
import re
from hashlib import sha256
from typing import Final

from wallarm_notify.domain.errors import Refused

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def dedup_key(
    occurrence: str, origin: str, integration_id: int, group: tuple[str, str] | None = None
) -> str:
    """Return the key of a notification, equal in every attempt, replay and duplicate run.

    ``occurrence`` is the id of the event or firing; with ``origin`` and the integration it is the
    notification's identity. With a ``group`` and its value, all of a trigger's alerts of that value have
    one key (spec 3). 64 hexadecimal digits.
    """
    # A JSON list: no character within a part can move the boundary between two.
    whole = [occurrence, origin, integration_id]
    identity = _ENCODE(whole if group is None else ["group", *group, origin, integration_id])
    return sha256(identity.encode("ascii")).hexdigest()


def check_dedup_key(text: str) -> str:
    """Return ``text``, which somebody has as a dedup key. Raise Refused where it has not the form of one."""
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        raise Refused("give all 64 hexadecimal digits of it, in small letters.", field="dedup-key")
    return text


def start_of(key: str) -> int:
    """Return the first 8 bytes of a dedup key as a signed number.

    An index of it takes a third of the space that one of whole keys would.
    """
    return int.from_bytes(bytes.fromhex(key[:16]), signed=True)

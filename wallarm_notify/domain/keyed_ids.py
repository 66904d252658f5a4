"""Ids that follow from an idempotency key: the same call, made again, has the same events (spec 7).

Nothing is stored for it: what came twice has the same ids and bodies, and is taken in once.
"""

from typing import Final
from uuid import UUID, uuid5

LONGEST_KEY: Final = 255

KEY_FORM: Final = rf"^[!-~]{{1,{LONGEST_KEY}}}$"
"""What an idempotency key looks like: printable ASCII without blanks."""

_OURS: Final = UUID("6f0c5f0e-2d7b-5d3c-9a51-3f8f6a0a7c11")
"""The namespace of these ids. Another one would make a call that is made again another call: it stays as it is."""


def keyed_id(client_id: object, key: str, place: int) -> UUID:
    """Return the id of the event at ``place`` of a call with ``key``; ``place`` is 0 for the first.

    ``client_id`` is whatever the event has there: where it is no client's number, the event is refused for it.
    """
    # The key comes last, and may hold anything; a number holds no blank.
    return uuid5(_OURS, f"{client_id} {place} {key}")

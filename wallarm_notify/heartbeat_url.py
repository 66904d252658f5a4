"""The call to somebody outside, who notices when it does not come."""

import logging
import threading
from collections.abc import Callable
from typing import Final

import requests

log = logging.getLogger(__name__)

EVERY: Final = 60.0
"""Seconds from one call to the next."""

CALLED: Final = "heartbeat_url.called"
WITHHELD: Final = "heartbeat_url.withheld"
NOT_REACHED: Final = "heartbeat_url.not_reached"
REFUSED: Final = "heartbeat_url.refused"

_WITHIN: Final = 10.0
"""Seconds in which the other side has to connect, and again in which it has to answer."""


def call_while(
    is_attended: Callable[[], bool], url: str, ca_file: str | None, stopped: threading.Event
) -> None:
    """Call ``url`` every minute while alerts are attended to, until ``stopped``.

    What changes is logged; the URL, which may hold a secret, is not.
    """
    before = None
    while not stopped.is_set():
        now = _round(is_attended, url, ca_file)
        if now != before:
            log.log(logging.INFO if now == CALLED else logging.WARNING, now)
        before = now
        stopped.wait(EVERY)


def _round(is_attended: Callable[[], bool], url: str, ca_file: str | None) -> str:
    """Call the URL if it may be, and return what came of it, as the log names it."""
    try:
        if not is_attended():
            return WITHHELD
        # The body is not read: whoever answers must not hold the thread, nor fill the memory.
        with requests.get(
            url, timeout=_WITHIN, verify=ca_file or True, stream=True, allow_redirects=False
        ) as answer:
            return CALLED if answer.ok else REFUSED
    except Exception:  # noqa: BLE001 - whatever it is, the next round may do better; its text may have the URL
        return NOT_REACHED

"""The Answer to a request: a status, or the reason why there is none; without the integration key."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from errno import ECONNREFUSED
from typing import Final

import pycurl

from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import (
    RESPONSE_BYTES,
    Answer,
    FailureReason,
    reason_of_status,
)
from wallarm_notify.pagerduty.redaction import without_key
from wallarm_notify.urls import without_credentials

_REASONS: Final[Mapping[int, FailureReason]] = {
    **dict.fromkeys(
        (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY), FailureReason.DNS
    ),
    pycurl.E_COULDNT_CONNECT: FailureReason.NETWORK,
    **dict.fromkeys(
        (
            pycurl.E_SSL_CONNECT_ERROR,
            pycurl.E_PEER_FAILED_VERIFICATION,
            pycurl.E_SSL_CACERT_BADFILE,
            pycurl.E_SSL_CERTPROBLEM,
            pycurl.E_SSL_CIPHER,
            pycurl.E_SSL_INVALIDCERTSTATUS,
            pycurl.E_SSL_ISSUER_ERROR,
            pycurl.E_USE_SSL_FAILED,
        ),
        FailureReason.TLS,
    ),
    **dict.fromkeys(
        (
            pycurl.E_GOT_NOTHING,
            pycurl.E_SEND_ERROR,
            pycurl.E_RECV_ERROR,
            pycurl.E_PARTIAL_FILE,
            # Otherwise libcurl would send the request again on another connection: see ``exchange``.
            pycurl.E_ABORTED_BY_CALLBACK,
        ),
        FailureReason.RESET,
    ),
}

_OF_CONNECTING: Final = (FailureReason.DNS, FailureReason.TLS, FailureReason.NETWORK)

_DEDUP_KEY: Final = re.compile(r'("dedup_key" *: *")[0-9a-f]{64}(?=")')
"""The dedup key that an answer repeats: it would make each answer another one, and twice as long."""

_BLANK: Final = (b"\r\n", b"\n")


def reason_of_error(code: int, *, errno: int, is_connected: bool) -> FailureReason:
    """Return the reason for libcurl's ``code``; ``errno`` is the system's, 0 without one."""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return FailureReason.TIMEOUT if is_connected else FailureReason.CONNECT_TIMEOUT
    reason = _REASONS.get(code, FailureReason.NETWORK)
    if is_connected and code in _REASONS and reason in _OF_CONNECTING:
        # The connection was lost during the request, and a new one could not be made.
        return FailureReason.RESET
    if code == pycurl.E_COULDNT_CONNECT and errno == ECONNREFUSED:
        return FailureReason.REFUSED
    return reason


def whole_head(lines: Sequence[bytes]) -> Sequence[bytes] | None:
    """Return the last head in ``lines``, provisional ones left out, or None if it is not complete."""
    begins = (n for n, line in enumerate(lines) if line.startswith(b"HTTP/"))
    head = lines[max(begins, default=0) :]
    return head if any(blank in head for blank in _BLANK) else None


def answer_of(status: int, head: Sequence[bytes], body: bytes, key: IntegrationKey) -> Answer:
    """Return the answer with this status, these header lines and the part of the body that was read.

    The integration key is cut out of it, and a dedup key of ours.
    """
    reason = reason_of_status(status)
    return Answer(
        status,
        reason,
        _DEDUP_KEY.sub(r"\1…", without_key(body[:RESPONSE_BYTES].decode("utf-8", "replace"), key)),
        None if reason is None else _retry_after_of(head),
    )


def no_answer(reason: FailureReason, text: str, key: IntegrationKey) -> Answer:
    """Return the Answer for a request without one. The key, and a proxy's password, are cut out of ``text``."""
    storable = without_credentials(text).encode("utf-8", "replace").decode()
    return Answer(None, reason, without_key(storable, key))


def _retry_after_of(head: Sequence[bytes]) -> timedelta | None:
    fields: dict[bytes, str] = {}
    for line in head:
        name, _, value = line.partition(b":")
        fields.setdefault(name.strip().lower(), value.decode("latin-1").strip())
    return retry_after(fields.get(b"retry-after"), fields.get(b"date"), datetime.now(UTC))


def retry_after(value: str | None, date: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a ``Retry-After`` asks for: seconds, or a date compared with the answer's ``Date``."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value):
        return timedelta(seconds=int(value))
    try:
        until = parsedate_to_datetime(value)
        since = parsedate_to_datetime(date) if date else now
        return max(until - since, timedelta())
    except (ValueError, TypeError, OverflowError):
        return None

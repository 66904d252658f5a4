"""What came back for one request, read: a status or the reason why there is none, without the key."""

import re
import string
from binascii import a2b_base64
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
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
            # It would have been sent again on another connection: see ``post``.
            pycurl.E_ABORTED_BY_CALLBACK,
        ),
        FailureReason.RESET,
    ),
}

_OF_CONNECTING: Final = (FailureReason.DNS, FailureReason.TLS, FailureReason.NETWORK)

_TELLING: Final = 4
"""So many characters of a key at the end of what was read are cut off."""

_SPELT: Final = re.compile(
    r"\\u00([0-9a-f]{2})|%([0-9a-f]{2})|&#x0*([1-9a-f][0-9a-f])(?:;|(?![0-9a-f]))"
    r"|&#0*([1-9][0-9]{1,2})(?:;|(?![0-9]))|\\(/)",
    re.IGNORECASE,
)
"""A character spelt out: for JSON, in per cent, for HTML by its number in hexadecimal and in decimal; or a slash for
JSON. Its first sign stands nowhere else in it, and is in no key."""

_HALF: Final = re.compile(
    r"(?:\\(?:u[0-9a-f]{0,3})?|%[0-9a-f]?|&(?:#(?:x[0-9a-f]*|[0-9]*))?)\Z", re.IGNORECASE
)
"""What may be the beginning of one, at the end."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+")
_LONG_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{43,}")
"""As long as 32 characters in base64."""

_ALPHABET: Final = string.ascii_letters + string.digits + "+/-_"
_STANDARD: Final = str.maketrans("-_", "+/")

_BLANK: Final = (b"\r\n", b"\n")


def reason_of_error(code: int, *, errno: int, is_connected: bool) -> FailureReason:
    """The closed word for libcurl's ``code``; ``errno`` is the system's, 0 where it gave none."""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return FailureReason.TIMEOUT if is_connected else FailureReason.CONNECT_TIMEOUT
    reason = _REASONS.get(code, FailureReason.NETWORK)
    if is_connected and code in _REASONS and reason in _OF_CONNECTING:
        # The connection broke under the request, and it was another that could not be made.
        return FailureReason.RESET
    if code == pycurl.E_COULDNT_CONNECT and errno == ECONNREFUSED:
        return FailureReason.REFUSED
    return reason


def whole_head(lines: Sequence[bytes]) -> Sequence[bytes] | None:
    """The last head in these lines, which provisional answers may come before; None: it is not whole."""
    begins = (n for n, line in enumerate(lines) if line.startswith(b"HTTP/"))
    head = lines[max(begins, default=0) :]
    return head if any(blank in head for blank in _BLANK) else None


def answer_of(status: int, head: Sequence[bytes], body: bytes, key: IntegrationKey) -> Answer:
    """The answer with this status, these header lines and what was read of the body."""
    reason = reason_of_status(status)
    return Answer(
        status,
        reason,
        without_key(body[:RESPONSE_BYTES].decode("utf-8", "replace"), key),
        None if reason is None else _retry_after_of(head),
    )


def no_answer(reason: FailureReason, text: str, key: IntegrationKey) -> Answer:
    """What stands for an answer where none came; libcurl's ``text`` may repeat a proxy's whole URL."""
    storable = without_credentials(text).encode("utf-8", "replace").decode()
    return Answer(None, reason, without_key(storable, key))


def _retry_after_of(head: Sequence[bytes]) -> timedelta | None:
    fields: dict[bytes, str] = {}
    for line in head:
        name, _, value = line.partition(b":")
        fields.setdefault(name.strip().lower(), value.decode("latin-1").strip())
    return retry_after(fields.get(b"retry-after"), fields.get(b"date"), datetime.now(UTC))


def retry_after(value: str | None, date: str | None, now: datetime) -> timedelta | None:
    """What a ``Retry-After`` asks for: seconds, or a date held against the answer's own ``Date``."""
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


def without_key(text: str, key: IntegrationKey) -> str:
    """``text``, of which only the beginning may have been read, with the key cut out; storable.

    Also where its characters are spelt out, or it is in something in base64, as docs/decisions/0008
    has it: its reader has the key again. The end is cut too where it is the beginning of such an
    echo. At most 2 kB.
    """
    text = text.replace("\0", "")
    wanted = key.reveal().lower()
    whole, spelt = len(text), []
    if "\\" in text or "%" in text or "&" in text:
        half = _HALF.search(text)
        whole = whole if half is None else half.start()
        spelt = [(one.start(), one.end(), _meant(one)) for one in _SPELT.finditer(text)]
    found, cut = _echoes(text, spelt, whole, wanted)
    for read, places in _readings(text, spelt):
        found += [(places[start], places[end]) for start, end in _in_base64(read, wanted)]
        begun = _begun_in_base64(read[: bisect_left(places, whole)], wanted)
        cut = min([cut, *(places[start] for start in begun)])
    kept: list[str] = []
    begin = 0
    for start, end in sorted(found):
        if start >= begin:
            kept += [text[begin:start], key.masked]
        begin = max(begin, end)
    kept.append(text[begin:cut])
    return "".join(kept)[:RESPONSE_BYTES]


_Spelt = Sequence[tuple[int, int, str]]
"""The characters that are spelt out: from where to where, and what each means."""


def _meant(spelt: re.Match[str]) -> str:
    json, url, hexadecimal, decimal, slash = spelt.groups()
    if decimal is not None:
        return chr(int(decimal))
    return slash or chr(int(json or url or hexadecimal, 16))


def _echoes(text: str, spelt: _Spelt, whole: int, wanted: str) -> tuple[list[tuple[int, int]], int]:
    """From where to where ``wanted`` stands in ``text``, and where its end begins to be it; its length where not.

    From ``whole`` on it may be the beginning of a character that is spelt out.
    """
    lowered = _lowered(text)
    if not spelt and whole == len(text):
        found = [*_plain(lowered, wanted)]
        begin = max(found[-1][1] if found else 0, len(text) - len(wanted) + 1)
        return found, len(text) - _begun(lowered[begin:], wanted)
    signs = [*lowered]
    following = [*range(1, len(text) + 1)]
    for start, end, meant in spelt:
        signs[start], following[start] = _lowered(meant), end
    starts = "".join(signs)
    found = []
    start = starts.find(wanted[0])
    while start >= 0:
        at, matched = start, 0
        while matched < len(wanted) and at < len(text) and signs[at] == wanted[matched]:
            at, matched = following[at], matched + 1
        if matched == len(wanted):
            found.append((start, at))
        elif matched >= _TELLING and at >= whole:
            return found, start
        start = starts.find(wanted[0], at if matched == len(wanted) else start + 1)
    return found, len(text)


def _readings(text: str, spelt: _Spelt) -> Iterator[tuple[str, Sequence[int]]]:
    """What ``text`` says as it is, and with what is spelt out in it read; and where each character begins."""
    yield text, range(len(text) + 1)
    if spelt:
        read: list[str] = []
        places: list[int] = []
        begin = 0
        for start, end, meant in spelt:
            read += [text[begin:start], meant]
            places += range(begin, start + 1)
            begin = end
        yield "".join([*read, text[begin:]]), [*places, *range(begin, len(text) + 1)]


def _lowered(text: str) -> str:
    """``text`` in small letters, each where it was: some outside of ASCII would become two."""
    return (
        text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    )


def _plain(lowered: str, wanted: str) -> Iterator[tuple[int, int]]:
    """From where to where ``wanted`` stands in it."""
    start = lowered.find(wanted)
    while start >= 0:
        yield start, start + len(wanted)
        start = lowered.find(wanted, start + len(wanted))


def _in_base64(read: str, wanted: str) -> Iterator[tuple[int, int]]:
    """From where to where ``wanted`` stands in what is base64 in it, whatever stands before and behind."""
    for run in _LONG_BASE64.finditer(read):
        for at, decoded in _decoded(run):
            for start, end in _plain(decoded, wanted):
                yield at + start * 4 // 3, at - (-end * 4 // 3)


def _begun_in_base64(read: str, wanted: str) -> Iterator[int]:
    """Where the end of ``read`` may begin to be ``wanted`` in base64."""
    run = _BASE64.match(read, len(read.rstrip(_ALPHABET)))
    for at, decoded in _decoded(run) if run else ():
        if begun := _begun(decoded[1 - len(wanted) :], wanted):
            yield at + (len(decoded) - begun) * 4 // 3


def _decoded(run: re.Match[str]) -> Iterator[tuple[int, str]]:
    """What ``run`` may say: base64 begins at any of its first four characters, the others are before it."""
    standard = run[0]
    if "-" in standard or "_" in standard:
        standard = standard.translate(_STANDARD)
    for skipped in range(min(4, len(standard))):
        piece = standard[skipped:]
        filled = a2b_base64(piece + "A" * (-len(piece) % 4))
        yield run.start() + skipped, filled[: len(piece) * 3 // 4].lower().decode("latin-1")


def _begun(end: str, wanted: str) -> int:
    """How much of ``end`` is the beginning of ``wanted``."""
    start = end.find(wanted[:_TELLING])
    while start >= 0:
        if wanted.startswith(end[start:]):
            return len(end) - start
        start = end.find(wanted[:_TELLING], start + 1)
    return 0

"""A program in whose world no name server answers, and then one that denies a name at first: as JSON.

Its root becomes an empty folder with a resolv.conf of its own, for which it has to be root, if only of
its own namespace.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from build import a_key
from certifi import where

from wallarm_notify.domain.outcome import FailureReason
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.pagerduty.exchange import HttpSettings
from wallarm_notify.pagerduty.request import ENQUEUE_PATH, Request
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from wallarm_notify.pagerduty.client import Response

SERVER: Final = "127.77.0.1"
CONNECT_TIMEOUT: Final = 1.5
NAMES: Final = 40
"""More than libcurl has threads to ask with."""

_FLAGS: Final = 0x8913, 0x8914
_UP: Final = 1
_A: Final = 1


def main(root: Path) -> None:
    _bring_up_loopback()
    where()  # the certificates, while they are there
    _move_into(root)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((SERVER, 53))
    with Sandbox(rate_limit=0) as sandbox:
        found = _play(sandbox.url)
        found["denied_for"] = _be_denied(silent, sandbox.url)
        sys.stdout.write(json.dumps(found))
        sys.stdout.flush()
    os._exit(0)


def _play(url: str) -> dict[str, object]:
    http = HttpClient[str](HttpSettings(CONNECT_TIMEOUT, 5))
    began = time.monotonic()
    for number in range(NAMES):
        http.begin("named", _to(f"http://name-{number}.pagerduty.test"))
    for _ in range(20):
        http.begin("other", _to(url))
    responses: list[Response[str]] = []
    while len(responses) < NAMES + 20:
        responses += http.wait()
    named = [one for one in responses if one.tag == "named"]
    others = [one for one in responses if one.tag == "other"]
    ended = time.monotonic()
    http.close()
    return {
        "named": sorted({str(one.answer.reason) for one in named}),
        "named_took": [min(o.ended for o in named) - began, max(o.ended for o in named) - began],
        "others": sorted({one.answer.status or 0 for one in others}),
        "others_took": max(one.ended for one in others) - began,
        "close_took": time.monotonic() - ended,
    }


def _be_denied(names: socket.socket, url: str) -> float:
    """A name is said not to exist, once; how long it then takes until a request to it is answered."""
    denied = threading.Event()

    def answer() -> None:
        while True:
            question, sender = names.recvfrom(512)
            end = question.index(b"\0", 12) + 5
            asked, kind = question[12:end], question[end - 3]
            is_known = denied.is_set() and b"later" in asked
            address = is_known and kind == _A
            head = struct.pack(
                ">2sBBHHHH", question[:2], 0x81, 0x80 if is_known else 0x83, 1, address, 0, 0
            )
            record = struct.pack(">HHHIH4s", 0xC00C, _A, 1, 60, 4, socket.inet_aton("127.0.0.1"))
            names.sendto(head + asked + (record if address else b""), sender)

    threading.Thread(target=answer, daemon=True).start()
    later = url.replace("127.0.0.1", "later.test")
    with HttpClient[None](HttpSettings(CONNECT_TIMEOUT, 5)) as http:
        if http.post(_to(later)).reason is not FailureReason.DNS:
            raise AssertionError("the name was not denied")
        denied.set()
        began = time.monotonic()
        pause = threading.Event()
        while http.post(_to(later)).status is None:
            pause.wait(0.1)
        return time.monotonic() - began


def _to(url: str) -> Request:
    return Request(url + ENQUEUE_PATH, b"{}", a_key())


def _move_into(root: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/resolv.conf").write_text(f"nameserver {SERVER}\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    os.chroot(root)
    os.chdir("/")


def _bring_up_loopback() -> None:
    """A new network namespace has it down."""
    get, put = _FLAGS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(asking, get, request))
        if not flags & _UP:
            fcntl.ioctl(asking, put, struct.pack("16sH14x", b"lo", flags | _UP))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

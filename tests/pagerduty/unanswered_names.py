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
from wallarm_notify.pagerduty.client import Poster
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from wallarm_notify.pagerduty.client import Landed

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
    poster = Poster[str](connect_timeout=CONNECT_TIMEOUT, request_timeout=5)
    began = time.monotonic()
    for number in range(NAMES):
        poster.begin("named", f"http://name-{number}.pagerduty.test", b"{}", a_key())
    for _ in range(20):
        poster.begin("other", url, b"{}", a_key())
    landed: list[Landed[str]] = []
    while len(landed) < NAMES + 20:
        landed += poster.wait()
    named = [one for one in landed if one.ticket == "named"]
    others = [one for one in landed if one.ticket == "other"]
    ended = time.monotonic()
    poster.close()
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
    with Poster[None](connect_timeout=CONNECT_TIMEOUT, request_timeout=5) as poster:
        if poster.post(later, b"{}", a_key()).reason is not FailureReason.DNS:
            raise AssertionError("the name was not denied")
        denied.set()
        began = time.monotonic()
        pause = threading.Event()
        while poster.post(later, b"{}", a_key()).status is None:
            pause.wait(0.1)
        return time.monotonic() - began


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

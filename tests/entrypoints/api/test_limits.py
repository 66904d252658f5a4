"""Limits: no pile of requests, no token alone, no page that takes for ever, and what browsers are told."""

from __future__ import annotations

import itertools
import logging
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import eventually
from starlette.requests import HTTPConnection

from entrypoints.api.http_api import HttpApi, served
from entrypoints.api.owned import owned
from entrypoints.command_line import KEY
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.api import body as body_module
from wallarm_notify.entrypoints.api import connection as connection_module
from wallarm_notify.entrypoints.api.client_address import UNKNOWN, TrustedProxies
from wallarm_notify.entrypoints.api.faults import Overload
from wallarm_notify.entrypoints.api.rates import SLOW_AT_ONCE, Counts, SlowCalls, TokenRates
from wallarm_notify.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from requests import Response

    from entrypoints.command_line import CommandLine

OURS = "/notify/v1"


# Overload.


def test_where_there_is_no_room_a_request_is_sent_away_at_once(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_API_THREADS", "1")
    let_go = threading.Event()

    def wait(*_: object) -> Any:
        let_go.wait(20)
        raise Overload(503, "The test is over.", after=1)

    monkeypatch.setattr("wallarm_notify.entrypoints.api.calls.rules.show_coverage", wait)
    with served(line) as api, ThreadPoolExecutor(4) as others:
        api.token()
        waiting = [others.submit(api.ask, "GET", f"{OURS}/coverage") for _ in range(4)]
        try:
            # A path that is unknown needs no thread: only whether there is room decides.
            def sent_away() -> tuple[Response] | None:
                found = api.ask("GET", "/notify/v1/x")
                return (found,) if found.status_code == 503 else None

            (answer,) = eventually(sent_away)
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["type"] == "urn:wallarm-notify:problem:unavailable"
            assert api.ask("GET", "/healthz", role=None).ok
        finally:
            let_go.set()
        assert {one.result().status_code for one in waiting} == {503}
        assert api.ask("GET", "/notify/v1/x").status_code == 404


def test_threads_are_no_more_than_connections(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_API_THREADS", "2")
    at_once: list[int] = []
    under_way = threading.Semaphore(100)

    def look(*_: object) -> Any:
        under_way.acquire()
        time.sleep(0.02)
        at_once.append(100 - under_way._value)
        under_way.release()
        raise Overload(503, "The test is over.", after=1)

    monkeypatch.setattr("wallarm_notify.entrypoints.api.calls.rules.show_coverage", look)
    with served(line) as api, ThreadPoolExecutor(8) as others:
        api.token()
        list(others.map(lambda _: api.ask("GET", f"{OURS}/coverage"), range(16)))
    assert max(at_once) == 2


# Rates.


def test_a_token_that_asks_too_often_waits_and_others_do_not(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_API_TOKEN_RATE", "3")
    with served(line) as api:
        for _ in range(3):
            api.ok("GET", f"{OURS}/cloud-addresses")
        answer = api.ask("GET", f"{OURS}/cloud-addresses")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.json()["detail"].startswith("This token may ask 3 times a minute")
        api.ok("GET", f"{OURS}/cloud-addresses", role=Role.ANALYST)


def test_no_limit_lets_a_token_ask_at_will() -> None:
    rates = TokenRates(0)
    for _ in range(1000):
        rates.take("token 1")


def test_to_count_a_request_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = TokenRates(1000)
    started: list[object] = []
    monkeypatch.setattr("threading.Thread.start", started.append)
    for _ in range(100):
        rates.take("token 1")
    assert started == []


def test_a_token_that_waited_may_ask_again_and_old_counts_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    counts = Counts()
    rates = TokenRates(3, counts)
    for number in range(50):
        rates.take(f"token {number}")
    for _ in range(2):
        rates.take("token 0")
    with pytest.raises(Overload, match="3 times a minute"):
        rates.take("token 0")
    now[0] += 150
    rates.take("token 0")
    assert len(counts.storage) == len(counts.expirations) == 1


def test_failed_tokens_are_counted_by_address_and_a_valid_one_is_served(
    api: HttpApi,
) -> None:
    wrong = {"X-WallarmApi-Token": "A" * 64}
    path = f"{OURS}/cloud-addresses"
    found = [api.ask("GET", path, role=None, headers=wrong) for _ in range(21)]
    assert [one.status_code for one in found] == [401] * 20 + [429]
    assert 1 <= int(found[-1].headers["Retry-After"]) <= 60
    api.ok("GET", path)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-WallarmApi-Token": ""},
        {"X-WallarmApi-Token": "A" * 64},
        {"X-WallarmApi-Token": "A" * 10_000},
        {"X-WallarmApi-Token": KEY},
        {"Authorization": "Basic QTpC"},
        {"Authorization": "Bearer "},
        {"X-WallarmApi-UUID": "7b0c6a52-0001-4000-8000-00000000000a"},
    ],
)
def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(
    api: HttpApi, headers: dict[str, str]
) -> None:
    nothing = api.ask("GET", f"{OURS}/ledger", role=None)
    found = api.ask("GET", f"{OURS}/ledger", role=None, headers=headers)
    assert (found.status_code, found.content) == (401, nothing.content)


def answered(api: HttpApi, head: bytes) -> bytes:
    """Return the first line that is answered to a request with these bytes among its headers."""
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"GET " + OURS.encode() + b"/triggers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"%s\r\n\r\n" % head
        )
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    api.answers.append(answer.decode("latin-1"))
    return answer.split(b"\r\n", 1)[0]


WRONG: Final = b"A" * 64

HEADS: Final = {
    "the token": (b"X-WallarmApi-Token: %(token)s", 200),
    "as a bearer": (b"Authorization: bearer %(token)s", 200),
    "twice": (b"X-WallarmApi-Token: %(token)s\r\nx-wallarmapi-token: %(token)s", 401),
    "before another": (b"X-WallarmApi-Token: %(token)s\r\nX-WallarmApi-Token: %(wrong)s", 401),
    "behind another": (b"X-WallarmApi-Token: %(wrong)s\r\nX-WallarmApi-Token: %(token)s", 401),
    "two in one": (b"X-WallarmApi-Token: %(token)s,%(wrong)s", 401),
    "two bearers": (b"Authorization: Bearer %(token)s\r\nAuthorization: Bearer %(wrong)s", 401),
    "a bearer behind a wrong one": (
        b"X-WallarmApi-Token: %(wrong)s\r\nAuthorization: Bearer %(token)s",
        401,
    ),
    "a bearer of somebody else's": (
        b"X-WallarmApi-Token: %(token)s\r\nAuthorization: Bearer %(wrong)s",
        200,
    ),
    "in a cookie": (b"Cookie: X-WallarmApi-Token=%(token)s", 401),
    "with a null byte": (b"X-WallarmApi-Token: %(token)s\0", 400),
    "with a null byte within": (b"X-WallarmApi-Token: \0%(token)s", 400),
    "with a byte above ASCII": (b"X-WallarmApi-Token: %(token)s\xa0", 401),
    "with UTF-8": (b"X-WallarmApi-Token: %(token)s\xe2\x80\x8b", 401),
    "on two lines": (b"X-WallarmApi-Token: \r\n %(token)s", 200),
    "a name with a blank": (b"X-WallarmApi-Token : %(token)s", 400),
}


@pytest.mark.parametrize(("head", "status"), HEADS.values(), ids=HEADS)
def test_one_token_that_is_plainly_there_lets_in_and_nothing_else_does(
    api: HttpApi, head: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    token = api.token()
    line = answered(api, head % {b"token": token.encode(), b"wrong": WRONG})
    assert line.startswith(b"HTTP/1.1 %d " % status)
    assert token not in caplog.text + api.answers[-1]


def test_a_token_in_the_address_lets_nobody_in(api: HttpApi) -> None:
    path = f"{OURS}/triggers?X-WallarmApi-Token={api.token()}&token={api.token()}"
    api.problem(401, "GET", path, role=None)


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_who_makes_up_addresses_waits_like_everybody_unless_a_trusted_proxy_names_them(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", trusted)
    path = f"{OURS}/triggers"
    with served(line) as api:
        wrong = {"X-WallarmApi-Token": WRONG.decode()}

        def guess(passed_on: str) -> int:
            headers = {**wrong, "X-Forwarded-For": passed_on}
            return api.ask("GET", path, role=None, headers=headers).status_code

        # The last address is what the nearest proxy has seen; those before it are anybody's words.
        found = [guess(f"192.0.2.{n}, 198.51.100.1:{4000 + n}") for n in range(21)]
        assert found == [401] * 20 + [429]
        site = [guess(f"2001:db8::{n:x}") for n in range(21)]
        another = 401 if trusted else 429
        assert site == [another] * 20 + [429]
        assert guess("198.51.100.2") == another
        api.ok("GET", path, headers={"X-Forwarded-For": "198.51.100.1"})


@pytest.mark.parametrize("name", ["X-WallarmApi-Token", "x-wallarmapi-token", "X-WALLARMAPI-TOKEN"])
def test_the_names_of_headers_are_known_in_any_case(api: HttpApi, name: str) -> None:
    assert api.ask("GET", f"{OURS}/triggers", role=None, headers={name: api.token()}).ok


def test_slow_calls_have_two_places_for_each_client_and_half_of_the_threads() -> None:
    slow = SlowCalls(threads=6)
    with slow.one_of(1), slow.one_of(1):
        with pytest.raises(Overload), slow.one_of(1):
            pass
        with slow.one_of(2), pytest.raises(Overload), slow.one_of(3):
            pass
    assert SLOW_AT_ONCE == 2
    with slow.one_of(1), slow.one_of(3), slow.one_of(2):
        pass


# Time.


def test_a_page_that_takes_too_long_is_given_up(
    api: HttpApi, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned(line, 1)
    api.token()
    line.sql("ALTER TABLE notifications RENAME TO slow_notifications")
    line.sql("CREATE VIEW notifications AS SELECT n.* FROM slow_notifications n, pg_sleep(30)")
    try:
        answer = api.ask("GET", f"{OURS}/notifications")
    finally:
        line.sql("DROP VIEW notifications")
        line.sql("ALTER TABLE slow_notifications RENAME TO notifications")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:wallarm-notify:problem:too_much"
    assert answer.headers["Retry-After"] == "2"
    assert answer.elapsed.total_seconds() < 20


def test_a_page_changes_nothing(line: CommandLine, api: HttpApi) -> None:
    from wallarm_notify.entrypoints.api.parts import ApiParts  # noqa: PLC0415 - only here

    pages = ApiParts(line.wiring).pages
    with pytest.raises(Exception, match="takes no changes"):
        pages.store.transact(lambda tx: tx.set_client(1, name="x", cloud=None, partner_name=None))


def test_a_body_that_does_not_come_is_not_waited_for(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "SECONDS", 0.2)
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST {OURS}/integrations HTTP/1.1\r\nHost: x\r\nX-WallarmApi-Token: {api.token()}\r\n"
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"key":'.encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("path", [f"{OURS}/integrations", f"{OURS}/events"])
def test_a_client_that_goes_away_within_its_body_is_no_fault_of_ours(
    api: HttpApi, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.DEBUG, "wallarm_notify.entrypoints.api")
    token = api.token(Role.OPERATOR)
    with connected(api) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-WallarmApi-Token: {token}\r\n"
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"key":'.encode()
        )
    eventually(
        lambda: any(vars(r).get("status") == 499 for r in caplog.records), 60, "it was logged"
    )
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


def connected(api: HttpApi) -> socket.socket:
    host, port = api.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def drip(connection: socket.socket, text: bytes) -> bytes:
    """Send ``text`` byte by byte, and nothing in between; return what is answered until the connection ends."""
    answered = b""
    connection.settimeout(0.02)
    for byte in itertools.cycle(text):
        try:
            connection.sendall(bytes([byte]))
            more = connection.recv(4096)
        except TimeoutError:
            continue
        except ConnectionError:
            return answered
        if not more:
            return answered
        answered += more
    raise AssertionError("unreachable")


@pytest.fixture
def short_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEAD_SECONDS", 0.3)


@pytest.mark.usefixtures("short_heads")
@pytest.mark.timeout(120)
def test_a_head_that_drips_ends_its_connection(api: HttpApi) -> None:
    with connected(api) as slow:
        assert drip(slow, b"GET /healthz HTTP/1.1\r\nX-A: ") == b""
    assert api.ask("GET", "/healthz", role=None).ok


@pytest.mark.usefixtures("short_heads")
@pytest.mark.timeout(120)
def test_a_second_head_that_drips_ends_its_connection(api: HttpApi) -> None:
    with connected(api) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1" not in drip(slow, b"GET /healthz HTTP/1.1\r\nX-A: ")


@pytest.mark.timeout(120)
def test_who_asks_and_takes_no_answers_loses_the_connection(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_SECONDS", 0.3)
    with connected(api) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.sendall(f"GET {OURS}/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 60)
        greedy.settimeout(0.1)
        eventually(lambda: is_cut(greedy), 60, "the server ends the connection")
    assert api.ask("GET", "/healthz", role=None).ok


@pytest.mark.timeout(120)
def test_who_takes_a_long_answer_in_time_is_not_cut(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_SECONDS", 0.5)
    whole = len(api.ask("GET", f"{OURS}/openapi.json", role=None).content)
    with connected(api) as slow:
        asked = f"GET {OURS}/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        slow.sendall(asked.encode() * 20)
        got = 0
        while got < 20 * whole:
            more = slow.recv(16_384)
            assert more
            got += len(more)


def is_cut(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"\r\n")
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


@pytest.mark.usefixtures("short_heads")
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("path", "status"), [(f"{OURS}/events", b"408"), ("/nothing", b"404")])
def test_a_body_that_drips_is_answered_and_ends_its_connection(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch, path: str, status: bytes
) -> None:
    monkeypatch.setattr(body_module, "SECONDS", 0.3)
    with connected(api) as slow:
        slow.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-WallarmApi-Token: {api.token(Role.OPERATOR)}\r\n"
            "Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n".encode()
        )
        assert drip(slow, b" ").startswith(b"HTTP/1.1 " + status)


@pytest.mark.usefixtures("short_heads")
def test_who_waits_for_an_answer_keeps_the_connection(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> Any:
        time.sleep(1)
        raise Overload(503, "The test is over.", after=1)

    monkeypatch.setattr("wallarm_notify.entrypoints.api.calls.rules.show_coverage", slow)
    assert api.problem(503, "GET", f"{OURS}/coverage")["detail"] == "The test is over."


@pytest.mark.usefixtures("short_heads")
def test_requests_that_come_together_are_answered_one_after_the_other(api: HttpApi) -> None:
    with connected(api) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        answered = b""
        while more := client.recv(4096):  # until it has been idle for too long
            answered += more
    assert answered.count(b"HTTP/1.1 200 OK") == 3


# The host that a request names.


def test_nothing_is_made_of_the_host_that_a_request_names(api: HttpApi) -> None:
    document = api.ok("GET", f"{OURS}/openapi.json", role=None)
    calls = [(method.upper(), path) for path, of in document["paths"].items() for method in of]
    assert len(calls) > 50
    named = {"Host": "elsewhere.example", "X-Forwarded-Host": "elsewhere.example"}
    for method, path in [*calls, ("GET", f"{OURS}/triggers/"), ("GET", "/nothing")]:
        place = re.sub(r"{.*?}", "4711", path)
        answer = api.ask(method, place, role=Role.OPERATOR, headers=named, allow_redirects=False)
        assert "elsewhere" not in answer.text + str(answer.headers), (method, path)
        assert not 300 <= answer.status_code < 400, (method, path)


# What browsers are told.


@pytest.mark.parametrize("path", ["/healthz", f"{OURS}/triggers", f"{OURS}/nothing", "/v1/nothing"])
def test_every_answer_has_the_headers_that_keep_browsers_from_using_it(
    api: HttpApi, path: str
) -> None:
    origin = {"Origin": "https://elsewhere.example.com"}
    answer = api.ask("GET", path, headers=origin)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Server" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    asked = api.ask("OPTIONS", path, headers=origin | {"Access-Control-Request-Method": "GET"})
    assert not [name for name in asked.headers if name.startswith("Access-Control")]


def test_with_a_certificate_it_speaks_tls(line: CommandLine, certificate: Path) -> None:
    with served(line, cert=str(certificate)) as api:
        assert api.url.startswith("https://")
        answer = api.ask("GET", f"{OURS}/cloud-addresses")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("words", [["--tls-cert", "missing.pem"], ["--tls-key", "x.key"]])
def test_a_certificate_that_cannot_be_used_is_refused_in_a_sentence(
    line: CommandLine, words: list[str]
) -> None:
    result = line("serve", "--port", 0, *words)
    assert result.exit_code in (1, 2)
    assert "--tls-cert" in result.stderr


# The client's address, behind proxies.


@pytest.mark.parametrize(
    ("peer", "passed_on", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.7", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["192.0.2.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["192.0.2.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("10.0.0.7", ["10.1.2.3"], "10.1.2.3"),
        ("10.0.0.7", ["198.51.100.1, made up"], "10.0.0.7"),
        ("10.0.0.7", [""], "10.0.0.7"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.7", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.7", ["192.0.2.1, ::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["198.51.100.1, ::ffff:10.1.2.3"], "198.51.100.1"),
        ("10.0.0.7", ["192.0.2.1, 198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.7", ["198.51.100.1, 10.1.2.3:443"], "198.51.100.1"),
        ("10.0.0.7", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.7", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.7", ["198.51.100.1, [2001:db8::1"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.1:"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.1:65:1"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.1, 10.1.2.3, unknown"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.1, \u0661.2.3.4"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.1\0"], "10.0.0.7"),
        ("10.0.0.7", ["1" * 60_000], "10.0.0.7"),
        ("10.0.0.7", [", ".join(["10.1.2.3"] * 5_000)], "10.1.2.3"),
        (None, ["198.51.100.1"], UNKNOWN),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_has(
    peer: str | None, passed_on: list[str], address: str
) -> None:
    proxies = TrustedProxies(["10.0.0.7", "10.1.0.0/16", "localhost"])
    request = HTTPConnection(
        {
            "type": "http",
            "client": None if peer is None else (peer, 1234),
            "headers": [(b"x-forwarded-for", one.encode()) for one in passed_on],
        }
    )
    assert proxies.address_of(request) == address


def test_where_no_proxy_is_trusted_nobody_names_an_address() -> None:
    request = HTTPConnection(
        {
            "type": "http",
            "client": ("127.0.0.1", 1),
            "headers": [(b"x-forwarded-for", b"192.0.2.1")],
        }
    )
    assert TrustedProxies([]).address_of(request) == "127.0.0.1"


def test_a_proxy_that_is_no_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", "10.0.0.0/8, http://proxy")
    with pytest.raises(SettingsError, match="names no proxy in place 2"):
        read_settings()

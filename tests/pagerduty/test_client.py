from __future__ import annotations

import base64
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pycurl
import pytest
from build import a_body, a_key, eventually
from certificates import TLSFront
from hypothesis import given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.outcome import RESPONSE_BYTES, Answer, FailureReason
from wallarm_notify.pagerduty import exchange as exchange_module
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.pagerduty.exchange import IDLE_TIMEOUT, HttpSettings
from wallarm_notify.pagerduty.request import ENQUEUE_PATH, Request
from wallarm_notify.pagerduty.response import answer_of
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox
from wallarm_notify.urls import proxy_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certificates import Authority

    from wallarm_notify.pagerduty.client import Response

KEY = a_key("Abc")

TAKEN = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def make_http() -> Iterator[Callable[..., HttpClient[Any]]]:
    """Makes clients whose requests have so many seconds, and closes them."""
    made: list[HttpClient[Any]] = []

    def make(seconds: float = 5, connect: float = 2, **more: Any) -> HttpClient[Any]:
        made.append(HttpClient(HttpSettings(min(connect, seconds), seconds, **more)))
        return made[-1]

    yield make
    for http in made:
        http.close()


@pytest.fixture
def http(make_http: Callable[..., HttpClient[Any]]) -> HttpClient[Any]:
    return make_http()


def to(url: str, body: bytes = a_body(KEY)) -> Request:
    """A request to the server of this URL."""
    return Request(url + ENQUEUE_PATH, body, KEY)


def send(http: HttpClient[Any], url: str) -> Answer:
    return http.post(to(url))


def all_responses(http: HttpClient[Any], number: int, within: float = 20) -> list[Response[Any]]:
    """Drives it till so many requests are over."""
    responses: list[Response[Any]] = []
    deadline = time.monotonic() + within
    while len(responses) < number:
        assert time.monotonic() < deadline, f"{len(responses)} of {number} are over"
        responses += http.wait(0.1)
    return responses


def fails(client: SandboxClient, **fault: Any) -> None:
    """What meets every request from now on."""
    client.set_faults([fault])


def assert_no_answer(answer: Answer, reason: FailureReason) -> None:
    """An answer that stands for none, with a text for people."""
    assert (answer.status, answer.reason) == (None, reason)
    assert answer.response
    if reason is FailureReason.RESET:
        assert answer.response == "the connection was closed before a whole answer came"


class Server:
    """Speaks on every connection what ``speak`` says to the request of this number; notes what it is sent.

    ``speak`` returns whether the connection goes on.
    """

    def __init__(
        self, speak: Callable[[socket.socket, int], Any], tls: ssl.SSLContext | None = None
    ) -> None:
        self._speak = speak
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.ended = 0
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"

    def stop_listening(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def stop(self) -> None:
        self.stop_listening()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
            while request := self._read(connection):
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests)
                if not self._speak(connection, number):
                    break
        connection.close()
        self.ended += 1

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65536)
            if not piece:
                return b""
            request += piece
        head, _, body = request.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(
        speak: Callable[[socket.socket, int], Any], tls: ssl.SSLContext | None = None
    ) -> Server:
        made.append(Server(speak, tls))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def saying(*pieces: bytes) -> Callable[[socket.socket, int], bool]:
    """Says this to every request, and goes on."""

    def speak(connection: socket.socket, _: int) -> bool:
        for piece in pieces:
            connection.sendall(piece)
        return True

    return speak


def reset(connection: socket.socket) -> None:
    """Lets the connection end by a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS that https trust."""
    monkeypatch.setattr(exchange_module, "where", lambda: str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


# What is sent, and what comes back.


def test_a_body_is_posted_as_it_is(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any]
) -> None:
    answer = send(http, sandbox.url)
    assert (answer.status, answer.reason, answer.retry_after) == (202, None, None)
    assert json.loads(answer.response)["status"] == "success"
    (seen,) = client.requests()
    assert (seen["path"], seen["bytes"]) == ("/v2/enqueue", len(a_body(KEY)))
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers == {
        "host": sandbox.url.removeprefix("http://"),
        "user-agent": "wallarm-notify",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-length": str(len(a_body(KEY))),
    }


def test_a_large_body_is_sent_without_asking_first(
    make_server: Callable[..., Server], http: HttpClient[Any]
) -> None:
    server = make_server(saying(TAKEN))
    body = b'"' + b"x" * 2_000_000 + b'"'
    assert http.post(to(server.url, body)).status == 202
    (request,) = server.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    assert sent == body
    assert head.startswith(b"POST /v2/enqueue HTTP/1.1\r\n")
    assert b"expect" not in head.lower()


def test_no_password_of_the_users_own_is_sent(
    sandbox: Sandbox,
    client: SandboxClient,
    make_http: Callable[..., HttpClient[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".netrc").write_text("default login me password hunter2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert send(make_http(), sandbox.url).status == 202
    (seen,) = client.requests()
    assert "authorization" not in {name.lower() for name in seen["headers"]}


def test_a_cookie_is_not_sent_back(
    make_server: Callable[..., Server], http: HttpClient[Any]
) -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    server = make_server(saying(answer))
    for _ in range(2):
        assert send(http, server.url).status == 202
    assert len(server.connections) == 1
    assert b"cookie" not in b"".join(server.requests).lower()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, None),
        (202, None),
        (204, None),
        (299, None),
        (300, FailureReason.REDIRECT),
        (301, FailureReason.REDIRECT),
        (400, FailureReason.CLIENT),
        (401, FailureReason.CLIENT),
        (404, FailureReason.CLIENT),
        (407, FailureReason.CLIENT),
        (408, FailureReason.CLIENT),
        (417, FailureReason.CLIENT),
        (429, FailureReason.THROTTLED),
        (500, FailureReason.SERVER),
        (503, FailureReason.SERVER),
        (599, FailureReason.SERVER),
    ],
)
def test_a_status_is_an_answer(
    sandbox: Sandbox,
    client: SandboxClient,
    http: HttpClient[Any],
    status: int,
    reason: FailureReason | None,
) -> None:
    answered = "" if status == 204 else "said"
    fails(client, kind="status", status=status, body=answered)
    assert send(http, sandbox.url) == Answer(status, reason, answered)
    assert len(client.requests(brief=True)) == 1


def test_a_redirect_is_not_followed(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any]
) -> None:
    there = {"Location": f"{sandbox.url}/v2/enqueue"}
    fails(client, kind="status", status=307, headers=there)
    answer = send(http, sandbox.url)
    assert (answer.status, answer.reason) == (307, FailureReason.REDIRECT)
    assert len(client.requests()) == 1


@pytest.mark.parametrize("where", ["/v2/enqueue", "http://["], ids=["short", "malformed"])
def test_a_redirect_s_body_is_kept_like_any_other_and_not_read_whole(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any], where: str
) -> None:
    body = "moved" + "x" * 1_000_000
    fails(client, kind="status", status=302, headers={"Location": where}, body=body)
    answer = send(http, sandbox.url)
    assert (answer.status, answer.response) == (302, body[:RESPONSE_BYTES])


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\n", TAKEN], Answer(202), id="one before the answer"
        ),
        pytest.param(
            [
                b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" * 3,
                b"HTTP/1.1 503 X\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
            ],
            "http_5xx",
            id="some with fields of their own",
        ),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"], "reset", id="one and nothing more"),
        pytest.param(
            [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 202 Accepted\r\n"],
            "network",
            id="one and half an answer",
        ),
        pytest.param([b"HTTP/1.1 101 Switching\r\n\r\nhello"], "network", id="another protocol"),
    ],
)
def test_a_provisional_answer_is_not_the_answer(
    make_server: Callable[..., Server],
    http: HttpClient[Any],
    pieces: list[bytes],
    answer: Answer | str,
) -> None:
    def speak(connection: socket.socket, _: int) -> bool:
        saying(*pieces)(connection, _)
        return False

    got = send(http, make_server(speak).url)
    if isinstance(answer, Answer):
        assert got == answer
    else:
        assert got.reason == answer
        assert got.status == (503 if answer == "http_5xx" else None)
        assert got.retry_after == (timedelta(seconds=5) if got.status else None)
        assert got.response or got.status


@pytest.mark.parametrize(
    "answered",
    [
        b"220 mail.example.com ESMTP\r\n\r\n",
        b"hello",
        b"\0" * 100,
        b"HTTP/2 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/9.9 202 Accepted\r\n\r\n",
        b"HTTP/1.1 20 Accepted\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nno colon\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX: " + b"x" * 400_000 + b"\r\n\r\n",
    ],
    ids=["SMTP", "words", "NUL", "2", "9.9", "20", "length", "colon", "long"],
)
def test_an_answer_that_is_no_http_is_no_answer(
    make_server: Callable[..., Server], http: HttpClient[Any], answered: bytes
) -> None:
    def speak(connection: socket.socket, number: int) -> bool:
        connection.sendall(answered if number == 1 else TAKEN)
        return number > 1

    server = make_server(speak)
    assert_no_answer(send(http, server.url), FailureReason.NETWORK)
    assert send(http, server.url).status == 202


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.0 202 Accepted\r\n\r\nsaid",
        b"HTTP/1.1 202 Accepted\n\nsaid",
        b"HTTP/1.1 202\r\n\r\nsaid",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nsaid",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsaid\r\n",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsaid\r\nnonsense\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nsaid",
    ],
    ids=["1.0", "LF", "no words", "cut short", "cut in chunks", "chunks broken", "gzip"],
)
def test_once_the_head_has_come_the_status_counts_whatever_becomes_of_the_body(
    make_server: Callable[..., Server], http: HttpClient[Any], answered: bytes
) -> None:
    def speak(connection: socket.socket, _: int) -> bool:
        connection.sendall(answered)
        return False

    assert send(http, make_server(speak).url) == Answer(202, None, "said")


def test_an_answer_that_comes_before_the_request_was_read_is_one(
    serve: Callable[..., str], http: HttpClient[Any]
) -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsaid"
    url = serve(lambda connection: connection.sendall(early))
    answer = http.post(to(url, b"x" * 5_000_000))
    assert answer.status == 413 or answer.reason is FailureReason.RESET


# Where nothing comes back.


def test_a_port_nobody_listens_on_refuses(http: HttpClient[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_no_answer(send(http, f"http://127.0.0.1:{port}"), FailureReason.REFUSED)


def test_a_host_without_an_address_is_dns(http: HttpClient[Any]) -> None:
    assert_no_answer(send(http, "http://nothing.invalid"), FailureReason.DNS)


@pytest.mark.parametrize("url", ["http://[", "gopher-ish://x", "http://127.0.0.1:99999", ""])
def test_an_address_that_is_none_is_network(http: HttpClient[Any], url: str) -> None:
    assert_no_answer(send(http, url), FailureReason.NETWORK)


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda connection: None,
        reset,
    ],
    ids=["no TLS", "closed", "reset"],
)
def test_what_goes_wrong_in_the_handshake_is_tls(
    serve: Callable[..., str], http: HttpClient[Any], answer: Callable[[socket.socket], None]
) -> None:
    url = serve(answer).replace("http:", "https:")
    assert_no_answer(send(http, url), FailureReason.TLS)


def test_a_certificate_nobody_vouches_for_is_tls(certificate: Path, http: HttpClient[Any]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with Sandbox(ssl_context=context) as sandbox:
        assert_no_answer(send(http, sandbox.url), FailureReason.TLS)
        assert SandboxClient(sandbox.url, verify=str(certificate)).requests() == []


def test_a_certificate_of_another_host_is_tls(
    trusted: ssl.SSLContext, make_http: Callable[..., HttpClient[Any]]
) -> None:
    with Sandbox(ssl_context=trusted) as sandbox:
        http = make_http()
        assert send(http, sandbox.url).status == 202
        elsewhere = sandbox.url.replace("127.0.0.1", "localhost")
        assert_no_answer(send(http, elsewhere), FailureReason.TLS)


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_a_connection_that_ends_without_an_answer_is_reset(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any], kind: str
) -> None:
    fails(client, kind=kind)
    assert_no_answer(send(http, sandbox.url), FailureReason.RESET)
    assert len(client.requests()) == 1


# Time.


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nX-Slow: ")
    _drip(connection)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
    _drip(connection)


def drip_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
    _drip(connection, b"1\r\nx\r\n")


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _drip(connection: socket.socket, piece: bytes = b"x") -> None:
    pause = threading.Event()
    for _ in range(200):
        connection.sendall(piece)
        pause.wait(0.05)


@pytest.mark.parametrize("answer", [hang, drip_headers, drip_body, drip_chunks])
@pytest.mark.timing
def test_a_request_ends_at_its_wall_clock_deadline(
    serve: Callable[..., str],
    make_http: Callable[..., HttpClient[Any]],
    answer: Callable[[socket.socket], None],
) -> None:
    http = make_http(0.6)
    http.begin("slow", to(serve(answer)))
    began = time.monotonic()
    (response,) = all_responses(http, 1)
    assert 0.5 < time.monotonic() - began < 0.6 + 0.5
    assert 0.5 < response.ended - response.began < 0.6 + 0.5
    assert response.answer == Answer(None, FailureReason.TIMEOUT, "no whole answer within 0.6 s")


@pytest.mark.timing
def test_a_request_that_is_not_read_ends_at_its_deadline(
    make_http: Callable[..., HttpClient[Any]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        answer = make_http(0.6).post(to(url, b"x" * 50_000_000))
        assert 0.5 < time.monotonic() - began < 0.6 + 0.5
        assert answer.reason is FailureReason.TIMEOUT


@pytest.fixture
def full_backlog() -> Iterator[str]:
    """URL of a listener whose backlog is full: nobody else gets a connection."""
    fillers = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    for filler in fillers:
        filler.close()


@pytest.fixture
def silent_tls() -> Iterator[str]:
    """URL of a listener that takes connections and never says a word of TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("where", ["full_backlog", "silent_tls"])
@pytest.mark.parametrize("whole", [3, 0.5], ids=["", "within the whole time"])
@pytest.mark.timing
def test_a_connection_that_does_not_come_about_ends_at_its_own_deadline(
    make_http: Callable[..., HttpClient[Any]],
    request: pytest.FixtureRequest,
    where: str,
    whole: float,
) -> None:
    url = request.getfixturevalue(where)
    http = make_http(whole, connect=0.5)
    began = time.monotonic()
    answer = send(http, url)
    assert 0.4 < time.monotonic() - began < 0.5 + 0.5
    assert answer == Answer(None, FailureReason.CONNECT_TIMEOUT, "no connection within 0.5 s")


@pytest.mark.timing
def test_deadlines_are_kept_though_nobody_looked_for_a_while(
    make_server: Callable[..., Server], make_http: Callable[..., HttpClient[Any]]
) -> None:
    server = make_server(lambda connection, _: hang(connection))
    http = make_http(0.5)
    http.begin("late", to(server.url))
    while not server.requests:
        assert http.wait(0.05) == []
    stalled = threading.Event()
    stalled.wait(0.6)
    began = time.monotonic()
    (response,) = all_responses(http, 1)
    assert time.monotonic() - began < 0.2
    assert response.answer.reason is FailureReason.TIMEOUT
    assert response.ended - response.began >= 0.5


@pytest.fixture(scope="module")
def unanswered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was found where no name server answers, for real: in a process with a world of its own."""
    path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    as_root = [] if os.geteuid() == 0 else [shutil.which("unshare") or "unshare", "-Urn"]
    done = subprocess.run(
        [
            *as_root,
            sys.executable,
            Path(__file__).with_name("unanswered_names.py"),
            tmp_path_factory.mktemp("world"),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_name_server_that_never_answers_costs_its_own_requests_the_connect_timeout(
    unanswered: dict[str, Any],
) -> None:
    assert (unanswered["named"], unanswered["others"]) == (["connect_timeout"], [400])  # empty ones
    assert unanswered["others_took"] < 1
    soonest, latest = unanswered["named_took"]
    assert 1.4 < soonest <= latest < 1.5 + 0.5
    assert unanswered["close_took"] < 1.5


def test_a_name_that_was_denied_once_is_asked_for_again_soon(unanswered: dict[str, Any]) -> None:
    assert unanswered["denied_for"] < 4


# Connections.


def ports(client: SandboxClient) -> list[int]:
    return [seen["peer_port"] for seen in client.requests(brief=True)]


def test_a_connection_is_used_again(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any]
) -> None:
    for _ in range(3):
        assert send(http, sandbox.url).status == 202
    assert len(set(ports(client))) == 1


def test_a_connection_over_tls_is_used_again_and_speaks_http_1_1(
    make_server: Callable[..., Server],
    trusted: ssl.SSLContext,
    make_http: Callable[..., HttpClient[Any]],
) -> None:
    trusted.set_alpn_protocols(["h2", "http/1.1"])
    server = make_server(saying(TAKEN), trusted)
    http = make_http()
    for _ in range(3):
        assert send(http, server.url).status == 202
    _, over_tls = server.connections
    assert isinstance(over_tls, ssl.SSLSocket)
    assert over_tls.selected_alpn_protocol() == "http/1.1"
    assert len(server.requests) == 3
    assert all(request.startswith(b"POST /v2/enqueue HTTP/1.1\r\n") for request in server.requests)


def test_a_connection_idle_too_long_is_dropped(
    sandbox: Sandbox,
    client: SandboxClient,
    make_http: Callable[..., HttpClient[Any]],
) -> None:
    assert IDLE_TIMEOUT == 20
    http = make_http(idle_timeout=1)
    for _ in range(2):
        send(http, sandbox.url)
    idle = threading.Event()
    idle.wait(2.1)
    send(http, sandbox.url)
    one, two, three = ports(client)
    assert one == two != three


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_the_server_ended_in_between_is_no_failure(
    make_server: Callable[..., Server], http: HttpClient[Any], how: str
) -> None:
    answered = threading.Semaphore(0)

    def answer_and_end(connection: socket.socket, _: int) -> bool:
        connection.sendall(TAKEN)
        assert answered.acquire(timeout=5)
        if how == "reset":
            reset(connection)
        return False

    server = make_server(answer_and_end)
    for number in range(1, 4):
        assert send(http, server.url).status == 202
        answered.release()
        eventually(lambda: server.ended == number)  # noqa: B023 - called at once
    assert len(server.requests) == 3


def test_connections_the_server_ended_over_tls_are_no_failure_either(
    make_server: Callable[..., Server],
    trusted: ssl.SSLContext,
    make_http: Callable[..., HttpClient[Any]],
) -> None:
    def answer_and_end(connection: socket.socket, _: int) -> bool:
        connection.sendall(TAKEN)
        return False

    server = make_server(answer_and_end, trusted)
    http = make_http()
    for number in range(1, 4):
        assert send(http, server.url).status == 202
        eventually(lambda: server.ended == number)  # noqa: B023 - called at once
    assert len(server.requests) == 3


def test_where_a_server_ended_every_connection_it_costs_no_request(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any]
) -> None:
    client.set_faults(rate_limit=0)
    for _ in range(2):
        for number in range(30):
            http.begin(number, to(sandbox.url))
        assert {one.answer.status for one in all_responses(http, 30)} == {202}
        port = int(sandbox.url.rsplit(":", 1)[1])
        sandbox.stop()
        sandbox._port = port
        sandbox.start()
    assert len(client.requests(brief=True)) == 60


def test_what_a_server_says_unasked_answers_no_request(
    make_server: Callable[..., Server], http: HttpClient[Any]
) -> None:
    unasked = threading.Semaphore(0)
    answered = threading.Event()

    def speak(connection: socket.socket, number: int) -> bool:
        connection.sendall(TAKEN)
        if number == 1:
            assert unasked.acquire(timeout=5)
            connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            answered.set()
        return True

    server = make_server(speak)
    assert send(http, server.url).status == 202
    unasked.release()
    assert answered.wait(5)
    assert send(http, server.url).status == 202
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["close", "reset", "half a status line"])
@pytest.mark.parametrize("again", [True, False], ids=["", "and nobody listens any more"])
def test_a_kept_connection_that_ends_under_a_request_is_one_request_and_a_reset(
    make_server: Callable[..., Server], http: HttpClient[Any], how: str, *, again: bool
) -> None:
    def end_the_second(connection: socket.socket, number: int) -> bool:
        if number != 2:
            connection.sendall(TAKEN)
            return True
        if not again:
            server.stop_listening()
        if how == "reset":
            reset(connection)
        if how == "half a status line":
            connection.sendall(b"HTTP/1.1 2")
        return False

    server = make_server(end_the_second)
    assert send(http, server.url).status == 202
    assert_no_answer(send(http, server.url), FailureReason.RESET)
    assert len(server.requests) == 2
    if again:
        assert send(http, server.url).status == 202
        assert len(server.requests) == 3


def test_a_kept_connection_that_ends_under_a_request_is_one_request_in_the_journal(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any]
) -> None:
    assert send(http, sandbox.url).status == 202
    for kind in ("close", "reset"):
        client.set_faults([{"kind": kind, "times": 1}])
        before = len(client.requests(brief=True))
        assert send(http, sandbox.url).reason is FailureReason.RESET
        assert len(client.requests(brief=True)) == before + 1
        assert send(http, sandbox.url).status == 202


def test_an_answer_as_long_as_what_is_kept_leaves_the_connection(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any]
) -> None:
    fails(client, kind="status", status=500, body="x" * RESPONSE_BYTES)
    for _ in range(2):
        assert send(http, sandbox.url).response == "x" * RESPONSE_BYTES
    assert len(set(ports(client))) == 1


@pytest.mark.parametrize("length", [RESPONSE_BYTES + 1, 100_000])
def test_a_longer_answer_ends_the_connection_and_does_not_spoil_the_next(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any], length: int
) -> None:
    client.set_faults([{"kind": "status", "status": 500, "body": "x" * length, "times": 1}])
    answer = send(http, sandbox.url)
    assert (answer.status, len(answer.response)) == (500, RESPONSE_BYTES)
    assert send(http, sandbox.url).status == 202
    one, two = ports(client)
    assert one != two


# Many at once.


def test_many_at_once_are_each_answered_once_over_kept_connections(
    sandbox: Sandbox, client: SandboxClient
) -> None:
    client.set_faults(rate_limit=0)
    rounds = []
    with HttpClient[Any](HttpSettings(5, 10), connections=64) as http:
        for first in (0, 200):
            for number in range(first, first + 200):
                http.begin(number, to(sandbox.url))
            responses = all_responses(http, 200)
            assert sorted(one.tag for one in responses) == list(range(first, first + 200))
            assert {one.answer.status for one in responses} == {202}
            rounds.append(set(ports(client)[first:]))
    assert len(client.requests(brief=True)) == 400
    assert 1 <= len(rounds[0] & rounds[1]) <= 64


def test_each_answer_comes_with_the_tag_of_its_request(
    make_server: Callable[..., Server], http: HttpClient[Any]
) -> None:
    held = threading.Barrier(20)

    def echo(connection: socket.socket, number: int) -> bool:
        held.wait(10)
        body = server.requests[number - 1].partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    server = make_server(echo)
    for number in range(20):
        http.begin(number, to(server.url, f"body {number}".encode()))
    for one in all_responses(http, 20):
        assert one.answer.response == f"body {one.tag}"


def test_one_that_hangs_holds_up_no_other(
    serve: Callable[..., str], sandbox: Sandbox, make_http: Callable[..., HttpClient[Any]]
) -> None:
    http = make_http(1.5)
    http.begin("hanging", to(serve(hang)))
    for _ in range(5):
        http.begin("other", to(sandbox.url))
        (response,) = all_responses(http, 1, within=1)
        assert (response.tag, response.answer.status) == ("other", 202)
    (response,) = all_responses(http, 1)
    assert response.tag == "hanging"


def test_after_whatever_error_it_sends_on(
    sandbox: Sandbox,
    client: SandboxClient,
    serve: Callable[..., str],
    make_http: Callable[..., HttpClient[Any]],
) -> None:
    http = make_http(0.5)
    tls = sandbox.url.replace("http:", "https:")
    for url in ("http://127.0.0.1:1", "http://nothing.invalid", "http://[", tls, serve(hang)):
        for _ in range(2):
            assert send(http, url).status is None
        assert send(http, sandbox.url).status == 202
    assert len(http.idle) == 1
    assert len(client.requests()) == 5


def test_what_cannot_be_begun_raises_and_leaves_nothing_behind(
    sandbox: Sandbox, http: HttpClient[Any]
) -> None:
    with pytest.raises(UnicodeEncodeError):
        http.begin("odd", to("http://exämple.invalid"))
    with pytest.raises(TypeError):
        http.begin("odd", to(sandbox.url, {"no": "bytes"}))  # type: ignore[arg-type]
    assert http.wait(0) == []
    assert send(http, sandbox.url).status == 202


def test_an_answer_that_cannot_be_read_does_not_take_others_with_it(
    sandbox: Sandbox, http: HttpClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = iter([True])

    def stumble(*args: Any) -> Answer:
        if next(broken, False):
            raise ZeroDivisionError
        return answer_of(*args)

    monkeypatch.setattr(exchange_module, "answer_of", stumble)
    for number in range(5):
        http.begin(number, to(sandbox.url))
    statuses = Counter(one.answer.status for one in all_responses(http, 5))
    assert statuses == {202: 4, None: 1}


# Waiting and waking.


@pytest.mark.timing
def test_waiting_ends_after_its_time(serve: Callable[..., str], http: HttpClient[Any]) -> None:
    for busy in (False, True):
        if busy:
            http.begin("hanging", to(serve(hang)))
        began = time.monotonic()
        deadline = began + 0.2
        while time.monotonic() < deadline:
            assert http.wait(deadline - time.monotonic()) == []
        assert time.monotonic() - began < 0.5


@pytest.mark.timing
def test_waking_ends_the_waiting(http: HttpClient[Any]) -> None:
    woken = threading.Timer(0.1, http.wake)
    woken.start()
    began = time.monotonic()
    assert http.wait() == []
    assert 0.05 < time.monotonic() - began < 1
    woken.join()


@pytest.mark.timing
def test_who_was_woken_before_does_not_wait_and_who_was_woken_often_waits_again(
    http: HttpClient[Any],
) -> None:
    for _ in range(100_000):
        http.wake()
    began = time.monotonic()
    assert http.wait() == []
    assert http.wait(0.1) == []
    assert 0.09 < time.monotonic() - began < 1


# The end.


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.timing
def test_closing_ends_what_is_under_way_and_leaves_nothing_open(
    sandbox: Sandbox, client: SandboxClient, make_server: Callable[..., Server]
) -> None:
    client.set_faults(rate_limit=0)
    hanging = make_server(lambda connection, _: hang(connection))
    files = open_files()
    with HttpClient[int](HttpSettings(2, 5)) as http:
        for number in range(10):
            http.begin(number, to(sandbox.url))
        all_responses(http, 10)
        http.begin(10, to(hanging.url))
        http.begin(11, to("http://nothing.invalid"))
        while not hanging.requests:
            http.wait(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 1.5
    eventually(lambda: hanging.ended == 1)
    # Those of the servers, in this same process, go with them.
    eventually(lambda: open_files() <= files)
    http.close()


def test_errors_leave_nothing_open(
    serve: Callable[..., str], make_http: Callable[..., HttpClient[Any]]
) -> None:
    http = make_http(0.3)
    silent = serve(hang)

    def go_wrong() -> None:
        for url in ("http://127.0.0.1:1", silent.replace("http:", "https:"), "http://[", silent):
            http.begin(url, to(url))
        all_responses(http, 4)

    go_wrong()
    files = open_files()
    for _ in range(5):
        go_wrong()
    eventually(lambda: open_files() <= files)
    assert len(http.idle) == 4


# Proxies.


@pytest.fixture
def proxy(make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    """A proxy that answers itself, whatever it is asked for; for http and https."""
    server = make_server(saying(TAKEN))
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("https_proxy", server.url)
    return server


def test_the_environments_proxy_is_asked(proxy: Server, http: HttpClient[Any]) -> None:
    for _ in range(2):
        assert send(http, "http://pagerduty.invalid").status == 202
    first, _ = proxy.requests
    assert first.startswith(b"POST http://pagerduty.invalid/v2/enqueue HTTP/1.1\r\n")
    assert len(proxy.connections) == 1


@pytest.mark.parametrize("excepted", ["127.0.0.1", "example.com,127.0.0.0/8", "*"])
def test_a_host_that_is_excepted_is_asked_itself(
    proxy: Server,
    sandbox: Sandbox,
    http: HttpClient[Any],
    monkeypatch: pytest.MonkeyPatch,
    excepted: str,
) -> None:
    monkeypatch.setenv("no_proxy", excepted)
    assert send(http, sandbox.url).status == 202
    assert proxy.requests == []


def test_a_proxys_tunnel_is_one_connection_and_its_fields_are_not_the_answers(
    make_server: Callable[..., Server],
    certificate: Path,
    trusted: ssl.SSLContext,
    make_http: Callable[..., HttpClient[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(connection: socket.socket, _: int) -> bool:
        with socket.create_connection(("127.0.0.1", port)) as there:
            connection.sendall(b"HTTP/1.1 200 Connected\r\nRetry-After: 9\r\n\r\n")
            ends = {connection: there, there: connection}
            while True:
                for one in select.select([*ends], [], [], 10)[0]:
                    piece = one.recv(65536)
                    if not piece:
                        return False
                    ends[one].sendall(piece)

    with Sandbox(ssl_context=trusted) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1])
        proxy = make_server(connect)
        monkeypatch.setenv("https_proxy", proxy.url)
        http = make_http()
        for _ in range(2):
            assert send(http, sandbox.url).status == 202
        assert [r.partition(b"\r\n")[0] for r in proxy.requests] == [
            b"CONNECT 127.0.0.1:%d HTTP/1.1" % port
        ]
        client = SandboxClient(sandbox.url, verify=str(certificate))
        client.set_faults([{"kind": "status", "status": 503}])
        answer = send(http, sandbox.url)
        assert (answer.status, answer.retry_after) == (503, None)


@pytest.mark.parametrize("status", [403, 407, 502, 503])
def test_a_tunnel_that_is_refused_is_a_network_failure_and_no_status(
    make_server: Callable[..., Server],
    http: HttpClient[Any],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    answered = b"HTTP/1.1 %d X\r\nRetry-After: 9\r\nContent-Length: 4\r\n\r\nsaid" % status
    monkeypatch.setenv("https_proxy", make_server(saying(answered)).url)
    answer = send(http, "https://pagerduty.invalid")
    assert_no_answer(answer, FailureReason.NETWORK)
    assert answer.retry_after is None


def test_a_proxy_that_is_away_is_reported_like_any_other_host(
    http: HttpClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert_no_answer(send(http, "https://pagerduty.invalid"), FailureReason.REFUSED)
    monkeypatch.setenv("https_proxy", "http://nothing.invalid:1")
    assert_no_answer(send(http, "https://pagerduty.invalid"), FailureReason.DNS)


def test_a_proxy_that_speaks_tls_is_checked_by_the_same_cas(
    proxy: Server, authority: Authority, http: HttpClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(proxy.url.rpartition(":")[2])
    with TLSFront(authority.sign(), ("127.0.0.1", port)) as front:
        monkeypatch.setenv("http_proxy", f"https://127.0.0.1:{front.port}")
        assert_no_answer(send(http, "http://pagerduty.invalid"), FailureReason.TLS)
        assert proxy.requests == []
        with HttpClient[Any](HttpSettings(2, 5, str(authority.file))) as trusting:
            assert send(trusting, "http://pagerduty.invalid").status == 202


def test_a_ca_file_stands_in_the_place_of_certifis(
    authority: Authority, trusted: ssl.SSLContext
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.sign())
    with (
        Sandbox(ssl_context=context) as ours,
        Sandbox(ssl_context=trusted) as certifis,
        HttpClient[Any](HttpSettings(2, 5, str(authority.file))) as http,
    ):
        assert send(http, ours.url).status == 202
        assert_no_answer(send(http, certifis.url), FailureReason.TLS)


PASSWORD = "hunter2"


@pytest.mark.parametrize("sign", ["/", "#", "?", "@", ":", "%", " ", ";", "'", "é"])
def test_a_proxys_password_is_used_whatever_is_escaped_in_it(
    proxy: Server, http: HttpClient[Any], monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    password = f"{PASSWORD}{sign}x"
    url = proxy.url.replace("//", f"//me:{quote(password, safe='')}@")
    monkeypatch.setenv("http_proxy", url)
    assert proxy_faults({"http_proxy": url}) == {}
    assert send(http, "http://pagerduty.invalid").status == 202
    given = base64.b64encode(f"me:{password}".encode())
    assert b"Proxy-Authorization: Basic " + given in proxy.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{PASSWORD}/x@127.0.0.1:1",
        f"me:{PASSWORD} x@127.0.0.1:1",
        f"gopher://me:{PASSWORD}@127.0.0.1:1",
        f"http://me:{PASSWORD}@127.0.0.1:99999",
    ],
)
def test_a_proxys_password_is_in_no_answer(
    http: HttpClient[Any], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("https_proxy", url)
    answer = send(http, "https://pagerduty.invalid")
    assert_no_answer(answer, answer.reason or FailureReason.NETWORK)
    assert PASSWORD not in answer.response
    assert proxy_faults({"https_proxy": url}).keys() == {"https_proxy"}


@settings(max_examples=200)
@given(
    scheme=st.sampled_from(["", "http://", "socks5h://"]),
    user=st.text("ab:/?#@%25'& \té", max_size=6),
    host=st.sampled_from(["127.0.0.1", "[::1]"]) | st.text("ab:/?#@%25'& ._-", max_size=4),
    end=st.sampled_from(["", ":1", ":", "/", "/a", ":70000", "?a", "#a"]),
)
def test_a_proxy_that_is_taken_libcurl_takes(scheme: str, user: str, host: str, end: str) -> None:
    url = f"{scheme}{user}@{host}{end}"
    if proxy_faults({"all_proxy": url}):
        return
    handle = pycurl.Curl()
    handle.setopt(pycurl.PROXY, url.encode())
    handle.setopt(pycurl.URL, "http://pagerduty.invalid")
    # It reads the proxy, and ends before it connects.
    handle.setopt(pycurl.OPENSOCKETFUNCTION, lambda *_: pycurl.SOCKET_BAD)
    with pytest.raises(pycurl.error) as error:
        handle.perform()
    text = str(error.value)
    assert handle.errstr()
    assert "Unsupported" not in text
    assert "illegal" not in text


# The key, and Retry-After, in what comes back.


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(KEY.reveal(), id="as it is"),
        pytest.param(KEY.reveal().upper(), id="in capitals"),
        pytest.param(KEY.reveal().swapcase(), id="in the other case"),
        pytest.param(f"a={KEY.reveal()}&b={KEY.reveal()}", id="twice"),
        pytest.param("x" * (RESPONSE_BYTES - 32) + KEY.reveal(), id="at the very end"),
        pytest.param("x" * (RESPONSE_BYTES - 31) + KEY.reveal(), id="one across the edge"),
        pytest.param("x" * (RESPONSE_BYTES - 16) + KEY.reveal() * 2, id="half across the edge"),
        pytest.param("x" * (RESPONSE_BYTES - 1) + KEY.reveal(), id="all but one across the edge"),
        pytest.param(
            KEY.reveal() * 4 + "x" * (RESPONSE_BYTES + 64 - 158) + KEY.reveal(),
            id="after others, across the edge of what is read",
        ),
        pytest.param("é" * 1030 + KEY.reveal(), id="behind characters of two bytes"),
        pytest.param("é" * 1010 + KEY.reveal(), id="across the edge behind such characters"),
    ],
)
def test_the_key_is_cut_out_of_what_the_server_says(
    sandbox: Sandbox, client: SandboxClient, http: HttpClient[Any], echo: str
) -> None:
    fails(client, kind="status", status=500, body=echo)
    kept = send(http, sandbox.url).response.lower()
    key = KEY.reveal().lower()
    assert len(kept) <= RESPONSE_BYTES
    pieces = [key[n : n + 8] for n in range(len(key) - 12)]
    assert [piece for piece in pieces if piece in kept] == []


def test_the_key_is_cut_out_of_an_errors_text(
    make_server: Callable[..., Server], http: HttpClient[Any]
) -> None:
    key = KEY.reveal().encode()
    answered = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: " + key + b"\r\n\r\n"
    answer = send(http, make_server(saying(answered)).url)
    assert_no_answer(answer, FailureReason.NETWORK)
    assert str(KEY) in answer.response
    assert KEY.reveal() not in answer.response


@pytest.mark.parametrize(("value", "seconds"), [("42", 42), ("later", None)])
def test_retry_after_is_read_from_the_answer(
    sandbox: Sandbox,
    client: SandboxClient,
    http: HttpClient[Any],
    value: str,
    seconds: int | None,
) -> None:
    fails(client, kind="status", status=429, headers={"Retry-After": value})
    answer = send(http, sandbox.url)
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert (answer.reason, answer.retry_after) == (FailureReason.THROTTLED, wanted)


def test_libcurl_is_one_that_asks_before_a_request_and_looks_up_names_in_threads() -> None:
    version, features = pycurl.version_info()[2], pycurl.version_info()[4]
    assert version >= 0x075000  # CURLOPT_PREREQFUNCTION
    assert features & pycurl.VERSION_ASYNCHDNS

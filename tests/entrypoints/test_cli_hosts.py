"""Flower and the metrics answer only to host names that they know: a page elsewhere cannot read them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from base64 import b64encode
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from entrypoints.command_line import COMMAND, CommandLine
from wallarm_notify.entrypoints.hosts import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOGIN = "ops:Hidden1"

SERVERS = [("flower", "/healthcheck"), ("metrics", "/metrics")]


class Served:
    """A server of this project in its own process."""

    def __init__(self, process: subprocess.Popen[str], address: str, port: int) -> None:
        self.process = process
        self.address = address
        self.port = port

    def ask(
        self,
        path: str,
        host: str | None,
        method: str = "GET",
        version: int = 11,
        login: str | None = None,
    ) -> tuple[int, str, str]:
        """Return status, type and text of the answer to a request with this Host header, or with none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection._http_vsn = version  # type: ignore[attr-defined]  # there is no other way
        connection._http_vsn_str = f"HTTP/1.{version % 10}"  # type: ignore[attr-defined]  # there is no other way
        connection.putrequest(method, path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        if login is not None:
            connection.putheader("Authorization", f"Basic {b64encode(login.encode()).decode()}")
        connection.endheaders()
        answer = connection.getresponse()
        output = answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
        connection.close()
        return output


@contextmanager
def served(environment: Mapping[str, str], *words: str) -> Iterator[Served]:
    with subprocess.Popen(
        [COMMAND, *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            found = next(filter(None, (re.search(r"http://(.*):(\d+)", one) for one in lines)))
            yield Served(process, found[1], int(found[2]))
        finally:
            process.kill()


@pytest.mark.parametrize(("command", "path"), SERVERS)
def test_a_server_answers_to_its_own_names_and_to_no_other(
    line: CommandLine, command: str, path: str
) -> None:
    environment = {**line.environment, "WALLARM_NOTIFY_HOSTS": "monitor.example.com, 10.0.0.7"}
    with served(environment, command, "--port", "0") as server:
        assert server.address == "127.0.0.1"
        for known in (
            "localhost", f"127.0.0.1:{server.port}", f"[::1]:{server.port}", "LOCALHOST:1",
            "monitor.example.com", "Monitor.example.com:443", "10.0.0.7:80",
        ):  # fmt: skip
            assert server.ask(path, known)[0] == 200, known
        for foreign in (
            "rebound.example", f"rebound.example:{server.port}", "localhost.rebound.example",
            "monitor.example.com.rebound.example", "192.0.2.7",
        ):  # fmt: skip
            answer = server.ask(path, foreign)
            assert answer == (421, "text/plain; charset=utf-8", UNKNOWN), foreign
        # What is no host at all Flower's own server refuses already.
        for wrong in ("rebound.example@localhost", "localhost, rebound.example", ""):
            assert server.ask(path, wrong)[0] in (400, 421)
        assert server.ask(path, None, version=10)[0] == 421


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_the_sandbox_is_driven_by_its_own_names_and_pages_whoever_asks(address: str) -> None:
    with served({}, "sandbox", "--port", "0", "--host", address) as server:
        for path in ("/sandbox/requests", "/sandbox/alerts", "/sandbox/faults/", "/sandbox"):
            assert server.ask(path, "localhost:80")[0] in (200, 405)
            status, _, output = server.ask(path, "rebound.example")
            assert (status, "not to this host name" in output) == (421, True)
        assert server.ask("/sandbox", "rebound.example", "DELETE")[0] == 421
        # Workers know it by whatever name the settings have.
        assert server.ask("/v2/enqueue", "sandbox:8088", "POST")[0] == 400


def test_flower_refuses_every_request_for_another_name(line: CommandLine) -> None:
    unauthenticated = {"FLOWER_UNAUTHENTICATED_API": "true"}
    with served({**line.environment, **unauthenticated}, "flower", "--port", "0") as server:
        for path in ("/", "/tasks", "/api/tasks", "/metrics", "/static/css/flower.css", "/nothing"):
            assert server.ask(path, "localhost")[0] in (200, 404)
            assert server.ask(path, "rebound.example")[2] == UNKNOWN
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
            path = "/api/worker/shutdown/any@worker"
            assert server.ask(path, "rebound.example", method)[0] == 421


@pytest.mark.parametrize(("command", "path"), SERVERS)
def test_a_server_on_every_address_answers_to_each_address_and_to_no_name(
    line: CommandLine, command: str, path: str
) -> None:
    environment = {**line.environment, "WALLARM_NOTIFY_FLOWER_LOGIN": LOGIN}
    with served(environment, command, "--port", "0", "--address", "0.0.0.0") as server:
        assert server.ask(path, "192.0.2.7:5555")[0] == 200
        assert server.ask(path, "rebound.example")[0] == 421


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "flower.example.com"])
def test_flower_refuses_to_serve_others_than_this_machine_without_a_login(
    line: CommandLine, address: str
) -> None:
    done = line.process("flower", "--port", "0", "--address", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"wallarm-notify: Flower would show tasks to whoever reaches {address}: set WALLARM_NOTIFY_FLOWER_LOGIN to "
        "name:password, or leave out --address to serve this machine alone.\n"
    )


def test_an_address_among_flowers_own_options_is_refused_without_a_login_too(
    line: CommandLine,
) -> None:
    done = line.process("flower", "--port=0", "--", "--address=0.0.0.0")
    assert done.returncode == 1
    assert "set WALLARM_NOTIFY_FLOWER_LOGIN to name:password" in done.stderr


@pytest.mark.parametrize("given", ["", "me:word,", ":", "me:", ":word", "me"])
def test_a_login_of_flowers_own_that_lets_in_whoever_sends_none_is_refused(
    line: CommandLine, given: str
) -> None:
    words = ("flower", "--port=0", "--address=0.0.0.0")
    done = line.process(*words, FLOWER_BASIC_AUTH=given, WALLARM_NOTIFY_FLOWER_LOGIN=LOGIN)
    assert (done.returncode, done.stdout) == (1, "")
    assert "an entry that is no name:password" in done.stderr


def test_flower_asks_for_its_login_and_shows_it_nowhere(line: CommandLine) -> None:
    environment = {**line.environment, "WALLARM_NOTIFY_FLOWER_LOGIN": LOGIN}
    with served(environment, "flower", "--port=0", "--address=0.0.0.0") as server:
        for path in ("/", "/tasks", "/broker", "/api/tasks", "/api/workers"):
            assert server.ask(path, "localhost")[0] == 401
            assert server.ask(path, "localhost", login="ops:guessed")[0] == 401
            status, _, text = server.ask(path, "localhost", login=LOGIN)
            assert (status, "Hidden1" in text) == (200, False), path
        assert server.ask("/healthcheck", "localhost")[0] == 200
        server.process.terminate()
        assert "Hidden1" not in "".join(server.process.communicate(timeout=30))


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGINT])
def test_flower_needs_only_the_broker_and_ends_without_an_error(
    line: CommandLine, ends: signal.Signals
) -> None:
    environment = {
        **line.environment, "WALLARM_NOTIFY_DATABASE_URL": "", "WALLARM_NOTIFY_SECRET_KEYS": "",
    }  # fmt: skip
    with served(environment, "flower", "--port=0") as server:
        assert server.ask("/workers", "localhost")[0] == 200
        server.process.send_signal(ends)
        output = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(output)


def test_flower_takes_its_own_options_from_the_command_line_and_the_environment(
    line: CommandLine,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**line.environment, "FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": "me:word"}
    with served(environment, "flower", "--url_prefix=below") as server:
        assert server.port == port
        assert server.ask("/below/healthcheck", "localhost")[0] == 200
        assert server.ask("/below/workers", "localhost")[0] == 401
        assert server.ask("/workers", "localhost")[0] == 404


def test_flower_gives_the_reason_in_a_sentence_where_it_does_not_start(line: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = line.process("flower", "--port", port)
    assert done.returncode == 1
    assert f"wallarm-notify: Cannot serve at 127.0.0.1, port {port}: " in done.stderr
    done = line.process("flower", WALLARM_NOTIFY_BROKER_URL="")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("wallarm-notify: WALLARM_NOTIFY_BROKER_URL is not set")
    done = line.process("flower", WALLARM_NOTIFY_HOSTS="localhost,http://monitor.example.com")
    assert done.stderr == (
        "wallarm-notify: WALLARM_NOTIFY_HOSTS: names no host in place 2; write names or addresses "
        "alone, as flower.example.com,10.0.0.7.\n"
    )

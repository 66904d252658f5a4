"""The Valkey that comes in a wheel is a real one, durable, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis
from chaos.killable import KillableBroker, is_alive

from devstack.families import children, client, family
from wallarm_notify.devstack import valkey
from wallarm_notify.devstack.processes import CannotStart
from wallarm_notify.devstack.valkey import EmbeddedBroker

if TYPE_CHECKING:
    from pathlib import Path


def test_the_broker_is_durable_and_leaves_nothing(temporary: Path) -> None:
    with EmbeddedBroker() as broker:
        processes = family(broker.pid)
        with client(broker.url) as opened:
            wanted = {
                "appendonly": "yes",
                "save": "",
                "maxmemory-policy": "noeviction",
                "bind": "127.0.0.1",
            }
            assert opened.config_get(*wanted) == wanted
    assert not any(map(is_alive, processes))
    assert not list(temporary.iterdir())


def test_a_killed_broker_comes_back_at_its_url_with_its_list(temporary: Path) -> None:
    with KillableBroker() as broker:
        url = broker.url
        with client(url) as opened:
            opened.rpush("queue", "first", "second")
        broker.kill()
        with client(url) as opened, pytest.raises(redis.ConnectionError):
            opened.ping()
        broker.start()
        assert broker.url == url
        with client(url) as opened:
            assert opened.lrange("queue", 0, -1) == ["first", "second"]
    assert not list(temporary.iterdir())


def test_the_broker_answers_only_with_its_password_which_no_other_account_can_see(
    temporary: Path,
) -> None:
    with EmbeddedBroker() as broker:
        where = urlsplit(broker.url)
        assert where.password
        for login in ("", ":guess@"):
            with (
                client(f"redis://{login}127.0.0.1:{where.port}/0") as stranger,
                pytest.raises(redis.AuthenticationError),
            ):
                stranger.ping()
        (server,) = family(broker.pid)
        visible = [*server.cmdline(), *server.environ().values()]
        assert not any(where.password in word for word in visible)
        held = [path.read_bytes() for path in temporary.rglob("*") if path.is_file()]
        assert held
        assert not any(where.password.encode() in content for content in held)
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700


def test_each_start_of_a_stopped_broker_has_another_password() -> None:
    broker = EmbeddedBroker()
    urls = set()
    for _ in range(2):
        with broker:
            urls.add(urlsplit(broker.url).password)
    assert len(urls) == 2


def test_the_broker_takes_settings() -> None:
    settings = {"appendonly": "no", "save": "3600 1", "maxmemory": "0"}
    with EmbeddedBroker(settings=settings) as broker, client(broker.url) as opened:
        assert opened.config_get(*settings) == settings


def test_a_setting_valkey_refuses_is_reported_with_its_words(temporary: Path) -> None:
    with (
        pytest.raises(CannotStart, match=r"(?s)no_such 1.*Bad directive"),
        EmbeddedBroker(settings={"no_such": "1"}),
    ):
        pytest.fail("it came up")
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_terminal_or_timeout_sends_to_everybody_does_not_end_the_broker(
    number: signal.Signals,
) -> None:
    with EmbeddedBroker() as broker, client(broker.url) as opened:
        os.kill(broker.pid, number)
        assert opened.ping()
        assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, ()), "we are told ours"
        assert opened.rpush("queue", "first") == 1


def test_a_port_that_is_taken_is_nobody_elses_broker(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(valkey, "some_ports", lambda: [port])
        before = children()
        with pytest.raises(CannotStart, match=str(port)), EmbeddedBroker():
            pytest.fail("it came up")
    assert children() == before
    assert not list(temporary.iterdir())


def test_a_broker_that_does_not_run_says_so() -> None:
    broker = KillableBroker()
    for ask in (lambda: broker.url, lambda: broker.pid, broker.kill):
        with pytest.raises(CannotStart, match="start it first"):
            ask()
    broker.stop()
    with broker:
        with pytest.raises(CannotStart, match="stop it first"):
            broker.start()
        with client(broker.url) as opened:
            assert opened.ping()

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa
from kombu.transport import redis as transport
from redis import Redis

from wallarm_notify.adapters.redis_channel import NotingChannel, install
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is not meant for servers of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> SandboxClient:
    return SandboxClient(sandbox.url)


@pytest.fixture
def redis(broker_url: str) -> Iterator[Redis]:
    """The broker, empty before and after."""
    with Redis.from_url(broker_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def our_channel(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are taken from Redis in our way, until the test is over."""
    monkeypatch.setattr(transport.Transport, "Channel", transport.Transport.Channel)
    monkeypatch.setattr(transport, "MultiChannelPoller", transport.MultiChannelPoller)
    monkeypatch.setattr(NotingChannel, "together", frozenset())
    install()


@pytest.fixture
def empty_database(database_server: str) -> Iterator[str]:
    """URL of a database without any table."""
    name = f"wallarm_notify_empty_{uuid4().hex}"
    engine = sa.create_engine(database_server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(database_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Serves one connection after the other with a function of its socket; returns the base URL."""
    listeners: list[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        answer(connection)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()

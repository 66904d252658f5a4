"""Rights that RabbitMQ takes from a running worker, and gives back: nothing is lost meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from build import an_event_object, eventually

from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.system import System

pytestmark = pytest.mark.servers

ALL: Final = (".*", ".*", ".*")
SHORTENED: Final[dict[str, Any]] = {
    "request_timeout": 2,
    "connect_timeout": 1,
    "lease_seconds": 7,
    "grace_seconds": 2,
    "sweep_seconds": 1,
}
NONE: Final = ("^$", "^$", "^$")


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


class User:
    """A user of a vhost of its own, in which others may do everything."""

    def __init__(self, server: RabbitMQ) -> None:
        self._server = server
        self.name = uuid4().hex
        server.control("add_vhost", self.name)
        server.control("add_user", self.name, "secret")
        server.control("set_permissions", "--vhost", self.name, "guest", *ALL)
        self.may(*ALL)

    @property
    def url(self) -> str:
        return f"amqp://{self.name}:secret@127.0.0.1:{urlsplit(self._server.url).port}/{self.name}"

    @property
    def url_of_another(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{urlsplit(self._server.url).port}/{self.name}"

    def may(self, *permissions: str) -> None:
        self._server.control("set_permissions", "--vhost", self.name, self.name, *permissions)

    def is_cut_off(self) -> None:
        self._server.control("close_all_connections", "--vhost", self.name, "rights were revoked")


@pytest.mark.parametrize(
    ("left", "is_cut_off"),
    [
        pytest.param(NONE, True, id="all, and the connections are closed"),
        pytest.param((".*", "^$", ".*"), False, id="writing, while connected"),
        # Without reading a connection reads on: RabbitMQ asks for the right when it begins.
        pytest.param((".*", ".*", "^$"), True, id="reading, and the connections are closed"),
    ],
)
def test_what_comes_while_rights_are_revoked_is_delivered_when_they_are_given_back(
    make_system: Callable[..., System],
    rabbitmq: RabbitMQ,
    left: tuple[str, str, str],
    is_cut_off: bool,
) -> None:
    user = User(rabbitmq)
    system = make_system(broker_url=user.url, retry_time_scale=0.01, **SHORTENED)
    system.integration()
    worker, beat = system.start_worker(), system.start_beat()
    beat.wait_for("Sending due task")
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 5}])
    user.may(*left)
    if is_cut_off:
        user.is_cut_off()
    with Producer(user.url_of_another) as producer:
        for _ in range(5):
            producer.emit(an_event_object(1))
    eventually(lambda: "ACCESS_REFUSED" in worker.text() + beat.text(), 60, "a refusal")
    user.may(*ALL)
    system.wait_for_states(60, delivered=5)
    for process in (worker, beat):
        assert process.popen.poll() is None
        assert "Traceback" not in process.text()

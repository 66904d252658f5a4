"""Redis behind Sentinel: a fail-over in the middle of everything, and what is refused at the start."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from build import an_event_object, eventually
from conftest import connected
from privileges import COMMANDS, OF_SENTINELS, under
from redis import Redis
from redis.exceptions import NoPermissionError
from sentinels import DEBIANS, MASTER_NAME, PASSWORD, SENTINEL_PASSWORD, Sentinels

from e2e.flower import Flower
from e2e.test_start import start
from wallarm_notify.producer import NotSent, Producer
from wallarm_notify.redis_options import RedisSetup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certificates import Authority

    from e2e.system import System

pytestmark = pytest.mark.faults

log = logging.getLogger(__name__)

SETUP = RedisSetup(MASTER_NAME, sentinel_password=SENTINEL_PASSWORD, wait_replicas=1)
PREFIX = "eu:"
ONE_ID = str(uuid4())
"""Of an event that may have to be emitted several times."""
ACKNOWLEDGED_BEFORE = 300
ACKNOWLEDGED_AFTER = 100
CLIENTS = range(1, 41)
PAUSE = 0.005


class Emitter:
    """Emits one event after the other in a thread, until it is stopped."""

    def __init__(self, url: str, setup: RedisSetup) -> None:
        self.acknowledged: set[UUID] = set()
        self.refused: set[UUID] = set()
        self.fault: BaseException | None = None
        self._stopped = threading.Event()
        self._url, self._setup = url, setup
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def await_acknowledged(self, number: int) -> None:
        eventually(
            lambda: self.fault or len(self.acknowledged) >= number, 60, "events acknowledged"
        )
        assert self.fault is None

    def _run(self) -> None:
        clients = itertools.cycle(CLIENTS)
        try:
            with Producer(self._url, redis=self._setup) as producer:
                while not self._stopped.is_set():
                    # Not as fast as it can: PagerDuty's rate limit plays no part in this.
                    self._stopped.wait(PAUSE)
                    try:
                        event = an_event_object(next(clients))
                        self.acknowledged.update(producer.emit(event))
                    except NotSent as error:
                        self.refused.update(UUID(event["id"]) for event in error.events)
        except BaseException as error:  # noqa: BLE001 - the test reports it
            self.fault = error


def stored(database_url: str) -> set[UUID]:
    with connected(database_url) as connection:
        return {
            UUID(str(id_)) for id_ in connection.execute(sa.text("SELECT id FROM events")).scalars()
        }


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Sentinels]:
    folder = tmp_path / "servers"
    folder.mkdir()
    with Sentinels(folder) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["killed", "hung"])
def test_what_was_acknowledged_under_wait_survives_the_loss_of_the_master(
    make_system: Callable[..., System],
    servers: Sentinels,
    database_url: str,
    way: str,
) -> None:
    system = make_system(
        **servers.settings_of_system,
        broker_wait_replicas=1,
        rate_limit_per_minute=0,
        sweep_seconds=1,
        visibility_timeout=5,
    )
    for client_id in CLIENTS:
        system.integration(client_id=client_id)
    workers = [system.start_worker(), system.start_worker()]
    beat = system.start_beat()
    beat.wait_for("beat: Starting...")
    former = servers.master()
    with Emitter(servers.url, SETUP) as emitter:
        emitter.await_acknowledged(ACKNOWLEDGED_BEFORE)
        with ExitStack() as until_it_is_back:
            if way == "killed":
                servers.kill(former)
                until_it_is_back.callback(servers.start, former)
            else:
                until_it_is_back.enter_context(servers.paused(former))
            servers.await_other_master(former)
            emitter.await_acknowledged(len(emitter.acknowledged) + ACKNOWLEDGED_AFTER)
        eventually(lambda: servers.is_replica(former), 60, "the former master as a replica")
        emitter.await_acknowledged(len(emitter.acknowledged) + ACKNOWLEDGED_AFTER)
    lost = eventually_nothing(lambda: emitter.acknowledged - stored(database_url))
    assert lost == set(), system.tails()
    arrived = emitter.refused & stored(database_url)
    # Those that were not acknowledged may have arrived, and are emitted again by whoever has them.
    log.info(
        "%d events acknowledged, all arrived; %d not acknowledged, of which %d arrived",
        *map(len, (emitter.acknowledged, emitter.refused, arrived)),
    )
    assert stored(database_url) == emitter.acknowledged | arrived
    system.wait_for_states(60, delivered=len(stored(database_url)))
    alerts = Counter(alert["dedup_key"] for alert in system.sandbox.alerts())
    assert set(alerts.values()) == {1}
    assert len(alerts) == len(system.sandbox.requests(brief=True)) == len(stored(database_url))
    assert [system.ended(), *(worker.stop() for worker in workers), beat.stop()] == [[], 0, 0, 0]
    assert "Traceback" not in "".join(process.text() for process in (*workers, beat))


def eventually_nothing(look: Callable[[], set[Any]]) -> set[Any]:
    """Return what is left of a set after a minute, if it does not become empty before."""
    left: set[Any] = set()

    def is_empty() -> bool:
        nonlocal left
        left = look()
        return not left

    try:
        eventually(is_empty, 60)
    except Exception:  # noqa: BLE001 - the caller says what is missing
        return left
    return left


def test_an_event_goes_its_whole_way_under_a_prefix_with_no_more_than_is_documented(
    make_system: Callable[..., System], servers: Sentinels
) -> None:
    for port in servers.ports:
        for command in COMMANDS:
            administrator: Any = servers.client(port)
            administrator.execute_command(*under(PREFIX, command).split(" "))
    for port in servers.sentinel_ports:
        asked: Any = servers.client(port, SENTINEL_PASSWORD)
        asked.execute_command(*OF_SENTINELS.split(" "))
    limited = {"sentinel_username": "notify", "sentinel_password": "SENTINEL_PASSWORD"}
    system = make_system(
        broker_url=servers.url_of("worker"),
        sentinel_master_name=MASTER_NAME,
        broker_key_prefix=PREFIX,
        broker_wait_replicas=2,
        sweep_seconds=1,
        retry_time_scale=0.002,
        **limited,
    )
    system.integration()
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 1}])
    flower = Flower(system, WALLARM_NOTIFY_BROKER_URL=servers.url_of("monitor"))
    flower.wait_until_up()
    worker = system.start_worker("-E")
    beat = system.start_beat()
    setup = RedisSetup(MASTER_NAME, **limited, key_prefix=PREFIX, wait_replicas=2)
    with Producer(servers.url_of("producer"), redis=setup) as producer:
        producer.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    worker.wait_for("Task upkeep.sweep")
    flower.wait_until_it_sees_workers()
    lengths = flower.ask("/api/queues/length")
    assert lengths is not None
    assert {"name": "events", "messages": 0} in lengths.json()["active_queues"]
    for path in (f"/worker/{worker.name}@devstack", "/broker", "/api/workers?refresh=1"):
        shown = flower.ask(path)
        assert shown is not None
        assert shown.status_code == 200
        assert "_PASSWORD" not in shown.text
    assert (worker.stop(), beat.stop()) == (0, 0)
    printed = "".join(process.text() for process in (worker, beat, flower.process))
    assert "_PASSWORD" not in printed
    assert " broker." not in printed
    asked_in_the_end = servers.client(servers.master())
    names = set(asked_in_the_end.scan_iter())
    assert names
    assert {name for name in names if not name.startswith(PREFIX)} == set()
    assert [entry["object"] for entry in asked_in_the_end.acl_log()] == []
    with (
        Redis.from_url(f"redis://worker:WORKER_PASSWORD@127.0.0.1:{servers.master()}/0") as client,
        pytest.raises(NoPermissionError),
    ):
        client.llen("events")
    with (
        Redis.from_url(
            f"redis://notify:SENTINEL_PASSWORD@127.0.0.1:{servers.sentinel_ports[0]}/0"
        ) as client,
        pytest.raises(NoPermissionError),
    ):
        client.execute_command("SENTINEL", "FAILOVER", MASTER_NAME)


def test_a_master_or_sentinels_that_cannot_be_worked_with_stop_the_start(
    system: System, servers: Sentinels
) -> None:
    environment = {**system.environment, **servers.environment}
    for name, value, words in (
        ("WALLARM_NOTIFY_SENTINEL_MASTER_NAME", "another", "knows a master «another» that is up"),
        ("WALLARM_NOTIFY_SENTINEL_PASSWORD", "wrong", "invalid username-password pair"),
        ("WALLARM_NOTIFY_SENTINEL_MASTER_NAME", "", "SENTINEL_MASTER_NAME is not set"),
    ):
        assert words in refusal("beat", environment | {name: value})
    for port in servers.ports:
        servers.client(port).config_set("min-replicas-to-write", 0)
    for program in ("worker -c 1", "beat"):
        line = refusal(program, environment)
        assert "takes writes without any replica" in line
        assert "set min-replicas-to-write 1" in line


def refusal(program: str, environment: dict[str, str]) -> str:
    """Return the one line with which ``program`` refuses to start."""
    status, output = start(program, environment)
    assert (status, "Traceback" in output) == (1, False), output
    assert PASSWORD not in output
    (line,) = (one for one in output.splitlines() if one.startswith("wallarm-notify: "))
    return line


@pytest.mark.servers
def test_over_tls_events_go_their_whole_way_before_and_after_a_fail_over(
    make_system: Callable[..., System], tmp_path: Path, authority: Authority
) -> None:
    assert DEBIANS, "redis-server has to be installed"
    folder = tmp_path / "servers"
    folder.mkdir()
    with Sentinels(folder, nodes=2, authority=authority) as servers:
        ca_file = str(authority.file)
        system = make_system(**servers.settings_of_system, ca_file=ca_file, visibility_timeout=5)
        system.integration()
        worker = system.start_worker()
        with Producer(servers.url, ca_file=ca_file, redis=SETUP) as producer:
            assert producer.emit(an_event_object())
            system.wait_for_states(60, delivered=1)
            former = servers.master()
            servers.fail_over()
            servers.await_other_master(former)
            eventually(lambda: is_sent(producer), 60, "an event")
        system.wait_for_states(60, delivered=2)
        assert worker.stop() == 0
        with Producer(servers.url, redis=SETUP) as stranger, pytest.raises(NotSent) as error:
            stranger.emit(an_event_object())
        assert "its certificate is not accepted" in str(error.value)


def is_sent(producer: Producer) -> bool:
    try:
        return bool(producer.emit(an_event_object(id=ONE_ID)))
    except NotSent:
        return False

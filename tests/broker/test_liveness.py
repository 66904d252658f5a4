"""The file by which a worker or beat shows that it lives is touched by its main loop, also while the broker is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from build import eventually
from chaos.killable import KillableBroker

from wallarm_notify.broker.liveness import EVERY, Liveness
from wallarm_notify.devstack.rabbitmq import RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.system import System


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_file_is_touched_once_in_its_interval(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "alive"
    shown = Liveness(str(path))
    shown.note()
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    clock[0] += EVERY - 0.1
    shown.note()
    assert not path.exists()
    clock[0] += 0.1
    shown.note()
    assert path.exists()


def test_an_old_file_becomes_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    path.touch()
    before = path.stat().st_mtime_ns
    Liveness(str(path)).note()
    assert path.stat().st_mtime_ns > before


def test_where_the_file_cannot_be_written_that_is_logged_once_and_nothing_is_kept_from_its_work(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "alive").symlink_to(tmp_path / "elsewhere")
    shown = Liveness(str(tmp_path / "alive"))
    for _ in range(3):
        shown.note()
        clock[0] += EVERY
    assert [record.message for record in caplog.records] == ["liveness.not_noted"]


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Liveness(None).note()
    assert not list(tmp_path.iterdir())


def test_each_try_of_a_connection_is_noted_and_what_it_was_to_call_is_called(
    tmp_path: Path, clock: list[float]
) -> None:
    path = tmp_path / "alive"
    called: list[Any] = []

    class Connection:
        def ensure_connection(self, errback: str, retries: None, callback: Any = None) -> str:
            for _ in range(2):
                path.unlink()
                clock[0] += EVERY
                callback()
                assert path.exists()
            return f"{errback} {retries}"

    connection = Connection()
    Liveness(str(path)).note_tries_of(connection)
    made = connection.ensure_connection("errback", None, callback=lambda: called.append(1))
    assert (made, len(called)) == ("errback None", 2)


@pytest.mark.timeout(400)
@pytest.mark.faults
def test_worker_and_beat_show_that_they_live_also_while_the_broker_is_away(
    make_system: Callable[..., System], tmp_path: Path
) -> None:
    with KillableBroker() as broker:
        system = make_system(broker_url=broker.url)
        files = {name: tmp_path / name for name in ("worker", "beat")}
        worker = {"WALLARM_NOTIFY_LIVENESS_FILE": str(files["worker"])}
        beat = {"WALLARM_NOTIFY_LIVENESS_FILE": str(files["beat"])}
        system.start_worker(name="worker", concurrency=1, **worker)
        system.start_beat(name="beat", **beat)

        def come_again() -> None:
            for name, path in files.items():
                eventually(path.exists, 60, f"{name} shows that it lives")
                path.unlink()
                eventually(path.exists, 60, f"{name} shows again that it lives")
                path.unlink()

        come_again()
        broker.kill()
        come_again()
        assert system.ended() == []
        broker.start()
        come_again()


@pytest.mark.timeout(300)
@pytest.mark.servers
def test_a_worker_on_rabbitmq_shows_that_it_lives_while_that_is_away(
    make_system: Callable[..., System], tmp_path: Path
) -> None:
    path = tmp_path / "worker"
    with RabbitMQ() as rabbitmq:
        system = make_system(broker_url=rabbitmq.url)
        system.start_worker(name="worker", concurrency=1, WALLARM_NOTIFY_LIVENESS_FILE=str(path))
        eventually(path.exists, 60, "the worker shows that it lives")
        rabbitmq.kill()
        path.unlink()
        eventually(path.exists, 60, "the worker shows that it lives without a broker")
        assert system.ended() == []

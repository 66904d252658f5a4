"""While a server is away a node says so once, then once each 30 s, and how often it was silent."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
import redis
from amqp.exceptions import RecoverableConnectionError
from celery.app.trace import LOG_RECEIVED, LOG_SUCCESS
from celery.beat import SchedulingError
from celery.exceptions import Reject
from celery.worker.consumer import consumer
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import OperationalError

from wallarm_notify.domain.errors import with_errno
from wallarm_notify.logs import LineFormatter
from wallarm_notify.repeated_lines import _SLOT, EVERY, RepetitionFilter

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = "The database does not answer (… failed: Connection refused); check that it runs."
REFUSED = redis.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused.")
CONNECTION_ERROR = consumer.CONNECTION_ERROR  # type: ignore[attr-defined]  # its types lack it
CONNECTION_RETRY = consumer.CONNECTION_RETRY  # type: ignore[attr-defined]  # likewise
CONSUMER = "celery.worker.consumer.consumer"
URL = "redis://:**@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _quiet_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker at INFO has it."""
    for name in ("wallarm_notify", "tasks", "celery"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)
        logging.getLogger(name).manager._clear_cache()  # type: ignore[attr-defined]  # its types lack it


class Log:
    """What is written of the records that are logged, by a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.filter = RepetitionFilter(lambda: self.now)

    def say(
        self,
        name: str,
        level: int,
        message: str,
        *args: Any,
        error: BaseException | None = None,
    ) -> str | None:
        exc_info = None if error is None else (type(error), error, error.__traceback__)
        record = logging.LogRecord(name, level, "", 0, message, args, exc_info)
        return self._write(record)

    def say_ours(self, event: str, error: str = AWAY, **extra: Any) -> str | None:
        record = logging.LogRecord("tasks.upkeep", logging.WARNING, "", 0, event, (), None)
        vars(record).update({"error": error, **extra})
        return self._write(record)

    def received(self, task: str) -> str | None:
        return self.say(
            "celery.worker.strategy", logging.INFO, LOG_RECEIVED, {"name": task, "id": "1"}
        )

    def succeeded(self, task: str, result: str) -> str | None:
        context = {"name": task, "id": "1", "runtime": 0.1, "return_value": result}
        return self.say("celery.app.trace", logging.INFO, LOG_SUCCESS, context)

    def _write(self, record: logging.LogRecord) -> str | None:
        written = self.filter.written(record)
        return None if written is None else LineFormatter("w@test").format(written)

    def cannot_connect(self, number: int = 1) -> str | None:
        step = f"Trying again in {number}.00 seconds... ({number}/None)"
        return self.say(CONSUMER, logging.ERROR, CONNECTION_ERROR, URL, REFUSED, step)


@pytest.fixture
def log() -> Log:
    return Log()


def logged_each_second(log: Log, say: Callable[[int], str | None], seconds: int) -> list[str]:
    lines = []
    for second in range(seconds):
        log.now += 1
        if (line := say(second)) is not None:
            lines.append(line)
    return lines


EVENTS = ["sweep.not_now", "prune.not_now", "delivery.not_claimed", "recorder.waits_for_database"]


def test_a_database_that_is_away_is_one_line_each_30_s_whoever_says_it(log: Log) -> None:
    lines = logged_each_second(log, lambda n: log.say_ours(EVENTS[n % 4]), 95)
    assert len(lines) == 4
    assert "left_out" not in lines[0]
    assert all("left_out=29" in line for line in lines[1:])


def test_waiting_events_are_logged_even_after_tasks_logged_that_the_database_is_away(
    log: Log,
) -> None:
    assert log.say_ours("sweep.not_now")
    assert log.say_ours("ingest.waits_for_database")
    assert log.say_ours("ingest.waits_for_database") is None
    log.now += EVERY
    assert log.say_ours("ingest.handed_back")
    assert log.say_ours("sweep.not_now") is None, "the other line implies it"


def test_a_broker_that_is_away_is_one_line_each_30_s_without_tracebacks(log: Log) -> None:
    first = log.say(CONSUMER, logging.WARNING, CONNECTION_RETRY, error=REFUSED)
    assert first is not None
    assert "Connection to broker lost" in first
    assert "Error 111 connecting" in first
    lines = logged_each_second(log, log.cannot_connect, 61)
    assert len(lines) == 2
    assert all(len(line.splitlines()) == 1 and "left_out=29" in line for line in lines)
    assert r"\n" not in "".join(lines)


def test_beat_without_a_broker_is_one_line_without_its_stack(log: Log) -> None:
    def say(_: int) -> str | None:
        failed = SchedulingError("Couldn't apply scheduled task sweep: Error 111 …")
        failed.__context__ = OperationalError("Error 111 …")
        args = (failed, ["  File x, line 1"])
        return log.say("celery.beat", logging.ERROR, "Message Error: %s\n%s", *args, error=failed)

    lines = logged_each_second(log, say, 40)
    assert len(lines) == 2
    assert lines[0].endswith("Couldn't apply scheduled task sweep: Error 111 … node=w@test")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        TimeoutError("timed out"),
        redis.TimeoutError("Timeout reading from socket"),
        RecoverableConnectionError("Socket was disconnected"),
    ],
)
def test_whatever_a_connection_is_lost_by_is_the_same_fact(log: Log, error: Exception) -> None:
    assert log.cannot_connect()
    assert log.say(CONSUMER, logging.WARNING, CONNECTION_RETRY, error=error) is None


def test_a_fault_of_beat_keeps_its_traceback_and_is_logged_each_time(log: Log) -> None:
    failed = SchedulingError("Couldn't apply scheduled task sweep: 'NoneType' …")
    failed.__context__ = TypeError("'NoneType' …")
    for _ in range(2):
        line = log.say(
            "celery.beat", logging.ERROR, "Message Error: %s\n%s", failed, [], error=failed
        )
        assert line is not None
        assert "SchedulingError" in line


def test_what_a_server_answers_is_a_fact_of_its_own(log: Log) -> None:
    answers = (
        redis.exceptions.NoPermissionError("User worker has no permissions to run 'eval'"),
        redis.exceptions.ReadOnlyError("READONLY You can't write against a read only replica."),
        redis.exceptions.AuthenticationError("invalid username-password pair"),
        redis.exceptions.AuthenticationError("Authentication required."),
    )
    assert log.cannot_connect()
    for answer in answers:
        assert log.say(CONSUMER, logging.WARNING, CONNECTION_RETRY, error=answer)
        assert log.say(CONSUMER, logging.WARNING, CONNECTION_RETRY, error=answer) is None
    assert log.say_ours("sweep.not_now")
    for text in (
        'FATAL: password authentication failed for user "x"',
        "The database has not been migrated",
        "The database refuses the data: value too long",
    ):
        assert log.say_ours("sweep.not_now", text)
        assert log.say_ours("sweep.not_now", text) is None
        assert log.say_ours("delivery.not_claimed", text), (
            "nor does this say what the other waits for"
        )


@pytest.mark.parametrize(
    "going",
    [
        "The database could not do it now: terminating connection due to administrator command",
        "The database does not answer (FATAL:  the database system is starting up)",
        "The database does not answer (server closed the connection unexpectedly)",
    ],
)
def test_a_server_that_comes_or_goes_is_away(log: Log, going: str) -> None:
    assert log.say_ours("sweep.not_now")
    assert log.say_ours("sweep.not_now", going) is None


def test_other_events_and_tasks_own_errors_are_logged_each_time(log: Log) -> None:
    for _ in range(3):
        assert log.say_ours("integration.slow", "x", integrations=[3])
        assert log.say_ours("review.left_to_sweep", AWAY, integration=7)
        assert log.say("tasks.routing", logging.ERROR, "ingest.fault", error=ValueError("x"))
        assert log.say("celery.app.trace", logging.ERROR, "Task %s failed", "x", error=REFUSED)
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        line = log.say("celery.worker.state", logging.ERROR, "not written", error=full)
        assert "[Errno 28] No space left on device" in (line or "")
        gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/gone/state.db")
        assert log.say("celery.worker.state", logging.ERROR, "not written", error=gone)
        assert log.say("urllib3.connectionpool", logging.WARNING, "x", error=REFUSED)


def test_an_event_that_was_handed_back_is_one_line_without_a_traceback(log: Log) -> None:
    context = {"name": "events.ingest", "id": "1", "exc": AWAY}
    rejected = Reject(AWAY, requeue=True)
    line = log.say(
        "celery.app.trace", logging.WARNING, "Task %(name)s %(exc)s", context, error=rejected
    )
    assert line is not None
    assert len(line.splitlines()) == 1
    assert (
        log.say("celery.app.trace", logging.WARNING, "Task %(name)s", context, error=rejected)
        is None
    )
    assert log.received("events.ingest") is None, "the same ones come again and again"
    log.now += EVERY
    assert log.received("events.ingest")


def test_runs_of_upkeep_are_logged_once_and_what_they_did_each_time(log: Log) -> None:
    def sends() -> str | None:
        return log.say(
            "celery.beat", logging.INFO, "Scheduler: Sending due task %s (%s)", "sweep", "x"
        )

    assert (sends(), sends()) != (None, None)
    assert sends() is None
    assert log.received("upkeep.prune") is None
    assert log.received("upkeep.sweep")
    log.now += 3600
    assert log.received("upkeep.sweep") is None
    for nothing in ("'0 notifications published, 0 cancelled'", "'another run was there first'"):
        assert log.succeeded("upkeep.sweep", nothing) is None
    assert log.succeeded("upkeep.sweep", f"'not now: {AWAY}'") is None
    assert log.succeeded("notifications.deliver", f"'not now: {AWAY}'") is None
    for done in (
        "'3 notifications published, 0 cancelled'",
        "'0 integrations disabled, 10 warnings'",
    ):
        assert log.succeeded("upkeep.sweep", done)
        assert log.succeeded("upkeep.sweep", done)
    assert log.received("events.ingest")
    assert log.received("events.ingest")


def test_a_connection_is_logged_after_each_loss(log: Log) -> None:
    def connects() -> str | None:
        return log.say("celery.worker.consumer.connection", logging.INFO, "Connected to %s", URL)

    assert connects()
    log.now += 1
    assert log.cannot_connect()
    log.now += 1
    assert connects()
    log.now += 1
    assert connects() is None, "a loop of connecting and being refused"


def test_at_debug_everything_is_logged(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tasks", "celery"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    logging.getLogger("celery").manager._clear_cache()  # type: ignore[attr-defined]  # its types lack it
    assert log.say_ours("sweep.not_now")
    assert log.say_ours("sweep.not_now")
    assert log.received("upkeep.prune")


def test_forked_processes_know_what_was_logged(log: Log) -> None:
    assert log.say_ours("sweep.not_now")
    child = os.fork()
    if child == 0:
        os._exit(0 if log.say_ours("sweep.not_now") is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    log.now += EVERY
    assert "left_out=1" in (log.say_ours("sweep.not_now") or "")


def test_a_place_that_another_process_takes_at_the_same_moment_hides_no_fact(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = log.filter._last_logged
    found = memory._place

    def taken(key: str) -> int | None:
        place = found(key)
        assert place is not None
        _SLOT.pack_into(memory._memory, place, 1, 0, log.now)
        return place

    monkeypatch.setattr(memory, "_place", taken)
    assert log.say_ours("sweep.not_now")


def test_a_time_to_come_that_a_killed_process_left_hides_no_fact(log: Log) -> None:
    log.now += 50_000
    assert log.say_ours("sweep.not_now")
    log.now -= 50_000
    assert log.say_ours("sweep.not_now")


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), max_size=300))
def test_no_text_breaks_it_nor_is_another_ones_fact(texts: list[str]) -> None:
    log = Log()
    for text in texts:
        log.say_ours("sweep.not_now", f"FATAL {text}")
    assert log.say_ours("sweep.not_now", "FATAL not said before")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("failed: Connection refused", "failed: [Errno 111] Connection refused"),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
        (
            "could not write: No space left on device",
            "could not write: [Errno 28] No space left on device",
        ),
        ("(104, 'Connection reset by peer')", "(104, '[Errno 104] Connection reset by peer')"),
        ("Connection refusedly", "Connection refusedly"),
        ("", ""),
    ],
)
def test_errors_of_the_operating_system_have_their_numbers(text: str, shown: str) -> None:
    assert with_errno(text) == shown
    assert with_errno(with_errno(text)) == shown


def test_each_line_names_its_node_and_warnings_the_numbers_of_errors(log: Log) -> None:
    line = log.say_ours("sweep.not_now")
    assert line is not None
    assert line.endswith(" node=w@test")
    assert f"[Errno {errno.ECONNREFUSED}] Connection refused" in line
    assert (log.received("events.ingest") or "").endswith(" node=w@test")


@pytest.mark.parametrize(
    "line",
    [
        "Temporarily reducing the prefetch count to 1 to avoid over-fetching since 1 tasks are",
        "Resuming normal operations following a restart.\nPrefetch count has been restored",
    ],
)
def test_that_celery_takes_fewer_for_a_while_is_no_line_of_its_own(line: str) -> None:
    log = Log()
    assert log.say(CONSUMER, logging.INFO, line) is None
    assert log.say(CONSUMER, logging.INFO, "Something else") is not None

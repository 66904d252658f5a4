"""Programs that cannot work do not start: they end with one clear sentence and exit status 1."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
import redis
from build import eventually
from sqlalchemy import NullPool, create_engine, make_url, text

from wallarm_notify.devstack.processes import celery, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.system import System


COMMAND = Path(sys.executable).with_name("wallarm-notify")


def start(program: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a program that must not start; return its exit status and output.

    It is Celery's unless it begins with ``wallarm-notify``.
    """
    words = program.split()
    ours = words[0] == COMMAND.name
    done = run([COMMAND, *words[1:]] if ours else celery(*words), {**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "setting", "value", "sentence"),
    [
        ("worker", "DATABASE_URL", "", "WALLARM_NOTIFY_DATABASE_URL is not set"),
        ("worker", "SECRET_KEYS", "", "WALLARM_NOTIFY_SECRET_KEYS is not set"),
        *(
            (program, *wrong)
            for program in ("worker", "beat")
            for wrong in (
                ("BROKER_URL", "", "WALLARM_NOTIFY_BROKER_URL is not set"),
                ("LEASE_SECONDS", "3", "WALLARM_NOTIFY_LEASE_SECONDS (3) must be at least"),
                ("BROKER_URL", "redis://user:hidden@127.0.0.1:1/0", "does not answer"),
            )
        ),
    ],
)
def test_a_wrong_setting_stops_the_start(
    system: System, program: str, setting: str, value: str, sentence: str
) -> None:
    status, output = start(program, {**system.environment, "WALLARM_NOTIFY_" + setting: value})
    assert (status, sentence in output, "Traceback" in output) == (1, True, False), output
    assert "hidden" not in output


def test_beat_needs_nothing_but_the_broker(system: System) -> None:
    system.environment = {"WALLARM_NOTIFY_BROKER_URL": system.broker_url}
    beat = system.start_beat()
    try:
        eventually(lambda: system.queue_length("upkeep") >= 2, 60, "upkeep tasks in the broker")
    finally:
        assert beat.stop() == 0, beat.text()


def test_a_worker_does_not_start_without_its_database(system: System) -> None:
    status, output = start(
        "worker",
        {
            **system.environment,
            "WALLARM_NOTIFY_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/notify",
        },
    )
    assert (status, "The database does not answer" in output, "Traceback" in output) == (
        1,
        True,
        False,
    )
    assert "hidden" not in output


def test_a_worker_does_not_start_on_a_database_that_is_not_migrated(
    system: System, database_server: str
) -> None:
    engine = create_engine(database_server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"wallarm_notify_empty_{uuid4().hex}"
    empty = make_url(database_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            status, output = start(
                "worker", {**system.environment, "WALLARM_NOTIFY_DATABASE_URL": empty}
            )
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    assert (status, "run: wallarm-notify db upgrade" in output) == (1, True), output
    assert "Traceback" not in output


def test_an_unknown_setting_is_warned_of_with_the_nearest_name(system: System) -> None:
    _, output = start(
        "worker",
        {
            **system.environment,
            "WALLARM_NOTIFY_DATBASE_URL": "x",
            "WALLARM_NOTIFY_DATABASE_URL": "",
        },
    )
    assert "did you mean WALLARM_NOTIFY_DATABASE_URL?" in output


SECRET = "hunter2"

BROKER_URL = "WALLARM_NOTIFY_BROKER_URL"
WITH_A_SLASH = (BROKER_URL, f"redis://:{SECRET}/x@127.0.0.1:6379/0")
EMIT = "wallarm-notify events emit pyproject.toml"


@pytest.mark.parametrize(
    ("program", "setting", "value"),
    [
        ("worker", *WITH_A_SLASH),
        ("beat", *WITH_A_SLASH),
        ("flower --port=0", *WITH_A_SLASH),
        ("status", *WITH_A_SLASH),
        ("inspect ping", *WITH_A_SLASH),
        (EMIT, *WITH_A_SLASH),
        ("wallarm-notify db upgrade", *WITH_A_SLASH),
        ("worker", BROKER_URL, f"redis://127.0.0.1:6379/0?password={SECRET}"),
        ("flower --port=0", BROKER_URL, f"redis+socket:///run/r.sock?password={SECRET}"),
        (EMIT, BROKER_URL, f"redis://:{SECRET}#x@127.0.0.1:6379/0"),
        ("worker", "WALLARM_NOTIFY_DATABASE_URL", f"postgresql://u:{SECRET}/x@127.0.0.1/notify"),
        ("worker", "https_proxy", f"http://u:{SECRET}/x@127.0.0.1:3128"),
        ("worker", "CELERY_BROKER_URL", f"redis://:{SECRET}@127.0.0.1:1/0"),
    ],
)
def test_a_url_that_is_refused_is_named_and_not_repeated(
    system: System, program: str, setting: str, value: str
) -> None:
    status, output = start(program, {**system.environment, setting: value})
    assert (status, SECRET in output, "Traceback" in output) == (1, False, False), output
    (line,) = output.splitlines()
    assert line.startswith(f"wallarm-notify: {setting}: "), output


def test_celerys_option_for_a_broker_is_refused(system: System) -> None:
    status, output = start(f"-b redis://:{SECRET}/x@127.0.0.1:1/0 status", system.environment)
    assert (status, SECRET in output, "Traceback" in output) == (1, False, False), output
    assert "or its option -b" in output


def test_an_escaped_password_is_used_and_shown_nowhere(system: System, broker: str) -> None:
    user, password = f"user-{uuid4().hex}", f"a/#?@;%{SECRET}"
    parts = urlsplit(broker)
    host = parts.netloc.rpartition("@")[2]
    url = parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()
    with redis.Redis.from_url(broker) as client:
        client.execute_command("ACL", "SETUSER", user, "on", f">{password}", "~*", "&*", "+@all")
        try:
            worker = system.start_worker(WALLARM_NOTIFY_BROKER_URL=url)
            worker.stop()
        finally:
            client.execute_command("ACL", "DELUSER", user)
    assert f"transport:   redis://{user}:**@" in worker.text()
    assert SECRET not in worker.text()

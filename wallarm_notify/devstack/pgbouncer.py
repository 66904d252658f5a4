"""A PgBouncer from Debian's package before an embedded PostgreSQL, pooling by transaction."""

import os
import pwd
import shutil
import socket
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Self

from sqlalchemy import make_url

from wallarm_notify.devstack.processes import CannotStart, Process, wait_until
from wallarm_notify.devstack.server import free_port

SERVER: Final = Path("/usr/sbin/pgbouncer")

_INI: Final = """\
[databases]
* = host={host} port={server_port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {pool_size}
max_client_conn = 1000
"""


class PgBouncer:
    """A PgBouncer that hands out ``pool_size`` connections to the server at ``url``, as installed otherwise."""

    def __init__(self, url: str, *, pool_size: int = 20, pool_mode: str = "transaction") -> None:
        if not SERVER.exists():
            raise CannotStart("PgBouncer is needed: apt-get install pgbouncer")
        self._target = make_url(url)
        self._pool = {"pool_size": pool_size, "pool_mode": pool_mode}
        self._folder = Path(mkdtemp(prefix="wallarm-notify-pgbouncer-"))
        self._port = free_port()
        # It refuses to run as root.
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._running: Process | None = None

    @property
    def url(self) -> str:
        """The URL of the same database through the pooler."""
        url = self._target.set(host="127.0.0.1", port=self._port, query={})
        return url.render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        settings = self._folder / "pgbouncer.ini"
        query = self._target.query
        settings.write_text(
            _INI.format(
                host=query["host"], server_port=query["port"], port=self._port, **self._pool
            )
        )
        if self._account is not None:
            self._folder.chmod(0o755)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self) -> None:
        """End as in a crash, and start again."""
        self._kill()
        self._start()

    def _start(self) -> None:
        command = [str(SERVER), str(self._folder / "pgbouncer.ini")]
        self._running = Process(
            command, self._folder / "log", folder=self._folder, account=self._account
        )
        wait_until(self._answers, 60, "PgBouncer answered")

    def _kill(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running = None

    def _answers(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", self._port)) == 0
